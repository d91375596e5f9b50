"""Which runs a person has to say yes to (B9, B10, X9), and what an approval is bound to (X6)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.guard.intent import NATIVE, TransferLine
from runner.planning.consent import History, doubts, intent_digest, too_soon
from runner.policy.model import Asset, Money
from runner.policy.parse import parse_policy
from runner.scheduling.cron import check_cron
from runner.scheduling.occurrence import Reason

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)
USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
ALICE = Address("0x00000000000000000000000000000000000A11cE")
THIEF = Address("0x00000000000000000000000000000000000000fa")
NEVER = History(NOW - 99 * DAY)
BEFORE = replace(NEVER, by_name={"alice": ALICE}, known=frozenset({ALICE}))

POLICY = """\
version: 1
name: p
chain: base-sepolia
wallet: sandbox
tokens: {usdc: {decimals: 6, address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e"}}
contacts: {alice: "0x00000000000000000000000000000000000a11ce"}
accounts: {treasury: {owner: o, gas: sponsor}}
sessions: {key: {account: treasury, lifetime: 45d}}
schedules:
  s: {session: key, every: 1d, pay: {alice: 25 usdc}}
"""


@pytest.fixture(scope="module")
def schedule():
    return parse_policy(POLICY, "p.yaml", environment={}, check_cron=check_cron).schedules["s"]


def line(amount=25, receiver=ALICE, name="alice", token=USDC):
    symbol = "usdc" if token == USDC else "native"
    return TransferLine(token, symbol, 6, receiver, name, amount)


def money(amount, token=USDC, mark=None):
    address = None if token == NATIVE else token
    return (Money(Asset("usdc" if address else "native", address, 6), amount, mark),)


def asked(schedule, lines, history=BEFORE, *, by_hand=False, due_at=NOW, next_due=NOW + DAY):
    found = doubts(schedule, lines, history, due_at=due_at, next_due=next_due, by_hand=by_hand)
    return [one.reason for one in found]


# ── approvals ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("amount", "asks"), [(99, False), (100, True), (101, True)])
def test_b9_a_person_confirms_from_the_amount_on(schedule, amount, asks):
    """
    The sum of a run counts, not its single payments; at the amount itself the person is asked.
    """
    spec = replace(schedule, approve_above=money(100))

    found = asked(spec, [line(60), line(amount - 60)])

    assert found == ([Reason.APPROVAL] if asks else [])


def test_b9_each_token_has_its_own_amount(schedule):
    """
    What has none is paid without a question.
    """
    spec = replace(schedule, approve_above=money(100))

    assert asked(spec, [line(10**9, token=NATIVE)]) == []
    assert asked(replace(spec, approve_above=()), [line(10**9)]) == []


CALL = Call(USDC, 0, b"\x01\x02")


@given(
    st.sampled_from(
        [
            ("p/t", "slot", 1, [CALL]),
            ("p/s", "other", 1, [CALL]),
            ("p/s", "slot", 2, [CALL]),
            ("p/s", "slot", 1, [CALL, CALL]),
            ("p/s", "slot", 1, [replace(CALL, to=ALICE)]),
            ("p/s", "slot", 1, [replace(CALL, value=1)]),
            ("p/s", "slot", 1, [replace(CALL, data=b"\x01\x03")]),
            ("p/s", "slot", 1, [replace(CALL, data=b"\x01"), replace(CALL, data=b"\x02")]),
            ("p/s", "slot", 1, []),
        ]
    )
)
def test_x6_b9_an_approval_is_for_these_calls_of_this_attempt_alone(other):
    """
    Another schedule, slot, attempt, receiver, amount or order is another digest.
    """
    assert intent_digest("p/s", "slot", 1, [CALL]) != intent_digest(*other)


# ── receivers ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("bound", "history", "receiver", "asks"),
    [
        (None, NEVER, ALICE, False),  # unset: off if the contact was never paid
        (None, BEFORE, ALICE, False),
        (None, BEFORE, THIEF, True),  # unset: any amount if the address changed
        (100, NEVER, ALICE, False),
        (25, NEVER, ALICE, True),
        (100, BEFORE, THIEF, False),
        (25, BEFORE, THIEF, True),
        (25, BEFORE, ALICE, False),
    ],
)
def test_b10_a_new_or_changed_receiver_asks_from_the_amount_on(
    schedule, bound, history, receiver, asks
):
    """
    Unset, an address that changed asks whatever the amount, and a new contact does not.
    """
    above = None if bound is None else money(bound)
    spec = replace(schedule, new_receiver_above=above)

    assert asked(spec, [line(receiver=receiver)], history) == (
        [Reason.NEW_RECEIVER] if asks else []
    )


def test_b10_a_renamed_contact_at_a_known_address_is_not_new(schedule):
    """
    But two names that swap their addresses both changed.
    """
    spec = replace(schedule, new_receiver_above=money(1))
    swapped = replace(
        BEFORE, by_name={"alice": ALICE, "bob": THIEF}, known=frozenset({ALICE, THIEF})
    )

    assert asked(spec, [line(name="alicia")]) == []
    assert (
        asked(spec, [line(receiver=THIEF), line(name="bob", receiver=ALICE)], swapped)
        == [Reason.NEW_RECEIVER] * 2
    )


# ── near duplicates ───────────────────────────────────────────────────────────────────────────


def paid(*days_ago, anchored=timedelta(hours=1)):
    """Paid so many days before `NOW`; the trigger was changed an hour before `NOW`."""
    times = tuple((NOW - days * DAY, NOW - days * DAY) for days in days_ago)
    return History(NOW - anchored, last_paid=times)


@pytest.mark.parametrize(
    ("history", "due_in", "next_in", "soon"),
    [
        (paid(2, 32), 0, 31, True),  # monthly, moved by two days
        (paid(15, 45), 0, 30, False),  # exactly half
        (paid(14, 44), 0, 30, True),
        (paid(2, 9), 0, 31, True),  # weekly before: half of seven days
        (paid(4, 11), 0, 31, False),
        (paid(2), 0, 31, True),  # one payment: the new period alone
        (paid(2), 0, None, False),  # nothing to compare with
        (paid(2, 32, anchored=99 * DAY), 0, 31, False),  # the trigger is the old one
        (History(NOW), 0, 31, False),  # nothing was paid
    ],
)
def test_x9_the_first_slot_of_a_changed_trigger_may_come_too_soon(history, due_in, next_in, soon):
    """
    Closer to the last paid one than half the smaller of the old and the new period.
    """
    due_at = NOW + due_in * DAY
    next_due = None if next_in is None else due_at + next_in * DAY

    assert (too_soon(history, due_at=due_at, next_due=next_due) is not None) is soon


def test_x9_what_an_operator_asks_for_is_no_near_duplicate(schedule):
    """
    The slot was named by a person.
    """
    assert asked(schedule, [line()], paid(2, 32), next_due=NOW + 31 * DAY) == [
        Reason.NEAR_DUPLICATE
    ]
    assert asked(schedule, [line()], paid(2, 32), next_due=NOW + 31 * DAY, by_hand=True) == []
