"""Pieces of the page: sections, tables, and amounts as a reader of a page likes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from runner.ethereum.units import format_units

MOST_ROWS = 500
"""Lines of one table; who wants more reads the CSV."""


def section(title: str, body: str, lead: str = "") -> str:
    """A part of the page; nothing where it has nothing to say."""
    if not body:
        return ""
    said = f'<p class="lead">{escape(lead)}</p>' if lead else ""
    return f"<section><h2>{escape(title)}</h2>{said}{body}</section>"


def article(title: str, said: str, body: str, *, warns: bool = False) -> str:
    """One plot of a section; `said` is HTML."""
    kind = "warn" if warns else "calm"
    line = f'<p class="{kind}">{said}</p>' if said else ""
    return f"<article><h3>{escape(title)}</h3>{line}{body}</article>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells are HTML; on a phone each row is a card."""
    names = [escape(name) for name in header]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    lines = "".join(_line(names, row) for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody>'
        "</table></div>"
    )


def _line(names: Sequence[str], row: Sequence[str]) -> str:
    cells = zip(names, row, strict=True)
    inside = "".join(f'<td data-name="{name}"><div>{cell}</div></td>' for name, cell in cells)
    return f"<tr>{inside}</tr>"


def rest(rows: int) -> str:
    """A word on what a table leaves out."""
    if rows <= MOST_ROWS:
        return ""
    left = f"{rows - MOST_ROWS:,}"
    return f'<p class="calm">and {left} more: <code>--csv</code> has all of them.</p>'


def when(text: str) -> str:
    """A time that is never broken over lines."""
    return f"<time>{escape(text)}</time>"


def units(base_units: int, decimals: int, symbol: str) -> str:
    """`16,002.5 usdc`, escaped."""
    whole, point, fraction = format_units(base_units, decimals).partition(".")
    return f"{int(whole):,}{point}{fraction} {escape(symbol)}"


def compact(base_units: int, decimals: int) -> str:
    """An amount in a few characters: `1.5M`, `20k`, `0.25`. For axes alone: it is rounded."""
    whole = base_units / 10**decimals
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if whole >= size:
            return f"{whole / size:.3g}{letter}"
    return f"{whole:.3g}"


def levels(top: int, decimals: int, steps: int = 2) -> list[tuple[float, str]]:
    """The names of an upright axis from 0 to `top`: percent from above, and text."""
    return [
        (100 - 100 * step / steps, compact(top * step // steps, decimals) if step else "0")
        for step in range(steps + 1)
    ]
