"""
`/metrics` for Prometheus: what the ledger says now, and what this process has counted.

The names are a contract (docs/metrics.md, held by a test). Labels name schedules, sessions, states
and methods; no URL, key or address of a person is among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from runner.adapters.metering import Histogram, Tally
from runner.adapters.sql.measures import Measures, Use, measures
from runner.dashboard import health
from runner.dashboard.coming import Coming
from runner.dashboard.source import Source
from runner.errors import StoreError
from runner.guard.intent import NATIVE, intent_of
from runner.policy.model import Policy
from runner.reporting.health import over_sessions, session_statuses
from runner.version import __version__

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def exposition(source: Source, coming: Coming) -> bytes:
    """The whole page."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(source, coming))
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, source: Source, coming: Coming) -> None:
        self._source = source
        self._coming = coming

    def collect(self) -> Iterator[Metric]:
        source = self._source
        yield _gauge("runner_info", "Which version runs.", ["version"], [([__version__], 1)])
        yield from _health(source)
        yield from _counted(source.tally)
        try:
            with source.ledger() as connection:
                found = measures(connection, now=source.now())
        except StoreError:
            return  # runner_ready{check="ledger"} says so
        yield from _runs(found, source.now())
        yield from _schedules(found, self._coming)
        yield from _sessions(found, source.policies(), source.now())


def _gauge(
    name: str, text: str, labels: Sequence[str], rows: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _counter(
    name: str, text: str, labels: Sequence[str], rows: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _histogram(name: str, text: str, found: Histogram) -> Metric:
    family = HistogramMetricFamily(name, text)
    family.add_metric([], found.buckets(), found.total)
    return family


# ── this process ──────────────────────────────────────────────────────────────────────────────


def _health(source: Source) -> Iterator[Metric]:
    checks = health.readiness(source).checks
    yield _gauge(
        "runner_ready",
        "1 where a check of /readyz is ok, 0.5 where it is degraded, 0 where it failed.",
        ["check"],
        [([one.name], _READY[one.word]) for one in checks],
    )
    _, age = health.alive(source)
    text = "Seconds since the daemon last finished a look at what is due."
    yield _gauge("runner_tick_age_seconds", text, [], [([], age)])


_READY: Final = {health.Word.OK: 1.0, health.Word.DEGRADED: 0.5, health.Word.FAILED: 0.0}


def _counted(tally: Tally) -> Iterator[Metric]:
    yield _counter(
        "runner_slots",
        "What became of slots, by schedule, state and reason, since this process began.",
        ["schedule", "state", "reason"],
        [(key, count) for key, count in sorted(tally.slots.copy().items())],
    )
    text = "From the moment a payment was due until it was claimed, in seconds."
    yield _histogram("runner_claim_lateness_seconds", text, tally.lateness)
    text = "From the claim of a payment until it was final on the chain, in seconds."
    yield _histogram("runner_payment_seconds", text, tally.took)
    yield _counter(
        "runner_wallet_requests",
        "Requests to wallet services and chains, by method and outcome: ok, lost, busy, refused.",
        ["wallet", "method", "outcome"],
        [(key, count) for key, count in sorted(tally.requests.copy().items())],
    )
    yield _counter(
        "runner_grant_failures",
        "Attempts to obtain a grant that failed.",
        ["session"],
        [([uid], count) for uid, count in sorted(tally.grant_failures.copy().items())],
    )


# ── the ledger ────────────────────────────────────────────────────────────────────────────────


def _runs(found: Measures, now: datetime) -> Iterator[Metric]:
    yield _gauge(
        "runner_runs_open",
        "Runs that are not closed, by state and reason.",
        ["state", "reason"],
        [(key, count) for key, count in sorted(found.open_runs.items())],
    )
    since = found.unknown_since
    age = 0.0 if since is None else (now - since).total_seconds()
    text = "Age of the oldest run whose outcome is not known; 0 when there is none."
    yield _gauge("runner_unknown_oldest_seconds", text, [], [([], age)])
    text = "What is paused or stopped, by scope."
    rows = [([scope], float(count)) for scope, count in found.pauses.items()]
    yield _gauge("runner_pauses", text, ["scope"], rows)
    text = "Size of the ledger."
    yield _gauge("runner_ledger_bytes", text, [], [([], found.bytes)])


def _schedules(found: Measures, coming: Coming) -> Iterator[Metric]:
    rows = found.schedules
    yield _gauge(
        "runner_schedule_last_success_timestamp_seconds",
        "When a schedule last paid (unix time); absent while it never has.",
        ["schedule"],
        [([one.view.uid], one.paid_at.timestamp()) for one in rows if one.paid_at is not None],
    )
    following = coming.of([one.view for one in rows])
    due = [(uid, one.due_at) for uid, one in following.items() if one is not None]
    yield _gauge(
        "runner_schedule_next_due_timestamp_seconds",
        "When a schedule's next slot is due (unix time); absent where none is left.",
        ["schedule"],
        [([uid], moment.timestamp()) for uid, moment in due],
    )
    yield _gauge(
        "runner_schedule_paused",
        "1 while a schedule is paused, by itself or by something wider.",
        ["schedule"],
        [([one.view.uid], float(one.paused is not None)) for one in rows],
    )


def _sessions(found: Measures, policies: Sequence[Policy], now: datetime) -> Iterator[Metric]:
    over = over_sessions(one.view for one in found.schedules)
    statuses = list(session_statuses(found.grants, policies, now, over=over))
    yield _gauge(
        "runner_session_condition",
        "1 for the condition that a session is in.",
        ["session", "condition"],
        [([one.uid, one.condition], 1) for one in statuses],
    )
    serving = [(one.uid, one.grant) for one in statuses if one.grant is not None]
    yield _gauge(
        "runner_grant_expires_timestamp_seconds",
        "When the grant in service ends (unix time).",
        ["session"],
        [([uid], grant.expires_at.timestamp()) for uid, grant in serving],
    )
    renewals = [(uid, grant.next_renewal_at) for uid, grant in serving]
    yield _gauge(
        "runner_grant_renews_timestamp_seconds",
        "When the grant in service is to be renewed (unix time).",
        ["session"],
        [([uid], moment.timestamp()) for uid, moment in renewals if moment is not None],
    )
    yield _gauge(
        "runner_grant_allowance_left_ratio",
        "What is left of an allowance of the grant in service, from 1 to 0, by token.",
        ["session", "token"],
        [
            ([uid, one.token], one.left / one.limit)
            for uid, mine in found.uses.items()
            for one in mine
            if one.limit
        ],
    )
    left = runs_left(found.uses, policies)
    yield _gauge(
        "runner_grant_runs_left",
        "Runs of the dearest schedule that the allowances of the grant in service still hold.",
        ["session"],
        [([uid], count) for uid, count in left.items()],
    )


def runs_left(uses: Mapping[str, Sequence[Use]], policies: Sequence[Policy]) -> dict[str, int]:
    """By session: how often its dearest run still fits what is left (R22)."""
    dearest: dict[str, dict[str, int]] = {}
    for policy in policies:
        assets = {asset.address or NATIVE: asset for asset in policy.assets}
        for schedule in policy.schedules.values():
            mine = dearest.setdefault(f"{policy.name}/{schedule.session}", {})
            for token, amount in intent_of(schedule.calls, assets).sums.items():
                mine[str(token)] = max(mine.get(str(token), 0), amount)
    found = {}
    for uid, limits in uses.items():
        counts = [
            one.left // dearest[uid][one.token]
            for one in limits
            if dearest.get(uid, {}).get(one.token)
        ]
        if counts:
            found[uid] = min(counts)
    return found
