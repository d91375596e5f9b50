"""Late signals with the real daemon: once for each breach, and taken back (M11)."""

import pytest
from support.house import POLICY, House, rpc, sandbox_on, wait_for

pytestmark = pytest.mark.timeout(120)

SCHEDULES = """\
schedules:
  asks:
    session: pocket
    every: 30s
    pay: {alice: 1 usdc}
    approve_above: 1 usdc
    approval_lead: 1s
    late_after: 3s
    max_runtime: 4s
    max_time_since_success: 5s
"""


def told(house, event, signal):
    return [e for e in house.events() if e["event"] == event and e["signal"] == signal]


def test_m11_a_payment_that_waits_is_told_once_by_each_signal_and_cleared(tmp_path):
    """
    Unpaid since it was applied, late, and open for long; once it is approved all three are over.
    """
    policy = POLICY.partition("schedules:")[0].replace("45s", "10m") + SCHEDULES
    house = House(tmp_path, policy=policy)
    signals = ("late_after", "max_runtime", "max_time_since_success")
    try:
        daemon = house.start("up", "--for", "80s")
        for signal in signals:
            wait_for(lambda s=signal: told(house, "schedule.overdue", s), seconds=60, what=signal)
        (run,) = [r for r in house.json("runs", "list") if r["state"] == "held"]
        house.run("runs", "approve", run["id"], "--reason", "late", "--yes")
        for signal in signals:
            wait_for(lambda s=signal: told(house, "schedule.in_time", s), what=signal)
        counts = {signal: len(told(house, "schedule.overdue", signal)) for signal in signals}
        daemon.terminate()
        assert daemon.wait(timeout=60) == 0, house.logs()

        assert counts == dict.fromkeys(signals, 1)
        operations = rpc(sandbox_on(house, ".runner/sandbox.json"), "sandbox_getOps")
        assert len([op for op in operations if op["calls"]]) == 1
    finally:
        house.stop()
