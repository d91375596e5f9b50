"""What the daemon tells people once a day, if they want it (O11)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from sqlalchemy import Connection

from runner.adapters.clock import SystemClock
from runner.adapters.sql import reading
from runner.adapters.sql.store import SqlStore
from runner.alerting.messages import Message
from runner.execution.alerting import AlertDesk
from runner.execution.digest import Digests
from runner.policy.model import Policy
from runner.ports import Telemetry
from runner.reporting.digest import Chain, digest
from runner.reporting.views import LedgerView
from runner.scheduling.zones import load_zone
from runner.settings import Settings

_HEADS = 5
"""So many chains of events a digest names."""


def digests_of(
    settings: Settings,
    store: SqlStore,
    desk: AlertDesk,
    telemetry: Telemetry,
    in_force: Sequence[Policy],
) -> Digests:
    """
    What sends them.

    Args:
        in_force: The policies, whichever these are when one is made.
    """
    at, name = settings.alerts.digest_at or (time(17), "UTC")
    zone, clock = load_zone(name), SystemClock()

    async def compose(day: date, now: datetime) -> Message:
        def look(c: Connection) -> tuple[LedgerView, list[Chain]]:
            end = now + timedelta(days=1)
            view = reading.overview(c, settings.store, start=now, end=end, now=now)
            return view, reading.newest_heads(c, count=_HEADS)

        view, heads = await store.read(look)
        return digest(view, in_force, heads, day=day, zone=zone, now=now)

    return Digests(
        at, zone, compose=compose, announce=desk.announce, clock=clock, telemetry=telemetry
    )
