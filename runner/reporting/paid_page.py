"""
The report as a page: one file to print or to send, readable without a network and without a script.

Whatever comes from a policy or the chain is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from importlib.resources import files

from runner.reporting.digest import Chain
from runner.reporting.foresight.markup import section, table, units, when
from runner.reporting.text import plural, stamp
from runner.reporting.totals import PaidView, Report

_PRINTED = "@media print { section { break-inside: auto; } tr { break-inside: avoid; } }"
"""A table that is longer than a sheet breaks between its rows."""


def as_page(
    made: Report,
    heads: Sequence[Chain],
    *,
    start: datetime | None,
    end: datetime | None,
    at: datetime,
) -> str:
    """The whole page."""
    style = files("runner.reporting.foresight").joinpath("page.css").read_text(encoding="utf-8")
    counted = plural(len(made.payments) - made.unconfirmed, "payment")
    title = f"{counted}, {_period(start, end)}"
    parts = [
        f"<header><div><h1>{escape(title)}</h1><p>{_lead(made)}</p></div></header>",
        section("Totals", _totals(made)),
        section("Fees", _fees(made), "What operations cost, once each, by who paid for the gas."),
        section("Payments", _payments(made.payments), "In the order in which they were due."),
        section(
            "Heads of the ledger",
            _heads(heads),
            "The newest event of each chain: compare runner db verify --head with it later.",
        ),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Report: {escape(title)}</title><style>{style}{_PRINTED}</style></head>"
        f"<body><main>{''.join(parts)}</main><footer><p>Made by <code>runner report</code> on "
        f"{when(stamp(at))} from closed successes of the ledger. Times are UTC; a payment belongs "
        "to the time at which it was due.</p></footer></body></html>\n"
    )


def _period(start: datetime | None, end: datetime | None) -> str:
    if start is None and end is None:
        return "the whole ledger"
    begin = "the beginning" if start is None else stamp(start)
    return f"from {begin} to {'now' if end is None else stamp(end)}"


def _lead(made: Report) -> str:
    if not made.payments:
        return "Nothing was paid in this period."
    if not made.unconfirmed:
        return "All of them are final on their chains."
    return f"{plural(made.unconfirmed, 'line')} more not confirmed by a receipt, and not counted."


def _totals(made: Report) -> str:
    rows = [
        [
            escape(one.receiver_name),
            f"<b>{units(one.amount, one.decimals, one.symbol)}</b>",
            f"{one.count:,}",
            str(one.chain),
            f"<code>{escape(one.receiver)}</code>",
        ]
        for one in made.totals
    ]
    return table(["Paid to", "Total", "Payments", "Chain", "Address"], rows) if rows else ""


def _fees(made: Report) -> str:
    rows = [
        [
            str(one.chain),
            "sponsor" if one.sponsored else "account",
            units(one.amount, 18, "native"),
            f"{one.count:,}",
        ]
        for one in made.fees
    ]
    return table(["Chain", "Paid by", "Fees", "Operations"], rows) if rows else ""


def _payments(payments: Sequence[PaidView]) -> str:
    rows = [
        [
            when(stamp(one.due_at)),
            escape(one.schedule),
            units(one.line.amount, one.line.decimals, one.line.symbol),
            escape(one.line.receiver_name),
            "<br>".join(escape(text) for text in _remarks(one)),
            when(stamp(one.paid_at)),
            str(one.block or ""),
            f"<code>{escape(_short(one.transaction_hash))}</code>",
        ]
        for one in payments
    ]
    header = ["Due", "Schedule", "Amount", "To", "Memo, ref", "Paid", "Block", "Transaction"]
    return table(header, rows) if rows else ""


def _remarks(one: PaidView) -> list[str]:
    said = [text for text in (one.line.memo, one.line.ref) if text]
    if not one.confirmed:
        return ["not confirmed, not counted", *said]
    return ["not asked for", *said] if one.line.kind == "observed" else said


def _short(text: str | None) -> str:
    return "" if text is None else f"{text[:10]}…{text[-6:]}"


def _heads(heads: Sequence[Chain]) -> str:
    rows = [
        [f"<code>{escape(one.incarnation)}</code>", str(one.seq), f"<code>{escape(one.mac)}</code>"]
        for one in heads
    ]
    return table(["Chain", "Event", "Head"], rows) if rows else ""
