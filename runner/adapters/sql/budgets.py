"""
Budgets in the ledger: what was reserved and spent of each, and whether more fits (X14, B3).

Functions over one transaction. It has begun with the write lock (BEGIN IMMEDIATE), so nobody can
spend between the look and the deed; 256-bit amounts do not fit SQL's integers, so sums are taken
here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, insert, select, update

from runner.adapters.sql import tables as t
from runner.adapters.sql.prepared import Among
from runner.adapters.sql.transaction import Transaction
from runner.guard.budget import Budgets, Reservation, busiest, format_instant, parse_instant
from runner.records import RunKind
from runner.scheduling.occurrence import State

_HELD = Among(select(t.reservations), t.reservations.c.run)
_BEGUN = ""
"""The period of the row that says: this limit has been counted since its beginning."""


def fits(transaction: Transaction, wanted: Sequence[Reservation]) -> bool:
    """Whether all of these reservations stay within their limits."""
    return all(_taken(transaction, one) + one.amount <= one.limit for one in wanted)


def used_up(transaction: Transaction, one: Reservation) -> bool:
    """
    Whether a reservation will never fit again: what closed runs have spent leaves no room.

    What open runs hold may come back, even from a block (B3), and ends nothing.
    """
    taken = _taken(transaction, one)
    if taken + one.amount <= one.limit:
        return False
    query = (
        select(t.reservations.c.amount)
        .join_from(t.runs, t.reservations, t.runs.c.id == t.reservations.c.run)
        .where(
            t.runs.c.closed_at.is_(None),
            t.reservations.c.budget == one.budget,
            t.reservations.c.period == one.period,
            t.reservations.c.token == one.token,
            t.reservations.c.state != "released",
        )
    )
    still_open: int = sum(row.amount for row in transaction.connection.execute(query))
    return taken - still_open + one.amount > one.limit


def _taken(transaction: Transaction, one: Reservation) -> int:
    """What the period holds; of a rolling budget, the fullest window around the slot."""
    c, b = transaction.connection, t.budgets.c
    if one.window is None:
        row = c.execute(_budget(one.budget, one.period, one.token)).first()
        return 0 if row is None else int(row.reserved + row.spent)
    at = parse_instant(one.period)
    query = select(b.period, b.reserved, b.spent).where(
        b.budget == one.budget,
        b.token == one.token,
        b.period > format_instant(at - one.window),
        b.period < format_instant(at + one.window),
    )
    taken = {period: reserved + spent for period, reserved, spent in c.execute(query)}
    if all(period <= one.period for period in taken):  # the newest slot: one window holds them all
        return sum(taken.values())
    return busiest({parse_instant(p): amount for p, amount in taken.items()}, at, one.window)


# ── a run's reservations ──────────────────────────────────────────────────────────────────────


def reserve(transaction: Transaction, run: str, wanted: Sequence[Reservation]) -> None:
    """Take these amounts for a run; `fits` was asked in the same transaction."""
    for one in wanted:
        _add(transaction, one.budget, one.period, one.token, reserved=one.amount)
        transaction.connection.execute(
            insert(t.reservations).values(
                run=run,
                budget=one.budget,
                period=one.period,
                token=one.token,
                amount=one.amount,
                state="reserved",
            )
        )


def exchange(transaction: Transaction, run: str, wanted: Sequence[Reservation]) -> bool:
    """
    Put these reservations in the place of those that an unsigned run has.

    Returns:
        Whether they fit. If not, the run is left without any.
    """
    rows = transaction.of_run(_HELD, run)
    held = {(r.budget, r.period, r.token): r.amount for r in rows if r.state == "reserved"}
    if held == {(one.budget, one.period, one.token): one.amount for one in wanted}:
        return True
    release(transaction, run)
    transaction.connection.execute(delete(t.reservations).where(t.reservations.c.run == run))
    if not fits(transaction, wanted):
        return False
    reserve(transaction, run, wanted)
    return True


def release(transaction: Transaction, run: str) -> None:
    """Give back what a run reserved or had spent: it is closed without success."""
    _shift(transaction, run, to="released")


def spend(transaction: Transaction, run: str) -> None:
    """A run's reservation becomes spent: its payment is in a block."""
    _shift(transaction, run, to="spent")


def unspend(transaction: Transaction, run: str) -> None:
    """A reorganisation took the payment out of its block: reserved again (B3)."""
    _shift(transaction, run, to="reserved")


def _shift(transaction: Transaction, run: str, *, to: str) -> None:
    rows = transaction.of_run(_HELD, run)
    for row in rows:
        if row.state == to:
            continue
        change = {"reserved": 0, "spent": 0}
        if row.state in change:
            change[row.state] -= row.amount
        if to in change:
            change[to] += row.amount
        _add(transaction, row.budget, row.period, row.token, **change)
    if rows:
        mine = t.reservations.c.run == run
        transaction.connection.execute(update(t.reservations).where(mine).values(state=to))


# ── limits that come and go ───────────────────────────────────────────────────────────────────


def begin(transaction: Transaction, budgets: Sequence[Budgets]) -> None:
    """
    A limit that is new counts what was paid before it was written; one that is gone is forgotten.

    So what a limit says holds from the first payment on, whenever it came into the policy.
    """
    c = transaction.connection
    wanted = frozenset(limit for one in budgets for limit in one.lasting())
    scopes = {scope: one for one in budgets for scope in (one.own, one.shared)}
    known = {
        (row.budget, row.token)
        for row in c.execute(select(t.budgets.c.budget, t.budgets.c.token).distinct())
        if row.budget.rpartition(":")[0] in scopes and not row.budget.endswith(":per_run")
    }
    for budget, token in known - wanted:
        for table in (t.budgets, t.reservations):
            c.execute(delete(table).where(table.c.budget == budget, table.c.token == token))
    new: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for budget, token in wanted - known:
        new[budget.rpartition(":")[0]].add((budget, token))
    for scope, limits in new.items():
        if scope in scopes:
            _count_history(transaction, scope, scopes[scope], limits)


def _count_history(
    transaction: Transaction, scope: str, budgets: Budgets, limits: set[tuple[str, str]]
) -> None:
    c = transaction.connection
    sums: dict[tuple[str, str, str], dict[str, int]] = defaultdict(
        lambda: {"reserved": 0, "spent": 0}
    )
    for budget, token in limits:
        sums[budget, _BEGUN, token]["spent"] += 0
    is_mine = (
        t.runs.c.schedule == budgets.schedule
        if scope == budgets.own
        else t.runs.c.session == budgets.session
    )
    for run, by_token in _history(transaction, is_mine):
        for one in budgets.reservations(by_token, due_at=run.due_at, slot=run.id):
            if (one.budget, one.token) not in limits:
                continue
            state = "spent" if run.state == State.SUCCESS.value else "reserved"
            sums[one.budget, one.period, one.token][state] += one.amount
            if run.state != State.SUCCESS.value:
                row = {"run": run.id, "budget": one.budget, "period": one.period}
                row |= {"token": one.token, "amount": one.amount, "state": state}
                c.execute(insert(t.reservations).values(row))
    for (budget, period, token), amounts in sums.items():
        _add(transaction, budget, period, token, **amounts)


def _history(
    transaction: Transaction, is_mine: ColumnElement[bool]
) -> Iterator[tuple[Any, dict[str, int]]]:
    """Runs that have paid, or still may, with what they move by token."""
    query = (
        select(t.runs, t.transfers.c.token, t.transfers.c.amount)
        .join_from(t.runs, t.transfers, t.runs.c.id == t.transfers.c.run)
        .where(
            is_mine,
            t.runs.c.kind == RunKind.PAYMENT.value,
            t.transfers.c.kind != "observed",
            t.runs.c.closed_at.is_(None) | (t.runs.c.state == State.SUCCESS.value),
        )
    )
    found: dict[str, tuple[Any, dict[str, int]]] = {}
    for row in transaction.connection.execute(query):
        _, sums = found.setdefault(row.id, (row, {}))
        sums[row.token] = sums.get(row.token, 0) + row.amount
    yield from found.values()


# ── rows ──────────────────────────────────────────────────────────────────────────────────────


def _budget(budget: str, period: str, token: str) -> Select[Any]:
    b = t.budgets.c
    return select(t.budgets).where(b.budget == budget, b.period == period, b.token == token)


def _add(
    transaction: Transaction,
    budget: str,
    period: str,
    token: str,
    *,
    reserved: int = 0,
    spent: int = 0,
) -> None:
    c = transaction.connection
    row = c.execute(_budget(budget, period, token)).first()
    if row is None:
        c.execute(
            insert(t.budgets).values(
                budget=budget, period=period, token=token, reserved=reserved, spent=spent
            )
        )
        return
    b = t.budgets.c
    c.execute(
        update(t.budgets)
        .where(b.budget == budget, b.period == period, b.token == token)
        .values(reserved=row.reserved + reserved, spent=row.spent + spent)
    )
