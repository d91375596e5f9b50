"""
Plots as inline SVG and HTML: no script, no font, no picture from elsewhere.

Shapes are drawn into a box that stretches to its place; words stand beside it as HTML, so that
they are as large on a phone as on a desk. Colours are classes, for light and dark. What a shape
stands for is in its `<title>`, and what a plot shows is in its label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from html import escape

from runner.frozen import frozen

WIDTH = 1000
"""Of the boxes that stretch, in units of their own; heights are CSS pixels."""

_MOST_POINTS = 700
_WEEK = 7


@frozen
class Scale:
    """A stretch of days laid over a box; the end is left out."""

    start: date
    end: date

    @property
    def days(self) -> int:
        """How many days it has, at least one."""
        return max((self.end - self.start).days, 1)

    def x(self, day: float) -> float:
        """Where a number of days after the start lies, cut to the box."""
        return round(min(max(day / self.days, 0.0), 1.0) * WIDTH, 2)

    def of(self, day: date) -> float:
        """Where a day begins."""
        return self.x((day - self.start).days)

    def ticks(self, most: int = 8) -> list[tuple[float, str]]:
        """Beginnings of days, months or years with their names: percent from the left."""
        found = [day for day in self._candidates() if self.start <= day < self.end]
        step = -(-len(found) // most) if found else 1
        shown = found[::step]
        return [
            (self.of(day) / WIDTH * 100, self._name(day, first=day == shown[0])) for day in shown
        ]

    def _candidates(self) -> Iterable[date]:
        if self.days <= 45:
            return (self.start + timedelta(days=n) for n in range(self.days))
        years = range(self.start.year, self.end.year + 1)
        if self.days > 1500:
            return (date(year, 1, 1) for year in years)
        return (date(year, month, 1) for year in years for month in range(1, 13))

    def _name(self, day: date, *, first: bool) -> str:
        if self.days <= 45:
            return f"{day.day} {day:%b}"
        if self.days > 1500:
            return f"{day:%Y}"
        return f"{day:%b %Y}" if first or day.month == 1 or self.days > 400 else f"{day:%b}"


@frozen
class Point:
    """A value from a moment on (days after the scale's start)."""

    day: float
    value: int


def thinned(points: Sequence[Point]) -> list[Point]:
    """Not more points than an eye can tell apart: the last of each group, and both ends."""
    if len(points) <= _MOST_POINTS:
        return list(points)
    step = -(-len(points) // _MOST_POINTS)
    return [points[0], *points[step:-1:step], points[-1]]


def nice_top(value: int) -> int:
    """The next round number that is not less: 1, 2, 2.5 or 5 times a power of ten."""
    power: int = 10 ** (len(str(max(value, 1))) - 1)
    for factor in (10, 20, 25, 50, 100):
        if value * 10 <= factor * power:
            return factor * power // 10 or 1
    return 10 * power


# ── pieces ────────────────────────────────────────────────────────────────────────────────────


def box(body: str, *, height: int, label: str) -> str:
    """A box of shapes that stretches sideways."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}" style="height:{height}px">{body}</svg>'
    )


def rectangle(x: float, y: float, width: float, height: float, kind: str, title: str = "") -> str:
    """A bar."""
    inner = f"<title>{escape(title)}</title>" if title else ""
    shape = f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    return f"{shape}>{inner}</rect>" if inner else f"{shape}/>"


def framed(svg: str, scale: Scale, levels: Sequence[tuple[float, str]] = ()) -> str:
    """
    A plot with its axes.

    Args:
        levels: Of the vertical axis: percent from the top, and what stands there.
    """
    ups = "".join(
        f'<span class="level" style="top:{percent:.2f}%">{escape(text)}</span>'
        for percent, text in levels
    )
    rules = "".join(f'<i style="top:{percent:.2f}%"></i>' for percent, _ in levels)
    return (
        f'<div class="plot"><div class="levels">{ups}</div><div class="field">{rules}{svg}</div>'
        f"{axis(scale)}</div>"
    )


def axis(scale: Scale) -> str:
    """The horizontal axis: on a phone every other name is left out."""
    names = "".join(
        f'<span class="{"even" if index % 2 == 0 else "odd"}" style="left:{percent:.2f}%">'
        f"{escape(name)}</span>"
        for index, (percent, name) in enumerate(scale.ticks())
    )
    return f'<div class="axis" aria-hidden="true">{names}</div>'


# ── what lasts ────────────────────────────────────────────────────────────────────────────────


def steps(
    points: Sequence[Point], scale: Scale, *, top: int, height: int, kind: str, label: str
) -> str:
    """A value that stays until it changes, with the area below it."""
    path = _stepped(thinned(points), scale, top, height)
    end = f"L{scale.x(scale.days):g} {height} L{scale.x(points[0].day):g} {height} Z"
    last = f" L{scale.x(scale.days):g} {_y(points[-1].value, top, height):g} "
    shapes = f'<path class="area {kind}" d="{path}{last}{end}"/>'
    shapes += f'<path class="line {kind}" d="{path}{last}"/>'
    return box(shapes, height=height, label=label)


def _stepped(points: Sequence[Point], scale: Scale, top: int, height: int) -> str:
    first, *rest = points
    begin = f"M{scale.x(first.day):g} {_y(first.value, top, height):g}"
    return begin + "".join(
        f"H{scale.x(point.day):g}V{_y(point.value, top, height):g}" for point in rest
    )


def _y(value: int, top: int, height: int) -> float:
    return round(height - value * height / top, 2)


def marker(percent: float, text: str) -> str:
    """An upright line with a word, over a plot's field."""
    side = "left" if percent < 60 else "right"
    return f'<b class="marker {side}" style="left:{percent:.2f}%"><span>{escape(text)}</span></b>'


# ── calendars ─────────────────────────────────────────────────────────────────────────────────


@frozen
class Day:
    """A day of a calendar: the class of its colour, and what happens."""

    kind: str
    title: str


def month(year: int, number: int, days: dict[date, Day], scale: Scale) -> str:
    """A month as on the wall: weeks from Monday to Sunday, below each other."""
    first = date(year, number, 1)
    cells = []
    for day in _month_days(first):
        place = day.day - 1 + first.weekday()
        x, y = place % _WEEK * 10, place // _WEEK * 10
        cells.append(_cell(day, days, scale, x, y))
    label = _said(f"{first:%B %Y}", days, first)
    return (
        f'<figure class="month"><figcaption>{first:%b %Y}</figcaption>'
        f'<svg viewBox="0 0 70 60" role="img" aria-label="{label}">'
        f"{''.join(cells)}</svg></figure>"
    )


def year(number: int, days: dict[date, Day], scale: Scale) -> str:
    """A year as a strip: weeks beside each other, Monday on top."""
    first = date(number, 1, 1)
    cells = []
    day = first
    while day.year == number:
        place = (day - first).days + first.weekday()
        cells.append(_cell(day, days, scale, place // _WEEK * 10, place % _WEEK * 10))
        day += timedelta(days=1)
    return (
        f'<figure class="year"><figcaption>{number}</figcaption>'
        f'<svg viewBox="0 0 540 70" role="img" aria-label="{number}, day by day">'
        f"{''.join(cells)}</svg></figure>"
    )


def _month_days(first: date) -> Iterable[date]:
    day = first
    while day.month == first.month:
        yield day
        day += timedelta(days=1)


def _cell(day: date, days: dict[date, Day], scale: Scale, x: int, y: int) -> str:
    square = f'x="{x + 0.75}" y="{y + 0.75}" width="8.5" height="8.5" rx="2"'
    found = days.get(day)
    if found is None:
        kind = "none" if scale.start <= day < scale.end else "outside"
        return f'<rect class="{kind}" {square}/>'
    title = f"{day:%A}, {day.day} {day:%B %Y}: {found.title}"
    return f'<rect class="{found.kind}" {square}><title>{escape(title)}</title></rect>'


def _said(name: str, days: dict[date, Day], first: date) -> str:
    said = [f"{day.day}: {days[day].title}" for day in _month_days(first) if day in days]
    return escape(f"{name}. {'; '.join(said) or 'nothing'}")
