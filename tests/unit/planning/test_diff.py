"""What an edit changes: policies laid over the ledger that others have left."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planning import NOW, POLICY, after, changed, parse

from runner.ethereum.address import Address
from runner.ethereum.permissions import ContractAccess
from runner.planning.diff import Action
from runner.planning.facts import Facts

BEFORE = after(parse())
VAULT = "0x00000000000000000000000000000000000000fa"


def one(several):
    assert len(several) == 1, several
    return several[0]


def keys(change):
    return [(key.path, key.before, key.after) for key in change.keys]


# ── nothing to do ─────────────────────────────────────────────────────────────────────────────


def test_without_a_ledger_everything_is_new():
    """
    One grant to sign for, two schedules to add; the first slots are told.
    """
    found = changed([parse()], Facts())

    session = one(found.sessions)
    assert (session.action, session.signatures, session.stops) == (Action.CREATE, 1, False)
    assert [(s.uid, s.action, s.first) for s in found.schedules] == [
        ("payroll/monthly", Action.CREATE, datetime(2027, 1, 1, 8, tzinfo=UTC)),
        ("payroll/weekly", Action.CREATE, datetime(2026, 12, 15, tzinfo=UTC)),
    ]
    assert found


EDITS = [
    ("2500 usdc", "2600 usdc"),
    ("1w", "5d"),
    ("0 9 1 * *", "0 9 L * *"),
    ("lifetime: 45d", "lifetime: 30d"),
    ("gas: sponsor", "gas: native"),
    ("6000 usdc", "7000 usdc"),
    ("00000b0b", "00000b0c"),
    ("  weekly:", "  fortnightly:"),
    ("pay: {bob: 20 usdc}", "pay: {bob: 20 usdc, alice: 1 native}"),
    ("pay: {alice:", "suspend: true, pay: {alice:"),
]


@settings(deadline=None)
@given(st.sets(st.sampled_from(EDITS)), st.sets(st.sampled_from(EDITS)))
def test_applying_twice_plans_nothing(first, second):
    """
    Whatever is applied after whatever: what it leaves behind holds no difference to itself.
    """
    for edits in (first, second):
        policy = parse(POLICY, *sorted(edits))
        found = changed([policy], after(policy))

        assert not found
        assert found.notes == ()


@settings(deadline=None)
@given(st.sets(st.sampled_from(EDITS), min_size=1))
def test_every_edit_is_seen(edits):
    """
    And undoing it is seen as well.
    """
    plain, edited = parse(), parse(POLICY, *sorted(edits))
    for new, old in ((plain, edited), (edited, plain)):
        assert changed([new], after(old))


def test_time_alone_is_no_difference():
    """
    A renewal that is due is the daemon's daily work while the old grant serves.
    """
    late = NOW + timedelta(days=44)

    assert not changed([parse()], BEFORE, now=late)


# ── sessions ──────────────────────────────────────────────────────────────────────────────────


def test_r25_more_is_granted_anew_at_once():
    """
    A higher amount needs a wider grant, and one signature; payments go on.
    """
    found = changed([parse(POLICY, ("2500 usdc", "2600 usdc"))], BEFORE)

    session, schedule = one(found.sessions), one(found.schedules)
    assert (session.action, session.signatures, session.stops) == (Action.WIDEN, 1, False)
    assert keys(schedule) == [("calls[0].pay.amount", "2500 usdc", "2600 usdc")]
    assert schedule.keys[0].about == "alice"
    assert schedule.first is None  # its trigger keeps its place


def test_r25_less_waits_for_the_next_grant():
    """
    No signature now; when is told.
    """
    session = one(changed([parse(POLICY, ("2500 usdc", "2400 usdc"))], BEFORE).sessions)

    assert (session.action, session.signatures, session.stops) == (Action.NARROW, 0, False)
    assert session.at == NOW + timedelta(days=30)


def test_r25_once_applied_less_is_a_note():
    """
    Until the renewal the ledger's grant is wider: nothing is left to do about it.
    """
    less = parse(POLICY, ("2500 usdc", "2400 usdc"))

    found = changed([less], replace(after(less), grants=BEFORE.grants))

    assert not found
    assert "from its next grant on 2027-01-09" in one(found.notes).what


def test_r13_a_removed_receiver_stops_payments():
    """
    The old grant could still send coin there: it is revoked first.
    """
    coin = ("pay: {bob: 20 usdc}", "pay: {bob: 1 native}")
    before = after(parse(POLICY, coin))

    session = one(changed([parse()], before).sessions)

    assert session.stops
    assert session.signatures == 2
    assert session.action is Action.WIDEN  # more of the token, less of the coin
    narrower = one(changed([parse(POLICY, coin, ("1 native", "2 usdc"))], before).sessions)
    assert (narrower.stops, narrower.at) == (True, None)


def test_keys_of_the_runner_need_no_signature():
    """
    A budget is the runner's own.
    """
    session = one(changed([parse(POLICY, ("6000 usdc", "7000 usdc"))], BEFORE).sessions)

    assert (session.action, session.signatures) == (Action.CHANGE, 0)
    assert keys(session) == [("limits.per_day", "6000 usdc", "7000 usdc")]


def test_a_session_that_is_gone_is_retired():
    """
    Its key can sign until its end; once applied that is a note.
    """
    renamed = ("salaries", "wages")
    policy = parse(POLICY, renamed)

    found = changed([policy], BEFORE)
    retired = one([each for each in found.sessions if each.action is Action.RETIRE])
    applied = replace(after(policy), grants=(*after(policy).grants, *BEFORE.grants))
    later = changed([policy], applied)

    assert retired.uid == "payroll/salaries"
    assert retired.grant is not None
    assert not later
    assert "is no longer used; generation 1 could sign until 2027-01-24" in one(later.notes).what


def test_r20_a_session_whose_grant_has_ended_is_a_difference():
    """
    Somebody has to sign before anything is paid again.
    """
    late = NOW + timedelta(days=46)

    session = one(changed([parse()], BEFORE, now=late).sessions)

    assert (session.action, session.signatures) == (Action.RENEW, 1)
    assert "ended on 2027-01-24" in session.why


def test_t9_a_session_that_is_over_needs_no_grant():
    """
    All of its schedules are completed: nobody asks for the next one, until one is added.
    """
    rows = {uid: replace(row, state="completed") for uid, row in BEFORE.schedules.items()}
    over = replace(BEFORE, schedules=rows, grants=(replace(BEFORE.grants[0], state="retired"),))
    more = ("schedules:", "schedules:\n  more: {session: salaries, every: 1d, pay: {bob: 1 usdc}}")

    found = changed([parse()], over)

    assert not found
    assert "all of its schedules are completed" in found.notes[0].what
    assert one(changed([parse(POLICY, more)], over).sessions).action is Action.RENEW


@pytest.mark.parametrize("state", ["requested", "owner_signed", "activating"])
def test_a_grant_on_its_way_is_a_note(state):
    """
    Nothing to do but wait for it; unless it asks for something else.
    """
    coming = replace(BEFORE.grants[0], state=state)

    found = changed([parse()], replace(BEFORE, grants=(coming,)))
    other = replace(coming, permissions=(ContractAccess(Address(VAULT)),))

    assert not found
    assert f"({state})" in one(found.notes).what
    assert changed([parse()], replace(BEFORE, grants=(other,))).sessions


@pytest.mark.parametrize(
    "edit",
    [
        ("chain: base-sepolia", "chain: base"),
        ("wallet: sandbox", "wallet: alchemy"),
        ("gas: sponsor", f"gas: sponsor, address: {VAULT}"),
        ("gas: sponsor", "gas: sponsor, salt: 5"),
        ("owner: o,", "owner: p,"),
        ("gas: sponsor", "gas: sponsor, type: eip7702"),
    ],
)
def test_a_session_that_moves_is_granted_there(edit):
    """
    The old grant is another account's.
    """
    session = one(changed([parse(POLICY, edit)], BEFORE).sessions)

    assert (session.action, session.signatures) == (Action.REPLACE, 1)


def test_keys_of_accounts_are_told():
    """
    Gas, fees, owners.
    """
    found = changed([parse(POLICY, ("gas: sponsor", "gas: sponsor, max_fee: 1 gwei"))], BEFORE)

    account = one(found.accounts)
    assert account.uid == "payroll/treasury"
    assert ("max_fee", "0.002 native", "0.000000001 native") in keys(account)


# ── schedules ─────────────────────────────────────────────────────────────────────────────────


def test_a_changed_trigger_is_seeded_anew():
    """
    T10: strictly in the future, by the new trigger.
    """
    schedule = one(changed([parse(POLICY, ("0 9 1 * *", "0 9 L * *"))], BEFORE).schedules)

    assert keys(schedule) == [("cron", '"0 9 1 * *"', '"0 9 L * *"')]
    assert schedule.first == datetime(2026, 12, 31, 8, tzinfo=UTC)


def test_another_kind_of_trigger_is_two_keys():
    """
    One goes, one comes.
    """
    every = ('cron: "0 9 1 * *"', "every: 30d")

    schedule = one(changed([parse(POLICY, every)], BEFORE).schedules)

    assert ("every", None, "30d") in keys(schedule)
    assert ("cron", '"0 9 1 * *"', None) in keys(schedule)
    assert schedule.floating


def test_a_contact_with_another_address_changes_its_schedules():
    """
    The name is the same, the money goes elsewhere: at each schedule that pays it.
    """
    schedule = one(changed([parse(POLICY, ("00000b0b", "00000b0c"))], BEFORE).schedules)

    assert schedule.uid == "payroll/weekly"
    assert keys(schedule) == [
        (
            "contacts.bob",
            "0x0000000000000000000000000000000000000B0b",
            "0x0000000000000000000000000000000000000B0C",
        )
    ]


def test_a_schedule_that_is_gone():
    """
    Marked removed by the ledger, it is no difference any more.
    """
    text = POLICY.partition("  weekly:")[0]
    removed = {
        uid: replace(row, state="removed") if uid.endswith("weekly") else row
        for uid, row in BEFORE.schedules.items()
    }

    gone = one(changed([parse(text)], BEFORE).schedules)

    assert (gone.uid, gone.action) == ("payroll/weekly", Action.RETIRE)
    assert not changed([parse(text)], replace(after(parse(text)), schedules=removed))


def test_a_removed_schedule_that_is_back_is_new():
    """
    It begins in the future, whatever is left of its past.
    """
    rows = {uid: replace(row, state="removed") for uid, row in BEFORE.schedules.items()}

    found = changed([parse()], replace(BEFORE, schedules=rows))

    assert {each.action for each in found.schedules} == {Action.CREATE}


def test_t10_a_rename_keeps_its_place():
    """
    With `previous_names` one row changes its name, without them one goes and one comes.
    """
    renamed = ("  weekly: {", "  hosting: {previous_names: [weekly], ")
    bare = ("  weekly: {", "  hosting: {")

    kept = one(changed([parse(POLICY, renamed)], BEFORE).schedules)
    lost = changed([parse(POLICY, bare)], BEFORE).schedules

    assert (kept.action, kept.was) == (Action.CHANGE, "payroll/weekly")
    assert [each.action for each in lost] == [Action.CREATE, Action.RETIRE]


def test_without_a_record_the_ledgers_rows_speak():
    """
    A ledger that does not hold what was applied still knows triggers and sessions.
    """
    found = changed([parse(POLICY, ("1w", "5d"))], replace(BEFORE, applied={}))

    schedule = one(found.schedules)
    assert [key.path for key in schedule.keys] == ["trigger"]
    assert not changed([parse()], replace(BEFORE, applied={}))


# ── near duplicates ───────────────────────────────────────────────────────────────────────────


def paid(facts, uid, when):
    rows = dict(facts.schedules)
    rows[uid] = replace(rows[uid], last_paid=when)
    return replace(facts, schedules=rows)


@pytest.mark.parametrize(
    ("expression", "near"),
    [
        ("0 9 12 * *", True),  # two days after the last payment, of a month
        ("0 9 L * *", False),  # three weeks after it
    ],
)
def test_x9_a_changed_trigger_that_follows_a_payment_too_soon(expression, near):
    """
    Closer than half of the smaller period is an error-level line.
    """
    facts = paid(BEFORE, "payroll/monthly", NOW - timedelta(days=1))

    schedule = one(changed([parse(POLICY, ("0 9 1 * *", expression))], facts).schedules)

    assert (schedule.near is not None) is near
    if schedule.near is not None:
        assert schedule.near.last_paid == NOW - timedelta(days=1)
        assert schedule.near.first == datetime(2026, 12, 12, 8, tzinfo=UTC)


def test_x9_an_unchanged_trigger_is_never_near():
    """
    Its slots are what they were.
    """
    facts = paid(BEFORE, "payroll/monthly", NOW - timedelta(hours=1))

    schedule = one(changed([parse(POLICY, ("2500 usdc", "2400 usdc"))], facts).schedules)

    assert schedule.near is None


def test_x9_without_a_record_the_new_period_counts():
    """
    The old one is not known: half of the new one has to do.
    """
    facts = replace(paid(BEFORE, "payroll/monthly", NOW - timedelta(days=1)), applied={})

    schedule = one(changed([parse(POLICY, ("0 9 1 * *", "0 9 12 * *"))], facts).schedules)

    assert schedule.near is not None
