"""max_exposure with the real daemon: what all grants may hold together (R14)."""

from datetime import datetime

import pytest
from support.house import POLICY, House, reconcile, sandbox_on

pytestmark = pytest.mark.timeout(180)

HEAD = POLICY.partition("sessions:")[0]
USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
TRANSFER = '"transfer(address,uint256)"'
REST = """\
sessions:
  pocket:
    account: treasury
    lifetime: 20s
    permissions: [erc20-token-transfer: 20 usdc, gas-limit: 0 native]
    max_exposure: 25 usdc
schedules:
  alice: {session: pocket, every: 2s, pay: {alice: 0.25 usdc}}
"""


def test_r13_r14_a_written_bound_is_kept_by_taking_the_old_grant_off(tmp_path):
    """
    The next grant waits while the one in its way still pays, and a person is told. Where payments
    would stop, the old one is taken off the account first; they go on under the new one.
    """
    house = House(tmp_path, policy=HEAD + REST)
    try:
        daemon = house.start("up", "--for", "34s")
        assert daemon.wait(timeout=90) == 0, house.logs()

        grants = house.json("grants", "list")
        rows = house.json("runs", "list")
        first, second = (next(g for g in grants if g["generation"] == number) for number in (1, 2))
        blocked = [e for e in house.events() if e["event"] == "grant.blocked"]
        due = [row["due_at"] for row in rows if row["state"] == "success"]
        reconcile(house, sandbox_on(house, ".runner/sandbox.json"))

        assert first["state"] == "revoked"
        assert moment(first["closed_at"]) <= moment(second["requested_at"])
        assert moment(second["requested_at"]) < moment(first["expires_at"])
        assert [event["level"] for event in blocked[:2]] == ["warning", "critical"]
        assert any(moment(one) > moment(second["activated_at"]) for one in due)
    finally:
        house.stop()


def moment(text):
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("permissions", "words"),
    [
        ("[erc20-token-transfer: 26 usdc, gas-limit: 0 native]", "more than the 25 usdc"),
        (f"[functions-on-contract: {{contract: {USDC}, functions: [{TRANSFER}]}}]", "be kept"),
    ],
)
def test_r14_a_bound_that_cannot_hold_is_refused(tmp_path, permissions, words):
    """
    Of one grant that alone exceeds it, or whose permissions do not limit the token.
    """
    text = REST.replace("[erc20-token-transfer: 20 usdc, gas-limit: 0 native]", permissions)
    house = House(tmp_path, policy=HEAD + text)

    answer = house.run("up", "--for", "3s")

    assert answer.returncode == 2
    assert words in answer.stderr
    assert "policies/demo.yaml:" in answer.stderr
