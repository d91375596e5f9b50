"""The few numbers of the ledger that are worth watching, each by one query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, and_, func, select
from sqlalchemy.exc import SQLAlchemyError

from runner.adapters.sql import pauses, reading
from runner.adapters.sql import tables as t
from runner.adapters.sql.names import Names
from runner.adapters.sql.rows import parse_permissions
from runner.adapters.sql.store import make_engine, open_for_reading
from runner.errors import StoreError
from runner.ethereum.permissions import Erc20TokenTransfer, NativeTokenTransfer
from runner.frozen import frozen
from runner.guard.intent import NATIVE
from runner.records import PauseScope
from runner.reporting.views import GrantView, ScheduleView

_SPENDS = ("success", "included")


@frozen
class ScheduleMeasure:
    """A schedule: when it last paid, and what pauses it now."""

    view: ScheduleView
    paid_at: datetime | None
    paused: str | None


@frozen
class Use:
    """What a grant may move of a token (address or `native`), and what is used up, base units."""

    token: str
    limit: int
    taken: int

    @property
    def left(self) -> int:
        """What is left of it."""
        return max(self.limit - self.taken, 0)


@frozen
class Measures:
    """The ledger at one moment, in numbers. `uses` is of active grants, by session."""

    open_runs: Mapping[tuple[str, str], int]
    unknown_since: datetime | None
    schedules: tuple[ScheduleMeasure, ...]
    grants: tuple[GrantView, ...]
    uses: Mapping[str, tuple[Use, ...]]
    pauses: Mapping[str, int]
    bytes: int


def measures(c: Connection, *, now: datetime) -> Measures:
    """Take them all."""
    r = t.runs.c
    counted = select(r.state, r.reason, func.count(), func.min(r.claimed_at))
    counted = counted.where(r.closed_at.is_(None)).group_by(r.state, r.reason)
    rows = c.execute(counted).all()
    in_force = pauses.in_force(c)
    return Measures(
        open_runs={(row[0], row[1] or ""): row[2] for row in rows},
        unknown_since=min((row[3] for row in rows if row[0] == "unknown"), default=None),
        schedules=tuple(schedule_measures(c, now=now)),
        grants=tuple(reading.grants(c)),
        uses=uses(c),
        pauses={scope.value: sum(one.scope is scope for one in in_force) for scope in PauseScope},
        bytes=_bytes(c),
    )


def schedule_measures(c: Connection, *, now: datetime) -> list[ScheduleMeasure]:
    """Every schedule that is not removed."""
    wide, names = pauses.wide_pauses(c), Names(c)
    query = select(t.schedules).where(t.schedules.c.state != "removed")
    return [
        ScheduleMeasure(
            view=reading.schedule_row(row, names),
            paid_at=row.paid_at,
            paused=pauses.pause_of(row, wide, at=now),
        )
        for row in c.execute(query.order_by(t.schedules.c.uid))
    ]


def uses(c: Connection) -> dict[str, tuple[Use, ...]]:
    """What is used up of each active grant's allowances, by session."""
    g, r, x = t.grants.c, t.runs.c, t.transfers.c
    columns = (g.id, g.session, g.permissions, g.requested_at)
    active = c.execute(select(*columns).where(g.state == "active").order_by(g.session)).all()
    if not active:
        return {}
    charged = (
        select(r.grant_id, x.token, x.amount, func.count().label("times"))
        .join_from(t.runs, t.transfers, x.run == r.id)
        .where(r.grant_id.in_([row.id for row in active]), x.kind != "observed")
        .group_by(r.grant_id, x.token, x.amount)
    )
    # What they paid was closed after the first of them was asked for, or is open: two questions,
    # for each of which there is an index.
    first = min(row.requested_at for row in active)
    spent: Counter[tuple[int, str]] = Counter()
    for which in (r.closed_at.is_(None), and_(r.closed_at >= first, r.state.in_(_SPENDS))):
        for row in c.execute(charged.where(which)):
            spent[row.grant_id, row.token] += row.amount * row.times
    names = Names(c)
    return {
        names.session(row.session): tuple(
            Use(token, limit, spent[row.id, token])
            for token, limit in _limits(row.permissions).items()
        )
        for row in active
    }


def _limits(written: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in parse_permissions(written):
        if isinstance(one, Erc20TokenTransfer):
            found[str(one.address)] = one.allowance
        elif isinstance(one, NativeTokenTransfer) and one.allowance:
            found[NATIVE] = one.allowance
    return found


def _bytes(c: Connection) -> int:
    pages = c.exec_driver_sql("PRAGMA page_count").scalar() or 0
    size = c.exec_driver_sql("PRAGMA page_size").scalar() or 0
    return int(pages) * int(size)


def take_and_leave(url: str) -> None:
    """
    Begin to write and take it back: as a daemon writes, and no trace of it.

    Raises:
        StoreError: it is not there, or takes no write.
    """
    open_for_reading(url).dispose()  # the right revision
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            transaction = connection.begin()
            connection.execute(t.meta.update().values(value=t.meta.c.value))
            transaction.rollback()
    except SQLAlchemyError as error:
        why = getattr(error, "orig", None) or type(error).__name__
        raise StoreError(f"takes no write: {why}", hint="check disk and permissions") from None
    finally:
        engine.dispose()
