"""
Names, identities and moves of occurrences.

Source: SEMANTICS sections 1 and 3.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import EncodingError
from runner.ethereum.address import parse_address
from runner.ethereum.nonce import Nonce
from runner.scheduling.moves import TABLE, may_move, may_reopen
from runner.scheduling.occurrence import (
    CLOSED,
    DECIDED_AGAINST,
    OPEN,
    PENDING,
    REASONS,
    CalendarSlot,
    ExtraSlot,
    InstantSlot,
    Reason,
    State,
    format_calendar_slot,
    format_instant_slot,
    is_running,
    nonce_key,
    parse_slot,
    run_id,
)

RUN_ID = "ea4aa18f6783f400cc6ba58cd0f689aeb4015a8a7d9bace51182d961d65830b4"


def test_s1_run_id_of_the_vector():
    assert run_id("payroll/monthly-salaries", "2026-12-01T09:00:00#0", attempt=1).hex() == RUN_ID


def test_s2_nonce_key_of_the_vector():
    account = parse_address("0x" + 40 * "1")

    key = nonce_key(84532, account, bytes.fromhex(RUN_ID))

    assert key == 0x8647F9C70D4C92CCBA6A9D2E9A669E6B66F848
    nonce = Nonce(parallel=key, entity_id=1, options=0, sequence=0)
    assert nonce.value == 0x8647F9C70D4C92CCBA6A9D2E9A669E6B66F84800000001000000000000000000


def test_s1_every_part_of_a_run_id_counts():
    ids = {
        run_id(uid, slot, part=part, attempt=attempt)
        for uid, slot, part, attempt in product(("a/b", "a/c"), ("x", "y"), (0, 1), (1, 2))
    }

    assert len(ids) == 16


@pytest.mark.parametrize(
    ("uid", "slot", "part", "attempt"),
    [
        ("a\0b", "c", 0, 1),
        ("a", "b\0c", 0, 1),
        ("", "c", 0, 1),
        ("a", "", 0, 1),
        ("a", "b", -1, 1),
        ("a", "b", 1 << 32, 1),
        ("a", "b", 0, 0),
        ("a", "b", 0, 1 << 32),
    ],
)
def test_s1_refuses_what_two_runs_could_share(uid, slot, part, attempt):
    with pytest.raises(EncodingError):
        run_id(uid, slot, part=part, attempt=attempt)


@pytest.mark.parametrize("run", [b"", b"\1" * 31, b"\1" * 33])
def test_s2_refuses_a_run_id_of_another_length(run):
    with pytest.raises(EncodingError):
        nonce_key(1, parse_address("0x" + 40 * "1"), run)


@given(
    st.datetimes(datetime.fromisoformat("1970-01-01"), datetime.fromisoformat("8000-01-01")),
    st.sampled_from([0, 1]),
)
def test_s1_parsing_undoes_formatting(moment, fold):
    moment = moment.replace(microsecond=0)
    calendar = CalendarSlot(moment, fold)
    instant = InstantSlot(moment.replace(tzinfo=UTC))

    assert parse_slot(calendar.text) == calendar
    assert parse_slot(instant.text) == instant


def test_s1_slot_texts_as_an_operator_may_write_them():
    nine = datetime.fromisoformat("2026-12-01T09:00")

    assert parse_slot("2026-12-01T09:00:00#0") == CalendarSlot(nine)
    assert parse_slot("2026-12-01T09:00#1") == CalendarSlot(nine, 1)
    assert parse_slot("2026-12-01T09:00") == CalendarSlot(nine)
    assert parse_slot("2026-12-01T10:00+01:00").text == "2026-12-01T09:00:00Z"
    assert parse_slot("extra:bonus-2026") == ExtraSlot("bonus-2026")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2026-13-01T09:00:00#0",
        "2026-02-29T09:00:00Z",
        "2026-12-01T09:00:00#2",
        "2026-12-01T09:00:00Z#0",
        "2026-12-01 09:00:00",
        "2026-12-01T09:00:00.5Z",
        "\u0662026-12-01T09:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "extra:",
        "extra: x",
        "extra:a\0b",
        "extra:" + 201 * "x",
    ],
)
def test_s1_refuses_what_names_no_slot(text):
    with pytest.raises(EncodingError):
        parse_slot(text)


def test_s1_formats_whole_seconds_only():
    with pytest.raises(EncodingError):
        format_calendar_slot(datetime.fromisoformat("2026-01-01T00:00:00.000001"))
    with pytest.raises(EncodingError):
        format_calendar_slot(datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(EncodingError):
        format_instant_slot(datetime.fromisoformat("2026-01-01"))
    berlin = timezone(timedelta(hours=1))
    assert format_instant_slot(datetime(2026, 1, 1, tzinfo=berlin)) == "2025-12-31T23:00:00Z"


def test_every_state_is_open_or_closed_and_knows_its_reasons():
    assert frozenset(State) == OPEN | CLOSED
    assert not OPEN & CLOSED
    assert set(REASONS) == set(State)
    assert {reason for allowed in REASONS.values() for reason in allowed} == {None, *Reason}


def test_x5_only_what_is_prepared_may_be_signed():
    assert {state for state in State if may_move(state, State.SIGNED)} == {
        State.PREPARED,
        State.SIGNED,
    }


@pytest.mark.parametrize("from_", sorted(PENDING))
def test_x5_what_is_signed_is_never_prepared_again_or_decided_against(from_):
    for to in {State.CLAIMED, State.PREPARED, *DECIDED_AGAINST}:
        assert not may_move(from_, to)


@pytest.mark.parametrize("from_", sorted(PENDING))
def test_what_is_signed_is_held_for_evidence_alone(from_):
    held = {r for r in Reason if may_move(from_, State.HELD, reason=r)}

    assert held == {Reason.EVIDENCE}
    assert may_move(from_, State.HELD)


def test_held_for_evidence_leaves_by_evidence_alone():
    after = {s for s in State if may_move(State.HELD, s, was=Reason.EVIDENCE)}

    assert after == {
        State.HELD,
        State.SENT,
        State.INCLUDED,
        State.SUCCESS,
        State.REVERTED,
        State.NOT_INCLUDED,
    }
    assert not may_move(State.HELD, State.HELD, was=Reason.EVIDENCE, reason=Reason.RETRY)


@pytest.mark.parametrize("was", sorted(REASONS[State.HELD] - {Reason.EVIDENCE}))
def test_any_other_hold_leaves_unsigned(was):
    after = {s for s in State if may_move(State.HELD, s, was=was)}

    assert after == {State.CLAIMED, State.HELD, State.PREPARED, *DECIDED_AGAINST}
    assert not may_move(State.HELD, State.HELD, was=was, reason=Reason.EVIDENCE)


def test_x3_a_signed_run_closes_dead_with_the_reason_of_the_proof():
    for from_ in (State.SIGNED, State.SENT, State.UNKNOWN):
        died = {r for r in Reason if may_move(from_, State.NOT_INCLUDED, reason=r)}
        assert died == {Reason.EXPIRED, Reason.UNINSTALLED}
    died = {r for r in Reason if may_move(State.INCLUDED, State.NOT_INCLUDED, reason=r)}
    assert died == {Reason.BURNED}


def test_s6_a_reorg_takes_an_inclusion_back_to_sent():
    after = {state for state in State if may_move(State.INCLUDED, state)}

    assert after == {
        State.INCLUDED,
        State.SENT,
        State.HELD,
        State.SUCCESS,
        State.REVERTED,
        State.NOT_INCLUDED,
    }


def test_nothing_moves_out_of_a_closed_state():
    assert not [1 for a, b in product(CLOSED, State) if may_move(a, b)]


def test_a_move_needs_a_reason_that_its_state_knows():
    assert may_move(State.CLAIMED, State.SKIPPED, reason=Reason.PAUSED)
    assert not may_move(State.CLAIMED, State.SKIPPED, reason=Reason.LATE)
    assert not may_move(State.CLAIMED, State.SKIPPED, reason=None)
    assert not may_move(State.CLAIMED, State.PREPARED, reason=Reason.PAUSED)


def test_x11_x13_what_may_be_reopened():
    for closed in CLOSED:
        targets = {state for state in State if may_reopen(closed, state)}
        decided = closed in DECIDED_AGAINST
        assert targets == ({State.CLAIMED, State.HELD} if decided else {State.SENT})
    assert not [1 for a, b in product(OPEN, State) if may_reopen(a, b)]


def test_m7_a_waiting_slot_is_not_running():
    assert is_running(State.UNKNOWN)
    assert is_running(State.HELD, Reason.APPROVAL)
    assert not is_running(State.HELD, Reason.OVERLAP)
    assert not is_running(State.SUCCESS)


def test_the_table_decides_each_move_once():
    """
    From one place to one state for one reason there is one rule, so its effect is certain.
    """
    seen = [
        (place, rule.to, reason)
        for rule in TABLE
        for place in rule.places
        for reason in rule.reasons
    ]

    assert len(seen) == len(set(seen))
    assert {rule.to for rule in TABLE} == set(State)
    assert all(rule.reasons <= REASONS[rule.to] for rule in TABLE)
