"""
A month's coming slots are those of the timetable, listed or counted by the day.

Source: DESIGN §13.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.policy.parse import load_policies
from runner.reporting.calendar import coming
from runner.scheduling.cron import check_cron
from runner.scheduling.lookup import slots_between
from runner.scheduling.triggers import timetable

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
TRIGGERS = [
    'cron: "0 9 1 * *", timezone: Europe/Berlin',
    'cron: "30 2 * * *", timezone: Europe/Berlin',
    'cron: "*/20 * * * *", timezone: America/New_York',
    'cron: "* 8-9 L * *", timezone: Asia/Kolkata',
    "every: 25m, start_at: 2026-01-01T00:00Z",
    "every: 26h, start_at: 2026-10-01T00:00Z, jitter: 30m",
    "at: 2026-10-25T01:30Z",
]
ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def specs(tmp_path_factory):
    file = tmp_path_factory.mktemp("policy") / "p.yaml"
    rows = "".join(
        f"  s{n}: {{session: key, {one}, pay: {{alice: 1 usdc}}}}\n"
        for n, one in enumerate(TRIGGERS)
    )
    file.write_text(
        "version: 1\nname: p\nchain: base-sepolia\nwallet: sandbox\n"
        "tokens: {usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}}\n"
        "contacts: {alice: 0x00000000000000000000000000000000000a11ce}\n"
        "accounts: {treasury: {owner: owner, gas: sponsor}}\n"
        "sessions: {key: {account: treasury, lifetime: 45d}}\n"
        f"schedules:\n{rows}"
    )
    (policy,) = load_policies([file], environment={}, check_cron=check_cron)
    return list(policy.schedules.values())


@settings(deadline=None, max_examples=60)
@given(
    number=st.integers(0, len(TRIGGERS) - 1), hour=st.integers(0, 24 * 60), days=st.integers(1, 40)
)
def test_the_marks_of_a_stretch_are_its_slots(specs, number, hour, days):
    """
    Over the changes of clocks too: each slot once, on the day that its own wall clock shows; where
    a day has more than 24, one mark counts them and names the first.
    """
    spec = specs[number]
    begin = datetime(2026, 9, 1, tzinfo=UTC) + hour * HOUR
    end = begin + days * DAY
    table = timetable(spec, anchor=ANCHOR)
    fires = [one for one in slots_between(table, begin, end) if one.verdict is None]
    by_day = Counter(datetime.fromisoformat(one.local).date() for one in fires)

    marks = list(coming(spec, ANCHOR, begin, end))

    counted: Counter[object] = Counter()
    for one in marks:
        counted[one.day] += one.count
    assert counted == by_day
    assert all((one.count > 1) is (by_day[one.day] > 24) for one in marks)
    assert {one.due_at for one in marks} <= {one.due_at for one in fires}
    listed = [one.due_at for one in fires if by_day[datetime.fromisoformat(one.local).date()] <= 24]
    assert [one.due_at for one in marks if one.count == 1] == listed
