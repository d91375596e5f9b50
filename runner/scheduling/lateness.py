"""
Late slots: which are still paid, which are given up, which make room for another.

One computation serves a restart, a suspended machine, a jump of the clock and a new holder of
the ledger (M3): what the calendar has had due since the last decided slot, judged at one moment.

Source: SEMANTICS M1 to M6, M9, T2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

from runner.frozen import frozen
from runner.policy.model import CatchUp, Schedule
from runner.scheduling.occurrence import Reason, Slot, State
from runner.scheduling.triggers import Timetable

RANGE_LIMIT = 1_000
"""More slots than these, closing at once for one reason, become one range row (M4)."""

LIST_LIMIT = 10_000
"""More slots than these are counted before any of them is listed."""

LEAST_WINDOW = timedelta(minutes=1)
LARGEST_WINDOW = timedelta(hours=72)
"""Bounds of the default catch-up window (M2)."""

_LONGEST_DEADLINE = timedelta(minutes=10)
_MICROSECOND = timedelta(microseconds=1)


@frozen
class Decision:
    """
    What becomes of one slot. `by` is the text of the slot that takes the place of a superseded
    one; a claimed slot has no reason.
    """

    slot: Slot
    state: State
    reason: Reason | None = None
    by: str | None = None


@frozen
class RangeDecision:
    """
    One decision for `count` slots, from the first to the last of them (M4).

    Slots between the two that close for another reason have decisions of their own and are not
    counted here.
    """

    state: State
    reason: Reason
    count: int
    from_slot: Slot
    to_slot: Slot
    by: str | None = None


def run_deadline_default(lifetime: timedelta) -> timedelta:
    """How long a run may take: 10 minutes, or a tenth of a shorter session's lifetime (M9)."""
    return min(_LONGEST_DEADLINE, lifetime / 10)


def catch_up_window_default(slot: Slot, next_slot: Slot | None) -> timedelta:
    """
    How long after `fire_at` a slot may still be paid when no window is written (M2).

    Half the nominal distance to the next slot, so that what is late never crowds what comes;
    at least 1 minute, at most 72 hours, and 72 hours when nothing follows.
    """
    if next_slot is None:
        return LARGEST_WINDOW
    half = (next_slot.due_at - slot.due_at) / 2
    return min(max(half, LEAST_WINDOW), LARGEST_WINDOW)


def window_end(
    spec: Schedule, table: Timetable, slot: Slot, following: Slot | None = None
) -> datetime:
    """
    The end of a slot's catch-up window (M2); a slot on time has its grace at least.

    Args:
        following: The slot that comes next, for whoever has it at hand.
    """
    window = spec.catch_up_window
    if spec.catch_up is CatchUp.NONE:
        window = spec.start_grace
    elif window is None:
        if following is None or following.verdict is not None:
            following = table.next_firing_after(slot.due_at)
        window = catch_up_window_default(slot, following)
    return slot.fire_at + max(window, spec.start_grace)


HEAD_STALE = timedelta(minutes=10)
"""X10: without a head block read this recently, nothing is decided."""

AHEAD_OF_HEAD = timedelta(seconds=120)
"""X10: how far a decision may be ahead of the chain."""


def decide_now(now: datetime, *, head: datetime | None, head_age: timedelta) -> datetime | None:
    """
    The moment up to which slots are decided: the earlier of now and head + 120 s (X10).

    A clock that jumps forward burns no future: it is believed only as far as the chain follows.

    Args:
        head: The time of the newest block; None before one was read.
        head_age: How long ago that was, by the monotonic clock.

    Returns:
        None while nothing may be decided.
    """
    if head is None or head_age > HEAD_STALE:
        return None
    return min(now, head + AHEAD_OF_HEAD)


def decide(
    late: Sequence[Slot],
    *,
    now: datetime,
    start_grace: timedelta,
    catch_up: CatchUp,
    catch_up_window: timedelta | None = None,
    next_slot: Slot | None = None,
) -> list[Decision]:
    """
    Decide slots whose `fire_at` has come, in their order.

    A slot on time is claimed, each of them (M1). Of the late ones `all` claims every slot in
    its window, oldest first, and `none` claims nothing. `latest` stands for one payment after
    an outage: it claims the newest late slot in its window, unless a slot on time is there as
    well. That one is newer, and paid anyway; so the late ones are superseded by it. The other
    reading would pay twice within a minute for having been down.

    Args:
        late: Ascending, undecided, all with `fire_at` up to `now`.
        now: The `decide_now` of X10.
        start_grace: Up to this age, counted from `fire_at`, a slot is on time.
        catch_up_window: Age up to which a late slot may be paid; None: by M2, slot by slot.
        next_slot: The slot after the last one, for that default.
    """
    decisions: dict[int, Decision] = {}
    candidates: list[int] = []
    on_time: str | None = None
    following = next_slot if next_slot is None or next_slot.verdict is None else None
    for index in range(len(late) - 1, -1, -1):
        slot = late[index]
        if slot.verdict is not None:
            decisions[index] = Decision(slot, slot.closes_as or State.SKIPPED, slot.verdict)
            continue
        age = now - slot.fire_at
        window = catch_up_window
        if window is None:
            window = catch_up_window_default(slot, following)
        following = slot
        if age <= start_grace:
            decisions[index] = Decision(slot, State.CLAIMED)
            on_time = slot.text
        elif catch_up is CatchUp.NONE or age > window:
            decisions[index] = Decision(slot, State.MISSED, Reason.LATE)
        elif catch_up is CatchUp.ALL:
            decisions[index] = Decision(slot, State.CLAIMED)
        else:
            candidates.append(index)  # newest first
    if on_time is None and candidates:
        newest = candidates.pop(0)
        decisions[newest] = Decision(late[newest], State.CLAIMED)
        on_time = late[newest].text
    for index in candidates:
        decisions[index] = Decision(late[index], State.SUPERSEDED, Reason.CATCH_UP, on_time)
    return [decisions[index] for index in range(len(late))]


def decide_since(
    table: Timetable,
    after: datetime,
    now: datetime,
    *,
    start_grace: timedelta,
    catch_up: CatchUp,
    catch_up_window: timedelta | None = None,
) -> list[Decision | RangeDecision]:
    """
    Decide everything that came due after an instant and has `fire_at` up to `now`.

    Together the decisions hold every such slot exactly once (M6); `after` of the next call is
    `decided_until` of this one's answer. Years of an `every: 1s` cost no more than an hour of
    it: what is certainly too old, or superseded, is counted and not listed. Only what is to be
    claimed is listed whatever its number, so `all` with a window of weeks over a schedule of
    seconds is as long as it was asked to be.
    """
    rule = _Rule(now, start_grace, catch_up, catch_up_window)
    if table.count(after, now) <= LIST_LIMIT:
        return compress(rule.judge(table, after))
    edges = _edges(table, after, rule)
    newest = rule.judge(table, edges.listed_from)
    claimed = next((d.slot.text for d in newest if d.state is State.CLAIMED), None)
    decisions: list[Decision | RangeDecision] = [
        *_close(table, after, edges.in_window_from, State.MISSED, Reason.LATE),
        *_close(
            table,
            edges.in_window_from,
            edges.listed_from,
            State.SUPERSEDED,
            Reason.CATCH_UP,
            by=claimed,
        ),
        *newest,
    ]
    return compress(decisions)


def decided_until(decisions: Sequence[Decision | RangeDecision]) -> datetime | None:
    """The `due_at` up to which everything is decided; None when nothing was."""
    if not decisions:
        return None
    return max((d.slot if isinstance(d, Decision) else d.to_slot).due_at for d in decisions)


def compress(
    decisions: Iterable[Decision | RangeDecision],
) -> list[Decision | RangeDecision]:
    """
    Put slots that close at once for one reason into one range, where they are many (M4).

    A range stands where its first slot stood. Claims are never put together: each is a run.
    """
    decisions = list(decisions)
    groups: dict[tuple[State, Reason, str | None], list[Decision | RangeDecision]] = {}
    for one in decisions:
        if one.reason is not None:
            groups.setdefault((one.state, one.reason, one.by), []).append(one)
    ranges = {
        key: _range(key, group)
        for key, group in groups.items()
        if sum(_count(one) for one in group) > RANGE_LIMIT
    }
    result: list[Decision | RangeDecision] = []
    for one in decisions:
        key = (one.state, one.reason, one.by) if one.reason is not None else None
        if key is None or key not in ranges:
            result.append(one)
        elif one is groups[key][0]:
            result.append(ranges[key])
    return result


# ── many slots at once ────────────────────────────────────────────────────────────────────────


@frozen
class _Rule:
    now: datetime
    start_grace: timedelta
    catch_up: CatchUp
    window: timedelta | None

    def judge(self, table: Timetable, after: datetime) -> list[Decision]:
        """List and decide the slots due after an instant, up to now."""
        late: list[Slot] = []
        following = None
        for slot in table.slots(after):
            if slot.fire_at <= self.now:
                late.append(slot)
            elif slot.verdict is None:
                following = slot
                break
        return decide(
            late,
            now=self.now,
            start_grace=self.start_grace,
            catch_up=self.catch_up,
            catch_up_window=self.window,
            next_slot=following,
        )


@frozen
class _Edges:
    """Slots due in (after, in_window_from] are missed, from there to `listed_from` superseded."""

    in_window_from: datetime
    listed_from: datetime


def _edges(table: Timetable, after: datetime, rule: _Rule) -> _Edges:
    """
    Cut the past where the decision changes.

    A slot fires before the next one is due, whatever its jitter. So at any instant only the last
    slot due may still wait to fire, and the one due before it is certainly past.
    """
    punctual_from = rule.now - rule.start_grace
    last = table.latest(after, punctual_from)
    if last is None:
        return _Edges(after, after)
    # The last slot due by then may be on time by its jitter; then the one before is the newest
    # late one. Both are listed, and with them whatever is newer.
    older = table.latest(after, last.due_at - _MICROSECOND) or last
    listed_from = older.due_at - _MICROSECOND
    if rule.window is None:
        # Half the distance to the next slot cannot reach past that slot, but for the least
        # window and for jitter, which moves the window's start.
        reach = max(LEAST_WINDOW, table.jitter) + table.jitter
        listed_from = min(listed_from, rule.now - reach - _MICROSECOND)
        return _Edges(max(listed_from, after), max(listed_from, after))
    if rule.catch_up is CatchUp.NONE:
        return _Edges(max(listed_from, after), max(listed_from, after))
    opens = rule.now - rule.window
    waiting = table.latest(after, opens - _MICROSECOND)
    if waiting is not None and waiting.fire_at >= opens:
        opens = waiting.due_at
    in_window_from = max(opens - _MICROSECOND, after)
    if rule.catch_up is CatchUp.ALL:
        listed_from = min(listed_from, in_window_from)
    listed_from = max(listed_from, after)
    return _Edges(min(in_window_from, listed_from), listed_from)


def _close(
    table: Timetable,
    after: datetime,
    until: datetime,
    state: State,
    reason: Reason,
    *,
    by: str | None = None,
) -> Iterator[Decision | RangeDecision]:
    """Close all slots due in (after, until] alike; those with a verdict by their verdict."""
    count = table.count(after, until)
    if count > RANGE_LIMIT:
        first = next(slot for slot in table.slots(after) if slot.verdict is None)
        last = table.latest(after, until) or first
        yield RangeDecision(state, reason, count, first, last, by)
    elif count:
        firing = (slot for slot in table.slots(after) if slot.verdict is None)
        yield from (Decision(slot, state, reason, by) for slot in islice(firing, count))
    for slot in table.exceptions(after, until):
        yield Decision(slot, slot.closes_as or State.SKIPPED, slot.verdict)


def _count(one: Decision | RangeDecision) -> int:
    return one.count if isinstance(one, RangeDecision) else 1


def _range(
    key: tuple[State, Reason, str | None], group: Sequence[Decision | RangeDecision]
) -> RangeDecision:
    state, reason, by = key
    first, last = group[0], group[-1]
    return RangeDecision(
        state=state,
        reason=reason,
        count=sum(_count(one) for one in group),
        from_slot=first.from_slot if isinstance(first, RangeDecision) else first.slot,
        to_slot=last.to_slot if isinstance(last, RangeDecision) else last.slot,
        by=by,
    )
