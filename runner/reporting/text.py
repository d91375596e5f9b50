"""
Text for people: aligned columns, calm colours, times and amounts that need no second reading.

Whatever reaches a terminal goes through `clean`: a memo or a service's message may hold escape
sequences. Times are UTC and say so; how far away they are stands beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from runner.ethereum.units import format_units
from runner.frozen import frozen

if TYPE_CHECKING:  # the printing of errors shall not load the calls that it never prints
    from runner.guard.intent import TransferLine

NOTHING = "—"
"""Stands where there is no value."""

_GAP = "  "
_LEAST = 8  # columns that a flexible cell keeps on a narrow terminal


class Tone(StrEnum):
    """What a piece of text wants to say besides its words; all reads without it too."""

    PLAIN = ""
    GOOD = "\x1b[32m"
    WARN = "\x1b[33m"
    BAD = "\x1b[31m"
    DIM = "\x1b[2m"
    STRONG = "\x1b[1m"


_TONES = {
    "success": Tone.GOOD,
    "active": Tone.GOOD,
    "reverted": Tone.BAD,
    "not_included": Tone.BAD,
    "missed": Tone.BAD,
    "expired": Tone.BAD,
    "stopping": Tone.BAD,
    "held": Tone.WARN,
    "unknown": Tone.WARN,
    "paused": Tone.WARN,
    "skipped": Tone.DIM,
    "superseded": Tone.DIM,
    "removed": Tone.DIM,
    "completed": Tone.DIM,
    "retired": Tone.DIM,
    "revoked": Tone.DIM,
    "abandoned": Tone.DIM,
}


@frozen
class Look:
    """What we write on: `width` in columns (None: a pipe, nothing is cut), and in colour or not."""

    width: int | None = None
    colour: bool = False

    def tint(self, text: str, tone: Tone) -> str:
        """The text in its tone, if there is colour."""
        if not self.colour or tone is Tone.PLAIN or not text:
            return text
        return f"{tone.value}{text}\x1b[0m"


@frozen
class Cell:
    """A cell of a table with its tone."""

    text: str
    tone: Tone = Tone.PLAIN


Row = list[str | Cell]
"""A line of a table."""


def state_cell(state: str) -> Cell:
    """A state in the tone it deserves; the word itself is the ledger's."""
    return Cell(state, _TONES.get(state, Tone.PLAIN))


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str | Cell]],
    look: Look,
    *,
    flexible: Sequence[int] = (),
    right: Sequence[int] = (),
) -> list[str]:
    """
    Lay out rows under a header.

    Args:
        flexible: Columns that give way, in this order, when the terminal is too narrow.
        right: Columns that are aligned to the right.

    Returns:
        Lines without trailing blanks.
    """
    cells = [[_cell(one) for one in row] for row in rows]
    grid = [[Cell(title, Tone.DIM) for title in header], *cells]
    widths = [max(columns(row[i].text) for row in grid) for i in range(len(header))]
    _narrow(widths, look.width, flexible)
    return [_line(row, widths, look, right) for row in grid]


def _cell(value: str | Cell) -> Cell:
    return Cell(clean(value)) if isinstance(value, str) else Cell(clean(value.text), value.tone)


def _narrow(widths: list[int], width: int | None, flexible: Sequence[int]) -> None:
    if width is None:
        return
    for column in flexible:
        excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
        if excess <= 0:
            return
        widths[column] = max(widths[column] - excess, min(_LEAST, widths[column]))


def _line(row: Sequence[Cell], widths: Sequence[int], look: Look, right: Sequence[int]) -> str:
    parts = []
    for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
        text = shorten(cell.text, width)
        blank = " " * (width - columns(text))
        last = index == len(row) - 1
        tinted = look.tint(text, cell.tone)
        parts.append(blank + tinted if index in right else tinted + ("" if last else blank))
    return _GAP.join(parts).rstrip()


def columns(text: str) -> int:
    """How many columns a text takes: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width  # noqa: PLC0415 (most text is ASCII)

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def shorten(text: str, width: int) -> str:
    """At most `width` columns, with … for what is left out."""
    if columns(text) <= width:
        return text
    while text and columns(text) > width - 1:
        text = text[:-1]
    return text.rstrip() + "…"


def wrapped(text: str, look: Look, *, indent: str = "", taken: int = 0) -> list[str]:
    """
    A sentence as lines that fit the terminal; in a pipe it is one line.

    Args:
        indent: Before every line but the first.
        taken: Columns of the first line that something else takes.
    """
    text = clean(text)
    if look.width is None:
        return [text]
    import textwrap  # noqa: PLC0415 (terminals alone need it)

    lines = textwrap.wrap(
        " " * taken + text,
        look.width,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [lines[0][taken:], *lines[1:]] if lines else [""]


def clean(text: str) -> str:
    """One printable line: control characters could move the cursor or forge a line."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )


# ── values ────────────────────────────────────────────────────────────────────────────────────


def rfc3339(moment: datetime) -> str:
    """UTC with Z, as scripts read it; fractions of a second only where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def stamp(moment: datetime | None, *, seconds: bool = False) -> str:
    """UTC to the minute (or second), as people read it: `2026-12-01 08:00Z`."""
    if moment is None:
        return NOTHING
    return f"{moment.astimezone(UTC):{'%Y-%m-%d %H:%M:%SZ' if seconds else '%Y-%m-%d %H:%MZ'}}"


def span(length: timedelta) -> str:
    """A length of time in at most two units: `45 s`, `12 min`, `3 h 20 min`, `45 d`."""
    total = int(abs(length).total_seconds())
    if total < 60:
        return f"{total} s"
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if hours == 0:
        return f"{minutes} min"
    if days == 0:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 and days < 10 else f"{days} d"


def away(moment: datetime, now: datetime) -> str:
    """How far a moment is: `in 3 d 2 h`, `12 min ago`, `now`."""
    distance = moment - now
    if abs(distance) < timedelta(seconds=1):
        return "now"
    return f"in {span(distance)}" if distance > timedelta(0) else f"{span(distance)} ago"


def amount(base_units: int, decimals: int, symbol: str) -> str:
    """`2500 usdc`: exact, as the policy writes it."""
    return f"{format_units(base_units, decimals)} {symbol}"


def moves(lines: Sequence[TransferLine], most: int = 2) -> str:
    """`25 usdc → alice, up to 3 usdc → bob and 4 more`; approvals say so."""
    if not lines:
        return ""
    shown = [
        ("up to " if line.kind == "at_most" else "")
        + f"{amount(line.amount, line.decimals, line.symbol)} → {line.receiver_name}"
        + (" (approval)" if line.kind == "approve" else "")
        for line in lines[:most]
    ]
    rest = f" and {len(lines) - most} more" if len(lines) > most else ""
    return ", ".join(shown) + rest


def in_all(lines: Iterable[TransferLine], times: int) -> str:
    """What so many runs move, by token: `75 usdc, 3 native`."""
    sums: dict[tuple[str, int], int] = {}
    at_most = False
    for line in lines:
        key = (line.symbol, line.decimals)
        sums[key] = sums.get(key, 0) + line.amount * times
        at_most = at_most or line.kind == "at_most"
    words = ", ".join(amount(value, decimals, symbol) for (symbol, decimals), value in sums.items())
    return (f"up to {words}" if at_most else words) or "nothing but its calls"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 policy`, `2 policies`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def brief(identity: str) -> str:
    """The head of a run id, long enough to be typed back: `0xea4aa18f67`."""
    return identity[:12] if identity.startswith("0x") else identity
