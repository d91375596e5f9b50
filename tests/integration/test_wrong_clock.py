"""A chain whose headers tell a wrong time: no payment is called dead by it (X3, X13)."""

import pytest
from support.house import POLICY, reconcile, rpc, served_house, wait_for

pytestmark = pytest.mark.timeout(180)

SLOW = POLICY.partition("sessions:")[0] + (
    "sessions:\n  pocket: {account: treasury, lifetime: 60s}\n"
    "schedules:\n"
    "  alice: {session: pocket, every: 5s, pay: {alice: 1.5 usdc}, run_deadline: 30s,"
    " catch_up_window: 10m}\n"
)


@pytest.fixture
def served(tmp_path):
    with served_house(tmp_path, policy=SLOW) as opened:
        yield opened


def told(house, event):
    return [one for one in house.events() if one["event"] == event]


def states(house):
    return {row["state"] for row in house.json("runs", "list")}


def payments(url):
    return [op for op in rpc(url, "sandbox_getOps") if op["calls"]]


@pytest.mark.parametrize("reorged", [False, True])
def test_x3_an_end_that_only_headers_tell_proves_nothing(served, reorged):
    """
    Signed and pending, and the headers jump beyond the grant's end: the operation is as good as
    before, so that another attempt would be a second payment.
    """
    house, url = served
    daemon = house.start("up")
    wait_for(lambda: told(house, "grant.active"), what="a grant")
    rpc(url, "sandbox_setFault", {"kind": "never_include"})
    wait_for(lambda: states(house) & {"sent", "unknown"}, what="a payment under way")
    if reorged:
        rpc(url, "sandbox_setFault", {"kind": "reorg", "depth": 2})
    rpc(url, "sandbox_setFault", {"kind": "clock_skew", "seconds": 100})
    with pytest.raises(AssertionError, match="waited"):
        wait_for(lambda: told(house, "run.not_included"), seconds=9)
    rpc(url, "sandbox_clearFaults", {})
    wait_for(lambda: payments(url), what="the payment")
    daemon.terminate()
    assert daemon.wait(timeout=70) == 0, house.logs()

    slots = [row["due_at"] for row in house.json("runs", "list") if row["state"] == "success"]
    assert len(slots) == len(set(slots))
    assert reconcile(house, url)["open"] == 0
