"""
Which events of telemetry mean that people should be told: one table, and how it is read.

An event opens an incident, of which there is one per cause (a kind and what it is about), or says
that some are over. Kinds in `STANDING` are also looked for in the ledger, by the same table: what
was lost in a crash is found there, and they are over when the ledger says so, not before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from runner.frozen import frozen

_SECOND, _MINUTE, _HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
_AT_ONCE = timedelta(0)
_MOST_TEXT = 1000
_LEVELS = {"error": "warning", "debug": "info"}


class Severity(StrEnum):
    """How much it matters, as routes name it."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Greater matters more."""
        return list(Severity).index(self)


@frozen
class Cause:
    """What makes two incidents the same one."""

    kind: str
    subject: str


@frozen
class Raised:
    """
    A reason to open an incident, or to keep it open.

    Attributes:
        lasting: Nobody is told before it has lasted so long.
        lapse_at: When it is over if nothing says it again; None: something will say so.
    """

    cause: Cause
    severity: Severity
    what: str
    detail: str | None = None
    hint: str | None = None
    run: str | None = None
    lasting: timedelta = _AT_ONCE
    lapse_at: datetime | None = None


@frozen
class Over:
    """Incidents of these kinds are over: about one subject, or about any (None)."""

    kinds: frozenset[str]
    subject: str | None


Conditions = Mapping[str, Collection[object]]


@frozen
class Opens:
    """
    A line of the table.

    Attributes:
        kind: May name fields of the event, as `by` does.
        what: What is the matter with its subject, in words that follow the subject.
        severity: None is the event's own level.
        when: Only if each of these fields has one of these values.
        lapses: Over by itself when it was not said again for so long.
        until: The field that says when it is over at the latest.
    """

    kind: str
    by: str
    what: str
    severity: Severity | None = None
    when: Conditions = field(default_factory=dict)
    lasting: timedelta = _AT_ONCE
    lapses: timedelta | None = None
    until: str | None = None


@frozen
class Closes:
    """A line of the table: these kinds are over; `by` None: whatever they are about."""

    kinds: frozenset[str]
    by: str | None
    when: Conditions = field(default_factory=dict)


_I, _W, _C = Severity
_DOUBTS = ("approval", "new_receiver", "near_duplicate")
_UNPAID = ("late", "budget", "grant", "overlap", "catch_up", "deadline", "preflight", "approval")
_SCHEDULE, _SLOT, _SESSION, _VENUE = "{schedule}", "{schedule}@{slot}", "{session}", "{venue}"
_NOT_PAID = "was not paid"
_FAULT = "met a fault of runner"
_LEFT_OUT = "left out a payment"
_SLOW = "has a payment whose outcome is open"

STANDING: Final = frozenset(
    {"guard", "evidence", "grant_missing", "held", "approval", "failing", "paused", "stopping"}
    | {"late_after", "max_runtime", "max_time_since_success", "long_pause"}
)
"""Kinds that the ledger itself shows, for as long as they last."""

REDETECTED: Final = frozenset(
    {
        "unreachable",
        "skew",
        "granting",
        "blocked",
        "orphaned",
        "unwatched",
        "funding",
        "foreign",
        "unscanned",
        "secret",
    }
    | {"RenewalOverdue", "GrantCritical", "AllowanceLow", "OwnerActionNeeded"}
)
"""Kinds that each start of a daemon finds anew: what it does not find again is over."""


def _over(*kinds: str, by: str | None = _SCHEDULE, **when: Collection[object]) -> Closes:
    return Closes(frozenset(kinds), by, MappingProxyType(when))


def _failed() -> tuple[Opens, ...]:
    return (Opens("failing", _SCHEDULE, _NOT_PAID, _W),)


_GRANTED = (_over("granting", "blocked", by=_SESSION),)

TABLE: Final[Mapping[str, tuple[Opens | Closes, ...]]] = MappingProxyType(
    {
        # payments
        "run.held": (
            Opens("guard", _SCHEDULE, "was to sign something else", _C, {"reason": ("guard",)}),
            Opens("evidence", _SCHEDULE, "has a foreign operation", _C, {"reason": ("evidence",)}),
            Opens(
                "grant_missing",
                _SCHEDULE,
                "has no grant to pay under",
                _C,
                {"reason": ("grant",)},
                lasting=_MINUTE,
            ),
            Opens("approval", _SLOT, "waits for your approval", _W, {"reason": _DOUBTS}),
            Opens(
                "held",
                _SCHEDULE,
                "waits and is not paid",
                _W,
                {"reason": ("preflight", "budget", "retry")},
            ),
        ),
        "approval.asked": (Opens("approval", _SLOT, "waits for your approval", _W),),
        "run.reverted": _failed(),
        "run.not_included": _failed(),
        "run.missed": _failed(),
        "run.skipped": (
            Opens("left_out", _SCHEDULE, _LEFT_OUT, _W, {"reason": _UNPAID}, lapses=24 * _HOUR),
        ),
        "occurrence.decided": (
            Opens("left_out", _SCHEDULE, _LEFT_OUT, _W, {"reason": _UNPAID}, lapses=24 * _HOUR),
        ),
        "run.success": (
            Opens(
                "differently",
                _SCHEDULE,
                "paid something else than was asked",
                _C,
                {"reason": ("paid_differently",)},
            ),
            _over("left_out", "delayed", "reorged", "differently", reason=(None,)),
        ),
        "run.delayed": (
            Opens("delayed", _SCHEDULE, _SLOW, _C, {"level": ("critical",)}, lapses=_HOUR),
            Opens(
                "delayed",
                _SCHEDULE,
                _SLOW,
                _W,
                {"level": ("warning",)},
                lasting=2 * _MINUTE,
                lapses=15 * _MINUTE,
            ),
        ),
        "operation.unknown": (
            Opens("delayed", _SCHEDULE, _SLOW, _W, lasting=2 * _MINUTE, lapses=15 * _MINUTE),
        ),
        "run.burning": (Opens("delayed", _SCHEDULE, _SLOW, _W, lapses=15 * _MINUTE),),
        "run.evidence": (Opens("evidence", _SCHEDULE, "has a foreign operation", _C),),
        "run.reorged": (Opens("reorged", _SCHEDULE, "lost a block that was final", _C),),
        "run.orphaned": (
            Opens("orphaned", _SCHEDULE, "has a signed run nobody follows", _C, lapses=5 * _MINUTE),
        ),
        "run.fault": (Opens("fault", "{run}", _FAULT, _C, lapses=15 * _MINUTE),),
        "schedule.paused": (Opens("paused", _SCHEDULE, "paused itself", _C),),
        "schedule.overdue": (
            Opens("{signal}", _SCHEDULE, "is paused for long", _W, {"signal": ("long_pause",)}),
            Opens("{signal}", _SCHEDULE, "is late", _C, {"signal": ("late_after",)}),
            Opens("{signal}", _SCHEDULE, "takes too long", _C, {"signal": ("max_runtime",)}),
            Opens(
                "{signal}",
                _SCHEDULE,
                "was not paid for too long",
                _C,
                {"signal": ("max_time_since_success",)},
            ),
        ),
        "funding.short": (Opens("funding", "{account}", "runs dry", lasting=_MINUTE),),
        "funding.covered": (_over("funding", by="{account}"),),
        "digest.fault": (Opens("fault", "digest", _FAULT, _W, lapses=24 * _HOUR),),
        "funding.fault": (Opens("fault", "funding", _FAULT, _W, lapses=15 * _MINUTE),),
        "ping.failed": (
            Opens("ping", _SCHEDULE, "could not call its monitor", _W, lapses=24 * _HOUR),
        ),
        "ping.answered": (_over("ping"),),
        # grants
        "grant.alert": (
            Opens(
                "{alert}", _SESSION, "needs its grant renewed", when={"alert": ("RenewalOverdue",)}
            ),
            Opens(
                "{alert}",
                _SESSION,
                "is about to lose its grant",
                when={"alert": ("GrantCritical",)},
            ),
            Opens("{alert}", _SESSION, "runs out of allowance", when={"alert": ("AllowanceLow",)}),
            Opens("{alert}", _SESSION, "needs its owner", when={"alert": ("OwnerActionNeeded",)}),
        ),
        "grant.alert_over": (_over("{alert}", by=_SESSION),),
        "grant.failed": (
            Opens("granting", _SESSION, "gets no grant", _C, {"level": ("critical",)}),
            Opens("granting", _SESSION, "gets no grant", _W, lasting=5 * _MINUTE),
        ),
        "grant.blocked": (Opens("blocked", _SESSION, "has no room for its next grant"),),
        "grant.stopping": (Opens("stopping", _SESSION, "signs no payment any more", _C),),
        "grant.orphaned": (
            Opens(
                "orphaned", _SESSION, "left the policies, not the account", _W, until="expires_at"
            ),
        ),
        "account.unscanned": (
            Opens("unscanned", "{account}", "was not looked at for unknown session keys", _W),
        ),
        "account.foreign": (
            Opens("foreign", "{account}", "carries session keys that the ledger does not know", _W),
        ),
        "grant.revocation_failed": (
            Opens("revocation", "{account}", "keeps a key that is to be taken off", _C),
        ),
        "grant.revocation_asked": (
            Opens("revocation", "{account}", "keeps a key until its owner has signed", _C),
        ),
        "grant.active": _GRANTED,
        "grant.renewed": _GRANTED,
        "grant.revoked": (_over("orphaned", by=_SESSION), _over("revocation", by=None)),
        # what payments depend on
        "chain.unreachable": (
            Opens("unreachable", _VENUE, "does not answer", _W, lasting=_MINUTE),
        ),
        "chain.reachable": (_over("unreachable", by=_VENUE),),
        "wallet.unreachable": (
            Opens("unreachable", "{wallet}", "does not answer", _W, lapses=15 * _MINUTE),
        ),
        "chain.fault": (Opens("fault", _VENUE, _FAULT, _C, lapses=15 * _MINUTE),),
        "clock.skewed": (Opens("skew", _VENUE, "disagrees with our clock"),),
        "clock.agrees": (_over("skew", by=_VENUE),),
        "ledger.unwritable": (
            Opens("unwritable", "ledger", "takes no write", _C, lapses=30 * _SECOND),
        ),
        "ledger.restored": (Opens("restored", "ledger", "is a restored copy", _C),),
        "ledger.unreconciled": (Opens("restored", "ledger", "is a restored copy", _C),),
        "ledger.reconciled": (_over("restored", by=None),),
        "commands.unreadable": (
            Opens("unreadable", "ledger", "cannot be read", _W, lapses=15 * _MINUTE),
        ),
        "signals.unreadable": (
            Opens("unreadable", "ledger", "cannot be read", _W, lapses=15 * _MINUTE),
        ),
        "signals.fault": (Opens("fault", "late signals", _FAULT, _C, lapses=15 * _MINUTE),),
        "policies.refused": (Opens("refused", "policies", "were edited, and the edit is bad", _W),),
        "policies.unchanged": (_over("refused", by=None),),
        "policies.unwatched": (Opens("unwatched", "policies", "are not watched for edits", _W),),
        "daemon.armed": (_over("refused", by=None),),
        "secret.refused": (Opens("secret", "{where}", "changed, and cannot be used", _W),),
        "secret.renewed": (_over("secret", by="{where}"),),
        "http.unavailable": (Opens("unavailable", "dashboard", "cannot be reached", _W),),
        "http.ready": (_over("unavailable", by=None),),
        "http.fault": (Opens("fault", "dashboard", _FAULT, _W, lapses=15 * _MINUTE),),
        # alerts themselves
        "alerts.unreachable": (Opens("channel", "{to}", "takes no alerts", _W),),
        "alerts.reachable": (_over("channel", by="{to}"),),
        "alerts.fault": (Opens("fault", "alerts", _FAULT, _W, lapses=_HOUR),),
    }
)
"""By event: what it opens, the first line that fits; and all that it closes."""

NEWS_OF_LEDGER: Final = frozenset(
    {"run.success", "run.skipped", "schedule.in_time", "command.done", "grant.revoked"}
    | {"grant.active", "policies.reloaded", "ledger.reconciled"}
)
"""Events after which something of `STANDING` may be over: worth a look at the ledger."""


_OPENS: Final[Mapping[str, tuple[Opens, ...]]] = {
    event: tuple(line for line in lines if isinstance(line, Opens))
    for event, lines in TABLE.items()
}


def is_good(event: str, fields: Mapping[str, Any]) -> bool:
    """Whether an event opens nothing: while nothing is open, it means nothing."""
    return not [line for line in _OPENS.get(event, ()) if _fits(line, fields)]


def _fits(line: Opens | Closes, fields: Mapping[str, Any]) -> bool:
    return not [name for name, wanted in line.when.items() if fields.get(name) not in wanted]


def read(event: str, fields: Mapping[str, Any], *, now: datetime) -> Iterator[Raised | Over]:
    """What an event means for incidents."""
    opened = fields.get("level") == "debug"  # it was said before
    for line in TABLE.get(event, ()):
        if not _fits(line, fields):
            continue
        if isinstance(line, Closes):
            subject = None if line.by is None else line.by.format_map(fields)
            yield Over(frozenset(kind.format_map(fields) for kind in line.kinds), subject)
        elif not opened:
            opened = True
            yield _raised(line, fields, now)


def _raised(line: Opens, fields: Mapping[str, Any], now: datetime) -> Raised:
    level = str(fields.get("level", "info"))
    ends = [] if line.lapses is None else [now + line.lapses]
    if line.until is not None and isinstance(fields.get(line.until), datetime):
        ends.append(fields[line.until])
    details = [_text(fields.get("detail"))] if fields.get("detail") else []
    details += [_text(one) for one in fields.get("findings") or ()]
    return Raised(
        cause=Cause(line.kind.format_map(fields), line.by.format_map(fields)),
        severity=line.severity or Severity(_LEVELS.get(level, level)),
        what=line.what,
        detail="; ".join(details)[:_MOST_TEXT] or _reason(fields),
        hint=_text(fields["hint"]) if fields.get("hint") else None,
        run=str(fields["run"]) if fields.get("run") else None,
        lasting=line.lasting,
        lapse_at=min(ends, default=None),
    )


def _reason(fields: Mapping[str, Any]) -> str | None:
    """What there is to say where an event has no detail."""
    told = [str(fields[name]) for name in ("slot", "decision", "reason") if fields.get(name)]
    return " ".join(told) or None


def _text(value: object) -> str:
    return str(value)[:_MOST_TEXT]
