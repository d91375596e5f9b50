"""
`simulate`: the engine under virtual time, and the forecast that must say the same.

Source: SEMANTICS M12, M13.
"""

import threading
from datetime import UTC, date, datetime, timedelta
from itertools import zip_longest

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.simulated import HEAD, SESSION, START, fates, simulated

from runner.ethereum.address import Address
from runner.ethereum.user_operation import ENTRY_POINT_V07
from runner.simulation.engine import Engine

pytestmark = pytest.mark.timeout(300)

USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
HOURLY = SESSION + "schedules: {s: {session: key, every: 1h, pay: {alice: 1.5 usdc}}}\n"

ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]
ZONES += ["Pacific/Apia"]


def test_ten_years_of_salaries_are_120_payments_in_every_zone():
    """
    Monthly at half past two, where clocks change: each month is paid once, signed and included.
    """
    schedules = "".join(
        f"  {zone.partition('/')[2].lower().replace('_', '-')}:\n"
        f'    {{session: key, cron: "30 2 1 * *", timezone: {zone}, pay: {{alice: 100 usdc}}}}\n'
        for zone in ZONES
    )
    found = simulated(f"{SESSION}schedules:\n{schedules}", days=3653)

    paid = {}
    for one in found.paid:
        paid.setdefault(one.schedule, set()).add(f"{one.local_day:%Y-%m}")
    assert found.counts == {"success": 600, "skipped": 0, "missed": 0, "failed": 0}
    assert len(paid) == 5
    assert {len(months) for months in paid.values()} == {120}
    assert not found.fails
    assert found.renewals > 100
    assert sum(total.amount for total in found.totals) == 600 * 100 * 10**6
    assert len({one.user_op_hash for one in found.paid}) == 600


def test_a_treasury_that_runs_dry_is_named_with_the_day():
    """
    The first slot that is not covered, what it needs and what is there (B11); the rest is skipped
    once the breaker has opened (M10).
    """
    found = simulated(HOURLY, days=3, balances=("usdc=30",))
    (course,) = found.courses
    short = course.shortage

    assert found.counts == {"success": 20, "skipped": 48, "missed": 3, "failed": 0}
    assert [(one.state, one.reason) for one in found.failures] == [("missed", "preflight")] * 3
    assert (short.day, short.needs, short.holds) == (date(2026, 12, 1), 1_500_000, 0)
    assert short.outcome.due_at == START + timedelta(hours=21)
    assert course.closing == 0
    assert found.fails
    assert {one.reason for one in found.skips} == {"paused"}


def test_what_the_chain_holds_is_what_the_plot_shows(monkeypatch):
    """
    Balances are computed from the outcomes; the sandbox's own agree to the wei, fees included.
    What an account has paid in advance for gas lies at the EntryPoint, and is its own.
    """
    held, run = {}, Engine.run

    async def ask_the_chain(engine):
        await run(engine)
        for session in engine.sessions.values():
            address, chain = session.account.address, session.account.venue.chain
            held[USDC] = await chain.balance(address, USDC)
            deposit = await chain.balance(address, ENTRY_POINT_V07)
            held["native"] = await chain.balance(address, None) + deposit

    monkeypatch.setattr(Engine, "run", ask_the_chain)
    policy = HOURLY.replace("pay: {alice: 1.5 usdc}", "calls: [pay: {to: alice, amount: 1.5 usdc}]")
    head = HEAD.replace(", gas: sponsor", "")
    found = simulated(head + policy, days=40)

    closing = {course.purse.token: course.closing for course in found.courses}
    assert found.renewals == 1
    assert found.counts["success"] == 959
    assert closing == held


def test_the_window_takes_its_first_second_and_leaves_out_its_last():
    """
    [from, from + N × 24 h): midnights at both ends are one payment, not two; and none is lost.
    """
    daily = SESSION + (
        'schedules: {s: {session: key, cron: "0 0 * * *", timezone: UTC, pay: {alice: 1 usdc}}}\n'
    )
    found = simulated(daily, days=3)

    days = [one.due_at.date() for one in found.outcomes]
    assert days == [date(2026, 12, 1), date(2026, 12, 2), date(2026, 12, 3)]
    assert found.counts["success"] == 3


def test_the_last_occurrences_run_to_their_end():
    """
    A slot of the last second is paid after the window; one that cannot be, ends with its window.
    """
    late = SESSION + (
        'schedules: {s: {session: key, at: "2026-12-03T23:59:59Z", pay: {alice: 1 usdc}}}\n'
    )
    paid = simulated(late, days=3)
    dry = simulated(late, days=3, balances=("usdc=0",))

    assert [one.state for one in paid.outcomes] == ["success"]
    assert paid.outcomes[0].ended_at >= paid.end
    assert [(one.state, one.reason) for one in dry.outcomes] == [("missed", "preflight")]
    assert dry.outcomes[0].ended_at - dry.outcomes[0].due_at >= timedelta(hours=72)


def test_t5_a_period_without_anchor_counts_from_the_window():
    """
    As if it were first applied then: the first slot is one period later.
    """
    found = simulated(HOURLY, days=1, start=START + timedelta(minutes=7, seconds=3))

    assert found.outcomes[0].due_at == START + timedelta(hours=1, minutes=7, seconds=3)
    assert found.total == 23


def test_t9_what_ran_before_the_window_counts():
    """
    `max_runs` since `start_at`: only what is left of it is paid.
    """
    policy = SESSION + (
        "schedules: {s: {session: key, every: 1d, start_at: 2026-11-28T09:00Z, max_runs: 5,\n"
        "                pay: {alice: 1 usdc}}}\n"
    )
    found = simulated(policy, days=30)
    later = simulated(policy, days=30, start=START + timedelta(days=30))

    assert [one.due_at.day for one in found.paid] == [1, 2]
    assert later.total == 0


def test_a_limit_that_skips_is_listed_with_its_reason():
    """
    Six of 24 fit a day's budget; the others are skipped(budget), by name.
    """
    policy = HOURLY.replace("lifetime: 45d", "lifetime: 45d, limits: {per_day: [9 usdc]}")
    found = simulated(policy, days=2)

    assert found.counts == {"success": 12, "skipped": 35, "missed": 0, "failed": 0}
    assert {(one.state, one.reason) for one in found.skips} == {("skipped", "budget")}
    assert not found.fails


def test_nothing_is_written_and_no_thread_is_left(tmp_path, monkeypatch):
    """
    Neither ledger nor sandbox state: a simulation leaves no trace on disk.
    """
    monkeypatch.chdir(tmp_path)
    before = threading.active_count()
    simulated(HOURLY, days=1)

    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == before


def test_the_same_policies_give_the_same_simulation():
    """
    Down to the hash of every operation: keys and chance are drawn from one seed.
    """
    first, again = (simulated(HOURLY, days=1) for _ in range(2))

    assert first.outcomes == again.outcomes
    assert first.grants == again.grants
    assert first.outcomes[0].user_op_hash


def test_beyond_the_limit_it_is_a_forecast_and_says_so():
    """
    M13: nothing is signed, and the result is marked.
    """
    found = simulated(HOURLY, days=30, executed=False)

    assert not found.executed
    assert found.counts["success"] == 30 * 24 - 1
    assert all(not one.user_op_hash for one in found.outcomes)


# ── forecast and engine ───────────────────────────────────────────────────────────────────────

POLICIES = {
    "limits": """\
sessions:
  key: {account: treasury, lifetime: 20d, limits: {per_day: [5 usdc], per_week: [20 usdc]}}
schedules:
  a: {session: key, every: 5h, pay: {alice: 1.5 usdc}, limits: {per_month: [40 usdc]}}
  b: {session: key, cron: "15 8 * * 1-5", timezone: Europe/Berlin, pay: {bob: 2 usdc}}
""",
    "rolling, and until a total": """\
sessions:
  key:
    account: treasury
    lifetime: 20d
    limits: {rolling: {3d: [9 usdc]}, per_lifetime: [60 usdc]}
schedules:
  a: {session: key, every: 9h, pay: {alice: 1.5 usdc}, until_total: 21 usdc}
  b: {session: key, cron: "15 8 * * *", timezone: UTC, pay: {bob: 2 usdc}}
""",
    "held by a budget": """\
sessions: {key: {account: treasury, lifetime: 20d, limits: {per_day: [4 usdc]}}}
schedules:
  a: {session: key, every: 7h, pay: {alice: 1.5 usdc}, on_budget: hold, pause_after_failures: 1000}
""",
    "clocks go forward and back": """\
sessions: {key: {account: treasury, lifetime: 45d}}
schedules:
  gap: {session: key, cron: "30 2 * * *", timezone: Europe/Berlin, pay: {alice: 1 usdc}}
  skip:
    {session: key, cron: "30 2 * * *", timezone: Europe/Berlin, dst_gap: skip, pay: {bob: 1 usdc}}
  fail:
    {session: key, cron: "30 2 * * *", timezone: Europe/Berlin, dst_gap: fail, pay: {bob: 2 usdc}}
  both:
    {session: key, cron: "30 2 * * *", timezone: Europe/Berlin, dst_fold: both,
     pay: {alice: 3 usdc}}
  merged:
    {session: key, cron: "30 2,3 * * *", timezone: Europe/Berlin, pay: {alice: 4 usdc}}
""",
    "short grants and jitter": """\
sessions: {key: {account: treasury, lifetime: 6h, renew_before: 25%}}
schedules:
  a: {session: key, every: 47m, jitter: 10m, pay: {alice: 0.001 native}}
  b: {session: key, at: "2027-03-29T12:00:00+02:00", pay: {bob: 3 usdc}}
""",
    "an allowance that does not last": """\
sessions:
  key:
    account: treasury
    lifetime: 20d
    permissions: [erc20-token-transfer: 10 usdc, gas-limit: 0]
schedules:
  a: {session: key, every: 11h, pay: {alice: 1.5 usdc}}
""",
    "no renewal": """\
sessions: {key: {account: treasury, lifetime: 9d, renew: off, on_no_grant: skip}}
schedules:
  a: {session: key, every: 8h, pay: {alice: 1 usdc}}
""",
    "one after the other": """\
sessions: {key: {account: treasury, lifetime: 30d}}
schedules:
  a:
    session: key
    every: 2h
    pay: {alice: 100 usdc}
    catch_up_window: 9h
    overlap: buffer_one
    pause_after_failures: 4
  b:
    session: key
    every: 3h
    pay: {bob: 60 usdc}
    catch_up_window: 7h
    overlap: buffer_all(2)
    pause_after_failures: 1000
""",
}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
@pytest.mark.parametrize("balances", [(), ("usdc=70", "native=0.05")], ids=["rich", "poor"])
def test_m13_the_forecast_says_what_the_engine_does(policy, balances):
    """
    Slot by slot: the same state for the same reason, the same sums, the same grants.
    """
    start = datetime(2027, 3, 20, tzinfo=UTC)  # over the night of 28 March
    done = simulated(policy, days=16, start=start, balances=balances)
    said = simulated(policy, days=16, start=start, balances=balances, executed=False)

    differing = [pair for pair in zip_longest(fates(said), fates(done)) if pair[0] != pair[1]]
    assert differing[:5] == []
    assert said.totals == done.totals
    assert (len(said.grants), said.renewals) == (len(done.grants), done.renewals)
    assert [c.shortage and c.shortage.day for c in said.courses] == [
        c.shortage and c.shortage.day for c in done.courses
    ]


TRIGGERS = st.sampled_from(
    [
        "every: 3h",
        "every: 7h, jitter: 20m",
        "every: 11h, start_at: 2027-03-27T05:00Z",
        'cron: "30 2 * * *", timezone: Europe/Berlin',
        'cron: "30 2 * * *", timezone: Europe/Berlin, dst_gap: skip',
        'cron: "0 */6 * * *", timezone: America/New_York',
        'cron: "15 9 * * 1-5", timezone: Pacific/Apia',
        'at: "2027-03-28T12:00:00Z"',
    ]
)
EXTRAS = st.sampled_from(
    [
        "",
        ", max_runs: 5",
        ", until_total: 9 usdc",
        ", limits: {per_day: [4 usdc]}",
        ", limits: {rolling: {2d: [7 usdc]}}, on_budget: skip",
        ", catch_up: none",
        ", overlap: buffer_one, catch_up_window: 8h, pause_after_failures: 2",
        ", overlap: buffer_all(3), catch_up_window: 13h, pause_after_failures: 9",
        ", overlap: allow, pause_after_failures: 1000",
        ", suspend: true",
    ]
)
SESSIONS = st.sampled_from(
    [
        "lifetime: 45d",
        "lifetime: 2d",
        "lifetime: 9h, renew_before: 40%",
        "lifetime: 3d, limits: {per_day: [6 usdc], timezone: Asia/Kolkata}",
        "lifetime: 5d, renew: off, on_no_grant: skip",
        "lifetime: 30d, permissions: [erc20-token-transfer: 12 usdc, gas-limit: 0]",
    ]
)
SCHEDULE = st.tuples(TRIGGERS, EXTRAS, st.integers(1, 4))


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(SESSIONS, st.lists(SCHEDULE, min_size=1, max_size=3), st.sampled_from(["25", "6"]))
def test_m13_forecast_and_engine_agree_on_any_policy(session, schedules, holds):
    """
    Whatever is combined: slot by slot, over the night when Berlin's clocks go forward. Two things
    are not foreseen: who reaches for the last of the money in the same second (one reverts), and
    a grant that ends while a run waits for money.
    """
    poor = len(schedules) == 1 and "renew: off" not in session
    holds = holds if poor else "1e6"
    lines = "".join(
        f"  s{n}: {{session: key, {trigger}{extra}, pay: {{alice: {amount} usdc}}}}\n"
        for n, (trigger, extra, amount) in enumerate(schedules)
    )
    policy = f"sessions: {{key: {{account: treasury, {session}}}}}\nschedules:\n{lines}"
    start = datetime(2027, 3, 26, 6, tzinfo=UTC)
    done, said = (
        simulated(policy, days=6, start=start, balances=(f"usdc={holds}",), executed=executed)
        for executed in (True, False)
    )

    differing = [pair for pair in zip_longest(fates(said), fates(done)) if pair[0] != pair[1]]
    assert differing[:5] == []
    assert said.totals == done.totals
    assert len(said.grants) == len(done.grants)
