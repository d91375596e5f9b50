"""The horizon ahead: amounts, funding, grants and clocks, against slots counted one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planning import ACCOUNT, NOW, POLICY, SANDBOX, WALLETS, after, parse

from runner.planning.facts import Facts
from runner.planning.outlook import outlook
from runner.planning.renewal import renewal_at
from runner.planning.wanted import wanted_of
from runner.scheduling.triggers import timetable

DAY = timedelta(days=1)


def ahead(*policies, facts=None, horizon=90 * DAY, now=NOW, at_once=False):
    wanted = wanted_of(policies, WALLETS, now=now)
    return outlook(
        policies,
        Facts() if facts is None else facts,
        wanted,
        dict.fromkeys(wanted, at_once),
        now=now,
        horizon=horizon,
    )


def amounts(found):
    return {
        (one.line.receiver_name, one.line.symbol): (one.amount, one.count) for one in found.payments
    }


# ── payments ──────────────────────────────────────────────────────────────────────────────────


def test_what_each_receiver_gets():
    """
    Three firsts and thirteen Tuesdays until 10 March.
    """
    assert amounts(ahead(parse())) == {
        ("alice", "usdc"): (3 * 2500 * 10**6, 3),
        ("bob", "usdc"): (13 * 20 * 10**6, 13),
    }


def test_a_schedule_keeps_its_anchor():
    """
    An `every` that was applied counts from the ledger's anchor, a new one from now.
    """
    policy = parse(POLICY, (", start_at: 2026-12-01T00:00Z", ""))
    applied = after(policy)
    earlier = {
        uid: replace(row, anchor=row.anchor - 2 * DAY) for uid, row in applied.schedules.items()
    }
    later = NOW + 3 * DAY

    fresh = ahead(policy, now=later, horizon=4 * DAY)
    kept = ahead(policy, facts=replace(applied, schedules=earlier), now=later, horizon=4 * DAY)

    assert ("bob", "usdc") not in amounts(fresh)
    assert amounts(kept)["bob", "usdc"][1] == 1


def test_t9_runs_that_were_made_count():
    """
    Of three runs two are left.
    """
    policy = parse(POLICY, ("pay: {bob:", "max_runs: 3, pay: {bob:"))
    facts = after(policy)
    rows = {uid: replace(row, runs=1) for uid, row in facts.schedules.items()}

    assert amounts(ahead(policy))["bob", "usdc"][1] == 3
    assert amounts(ahead(policy, facts=replace(facts, schedules=rows)))["bob", "usdc"][1] == 2


def test_t9_a_total_ends_a_schedule():
    """
    Of 100 usdc 60 are paid: two runs are left.
    """
    policy = parse(POLICY, ("pay: {bob:", "until_total: 100 usdc, pay: {bob:"))
    facts = after(policy)
    usdc = policy.schedules["weekly"].until_total[0].asset.address
    rows = {
        uid: replace(row, paid={usdc: 60 * 10**6} if uid.endswith("weekly") else {})
        for uid, row in facts.schedules.items()
    }

    assert amounts(ahead(policy))["bob", "usdc"][1] == 5
    assert amounts(ahead(policy, facts=replace(facts, schedules=rows)))["bob", "usdc"][1] == 2


def test_computed_calls_count_at_most():
    """
    What they send is read when they run; `max` bounds it.
    """
    top_up = "top_up: {to: bob, below: 5 usdc, up_to: 10 usdc, max: 8 usdc}"
    (alice, bob) = ahead(parse(POLICY, ("pay: {bob: 20 usdc}", top_up))).payments

    assert (alice.at_most, bob.at_most) == (False, True)
    assert bob.amount == 13 * 8 * 10**6


def test_what_is_suspended_pays_nothing():
    assert ("bob", "usdc") not in amounts(
        ahead(parse(POLICY, ("pay: {bob:", "suspend: true, pay: {bob:")))
    )


def test_an_approval_is_no_payment():
    """
    It is told apart, and needs no funds.
    """
    found = ahead(parse(POLICY, ("pay: {bob: 20 usdc}", "calls: [approve: {bob: 20 usdc}]")))

    assert [one.line.kind for one in found.payments] == ["pay", "approve"]
    assert sum(one.payments for one in found.needs) == 3 * 2500 * 10**6


@settings(deadline=None)
@given(
    trigger=st.sampled_from(
        [
            'cron: "0 9 1 * *"',
            'cron: "*/7 * * * *"',
            'cron: "30 2 * * 0"',
            "every: 11h",
            "at: 2027-01-01T00:00Z",
            "dates: [2026-12-31T23:59, 2027-01-01T00:00, {last_business_day: '17:00'}]",
        ]
    ),
    start=st.integers(0, 40 * 86_400),
    length=st.integers(1, 100 * 86_400),
)
def test_months_add_up_to_the_slots(trigger, start, length):
    """
    Each slot of the horizon is counted in its own month.
    """
    now, horizon = NOW + timedelta(seconds=start), timedelta(seconds=length)
    policy = parse(POLICY, ('cron: "0 9 1 * *"', trigger))
    table = timetable(policy.schedules["monthly"], anchor=now)

    (runs, _) = ahead(policy, now=now, horizon=horizon).runs
    slots = takewhile(lambda slot: slot.due_at < now + horizon, table.slots(now))
    listed: dict[str, int] = {}
    for slot in slots:
        if slot.verdict is None:
            month = f"{slot.due_at:%Y-%m}"
            listed[month] = listed.get(month, 0) + 1

    assert dict(runs.months) == listed


# ── funding ───────────────────────────────────────────────────────────────────────────────────


def test_funding_by_account_and_month():
    """
    Sponsored gas costs the account nothing.
    """
    needs = ahead(parse()).needs

    assert [(one.month, one.token == "native", one.payments // 10**6) for one in needs] == [
        ("2026-12", False, 60),
        ("2027-01", False, 2500 + 80),
        ("2027-02", False, 2500 + 80),
        ("2027-03", False, 2500 + 40),
    ]


def test_r27_the_account_pays_fees():
    """
    Runs and activations at `max_fee`, beside what is paid in coin.
    """
    native = ("gas: sponsor", "gas: native, max_fee: 2 gwei")
    needs = ahead(parse(POLICY, native), at_once=True).needs
    coin = {one.month: one.fees // 10**9 for one in needs if one.token == "native"}

    assert coin == {
        "2026-12": 2 * (3 + 1),  # Tuesdays, and the grant of now
        "2027-01": 2 * (1 + 4 + 1),
        "2027-02": 2 * (1 + 4 + 1),
        "2027-03": 2 * (1 + 2 + 1),
    }


# ── grants ────────────────────────────────────────────────────────────────────────────────────


def test_r3_renewals_are_those_that_the_daemon_will_make():
    """
    The ledger names the account, so the jitter is known and the dates are exact.
    """
    policy = parse()
    facts = after(policy)
    first = facts.grants[0].next_renewal_at
    issued = first.replace(microsecond=0)
    second = renewal_at(
        issued_at=issued,
        expires_at=issued + 45 * DAY,
        renew_before=None,
        run_room=timedelta(minutes=10, seconds=4),
        margins=SANDBOX,
        seed=f"{ACCOUNT}/payroll/salaries/2",
    )

    (grants,) = ahead(policy, facts=facts).renewals

    assert grants.exact
    assert grants.dates == (first, second, grants.dates[2])
    assert grants.count == 3
    assert grants.sponsored
    assert grants.fees == 0


def test_without_an_address_dates_are_about():
    """
    The account is computed from a key that nobody opens here.
    """
    (grants,) = ahead(parse(), at_once=True).renewals

    assert not grants.exact
    assert grants.dates[0] == NOW


def test_renew_off_asks_once():
    """
    Afterwards nobody asks.
    """
    policy = parse(POLICY, ("lifetime: 45d", "lifetime: 45d\n    renew: off"))

    assert ahead(policy, at_once=True).renewals[0].count == 1
    assert ahead(policy, facts=after(policy)).renewals[0].count == 0


@pytest.mark.parametrize("lifetime", ["1d", "6h", "45s"])
def test_many_grants_are_estimated_well(lifetime):
    """
    Thousands are not followed one by one; their number is within some percent.
    """
    policy = parse(POLICY, ("lifetime: 45d", f"lifetime: {lifetime}"))
    life = policy.sessions["salaries"].lifetime

    (grants,) = ahead(policy, facts=after(policy)).renewals

    assert 90 * DAY / life < grants.count < 2.3 * (90 * DAY / life)
    assert len(grants.dates) == 3


# ── clocks ────────────────────────────────────────────────────────────────────────────────────


def clocks(expression, *more, now=NOW, horizon=365 * DAY):
    policy = parse(POLICY, ("0 9 1 * *", expression), *more)
    return [(one.schedule, one.what) for one in ahead(policy, now=now, horizon=horizon).clocks]


def test_t2_t3_slots_that_meet_a_change_are_told():
    """
    The change once, and what becomes of each slot that it touches.
    """
    hit = "payroll/monthly"

    assert clocks("30 2 * * *") == [
        (None, "clocks go forward by 1 h: the same local time comes earlier in UTC from then on"),
        (hit, "02:30 is left out: paid at 03:30"),
        (hit, "02:30 comes twice: the first is paid"),
        (None, "clocks go back by 1 h: the same local time comes later in UTC from then on"),
    ]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("dst_gap: skip", "02:30 is left out: skipped"),
        ("dst_gap: fail", "02:30 is left out: missed"),
        ("dst_fold: last", "02:30 comes twice: the last is paid"),
        ("dst_fold: both", "02:30 comes twice: both are paid"),
    ],
)
def test_what_is_written_decides(setting, said):
    told = clocks("30 2 * * *", ("pay: {alice:", f"{setting}, pay: {{alice:"))

    assert ("payroll/monthly", said) in told


def test_merged_slots_are_told():
    """
    02:30 meets 03:30 of the same schedule.
    """
    told = clocks("30 2,3 * * *")

    assert ("payroll/monthly", "02:30 is left out and meets the next slot: paid once") in told


@pytest.mark.parametrize("expression", ["0 9 1 * *", "*/30 * * * *", "0 12 * * *"])
def test_other_slots_are_not_touched(expression):
    """
    At most the change itself is told; what follows elapsed time not even that.
    """
    assert all(schedule is None for schedule, _ in clocks(expression))


def test_no_change_no_note():
    """
    In the horizon, in this zone.
    """
    utc = ("timezone: Europe/Berlin", "timezone: UTC")

    assert clocks("30 2 * * *", utc) == []
    assert clocks("30 2 * * *", horizon=90 * DAY) == []


def test_instants_of_changes():
    found = ahead(parse(), horizon=120 * DAY).clocks

    assert [one.at for one in found] == [datetime(2027, 3, 28, 1, tzinfo=UTC)]
