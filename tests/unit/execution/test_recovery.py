"""The table of what is safe to do with a signed part."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.execution.recovery import (
    MOST_REPLACEMENTS,
    Sighting,
    Situation,
    Step,
    next_step,
    rests_until,
)
from runner.records import GrantState, Operation, OperationKind, OperationStatus
from runner.scheduling.occurrence import State

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def operation(status=OperationStatus.SENT, kind=OperationKind.PAYMENT, signed_at=NOW, name="a"):
    return Operation(
        hash=name,
        run="r",
        kind=kind,
        call_id="",
        chain=1,
        sender="0x",
        nonce=0,
        max_fee_per_gas=1,
        max_priority_fee_per_gas=1,
        max_cost=1,
        sponsored=True,
        status=status,
        signed_at=signed_at,
        from_block=10,
    )


AT = Situation(
    state=State.SENT,
    operations=(operation(),),
    sighting=None,
    now=NOW,
    head_block=10,
    final_at=NOW - timedelta(seconds=30),
    deadline_at=NOW + HOUR,
    grant_expires_at=NOW + 24 * HOUR,
    last_sent_at=NOW,
    resend_after=timedelta(minutes=2),
    quiet_until=NOW - HOUR,
    skew=timedelta(seconds=30),
    may_burn=True,
)
OURS = Sighting("a", ours=True, final=False)


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({}, Step.WAIT),
        ({"sighting": OURS}, Step.INCLUDE),
        ({"sighting": OURS, "state": State.INCLUDED}, Step.WAIT),
        ({"sighting": replace(OURS, final=True), "state": State.INCLUDED}, Step.CLOSE),
        ({"state": State.INCLUDED}, Step.EXCLUDE),
        ({"sighting": replace(OURS, recorded=False), "state": State.INCLUDED}, Step.EXCLUDE),
        ({"sighting": replace(OURS, recorded=False)}, Step.INCLUDE),
        ({"sighting": replace(OURS, ours=False)}, Step.EVIDENCE),
        ({"sighting": replace(OURS, ours=False), "state": State.HELD}, Step.WAIT),
        ({"operations": (operation(OperationStatus.SIGNED),)}, Step.RESEND),
        ({"operations": (operation(OperationStatus.UNKNOWN),)}, Step.RESEND),
        ({"now": NOW + timedelta(minutes=3)}, Step.ASK),
        ({"now": NOW + timedelta(minutes=3), "head_block": 13}, Step.REPLACE),
        ({"now": NOW + HOUR}, Step.BURN),
        ({"now": NOW + HOUR, "quiet_until": NOW + 2 * HOUR}, Step.WAIT),
        ({"now": NOW + HOUR, "may_burn": False}, Step.ASK),
        ({"now": NOW + 24 * HOUR}, Step.WAIT),
        ({"now": NOW + 25 * HOUR, "final_at": NOW + 25 * HOUR}, Step.EXPIRED),
        ({"standing": GrantState.STOPPING}, Step.WAIT),
        ({"standing": GrantState.STOPPING, "now": NOW + HOUR}, Step.BURN),
        ({"standing": GrantState.STOPPING, "sighting": OURS}, Step.INCLUDE),
        ({"standing": GrantState.STOPPING, "may_burn": False}, Step.WAIT),
        ({"standing": GrantState.REVOKED}, Step.UNINSTALLED),
        ({"standing": GrantState.REVOKED, "quiet_until": NOW + HOUR}, Step.WAIT),
        ({"standing": GrantState.REVOKED, "sighting": OURS}, Step.INCLUDE),
    ],
)
def test_x12_the_table(changes, step):
    """
    The chain first, then the grant's end, then the clock.
    """
    assert next_step(replace(AT, **changes)) is step


def test_x4_one_burn_is_enough():
    """
    A burn that is under way is pursued like any operation, and not signed again.
    """
    burning = (operation(), operation(kind=OperationKind.BURN, name="b"))

    assert next_step(replace(AT, now=NOW + HOUR, operations=burning)) is not Step.BURN


def test_s5_replacements_are_bounded():
    """
    After ten replacements the service is asked, and no further fee is raised.
    """
    many = tuple(operation(name=str(n)) for n in range(MOST_REPLACEMENTS + 1))
    late = replace(AT, now=NOW + timedelta(minutes=3), head_block=99)

    assert next_step(replace(late, operations=many[:-1])) is Step.REPLACE
    assert next_step(replace(late, operations=many)) is Step.ASK


def test_s5_what_is_refused_again_and_again_is_replaced():
    """
    Bytes that the service refuses, for their fees perhaps, are outbid once they are stuck.
    """
    refused = (operation(OperationStatus.UNKNOWN),)
    late = replace(AT, now=NOW + timedelta(minutes=3), operations=refused)

    assert next_step(late) is Step.RESEND
    assert next_step(replace(late, head_block=13)) is Step.REPLACE


@given(
    state=st.sampled_from([State.SIGNED, State.SENT, State.UNKNOWN, State.INCLUDED, State.HELD]),
    status=st.sampled_from([OperationStatus.SIGNED, OperationStatus.SENT, OperationStatus.UNKNOWN]),
    offset=st.integers(-3600, 3600 * 48),
    final=st.integers(-3600, 3600 * 48),
    head=st.integers(0, 1000),
    sighting=st.none() | st.builds(Sighting, st.just("a"), ours=st.booleans(), final=st.booleans()),
)
def test_x3_only_final_evidence_ends_a_run(state, status, offset, final, head, sighting):
    """
    Whatever clock, block and status say: an end needs a final sighting or a final later block.
    """
    at = replace(
        AT,
        state=state,
        operations=(operation(status),),
        now=NOW + timedelta(seconds=offset),
        final_at=NOW + timedelta(seconds=final),
        head_block=head,
        sighting=sighting,
    )

    step = next_step(at)

    if step is Step.CLOSE:
        assert sighting is not None
        assert sighting.ours
        assert sighting.final
    if step is Step.EXPIRED:
        assert sighting is None
        assert at.final_at > at.grant_expires_at
    if step in {Step.RESEND, Step.REPLACE, Step.BURN}:
        assert sighting is None


@given(
    minutes=st.integers(0, 2000),
    blocks=st.integers(0, 50),
    status=st.sampled_from(["signed", "sent", "unknown"]),
    may_burn=st.booleans(),
)
def test_r13_a_grant_that_has_to_stop_signs_nothing_but_burns(minutes, blocks, status, may_burn):
    """
    However long it takes: the payment's own bytes may be sent again, no new ones are signed.
    """
    at = replace(
        AT,
        operations=(operation(OperationStatus(status)),),
        now=NOW + timedelta(minutes=minutes),
        head_block=10 + blocks,
        may_burn=may_burn,
        standing=GrantState.STOPPING,
    )

    assert next_step(at) is not Step.REPLACE


def seconds(least, most):
    return st.integers(least, most).map(lambda number: timedelta(seconds=number))


@given(
    status=st.sampled_from([OperationStatus.SENT, OperationStatus.SIGNED, OperationStatus.UNKNOWN]),
    burning=st.booleans(),
    standing=st.sampled_from([GrantState.ACTIVE, *GrantState]),
    may_burn=st.booleans(),
    moments=st.tuples(
        seconds(0, 600), seconds(0, 900), seconds(-150, 0), seconds(-5, 60), seconds(-600, 0)
    ),
    later=st.tuples(seconds(0, 600), st.integers(0, 1000)),
)
def test_who_rests_has_nothing_to_do_before_its_moment(
    status, burning, standing, may_burn, moments, later
):
    """
    Until then the table says to wait, whatever the head and its age are by then.
    """
    deadline, expires, sent, quiet, final = (NOW + one for one in moments)
    kinds = (OperationKind.PAYMENT, OperationKind.BURN)[: 1 + burning]
    at = replace(
        AT,
        operations=tuple(operation(status, kind, name=kind.value) for kind in kinds),
        final_at=final,
        deadline_at=deadline,
        grant_expires_at=expires,
        last_sent_at=sent,
        quiet_until=quiet,
        standing=standing,
        may_burn=may_burn,
    )
    if next_step(at) is Step.WAIT and (rest := rests_until(at) - NOW):
        passed = NOW + later[0] % rest

        assert rest > timedelta(0)
        assert next_step(replace(at, now=passed, final_at=passed, head_block=later[1])) is Step.WAIT


def test_who_rests_is_judged_at_each_moment_that_decides():
    """
    Sent: until the service is asked again, the run is burned, or its grant nears its end.
    """
    late = timedelta(minutes=2)

    assert rests_until(AT) == NOW + late
    assert rests_until(replace(AT, deadline_at=NOW + late / 2)) == NOW + late / 2
    assert rests_until(replace(AT, grant_expires_at=NOW + late)) == NOW + late - AT.skew
    assert rests_until(replace(AT, quiet_until=NOW + late / 4)) == NOW + late / 4
    assert rests_until(replace(AT, state=State.INCLUDED, sighting=OURS)) == NOW
    assert rests_until(replace(AT, standing=GrantState.STOPPING)) == NOW
