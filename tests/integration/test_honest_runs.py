"""
Zero false refusals: whatever is asked, the sandbox's honest answer is approved.

RUNNER_TEST_HONEST_RUNS says how many runs; `make guard-honest` does ten thousand.
"""

import os

import pytest
from support.honest import Honest

RUNS = int(os.environ.get("RUNNER_TEST_HONEST_RUNS", "60"))
_A_SANDBOX = 200
"""Runs before a new sandbox: its state grows with them."""


@pytest.mark.parametrize("seed", range(-(-RUNS // _A_SANDBOX)))
def test_no_honest_answer_is_refused(seed):
    """
    Random permissions, batches, values, chains, fees, salts, lanes; sponsored and not; grants,
    activations, payments, burns and uninstalls.
    """
    world = Honest(seed)
    runs = min(_A_SANDBOX, RUNS - seed * _A_SANDBOX)
    try:
        for _ in range(runs):
            world.run()
    finally:
        world.close()

    assert world.tally.refused == []
    assert world.tally.judged > 3 * runs
    assert world.tally.unanswered < world.tally.judged / 10
