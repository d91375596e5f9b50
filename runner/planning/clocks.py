"""Changes of clocks ahead, and the slots that they leave out, move or show twice (T2, T3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from runner.frozen import frozen
from runner.policy.model import Cron, Dates, Fold, Gap, Policy
from runner.scheduling.cron import check_cron
from runner.scheduling.occurrence import Reason, Slot
from runner.scheduling.triggers import Timetable, timetable
from runner.scheduling.zones import Span, load_zone, spans

_AROUND = timedelta(hours=26)
_MOST = 1000  # slots around one change that are looked at
_FOLDS = {
    Fold.FIRST: "the first is paid",
    Fold.LAST: "the last is paid",
    Fold.BOTH: "both are paid",
}


@frozen
class ClockChange:
    """A change of a zone's clocks, or (with a schedule) a slot that meets one."""

    at: datetime
    zone: str
    schedule: str | None
    what: str


def clock_changes(policies: Sequence[Policy], now: datetime, until: datetime) -> list[ClockChange]:
    """In order of time; each change once, whatever the number of schedules in its zone."""
    found: dict[tuple[str, datetime, str | None, str], ClockChange] = {}
    for policy in policies:
        for schedule in policy.schedules.values():
            trigger = schedule.trigger
            if not isinstance(trigger, Cron | Dates) or schedule.suspend or _flows(trigger):
                continue
            table = timetable(schedule, anchor=now)
            for span in _changes(trigger.timezone, now, until):
                told = [ClockChange(span.begin, trigger.timezone, None, _told(span))]
                for slot in _near(table, span, now, until):
                    what = _hit(slot, span, trigger)
                    if what is not None:
                        told.append(ClockChange(slot.due_at, trigger.timezone, schedule.uid, what))
                for one in told:
                    found.setdefault((one.zone, one.at, one.schedule, one.what), one)
    return sorted(found.values(), key=lambda one: (one.at, one.zone, one.schedule or ""))


def _flows(trigger: Cron | Dates) -> bool:
    """Whether it follows elapsed time through a change."""
    if isinstance(trigger, Dates):
        return False
    return check_cron(trigger.expression, trigger.day_match).interval_like


def _changes(zone: str, now: datetime, until: datetime) -> Iterator[Span]:
    for span in spans(load_zone(zone), now):
        if span.begin >= until:
            return
        if span.begin > now and span.offset != span.before:
            yield span


def _near(table: Timetable, span: Span, now: datetime, until: datetime) -> list[Slot]:
    low, high = max(now, span.begin - _AROUND), min(until, span.begin + _AROUND)
    found: list[Slot] = []
    for slot in table.slots(low):
        if slot.due_at > high or len(found) >= _MOST:
            break
        found.append(slot)
    return found


def _told(span: Span) -> str:
    forward = span.offset > span.before
    way, utc = ("forward", "earlier") if forward else ("back", "later")
    length = abs(span.offset - span.before)
    hours, rest = divmod(length, timedelta(hours=1))
    by = f"{hours} h" if not rest else f"{length // timedelta(minutes=1)} min"
    return f"clocks go {way} by {by}: the same local time comes {utc} in UTC from then on"


def _hit(slot: Slot, span: Span, trigger: Cron | Dates) -> str | None:
    wall = datetime.fromisoformat(slot.text.partition("#")[0])
    local = datetime.fromisoformat(slot.local).replace(tzinfo=None)
    if slot.verdict is Reason.DST_MERGED:
        return f"{wall:%H:%M} is left out and meets the next slot: paid once"
    if slot.verdict is Reason.BLACKOUT:
        return None
    if slot.verdict is Reason.DST_GAP:
        return f"{wall:%H:%M} is left out: {'missed' if trigger.gap is Gap.FAIL else 'skipped'}"
    if wall != local:
        return f"{wall:%H:%M} is left out: paid at {local:%H:%M}"
    twice_from = (span.begin + span.offset).replace(tzinfo=None)
    if twice_from <= wall < span.repeats_until and span.offset < span.before:
        return f"{wall:%H:%M} comes twice: {_FOLDS[trigger.fold]}"
    return None
