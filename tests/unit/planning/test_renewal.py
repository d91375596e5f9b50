"""Rules R1 to R9: when to renew, until when to serve."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.planning.renewal import (
    Ladder,
    Margins,
    least_lead,
    may_serve,
    renewal_at,
    retry_after,
    room,
)
from runner.scheduling.lateness import run_deadline_default

NOW = datetime(2026, 12, 1, tzinfo=UTC)
REAL = Margins(
    inclusion=timedelta(seconds=120),
    skew=timedelta(seconds=30),
    min_lead=timedelta(minutes=5),
    finality=timedelta(seconds=30),
)
SANDBOX = Margins(
    inclusion=timedelta(seconds=3),
    skew=timedelta(seconds=1),
    min_lead=timedelta(seconds=5),
    finality=timedelta(0),
)


def renewal(life, *, renew_before=None, margins=REAL, seed="a", deadline=timedelta(minutes=1)):
    return renewal_at(
        issued_at=NOW,
        expires_at=NOW + life,
        renew_before=renew_before,
        run_room=room(deadline, margins),
        margins=margins,
        seed=seed,
    )


@pytest.mark.parametrize(
    ("life", "share"),
    [(timedelta(days=45), 1 / 3), (timedelta(days=10), 1 / 3), (timedelta(days=9), 1 / 2)],
)
def test_r1_a_third_of_a_long_life_and_half_of_a_short_one(life, share):
    """
    Renewal is at E − L/3 from ten days on, E − L/2 below, jitter only earlier (R3).
    """
    promised = NOW + life - life * share

    at = renewal(life)

    assert promised - timedelta(minutes=11) <= at <= promised


def test_r2_percentage_and_duration():
    """
    `renew_before` counts back from the end, as a share of the life or as a time.
    """
    life = timedelta(days=30)

    by_share = renewal(life, renew_before=Decimal("0.2"))
    by_time = renewal(life, renew_before=timedelta(days=6))

    assert by_share == by_time
    assert timedelta(0) <= NOW + timedelta(days=24) - by_share <= timedelta(minutes=10, seconds=1)


def test_r3_same_seed_same_time_and_never_later():
    """
    Jitter is a function of account, session and generation, and moves earlier only.
    """
    life = timedelta(days=30)

    times = {renewal(life, seed=f"account/session/{n}") for n in range(50)}

    assert renewal(life, seed="x") == renewal(life, seed="x")
    assert len(times) > 25
    assert all(at <= NOW + timedelta(days=20) for at in times)


@given(
    life=st.timedeltas(timedelta(seconds=40), timedelta(days=400)),
    share=st.decimals(Decimal("0.01"), Decimal("0.99"), places=2) | st.none(),
)
def test_r2_the_lead_keeps_its_bounds(life, share):
    """
    Whatever is written: never earlier than 20 % of the life, never too late to hand over.
    """
    deadline = run_deadline_default(life)

    at = renewal(life, renew_before=share, margins=SANDBOX, deadline=deadline)

    lead = NOW + life - at
    most = life * 4 / 5
    assert lead <= most
    floor = min(least_lead(room(deadline, SANDBOX), SANDBOX), most)
    assert lead >= floor - timedelta(seconds=1)


def test_r6_serving_ends_when_a_run_would_not_fit():
    """
    A run needs its deadline, an inclusion and the skew before the grant's end.
    """
    needed = room(timedelta(seconds=60), REAL)

    assert needed == timedelta(seconds=210)
    assert may_serve(expires_at=NOW + needed, now=NOW, run_room=needed)
    assert not may_serve(expires_at=NOW + needed, now=NOW + timedelta(seconds=1), run_room=needed)


def test_r7_to_r9_ladders_double_and_are_capped_by_the_life_left():
    """
    Transport failures start at 10 s, refusals at an hour; a tenth of the life left bounds both.
    """
    long = {"life_left": timedelta(days=300), "min_lead": timedelta(minutes=5), "chance": 0.0}
    short = {"life_left": timedelta(minutes=10), "min_lead": timedelta(minutes=5), "chance": 0.0}

    transport = [retry_after(Ladder.TRANSPORT, failures=n, **long) for n in (1, 2, 3, 9)]
    refused = [retry_after(Ladder.REFUSED, failures=n, **long) for n in (1, 2, 7)]

    assert [wait.total_seconds() for wait in transport] == [10, 20, 40, 300]
    assert [wait.total_seconds() / 3600 for wait in refused] == [1, 2, 32]
    assert retry_after(Ladder.REFUSED, failures=1, **short) == timedelta(minutes=1)
    gone = {**short, "life_left": timedelta(0)}
    assert retry_after(Ladder.REFUSED, failures=1, **gone) == timedelta(seconds=10)


@given(
    life=st.integers(60, 200 * 86_400),
    share=st.one_of(st.none(), st.decimals("0.01", "0.8", places=2)),
    deadline=st.integers(1, 600),
    slot=st.integers(0, 200 * 86_400),
    seed=st.text(max_size=5),
)
def test_r4_whatever_slot_a_grant_cannot_carry_the_next_one_is_asked_for_before_it(
    life, share, deadline, slot, seed
):
    """
    With the time of an activation to spare, so that the slot finds the next one in service.
    """
    run_room = room(timedelta(seconds=deadline), SANDBOX)
    whole = timedelta(seconds=life)
    if least_lead(run_room, SANDBOX) > whole * 4 / 5:
        return  # such a life is refused: nothing could be carried by it
    due = NOW + timedelta(seconds=slot % life)
    asked = renewal_at(
        issued_at=NOW,
        expires_at=NOW + whole,
        renew_before=share,
        run_room=run_room,
        margins=SANDBOX,
        seed=seed,
    )

    if due + run_room > NOW + whole:
        assert asked + SANDBOX.activation <= due
