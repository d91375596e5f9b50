"""
What is allowed and hardly meant: warnings about a sound policy, each with its place.

Pure: the policy and the time go in, findings come out. `validate` shows them, and refuses by them
under `--strict`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise, takewhile
from typing import NamedTuple

from runner.ethereum.address import Address
from runner.ethereum.permissions import (
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    NativeTokenTransfer,
    Permission,
)
from runner.planning.beyond import over_limits, to_tokens
from runner.planning.derive import with_margin
from runner.planning.needs import Needs, needs_of
from runner.policy.codes import Code
from runner.policy.faults import Finding, listed
from runner.policy.model import (
    At,
    Cron,
    Dates,
    DayMatch,
    Derive,
    Every,
    NthWeekday,
    Pay,
    Policy,
    Schedule,
    Session,
)
from runner.scheduling.cron import check_cron
from runner.scheduling.dates import WallDates
from runner.scheduling.triggers import timetable
from runner.scheduling.wallclock import Walls
from runner.scheduling.zones import load_zone, spans

_DAY = timedelta(days=1)
_YEAR = timedelta(days=366)
_AHEAD = 2 * _YEAR
_LONG = timedelta(days=180)
_FACTOR = 1000  # times the median: three zeros too many
_MUCH = 2  # times the need: allowed beyond margin and a change of amounts
_FEW = 3  # amounts of which a median says something
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def lint(
    policy: Policy, *, now: datetime, needs: Mapping[str, Needs] | None = None
) -> Iterator[Finding]:
    """
    Go through a policy without faults.

    Args:
        now: Aware; slots before it do not count.
        needs: What `needs_of` finds, for a caller who has it already.
    """
    needs = needs_of(policy, now=now) if needs is None else needs
    for schedule in policy.schedules.values():
        yield from _never_again(schedule, now)
        yield from _months(schedule, now)
        yield from _clock_changes(schedule, policy.written, now)
        yield from _either_day(schedule)
        yield from _out_of_line(schedule)
        yield from to_tokens(policy, schedule)
        yield from over_limits(schedule, policy.sessions[schedule.session])
    for session in policy.sessions.values():
        uses = [one for one in policy.schedules.values() if one.session == session.name]
        yield from _too_long(session, uses, now)
        if session.name in needs and uses:
            yield from _too_broad(needs[session.name])


def _never_again(schedule: Schedule, now: datetime) -> Iterator[Finding]:
    if _last_slot(schedule) is None:
        return
    if timetable(schedule, anchor=now).next_firing_after(now) is None:
        what = "this trigger does not fire any more"
        hint = "its last slot has passed, or lies outside `start_at` and `end_at`"
        yield Finding(Code.NEVER_FIRES_AGAIN, what, schedule.trigger_mark, hint)


# ── months ────────────────────────────────────────────────────────────────────────────────────


def _months(schedule: Schedule, now: datetime) -> Iterator[Finding]:
    match schedule.trigger:
        case Cron() as cron:
            skipped = check_cron(cron.expression, cron.day_match).months_without()
            if skipped:
                names = listed(_MONTHS[month - 1] for month in skipped)
                what = f"not every year has such a day in {names}: nothing is paid then"
                hint = "write L for the last day of the month, or a day up to 28"
                yield Finding(Code.SKIPS_MONTHS, what, schedule.trigger_mark, hint)
        case Dates() as dates:
            if any(isinstance(rule, NthWeekday) and rule.nth == 5 for rule in dates.rules):
                what = "most months have no fifth such day: nothing is paid then"
                hint = "write `nth: last` for the last one of each month"
                yield Finding(Code.SKIPS_MONTHS, what, schedule.trigger_mark, hint)
        case Every(period) if timedelta(days=27) < period < timedelta(days=32):
            yield from _nearly_monthly(schedule, now)


def _nearly_monthly(schedule: Schedule, now: datetime) -> Iterator[Finding]:
    """Periods that look like a month: two slots in one, or none in a short one."""
    slots = timetable(schedule, anchor=now).slots(now)
    days = [slot.due_at for slot in takewhile(lambda slot: slot.due_at < now + _AHEAD, slots)]
    hint = 'a day of the month is paid once in each: cron: "0 9 1 * *"'
    for before, after in pairwise(days):
        months = (after.year - before.year) * 12 + after.month - before.month
        if months == 0:
            what = f"it pays twice in {after:%B %Y}: on the {before.day}. and the {after.day}."
            yield Finding(Code.TWICE_IN_ONE_MONTH, what, schedule.trigger_mark, hint)
            return
        if months > 1:
            what = f"it leaves out a month: {before:%Y-%m-%d} is followed by {after:%Y-%m-%d}"
            yield Finding(Code.SKIPS_MONTHS, what, schedule.trigger_mark, hint)
            return


# ── clocks ────────────────────────────────────────────────────────────────────────────────────


class _Change(NamedTuple):
    """Wall times, naive, from `low` to before `high`: left out (`gap`), or shown twice."""

    low: datetime
    high: datetime
    gap: bool


@lru_cache(maxsize=512)
def _changes(zone: str, day: datetime) -> tuple[_Change, ...]:
    """The changes of a zone's clocks in the two years from a day on."""
    found = []
    for span in spans(load_zone(zone), day):
        if span.begin >= day + _AHEAD:
            break
        if span.begin < day or span.offset == span.before:
            continue
        walls = sorted(
            (span.begin + each).replace(tzinfo=None) for each in (span.before, span.offset)
        )
        found.append(_Change(walls[0], walls[1], gap=span.offset > span.before))
    return tuple(found)


def _clock_changes(schedule: Schedule, written: Container[str], now: datetime) -> Iterator[Finding]:
    """Slots that the clocks leave out or show twice, unless the file says what becomes of them."""
    trigger = schedule.trigger
    if not isinstance(trigger, Cron | Dates):
        return
    walls = _walls(trigger)
    if walls.interval_like:
        return
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    hits = [each for each in _changes(trigger.timezone, day) if walls.count(each.low, each.high)]
    gap = next((next(walls.walls(each.low)) for each in hits if each.gap), None)
    fold = next((next(walls.walls(each.low)) for each in hits if not each.gap), None)
    if f"schedules.{schedule.name}.dst_gap" in written:
        gap = None
    if f"schedules.{schedule.name}.dst_fold" in written:
        fold = None
    told = []
    if gap is not None:
        told.append(f"leave out {gap:%H:%M} on {gap:%Y-%m-%d} (it is paid an hour later)")
    if fold is not None:
        told.append(f"show {fold:%H:%M} twice on {fold:%Y-%m-%d} (the first is paid)")
    if told:
        what = f"the clocks of {trigger.timezone} {', and '.join(told)}"
        hint = "choose another hour, or say by `dst_gap` and `dst_fold` what is meant"
        yield Finding(Code.HITS_A_CLOCK_CHANGE, what, schedule.trigger_mark, hint)


def _walls(trigger: Cron | Dates) -> Walls:
    if isinstance(trigger, Dates):
        return WallDates(trigger.listed, trigger.rules)
    return check_cron(trigger.expression, trigger.day_match)


def _either_day(schedule: Schedule) -> Iterator[Finding]:
    trigger = schedule.trigger
    if not isinstance(trigger, Cron) or trigger.day_match is not DayMatch.OR:
        return
    if check_cron(trigger.expression, trigger.day_match).both_days:
        what = "it fires on each such day of the month and on each such weekday"
        hint = "if both are to hold, write `day_match: and`"
        yield Finding(Code.EITHER_DAY, what, schedule.trigger_mark, hint)


# ── amounts and sessions ──────────────────────────────────────────────────────────────────────


def _out_of_line(schedule: Schedule) -> Iterator[Finding]:
    by_asset: dict[object, list[Pay]] = defaultdict(list)
    for call in schedule.calls:
        if isinstance(call, Pay):
            by_asset[call.asset].append(call)
    for pays in by_asset.values():
        if len(pays) < _FEW:
            continue
        middle = sorted(pay.amount for pay in pays)[(len(pays) - 1) // 2]
        for pay in pays:
            if pay.amount >= _FACTOR * middle:
                times = pay.amount // middle
                what = f"this is {times} times what the others of this schedule are paid"
                hint = "look for zeros too many; if it is meant, give it a schedule of its own"
                yield Finding(Code.AMOUNT_OUT_OF_LINE, what, pay.mark, hint)


def _too_long(session: Session, uses: Sequence[Schedule], now: datetime) -> Iterator[Finding]:
    place = session.lifetime_mark or session.mark
    ends = [_last_slot(schedule) for schedule in uses]
    known = [end for end in ends if end is not None]
    if known and max(known) <= now and len(known) == len(ends):
        return  # told: none of them fires any more
    if known and len(known) == len(ends):
        needed = max(max(known) - now, timedelta()) + 3 * _DAY
        if session.lifetime > 2 * needed:
            last = f"{max(known):%Y-%m-%d}"
            what = f"the grant lives {session.lifetime.days} days, the last slot is {last}"
            hint = f"`lifetime: {max(1, needed.days + 1)}d` would do; a grant is renewed if need be"
            yield Finding(Code.LONGER_THAN_NEEDED, what, place, hint)
            return
    if session.lifetime > _LONG:
        what = f"a stolen key of this session would stay good for {session.lifetime.days} days"
        hint = "grants are renewed by themselves; a month or two will do"
        yield Finding(Code.LONGER_THAN_NEEDED, what, place, hint)


def _too_broad(need: Needs) -> Iterator[Finding]:
    """Permissions that are written out, against what the schedules need."""
    hint = "write `permissions: derive`, or what the schedules need"
    session = need.session
    written = () if isinstance(session.permissions, Derive) else session.permissions
    places = dict(zip(written, session.permission_marks, strict=True))
    for permission, excess in beyond_need(need):
        what = f"`{permission.kind}` {excess}"
        yield Finding(Code.BROADER_THAN_NEEDED, what, places[permission], hint)


def beyond_need(need: Needs) -> Iterator[tuple[Permission, str]]:
    """The permissions that allow more than the schedules need, each with what is beyond."""
    written = need.session.permissions
    calls = {(call.to, call.data[:4]) for use in need.uses for call in use.intent}
    for permission in () if isinstance(written, Derive) else written:
        excess = _excess(permission, need, calls)
        if excess is not None:
            yield permission, excess


def _excess(permission: Permission, need: Needs, calls: Set[tuple[str, bytes]]) -> str | None:
    """Say what a permission allows beyond the need; None if it is in use and not far above."""
    match permission:
        case Erc20TokenTransfer(token, allowance):
            spends = need.at_most(token) > 0
            return _far_above(allowance, _asked(need, token)) if spends else _UNUSED
        case NativeTokenTransfer(allowance):
            return _far_above(allowance, _asked(need, None))
        case ContractAccess(address):
            return None if any(to == address for to, _ in calls) else _UNUSED
        case FunctionsOnContract(address, functions):
            used = {data for to, data in calls if to == address}
        case FunctionsOnAllContracts(functions):
            used = {data for _, data in calls}
        case _:
            return None
    idle = [f"0x{one.hex()}" for one in functions if one not in used]
    if len(idle) == len(functions):
        return _UNUSED
    return f"names functions that no schedule calls: {listed(idle)}" if idle else None


def _asked(need: Needs, token: Address | None) -> int:
    return with_margin(need.at_most(token), need.session.margin)


_UNUSED = "is used by no schedule of this session"


def _far_above(allowance: int, need: int) -> str | None:
    if allowance <= _MUCH * need:
        return None
    if not need:
        return _UNUSED
    return f"allows {allowance // need} times what the schedules need in one grant's life"


def _last_slot(schedule: Schedule) -> datetime | None:
    """Until when a schedule may fire; None if it goes on."""
    match schedule.trigger:
        case At(instant):
            return instant
        case Dates(days, (), timezone) if days:
            last = days[-1].replace(tzinfo=load_zone(timezone)).astimezone(UTC)
            return last if schedule.end_at is None else min(last, schedule.end_at)
    return schedule.end_at
