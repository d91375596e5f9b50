"""`catch_up: all` after an outage: everything is paid, in order, at its pace."""

import sqlite3
import time
from itertools import pairwise

import pytest
from support.house import POLICY, House, reconcile, sandbox_on

pytestmark = pytest.mark.timeout(180)

SCHEDULE = """\
schedules:
  late:
    session: pocket
    every: 4s
    pay: {alice: 1 usdc}
    start_grace: 1s
    catch_up: all
    catch_up_window: 10m
    catch_up_rate: 20/m
"""
SECOND = 1_000_000  # the ledger counts microseconds
GRACE, APART, DEADLINE = 1 * SECOND, 3 * SECOND, int(4.5 * SECOND)


@pytest.fixture
def house(tmp_path):
    opened = House(tmp_path, policy=POLICY.partition("schedules:")[0] + SCHEDULE)
    yield opened
    opened.stop()


def test_m5_all_late_slots_are_paid_oldest_first_at_their_pace(house):
    """
    Slots that fall due meanwhile stand in line: none is skipped, none is paid out of order.
    """
    daemon = house.start("up", "--for", "7s")
    assert daemon.wait(timeout=60) == 0, house.logs()
    time.sleep(15)
    daemon = house.start("up", "--for", "34s")
    assert daemon.wait(timeout=90) == 0, house.logs()

    with sqlite3.connect(house.folder / ".runner" / "ledger.db") as connection:
        runs = connection.execute(
            "SELECT due_at, deadline_at, state, reason FROM runs WHERE kind = 'payment' "
            "ORDER BY due_at"
        ).fetchall()
    begun = [(due, deadline - DEADLINE) for due, deadline, state, _ in runs if state == "success"]
    waiting = [due for due, _, state, reason in runs if (state, reason) == ("held", "overlap")]
    late = [begin for due, begin in begun if begin - due > GRACE]
    paces = [after - before for (_, before), (due, after) in pairwise(begun) if after - due > GRACE]
    reconcile(house, sandbox_on(house, ".runner/sandbox.json"))

    assert len(late) >= 6
    assert len(begun) + len(waiting) == len(runs)
    assert {after[0] - before[0] for before, after in pairwise(runs)} == {4 * SECOND}
    assert [begin for _, begin in begun] == sorted(begin for _, begin in begun)
    assert min(paces) >= APART
    assert all(due > begun[-1][0] for due in waiting)
