"""What a run charges to which period, and how full a window is (B2, T9)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import Mark
from runner.ethereum.address import Address
from runner.guard.budget import (
    Budgets,
    busiest,
    format_instant,
    is_bounded,
    most_runs,
    most_within,
    parse_instant,
)
from runner.guard.intent import TransferLine, spent_by_token
from runner.policy.model import Above, Asset, Limits, Money, RollingLimit
from runner.policy.parse import parse_policy
from runner.scheduling.cron import check_cron

MARK = Mark("p.yaml", 1, 1)
ALICE = Address("0x00000000000000000000000000000000000A11cE")
USDC = Asset("usdc", Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e"), 6)
COIN = Asset("native", None, 18)
DUE = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def money(amount, asset=USDC):
    return (Money(asset, amount, MARK),)


def budgets(limits=None, session_limits=None, until_total=()):
    return Budgets("p/s", "p/key", limits or Limits(), session_limits or Limits(), until_total)


def charged(one, sums=None, due_at=DUE):
    sums = {USDC.address: 5} if sums is None else sums
    found = one.reservations(sums, due_at=due_at, slot="S")
    return {r.budget: (r.period, r.amount, r.limit) for r in found}


def test_b2_each_period_has_its_name_in_its_zone():
    """
    A quarter to midnight in London is the next year in Berlin, and its 53rd week.
    """
    everything = Limits(
        per_run=money(9),
        per_day=money(10),
        per_week=money(20),
        per_month=money(30),
        per_lifetime=money(40),
        rolling=(RollingLimit(timedelta(days=7), money(50)),),
        timezone="Europe/Berlin",
    )

    assert charged(budgets(everything)) == {
        "schedule:p/s:per_run": ("p/s@S", 5, 9),
        "schedule:p/s:per_day": ("2027-01-01", 5, 10),
        "schedule:p/s:per_week": ("2026-W53", 5, 20),
        "schedule:p/s:per_month": ("2027-01", 5, 30),
        "schedule:p/s:per_lifetime": ("life", 5, 40),
        "schedule:p/s:rolling 7d": ("2026-12-31T23:30:00Z", 5, 50),
    }


def test_b2_session_and_schedule_are_charged_apart():
    one = budgets(Limits(per_day=money(10)), Limits(per_day=money(99)), money(1000))

    assert charged(one) == {
        "session:p/key:per_day": ("2026-12-31", 5, 99),
        "schedule:p/s:per_day": ("2026-12-31", 5, 10),
        "schedule:p/s:until_total": ("life", 5, 1000),
    }
    assert [r.ends for r in one.reservations({USDC.address: 5}, due_at=DUE, slot="S")] == [
        False,
        False,
        True,
    ]


def test_b2_only_tokens_that_move_are_charged():
    """
    A limit of another token, or an amount of nothing, takes no row.
    """
    limits = Limits(per_day=money(10) + money(7, COIN))

    assert charged(budgets(limits), {"native": 3}) == {"schedule:p/s:per_day": ("2026-12-31", 3, 7)}
    assert charged(budgets(limits), {USDC.address: 0, ALICE: 4}) == {}


def test_b2_a_limit_is_named_by_its_length_however_it_is_written():
    lengths = [timedelta(weeks=1), timedelta(days=7), timedelta(hours=36), timedelta(days=30)]
    names = [
        next(iter(charged(budgets(Limits(rolling=(RollingLimit(length, money(9)),))))))
        for length in lengths
    ]

    assert [name.rpartition(":")[2] for name in names] == [
        "rolling 7d",
        "rolling 7d",
        "rolling 129600s",
        "rolling 30d",
    ]


@pytest.mark.parametrize(
    "limits",
    [
        *(Limits(**{f"per_{kind}": money(9)}) for kind in ("run", "day", "week", "month")),
        Limits(per_lifetime=money(9), timezone="Europe/Berlin"),
        Limits(rolling=(RollingLimit(timedelta(days=7), money(9)),)),
        Limits(timezone="Europe/Berlin"),
        Limits(),
    ],
)
def test_b2_whatever_limits_a_run_it_is_looked_at(limits):
    """
    Whose runs are charged to nothing is not asked for its budgets: no limit may be missed there.
    """
    policy = policy_of("pay: {alice: 25 usdc}, max_runs: 3")
    none = replace(policy.schedules["a"], limits=Limits()), policy.sessions["key"]
    has_some = limits not in (Limits(), Limits(timezone="Europe/Berlin"))

    for schedule, session in (
        (replace(none[0], limits=limits), none[1]),
        (none[0], replace(none[1], limits=limits)),
    ):
        assert is_bounded(schedule, session) is has_some
        assert bool(list(Budgets.of(schedule, session).written())) is has_some
    assert is_bounded(replace(none[0], until_total=money(9)), none[1])
    assert is_bounded(none[0], replace(none[1], above=Above("team", Limits())))


def test_b2_what_adds_up_over_runs_is_told_apart():
    """
    A limit per run begins anew with every run, so nothing before it counts.
    """
    limits = Limits(per_run=money(9), per_day=money(10) + money(7, COIN))

    assert budgets(limits, until_total=money(5)).lasting() == {
        ("schedule:p/s:per_day", USDC.address),
        ("schedule:p/s:per_day", "native"),
        ("schedule:p/s:until_total", USDC.address),
    }


@given(st.datetimes(datetime(1970, 1, 2), datetime(8999, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_b2_instants_sort_as_their_texts(instant):
    whole = instant.replace(microsecond=0)
    later = whole + timedelta(seconds=1)

    assert parse_instant(format_instant(whole)) == whole
    assert format_instant(whole) < format_instant(later)


@given(
    taken=st.dictionaries(st.integers(-30, 30), st.integers(0, 100), max_size=12),
    at=st.integers(-12, 12),
    window=st.integers(1, 15),
)
def test_b2_the_busiest_window_is_the_busiest_of_all_that_hold_the_instant(taken, at, window):
    """
    Against looking at every window there is, second by second.
    """
    expected = max(
        sum(amount for when, amount in taken.items() if begin <= when < begin + window)
        for begin in range(at - window + 1, at + 1)
    )

    found = busiest(
        {START + when * HOUR: amount for when, amount in taken.items()},
        START + at * HOUR,
        window * HOUR,
    )

    assert found == expected


def test_b7_an_approval_counts_in_full():
    lines = [
        TransferLine(USDC.address, "usdc", 6, ALICE, "alice", 5),
        TransferLine(USDC.address, "usdc", 6, ALICE, "alice", 7, kind="approve"),
        TransferLine("native", "native", 18, ALICE, "alice", 1),
    ]

    assert spent_by_token(lines) == {USDC.address: 12, "native": 1}


POLICY = """\
version: 1
name: p
chain: base-sepolia
wallet: sandbox
tokens: {usdc: {decimals: 6, address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e"}}
contacts: {alice: "0x00000000000000000000000000000000000a11ce"}
accounts: {treasury: {owner: o}}
sessions: {key: {account: treasury, lifetime: 45d}}
schedules:
  a: {session: key, every: 1d, limits: {per_day: [9 usdc]}, KEYS}
"""


BOTH = "calls: [{pay: {alice: 25 usdc}}, {pay: {alice: 0.4 native}}]"
SWEEP = "calls: [{pay: {alice: 25 usdc}}, {sweep: {token: usdc, to: alice, max: 9 usdc}}]"
TOP_UP = "top_up: {to: alice, below: 1 usdc, up_to: 2 usdc, max: 2 usdc}"


def policy_of(keys):
    return parse_policy(
        POLICY.replace("KEYS", keys), "p.yaml", environment={}, check_cron=check_cron
    )


def schedule_of(keys):
    return policy_of(keys).schedules["a"]


@pytest.mark.parametrize(
    ("keys", "most"),
    [
        ("pay: {alice: 25 usdc}", None),
        ("pay: {alice: 25 usdc}, max_runs: 7", 7),
        ("pay: {alice: 25 usdc}, until_total: 100 usdc", 4),
        ("pay: {alice: 25 usdc}, until_total: 99.999999 usdc", 3),
        ("pay: {alice: 25 usdc}, until_total: 100 usdc, max_runs: 2", 2),
        ("pay: {alice: 25 usdc}, until_total: [100 usdc, 1 native]", 4),
        (BOTH + ", until_total: [100 usdc, 1 native]", 2),
        ("approve: {spender: alice, amount: 30 usdc}, until_total: 100 usdc", 3),
        (TOP_UP + ", until_total: 100 usdc", None),
        (SWEEP + ", until_total: 100 usdc", 4),
    ],
)
def test_t9_how_many_runs_there_may_be(keys, most):
    assert most_runs(schedule_of(keys)) == most


def test_t9_what_is_paid_already_leaves_less():
    vesting = schedule_of("pay: {alice: 25 usdc}, until_total: 100 usdc")
    left = [most_runs(vesting, paid={USDC.address: paid * 10**6}) for paid in (0, 25, 75, 76, 900)]

    assert left == [4, 3, 1, 0, 0]
    assert most_runs(replace(vesting, until_total=()), paid={USDC.address: 1}) is None


# ── the most that limits let through ──────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("limits", "days", "most"),
    [
        (Limits(per_day=money(10)), 7, 80),  # from midnight to midnight: eight days
        (Limits(per_day=money(10)), 7.5, 90),  # half a day over touches one more
        (Limits(per_day=money(10), timezone="Europe/Berlin"), 7, 90),  # clocks may go forward
        (Limits(per_week=money(10)), 48, 80),
        (Limits(per_month=money(10)), 48, 30),  # from the end of January into March
        (Limits(per_month=money(10)), 28, 20),
        (Limits(per_month=money(10)), 29, 30),  # all of a February, and both its neighbours
        (Limits(per_lifetime=money(10)), 48, 10),
        (Limits(per_run=money(10)), 48, 30),
        (Limits(rolling=(RollingLimit(timedelta(days=7), money(10)),)), 48, 70),
        (Limits(rolling=(RollingLimit(timedelta(days=7), money(10)),)), 49, 80),
        (Limits(per_day=money(10), per_month=money(100)), 20, 200),
        (Limits(per_day=money(10, COIN)), 20, None),
        (Limits(), 20, None),
    ],
)
def test_r26_limits_over_a_window(limits, days, most):
    window = timedelta(days=days)

    assert most_within(limits, USDC.address, window=window, runs=3) == most


def test_r26_a_total_bounds_as_well():
    limits = Limits(per_day=money(10))
    bounds = [
        most_within(limits, USDC.address, window=timedelta(days=7), runs=3, total=money(total))
        for total in (50, 500)
    ]

    assert bounds == [50, 80]


@given(
    start=st.integers(0, 400 * 24),
    hours=st.integers(1, 70 * 24),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
    which=st.sampled_from(["per_day", "per_week", "per_month", "rolling"]),
)
def test_r26_no_way_to_spend_gets_more_through(start, hours, zone, which):
    """
    Spending all that the limit leaves, hour after hour, through a closed window.
    """
    rolling = (RollingLimit(timedelta(hours=50), money(10)),)
    limits = Limits(**{which: rolling if which == "rolling" else money(10)}, timezone=zone)
    one, begin = budgets(limits), START + start * HOUR
    spent, taken = 0, set()
    for due_at in (begin + hour * HOUR for hour in range(hours + 1)):
        (wanted,) = one.reservations({USDC.address: 10}, due_at=due_at, slot="S")
        if which == "rolling":
            full = bool(taken) and due_at - parse_instant(max(taken)) < 50 * HOUR
        else:
            full = wanted.period in taken
        if not full:
            taken.add(wanted.period)
            spent += 10

    bound = most_within(limits, USDC.address, window=hours * HOUR, runs=1)

    assert bound is not None
    assert spent <= bound <= spent + 20
