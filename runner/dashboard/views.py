"""What pages and the JSON API show, looked up in one place; pure parts are in `reporting`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from threading import Lock
from typing import Any

from sqlalchemy import Connection

from runner.adapters.sql import pages, questions, reading
from runner.adapters.sql.measures import Use, uses
from runner.adapters.sql.pages import Decided
from runner.dashboard.coming import Coming
from runner.dashboard.security import Door
from runner.dashboard.source import Kept, Source
from runner.errors import RunnerError
from runner.frozen import frozen
from runner.guard.budget import Budgets
from runner.guard.intent import NATIVE, Intent, intent_of
from runner.policy.model import Policy, Schedule
from runner.ports import Telemetry
from runner.reporting import health
from runner.reporting.calendar import Mark, coming, zone_of
from runner.reporting.health import SessionStatus, Status
from runner.reporting.scripts import Upcoming
from runner.reporting.totals import Moved, Total, summed
from runner.reporting.views import AskedView, Entry, EventView, LedgerView, ScheduleView
from runner.reporting.why import Question
from runner.scheduling.triggers import timetable
from runner.settings import Settings

_DAY = timedelta(days=1)
_MONTH = timedelta(days=34)  # the longest, and a day on either side
_INSTANT = timedelta(microseconds=1)
_MOST_MONTHS = 24
_MOST_SESSIONS = 100
_SUMS_SECONDS = 10.0
_NEXT_SECONDS = 1.0
_CONSENT = frozenset({"approval", "new_receiver", "near_duplicate"})

Following = Mapping[str, Upcoming | None]
"""The next slot of each schedule that fires, by uid."""


class Missing(RunnerError):
    """There is none of that name."""


@dataclass(slots=True)
class Web:
    """What every route is made with."""

    source: Source
    door: Door
    coming: Coming
    telemetry: Telemetry
    patience_seconds: float = 0.04
    """So long a page waits for its sums, all in all, before it shows what there is."""

    months: Months = field(init=False)
    sums: Sums = field(init=False)
    known: tuple[Sequence[Policy], dict[str, Terms]] | None = field(default=None, init=False)
    following: Kept[Following] = field(init=False)
    made: dict[Any, Kept[Any]] = field(default_factory=dict, init=False)
    """Parts of pages that take longer than a page may."""

    def __post_init__(self) -> None:
        self.months = Months()
        self.sums = Sums(self.source)
        self.following = Kept(self._following, _NEXT_SECONDS)

    def _following(self) -> Following:
        with self.source.ledger() as c:
            rows = reading.states(c)
        return self.coming.of(rows)


@frozen
class Terms:
    """A schedule of the policies in force, and what one run of it moves."""

    spec: Schedule
    policy: Policy
    session: str
    most: Intent


@frozen
class Ahead:
    """How often a schedule is to pay in the coming week, and in the coming 30 days."""

    schedule: str
    week: int
    month: int


class Sums:
    """What is summed up over weeks, a little old at worst: no page waits long for it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.uses = Kept(self._uses, _SUMS_SECONDS)
        self.ended = Kept(self._ended, _SUMS_SECONDS)
        self.moved = Kept(self._moved, _SUMS_SECONDS)
        self._decided: dict[date, Kept[list[Decided]]] = {}
        self._burnt: dict[str, Kept[list[tuple[datetime, str, int]]]] = {}

    def decided(self, first: date) -> Kept[list[Decided]]:
        """What was decided of the month that begins then, with a day on either side."""
        if len(self._decided) > _MOST_MONTHS:
            self._decided.clear()
        begin = datetime.combine(first, time(), UTC) - _DAY
        made = Kept(lambda: self._between(begin, begin + _MONTH), _SUMS_SECONDS)
        return self._decided.setdefault(first, made)

    def burnt(self, session: str) -> Kept[list[tuple[datetime, str, int]]]:
        """What the grant in service of a session has spent: when, of which token, how much."""

        def look() -> list[tuple[datetime, str, int]]:
            with self._source.ledger() as c:
                return pages.spent_of(c, session)

        if len(self._burnt) > _MOST_SESSIONS:
            self._burnt.clear()
        return self._burnt.setdefault(session, Kept(look, _SUMS_SECONDS))

    def _between(self, start: datetime, end: datetime) -> list[Decided]:
        with self._source.ledger() as c:
            return pages.decided_between(c, start=start, end=end)

    def _uses(self) -> dict[str, tuple[Use, ...]]:
        with self._source.ledger() as c:
            return uses(c)

    def _ended(self) -> dict[date, dict[str, int]]:
        with self._source.ledger() as c:
            return pages.ended_by_day(c, start=self._start(), end=self._source.now() + _DAY)

    def _moved(self) -> tuple[list[Moved], list[Total]]:
        with self._source.ledger() as c:
            moved = pages.moved_by_day(c, start=self._start(), end=self._source.now() + _DAY)
        return summed(moved)

    def _start(self) -> datetime:
        today = self._source.now().astimezone(UTC).date()
        return datetime.combine(today - timedelta(days=29), time(), UTC)


class Months:
    """The coming slots of a month, computed once per schedule: they do not change by themselves."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[tuple[str, date], tuple[Schedule, datetime, tuple[Mark, ...]]] = {}

    def of(self, spec: Schedule, anchor: datetime, first: date) -> tuple[Mark, ...]:
        """All slots of the month that begins on `first`, with a day on either side."""
        key = (spec.uid, first)
        with self._lock:
            found = self._known.get(key)
            if found is None or found[0] is not spec or found[1] != anchor:
                begin = datetime.combine(first, time(), UTC) - _DAY
                marks = tuple(coming(spec, anchor, begin, begin + timedelta(days=34)))
                found = self._known[key] = (spec, anchor, marks)
                if len(self._known) > 20_000:
                    self._known.pop(next(iter(self._known)))
            return found[2]


def terms(web: Web) -> dict[str, Terms]:
    """Every schedule of the policies in force, by uid; made once for each set of policies."""
    policies = web.source.policies()
    if web.known is not None and web.known[0] is policies:
        return web.known[1]
    found = {}
    for policy in policies:
        assets = {asset.address or NATIVE: asset for asset in policy.assets}
        for spec in policy.schedules.values():
            session = policy.sessions[spec.session].uid
            found[spec.uid] = Terms(spec, policy, session, intent_of(spec.calls, assets))
    web.known = (policies, found)
    return found


def status(web: Web) -> Status:
    """As `runner status`; the day is this machine's."""
    view = look(web, newest=True)
    return judged(web, view, web.coming.of(view.schedules))


def look(web: Web, *, newest: bool = False) -> LedgerView:
    """
    The ledger at one moment.

    Args:
        newest: Whether to look up what became of every schedule's newest slot.
    """
    now = web.source.now()
    start = datetime.combine(now.astimezone().date(), time()).astimezone(UTC)
    store = web.source.settings.store
    with web.source.ledger() as c:
        return reading.overview(c, store, start=start, end=start + _DAY, now=now, newest=newest)


def judged(web: Web, view: LedgerView, following: Following) -> Status:
    """The ledger against the policies and the clock."""
    policies, now = web.source.policies(), web.source.now()
    return health.status(view, policies=policies, upcoming=following, now=now)


def sessions(web: Web) -> list[SessionStatus]:
    """Every session that a policy names, or whose grants are not all closed."""
    with web.source.ledger() as c:
        grants, over = reading.grants(c), health.over_sessions(reading.states(c))
    policies, now = web.source.policies(), web.source.now()
    return list(health.session_statuses(grants, policies, now, over=over))


def run(web: Web, name: str) -> tuple[Entry, list[EventView]]:
    """
    One occurrence with its attempts, and all that was recorded about it.

    Raises:
        Missing: there is none of that name, or there are several.
    """
    with web.source.ledger() as c:
        found = reading.find(c, name)
        if not found:
            raise Missing(f"there is no run {name[:120]}")
        if len(found) > 1:
            raise Missing(f"{name[:120]} may be any of {len(found)} runs: write more of the id")
        return found[0], reading.timeline(c, found[0])


def month(web: Web, first: date) -> list[Mark]:
    """What was decided of a month's slots, some seconds ago at most, and what is to come."""
    now = web.source.now()
    specs = _specs(web)
    known = web.sums.decided(first).get()
    zones = {uid: zone_of(spec) for uid, spec in specs.items()}
    marks = [
        Mark(
            one.schedule,
            one.due_at,
            one.due_at.astimezone(zones.get(one.schedule, UTC)),
            one.state,
            one.reason,
            one.count,
        )
        for one in known
    ]
    decided = {(one.schedule, one.due_at) for one in known}
    is_over = datetime.combine(first, time(), UTC) + _MONTH < now
    rows = {} if is_over else _rows(web)
    for uid, spec in specs.items():
        row = rows.get(uid)
        if is_over or (row is not None and row.state == "completed"):
            continue
        marks += [
            mark
            for mark in web.months.of(spec, now if row is None else row.anchor, first)
            if mark.due_at > now and (uid, mark.due_at) not in decided
        ]
    return [one for one in marks if (one.day.year, one.day.month) == (first.year, first.month)]


def ahead(web: Web) -> list[Ahead]:
    """What is to come within a week and within 30 days, counted."""
    now = web.source.now()
    week, month = now + 7 * _DAY, now + 30 * _DAY
    with web.source.ledger() as c:
        decided = pages.decided_ahead(c, start=now + _INSTANT, end=month + _INSTANT)
    in_month = Counter(uid for uid, _ in decided)
    in_week = Counter(uid for uid, due_at in decided if due_at <= week)
    rows, found = _rows(web), []
    for uid, spec in _specs(web).items():
        row = rows.get(uid)
        if spec.suspend or (row is not None and row.state == "completed"):
            continue
        table = timetable(spec, anchor=now if row is None else row.anchor)
        counts = (
            max(table.count(now, end) - decided[uid], 0)
            for end, decided in ((week, in_week), (month, in_month))
        )
        found.append(Ahead(uid, *counts))
    return found


def _specs(web: Web) -> dict[str, Schedule]:
    return {s.uid: s for policy in web.source.policies() for s in policy.schedules.values()}


def _rows(web: Web) -> dict[str, ScheduleView]:
    with web.source.ledger() as c:
        return {row.uid: row for row in reading.states(c)}


def approvals(c: Connection, now: datetime) -> list[AskedView]:
    """What a person is asked now: of slots to come, and of runs that are held for it."""
    held = []
    for one in reading.open_entries(c):
        if one.occurrence is not None and one.reason in _CONSENT:
            asked = reading.asked(c, (one.occurrence.schedule, one.occurrence.slot))
            held += [] if asked is None else [asked]
    return held + [one for one in reading.questions(c, since=now) if one not in held]


def owners_by_hand(web: Web) -> frozenset[str]:
    """The sessions whose owners sign elsewhere, by uid."""
    signers = web.source.settings.signers
    return frozenset(
        session.uid
        for policy in web.source.policies()
        for session in policy.sessions.values()
        if (spec := signers.get(policy.accounts[session.account].owner)) is not None
        and spec.manual is not None
    )


def question(web: Web, schedule: str, at: str) -> Question:
    """
    Why a slot was or was not paid, will or will not be.

    Raises:
        Missing: no schedule has this name.
    """
    known = terms(web).get(schedule)
    subject = None
    if known is not None:
        session = known.policy.sessions[known.spec.session]
        budgets = Budgets.of(known.spec, session)
        subject = questions.Subject(known.spec, known.most.lines, budgets)
    with web.source.ledger() as c:
        row = pages.schedule(c, schedule)
        if subject is None and row is None:
            raise Missing(f"there is no schedule {schedule[:120]}")
        return questions.about(c, schedule, at, subject, row=row, now=web.source.now())


def wallets(settings: Settings) -> dict[str, str]:
    """Each wallet profile in a few words."""
    return {name: profile.shown for name, profile in settings.wallets.items()}
