"""
What was paid to whom: closed successes of the ledger, line by line and summed up.

An approval moves nothing and is left out. Transfers seen in a receipt that nobody asked for are
real and count. Where a receipt did not show what was asked (X22), the asked lines are listed as
not confirmed and count nowhere: a report must never claim a payment that the chain does not show.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, TypeVar

from runner.ethereum.units import format_units
from runner.frozen import frozen
from runner.guard.intent import NATIVE, TransferLine
from runner.reporting.digest import Chain
from runner.reporting.text import (
    Cell,
    Look,
    Row,
    Tone,
    amount,
    brief,
    clean,
    plural,
    rfc3339,
    stamp,
    table,
)

_MOVES_NOTHING = frozenset({"approve"})
_FORMULA = ("=", "+", "-", "@")


@frozen
class PaidView:
    """A movement of a successful run, with the operation that made it, and its whole fee in wei."""

    run: str
    schedule: str
    session: str
    due_at: datetime
    reason: str | None
    line: TransferLine
    chain: int
    sender: str
    paid_at: datetime | None
    user_op_hash: str
    transaction_hash: str | None
    block: int | None = None
    fee: int | None = None
    sponsored: bool = False

    @property
    def confirmed(self) -> bool:
        """Whether the chain showed it: everything, unless the run paid differently (X22)."""
        return _is_confirmed(self.line, self.reason)

    @property
    def times(self) -> int:
        """Each stands for itself."""
        return 1


@frozen
class Moved:
    """So many equal movements of successful runs that were closed on one day (UTC)."""

    day: date
    chain: int
    line: TransferLine
    reason: str | None
    times: int

    @property
    def confirmed(self) -> bool:
        """As of each of them."""
        return _is_confirmed(self.line, self.reason)


def _is_confirmed(line: TransferLine, reason: str | None) -> bool:
    asked = line.kind in {"pay", "transfer"} and line.token != NATIVE
    return not (asked and reason == "paid_differently")


Movement = TypeVar("Movement", PaidView, Moved)


@frozen
class Total:
    """All confirmed payments of one token on one chain to one receiver."""

    chain: int
    token: str
    symbol: str
    decimals: int
    receiver: str
    receiver_name: str
    amount: int
    count: int


@frozen
class Fees:
    """What the operations of a chain cost in wei, those that somebody sponsored or those not."""

    chain: int
    sponsored: bool
    amount: int
    count: int


@frozen
class Report:
    """Payments in the order in which they were due, their totals, and what they cost."""

    payments: tuple[PaidView, ...]
    totals: tuple[Total, ...]
    fees: tuple[Fees, ...] = ()

    @property
    def unconfirmed(self) -> int:
        """How many lines count nowhere, because their receipt did not show them."""
        return sum(not payment.confirmed for payment in self.payments)


def report(movements: Iterable[PaidView]) -> Report:
    """Order the movements and add them up; nothing is added over chains or tokens."""
    moved = [one for one in movements if one.line.kind not in _MOVES_NOTHING]
    payments = tuple(_named(sorted(moved, key=lambda one: (one.due_at, one.schedule))))
    return Report(payments, tuple(_totals(payments)), tuple(_fees(payments)))


def summed(moved: Iterable[Moved]) -> tuple[list[Moved], list[Total]]:
    """The confirmed ones, in the order of days, by the names that other lines know; totals."""
    known = [one for one in _named(list(moved)) if one.confirmed]
    return known, _totals(known)


def _named(payments: Sequence[Movement]) -> Iterable[Movement]:
    """Give observed transfers the names and decimals that other lines know."""
    tokens = {(p.chain, p.line.token): p.line for p in payments if p.line.kind != "observed"}
    people: dict[str, str] = {
        p.line.receiver: p.line.receiver_name for p in payments if p.line.kind == "pay"
    }
    for payment in payments:
        if payment.line.kind == "observed":
            yield _renamed(payment, tokens.get((payment.chain, payment.line.token)), people)
        else:
            yield payment


def _renamed(payment: Movement, known: TransferLine | None, people: Mapping[str, str]) -> Movement:
    line = payment.line
    named = replace(line, receiver_name=people.get(line.receiver, line.receiver_name))
    if known is not None:
        named = replace(named, symbol=known.symbol, decimals=known.decimals)
    return replace(payment, line=named)


def _totals(payments: Sequence[Movement]) -> list[Total]:
    groups: dict[tuple[int, str, str], list[Movement]] = {}
    for payment in payments:
        if payment.confirmed:
            key = (payment.chain, payment.line.token, payment.line.receiver)
            groups.setdefault(key, []).append(payment)
    return [
        Total(
            chain=chain,
            token=token,
            symbol=group[0].line.symbol,
            decimals=group[0].line.decimals,
            receiver=receiver,
            receiver_name=group[-1].line.receiver_name,
            amount=sum(payment.line.amount * payment.times for payment in group),
            count=sum(payment.times for payment in group),
        )
        for (chain, token, receiver), group in sorted(groups.items())
    ]


def _fees(payments: Sequence[PaidView]) -> list[Fees]:
    """Each operation once, however many payments it made."""
    operations = {one.user_op_hash: one for one in payments if one.fee is not None}
    groups: dict[tuple[int, bool], list[int]] = {}
    for one in operations.values():
        groups.setdefault((one.chain, one.sponsored), []).append(one.fee or 0)
    return [
        Fees(chain, sponsored, sum(group), len(group))
        for (chain, sponsored), group in sorted(groups.items())
    ]


# ── for scripts ───────────────────────────────────────────────────────────────────────────────


def as_json(made: Report, heads: Sequence[Chain] = ()) -> dict[str, Any]:
    """`report --json`: base units, checksummed addresses, `native` for the coin, fees in wei."""
    return {
        "totals": [
            {
                "token": total.token,
                "to": total.receiver,
                "amount": str(total.amount),
                "count": total.count,
                "chain": total.chain,
                "symbol": total.symbol,
                "decimals": total.decimals,
                "to_name": total.receiver_name,
            }
            for total in made.totals
        ],
        "fees": [
            {
                "chain": one.chain,
                "sponsored": one.sponsored,
                "amount": str(one.amount),
                "count": one.count,
            }
            for one in made.fees
        ],
        "heads": [
            {"incarnation": one.incarnation, "seq": one.seq, "mac": one.mac} for one in heads
        ],
        "payments": [_payment(payment) for payment in made.payments],
    }


def _payment(one: PaidView) -> dict[str, Any]:
    return {
        "run": one.run,
        "schedule": one.schedule,
        "session": one.session,
        "due_at": rfc3339(one.due_at),
        "paid_at": None if one.paid_at is None else rfc3339(one.paid_at),
        "chain": one.chain,
        "from": one.sender,
        "token": one.line.token,
        "symbol": one.line.symbol,
        "decimals": one.line.decimals,
        "to": one.line.receiver,
        "to_name": one.line.receiver_name,
        "amount": str(one.line.amount),
        "kind": one.line.kind,
        "confirmed": one.confirmed,
        "memo": one.line.memo,
        "ref": one.line.ref,
        "user_op_hash": one.user_op_hash,
        "transaction_hash": one.transaction_hash,
        "block": one.block,
        "fee": None if one.fee is None else str(one.fee),
        "sponsored": one.sponsored,
    }


def as_csv(made: Report) -> str:
    """One line a payment, for a spreadsheet: `amount` in units, `base_units` exact as on chain."""
    rows = [_payment(payment) for payment in made.payments]
    names = ["due_at", "paid_at", "schedule", "to_name", "to", "amount", "symbol", "memo", "ref"]
    names += ["kind", "confirmed", "base_units", "token", "chain", "from", "session", "run"]
    names += ["user_op_hash", "transaction_hash", "block", "fee", "sponsored"]
    out = io.StringIO()
    writer = csv.DictWriter(out, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        row["base_units"] = row["amount"]
        row["amount"] = format_units(int(row["amount"]), row["decimals"])
        row["sponsored"] = "yes" if row["sponsored"] else "no"
        row["confirmed"] = "yes" if row["confirmed"] else "no"
        writer.writerow({name: harmless(row[name]) for name in names})
    return out.getvalue()


def harmless(value: Any) -> Any:
    """A cell on one line that no spreadsheet runs: a quote mark makes a formula text."""
    if not isinstance(value, str):
        return value
    text = clean(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


# ── for people ────────────────────────────────────────────────────────────────────────────────


def as_table(made: Report, look: Look, heads: Sequence[Chain] = ()) -> list[str]:
    """Totals first: who got how much; then every payment, what they cost, and the heads (H9)."""
    if not made.payments:
        return ["Nothing was paid in this period."]
    several = len({total.chain for total in made.totals}) > 1
    totals: list[Row] = [
        [
            total.receiver_name,
            Cell(amount(total.amount, total.decimals, total.symbol), Tone.STRONG),
            str(total.count),
            *([str(total.chain)] if several else []),
            Cell(total.receiver, Tone.DIM),
        ]
        for total in made.totals
    ]
    header = ["PAID TO", "TOTAL", "COUNT", *(["CHAIN"] if several else []), "ADDRESS"]
    lines = table(header, totals, look, flexible=(len(header) - 1, 0), right=(1, 2))
    rows: list[Row] = [
        [
            stamp(one.due_at),
            one.schedule,
            amount(one.line.amount, one.line.decimals, one.line.symbol),
            one.line.receiver_name,
            _remark(one),
            Cell(brief(one.run), Tone.DIM),
        ]
        for one in made.payments
    ]
    head = ["DUE", "SCHEDULE", "AMOUNT", "TO", "NOTE", "RUN"]
    lines += ["", *table(head, rows, look, flexible=(4, 1, 3, 2), right=(2,))]
    lines += ["", _sum(made)]
    lines += [
        f"Fees on chain {one.chain}: {amount(one.amount, 18, 'native')} for "
        f"{plural(one.count, 'operation')}, paid by {'a sponsor' if one.sponsored else 'accounts'}."
        for one in made.fees
    ]
    lines += [
        look.tint(f"Head of the ledger's chain {one.incarnation}: {one.seq} {one.mac}", Tone.DIM)
        for one in heads
    ]
    return lines


def _remark(one: PaidView) -> Cell:
    if not one.confirmed:
        return Cell("not confirmed", Tone.BAD)
    if one.line.kind == "observed":
        return Cell("not asked for", Tone.BAD)
    return Cell(one.line.memo or one.line.ref or "")


def _sum(made: Report) -> str:
    counted = plural(len(made.payments) - made.unconfirmed, "payment")
    if not made.unconfirmed:
        return f"{counted}."
    return f"{counted}; {plural(made.unconfirmed, 'line')} not confirmed and not counted."
