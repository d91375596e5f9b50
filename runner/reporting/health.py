"""
Is everything all right, what needs a person, what happens next: computed whenever it is asked.

A grant whose end has passed is expired whatever its row still says (R22).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby

from runner.alerting.incidents import Incident
from runner.frozen import frozen
from runner.policy.model import Policy
from runner.records import GrantState, Pause, PauseScope
from runner.reporting.scripts import Upcoming
from runner.reporting.text import away, brief, moves, plural, span, stamp
from runner.reporting.views import (
    AskedView,
    ChannelView,
    DaemonView,
    Entry,
    GrantView,
    LedgerView,
    ScheduleView,
)
from runner.reporting.words import CONDITIONS, label, meaning

_UNKNOWN_AFTER = timedelta(minutes=2)
_ONLY_TOLD = frozenset({"funding", "unreachable", "skew", "revocation", "ping", "differently"})
"""Kinds of incidents that nothing else in the ledger shows."""

_SILENT_AFTER = timedelta(minutes=5)
_ON_THE_WAY = frozenset({GrantState.REQUESTED, GrantState.OWNER_SIGNED, GrantState.ACTIVATING})
_QUIET_HOLDS = frozenset({"overlap", "paused", "blackout"})


class Severity(StrEnum):
    """How much it matters. The order of the members is the order on the page."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@frozen
class Finding:
    """Something a person should know; `todo` says what to do about it."""

    severity: Severity
    subject: str
    what: str
    todo: str | None = None


@frozen
class SessionStatus:
    """A session: its condition (R22), the generation that serves it, the one on its way."""

    uid: str
    condition: str
    grant: GrantView | None
    coming: GrantView | None


@frozen
class ScheduleStatus:
    """A schedule: `state` is active, paused, suspended, completed, removed or new."""

    uid: str
    session: str
    state: str
    paused_reason: str | None
    failures_in_row: int
    last: Entry | None
    next: Upcoming | None


@frozen
class Status:
    """Everything that `status` shows."""

    at: datetime
    daemon: DaemonView
    findings: tuple[Finding, ...]
    sessions: tuple[SessionStatus, ...]
    schedules: tuple[ScheduleStatus, ...]
    open_runs: tuple[Entry, ...]
    today: Mapping[tuple[str, str | None], int]

    @property
    def healthy(self) -> bool:
        """Nothing that needs a person."""
        return all(finding.severity is Severity.INFO for finding in self.findings)


def status(
    ledger: LedgerView,
    *,
    policies: Sequence[Policy] | None,
    upcoming: Mapping[str, Upcoming | None],
    now: datetime,
) -> Status:
    """
    Judge the ledger against the policies and the clock.

    Args:
        policies: Those on disk; None when they cannot be read.
        upcoming: By schedule uid, the next slot that fires.
    """
    over = over_sessions(ledger.schedules)
    sessions = tuple(session_statuses(ledger.grants, policies, now, over=over))
    schedules = tuple(_schedules(ledger.schedules, policies, upcoming))
    found = [
        *_about_daemon(ledger.daemon, now),
        *(finding for one in ledger.pauses for finding in _about_pause(one, now)),
        *_about_policies(policies),
        *(finding for one in sessions for finding in _about_session(one, now)),
        *(finding for one in schedules for finding in _about_schedule(one)),
        *(finding for one in ledger.open_runs for finding in _about_run(one, now)),
        *(_about_question(one, now) for one in ledger.asked),
        *(_about_channel(one, now) for one in ledger.channels if _is_silent(one, now)),
        *(_about_incident(one) for one in ledger.incidents if one.cause.kind in _ONLY_TOLD),
    ]
    order = list(Severity)
    return Status(
        at=now,
        daemon=ledger.daemon,
        findings=tuple(sorted(found, key=lambda finding: order.index(finding.severity))),
        sessions=sessions,
        schedules=schedules,
        open_runs=tuple(ledger.open_runs),
        today=ledger.today,
    )


# ── sessions ──────────────────────────────────────────────────────────────────────────────────


def over_sessions(schedules: Iterable[ScheduleView]) -> frozenset[str]:
    """The sessions whose schedules are all completed: they need no grant any more (T9)."""
    states: dict[str, set[str]] = {}
    for one in schedules:
        if one.state != "removed":
            states.setdefault(one.session, set()).add(one.state)
    return frozenset(uid for uid, found in states.items() if found == {"completed"})


def session_statuses(
    grants: Iterable[GrantView],
    policies: Sequence[Policy] | None,
    now: datetime,
    *,
    over: Collection[str],
) -> Iterator[SessionStatus]:
    """Every session that a policy names, or whose grants are not all closed."""
    by_session = {uid: list(rows) for uid, rows in groupby(grants, key=lambda grant: grant.session)}
    wanted = {one.uid for policy in policies or () for one in policy.sessions.values()}
    for uid in sorted(wanted | set(by_session)):
        rows = by_session.get(uid, [])
        if uid not in wanted and all(row.closed_at is not None for row in rows):
            continue  # history of a session that no policy names any more
        yield session_status(uid, rows, now, over=uid in over)


def session_status(
    uid: str, grants: Sequence[GrantView], now: datetime, *, over: bool = False
) -> SessionStatus:
    """
    The condition of one session by its generations, oldest first.

    Args:
        over: All its schedules are completed.
    """
    serving = next((g for g in reversed(grants) if g.state == GrantState.ACTIVE), None)
    coming = next((g for g in reversed(grants) if g.state in _ON_THE_WAY), None)
    condition = _condition(grants, serving, coming, now)
    if over and condition in {"NoGrant", "Expired", "RenewalOverdue"}:
        condition = "Over"
    return SessionStatus(uid, condition, serving, coming)


def _condition(
    grants: Sequence[GrantView],
    serving: GrantView | None,
    coming: GrantView | None,
    now: datetime,
) -> str:
    if serving is None:
        if any(grant.state == GrantState.STOPPING for grant in grants):
            return "Stopping"
        if any(grant.activated_at is not None for grant in grants):
            return "Expired"
        return "Renewing" if coming else "NoGrant"
    if serving.expires_at <= now:
        return "Expired"
    life = serving.expires_at - serving.requested_at
    if serving.next_renewal_at is not None and now > serving.next_renewal_at + life / 10:
        return "RenewalOverdue"
    return "Renewing" if coming and coming.generation > serving.generation else "Ready"


def _about_session(one: SessionStatus, now: datetime) -> Iterator[Finding]:
    if one.condition in {"Ready", "Renewing", "Over"}:
        return
    said = CONDITIONS[one.condition]
    severity, what = Severity.WARNING, said.what
    if one.condition in {"Expired", "Stopping"}:
        severity = Severity.CRITICAL
    elif one.condition == "NoGrant":
        severity = Severity.INFO
    elif one.grant is not None:
        left, life = one.grant.expires_at - now, one.grant.expires_at - one.grant.requested_at
        what = f"{what}; its grant ends {away(one.grant.expires_at, now)}"
        severity = Severity.CRITICAL if left < life / 5 else Severity.WARNING
    todo = said.todo.replace("SESSION", one.uid) if said.todo else None
    yield Finding(severity, one.uid, what, todo)


# ── schedules ─────────────────────────────────────────────────────────────────────────────────


def _schedules(
    rows: Sequence[ScheduleView],
    policies: Sequence[Policy] | None,
    upcoming: Mapping[str, Upcoming | None],
) -> Iterator[ScheduleStatus]:
    known = {row.uid: row for row in rows}
    written = {one.uid: one for policy in policies or () for one in policy.schedules.values()}
    for uid in sorted(known.keys() | written.keys()):
        row, spec = known.get(uid), written.get(uid)
        if row is None:
            session = f"{spec.policy}/{spec.session}" if spec else ""
            yield ScheduleStatus(uid, session, "new", None, 0, None, upcoming.get(uid))
            continue
        state = row.state
        if state == "active" and spec is not None and spec.suspend:
            state = "suspended"
        elif state == "active" and row.paused_reason is not None:
            state = "paused"
        if state == "removed" and spec is None:
            continue
        coming = upcoming.get(uid) if state in {"active", "removed"} else None
        yield ScheduleStatus(
            uid, row.session, state, row.paused_reason, row.failures_in_row, row.last, coming
        )


def _about_schedule(one: ScheduleStatus) -> Iterator[Finding]:
    look = "see which runs failed, and why: runner runs list"
    if one.last is not None and one.last.newest is not None:
        look = f"see the last run: runner runs show {brief(one.last.id)}"
    if one.state == "paused":
        what = f"is paused: {one.paused_reason}"
        again = f"{look}; then: runner schedules resume {one.uid} --reason …"
        yield Finding(Severity.CRITICAL, one.uid, what, again)
    elif one.failures_in_row:
        what = f"failed {plural(one.failures_in_row, 'time')} in a row"
        yield Finding(Severity.WARNING, one.uid, what, look)


# ── runs, daemon, policies ────────────────────────────────────────────────────────────────────


def _about_run(one: Entry, now: datetime) -> Iterator[Finding]:
    run = one.newest
    if run is None:
        return
    said = meaning(run.state, run.reason)
    name = f"{run.schedule} due {stamp(run.due_at)}"
    what = f"{label(run.state, run.reason)}: it {said.what}"
    if pays := moves(run.lines):
        what = f"{what}; {pays}"
    if run.detail:
        what = f"{what}; {run.detail}"
    show = f"runner runs show {brief(run.id)}"
    todo = f"{said.todo}; {show}" if said.todo else show
    if run.state == "held" and run.reason not in _QUIET_HOLDS:
        severe = run.reason in {"guard", "evidence"}
        severity = Severity.CRITICAL if severe else Severity.WARNING
        yield Finding(severity, name, what, todo)
    elif run.state == "unknown" and now - run.claimed_at > _UNKNOWN_AFTER:
        yield Finding(Severity.WARNING, name, what, todo)


def _about_pause(one: Pause, now: datetime) -> Iterator[Finding]:
    """What more than one schedule waits for; those of schedules are told with them."""
    since = f"since {span(now - one.since)}" + (f", until {stamp(one.until)}" if one.until else "")
    if one.scope is PauseScope.STOP:
        what = f"is stopped {since}: {one.reason}; nothing is signed or sent"
        yield Finding(Severity.CRITICAL, one.subject, what, "runner resume --reason …")
    elif one.scope is not PauseScope.SCHEDULE:
        option = "--all" if one.scope is PauseScope.ALL else f"--{one.scope} {one.target}"
        todo = f"runner schedules resume {option} --reason …"
        yield Finding(Severity.WARNING, one.subject, f"is paused {since}: {one.reason}", todo)


def _about_question(one: AskedView, now: datetime) -> Finding:
    name = f"{one.schedule}@{one.slot}"
    what = f"waits for an approval, due {away(one.due_at, now)}: {one.detail}"
    return Finding(Severity.WARNING, name, what, f"runner runs approve {name} --reason …")


def _about_incident(one: Incident) -> Finding:
    what = one.what if one.detail is None else f"{one.what}: {one.detail}"
    return Finding(Severity(one.severity.value), one.cause.subject, what, one.hint)


def _is_silent(one: ChannelView, now: datetime) -> bool:
    return now - one.since > _SILENT_AFTER


def _about_channel(one: ChannelView, now: datetime) -> Finding:
    messages = plural(one.waiting, "message")
    what = f"takes no alerts: {messages} wait since {span(now - one.since)}; {one.error}"
    return Finding(Severity.WARNING, one.destination, what, "runner alerts test")


def _about_daemon(daemon: DaemonView, now: datetime) -> Iterator[Finding]:
    if daemon.running:
        return
    if daemon.started_at is None:
        what = "has never run on this ledger"
    elif daemon.ended_at is None:
        what = f"did not stop in order; it had started {span(now - daemon.started_at)} ago"
    else:
        what = f"stopped {away(daemon.ended_at, now)}"
    what = f"is not running, so nothing is paid and nothing renewed; it {what}"
    yield Finding(Severity.WARNING, "daemon", what, "start it with `runner up`")


def _about_policies(policies: Sequence[Policy] | None) -> Iterator[Finding]:
    if policies is None:
        what = "cannot be read; the daemon would not start with them"
        yield Finding(Severity.WARNING, "policies", what, "see each fault: runner validate")
    elif not any(policy.schedules for policy in policies):
        what = "hold no schedule: nothing will ever be paid"
        yield Finding(Severity.INFO, "policies", what, "write a first one: runner init")
