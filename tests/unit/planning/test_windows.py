"""R25: schedules that fall due together are added up together, however many they are."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.planning.demand import demands_of, strand_of
from runner.planning.windows import worst
from runner.policy.parse import parse_policy
from runner.scheduling.cron import check_cron
from runner.scheduling.lateness import LARGEST_WINDOW

NOW = datetime(2026, 12, 15, tzinfo=UTC)
LIFETIME = timedelta(days=45)
TRIGGERS = (
    'cron: "0 9 1 * *", timezone: Europe/Berlin',
    'cron: "0 9 15 * *", timezone: Europe/Berlin',
    "at: 2027-02-01T09:00Z",
    'cron: "0 9 1 * *", timezone: Europe/Berlin, max_runs: 1',
    "every: 1d",
)
HEAD = """\
version: 1
name: p
chain: base-sepolia
wallet: sandbox
contacts: {alice: "0x00000000000000000000000000000000000a11ce"}
accounts: {treasury: {owner: o}}
sessions: {key: {account: treasury, lifetime: 45d}}
schedules:
"""


def demands_by(triggers):
    """Of schedules with these triggers, each with a payment of its own."""
    lines = (
        f"  s{number}: {{session: key, {trigger}, pay: {{alice: {number + 1} native}}}}\n"
        for number, trigger in enumerate(triggers)
    )
    policy = parse_policy(HEAD + "".join(lines), "p.yaml", environment={}, check_cron=check_cron)
    return demands_of(policy.sessions["key"], policy.schedules.values(), now=NOW)


def strands(triggers):
    """Those of schedules that have a trigger in common are one."""
    return [demand.strand for demand in demands_by(triggers)]


def test_schedules_with_one_trigger_share_a_strand():
    first, second, other = strands([TRIGGERS[0], TRIGGERS[0], TRIGGERS[1]])

    assert first is second
    assert first is not other


@given(
    st.lists(
        st.tuples(
            st.sampled_from(TRIGGERS),
            st.sampled_from(
                (
                    "",
                    ", jitter: 5h",
                    ", max_runs: 2",
                    ", until_total: 20 native",
                    ", start_at: 2027-01-10T00:00Z",
                    ", end_at: 2027-03-10T00:00Z",
                    ", catch_up: none",
                    ", catch_up_window: 30h",
                    ", start_grace: 20h",
                    ", blackout: [{from: 2027-01-20T00:00Z, until: 2027-02-20T00:00Z}]",
                )
            ),
        ).filter(lambda picked: not ("max_runs" in picked[0] and "max_runs" in picked[1])),
        min_size=2,
        max_size=8,
    )
)
def test_r25_a_strand_is_that_of_its_own_schedule(picked):
    """
    Whatever the schedules beside it say, and whatever it has in common with them.
    """
    demands = demands_by([trigger + rest for trigger, rest in [*picked, *picked]])
    start = NOW.replace(day=1) - LARGEST_WINDOW

    assert [one.strand for one in demands] == [
        strand_of(one.schedule, LIFETIME, start) for one in demands
    ]


@given(st.lists(st.tuples(st.sampled_from(TRIGGERS), st.integers(0, 5)), min_size=1, max_size=8))
def test_r25_a_shared_strand_weighs_what_its_copies_weigh(picked):
    """
    Slots that many schedules have in common are slid along once, and give the same worst window.
    """
    shared = strands([trigger for trigger, _ in picked])
    weights = [weight for _, weight in picked]
    copies = [replace(one) for one in shared]

    assert worst(shared, LIFETIME, weights) == worst(copies, LIFETIME, weights)


@pytest.mark.parametrize("count", [1, 2, 500])
def test_r25_what_falls_due_in_one_second_is_needed_at_once(count):
    shared = strands([TRIGGERS[2]] * count)

    assert worst(shared, LIFETIME, [7] * count).total == 7 * count
