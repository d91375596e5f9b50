"""
Plots as inline SVG: no script, no font, no style of its own, so that the strictest policy of a
browser lets them stand. Colours are classes. What a shape stands for is in its `<title>`; the plot
as a whole says in its label what it shows, and a table beside it says it in numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from markupsafe import Markup, escape

from runner.frozen import frozen

WIDTH: Final = 500
HEIGHT: Final = 150
_LEFT, _BOTTOM, _TOP = 44, 22, 8
_FIELD = HEIGHT - _BOTTOM - _TOP


@frozen
class Part:
    """One share of a bar: the class of its colour, how much it is, and what it stands for."""

    kind: str
    amount: int
    title: str


@frozen
class Point:
    """A share of the width from the left, and of the height from below; both 0 to 1."""

    x: float
    y: float


def bars(
    days: Sequence[date], parts: Mapping[date, Sequence[Part]], *, label: str, scale: float = 1
) -> Markup:
    """
    Days side by side, each a bar of its parts.

    Args:
        scale: How many of the parts' units make one of the axis.
    """
    top = nice_top(max((sum(one.amount for one in found) for found in parts.values()), default=0))
    step = (WIDTH - _LEFT) / max(len(days), 1)
    shapes = [_levels(top, scale=scale)]
    for index, day in enumerate(days):
        x, y = _LEFT + index * step, float(HEIGHT - _BOTTOM)
        for one in parts.get(day, ()):
            height = one.amount / top * _FIELD
            y -= height
            title = escape(f"{day:%a} {day.day} {day:%b}: {one.title}")
            shapes.append(
                Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="1.5">').format(
                    one.kind, _n(x + step * 0.12), _n(y), _n(step * 0.76), _n(height)
                )
                + Markup("<title>{}</title></rect>").format(title)
            )
    return _framed(shapes + _names(days, step), label)


def line(
    points: Sequence[Point], *, label: str, even: bool = False, now: float | None = None
) -> Markup:
    """
    What is left, from the beginning of a stretch to its end, stepping down.

    Args:
        even: Draw besides how even use would go.
        now: Where we stand, as a share of the width.
    """
    shapes = [_levels(100, "%")]
    if even:
        ends = (_x(0.0), _y(1.0), _x(1.0), _y(0.0))
        shapes.append(Markup('<line class="even" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(*ends))
    if points:
        path = f"M{_x(points[0].x)} {_y(points[0].y)}"
        path += "".join(f"H{_x(one.x)}V{_y(one.y)}" for one in points[1:])
        end = f"V{_y(0.0)}H{_x(points[0].x)}Z"
        shapes.append(Markup('<path class="area" d="{}{}"/>').format(path, end))
        shapes.append(Markup('<path class="line" d="{}"/>').format(path))
    if now is not None:
        place = (_x(now), _TOP, _x(now), HEIGHT - _BOTTOM)
        shapes.append(Markup('<line class="now" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(*place))
    return _framed(shapes, label)


def meter(share: float, *, kind: str, label: str) -> Markup:
    """A thin bar that is filled so far."""
    width = min(max(share, 0.0), 1.0) * 100
    return Markup(
        '<svg class="meter" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" '
        'aria-label="{}"><rect class="none" width="100" height="6"/>'
        '<rect class="{}" width="{}" height="6"/></svg>'
    ).format(label, kind, _n(width))


def nice_top(value: int) -> int:
    """The next round number that is not less: 1, 2, 5 times a power of ten."""
    power: int = 10 ** (len(str(max(value, 1))) - 1)
    return next(factor * power for factor in (1, 2, 5, 10) if value <= factor * power)


def _levels(top: int, unit: str = "", *, scale: float = 1) -> Markup:
    found = Markup()
    for share in (0.0, 0.5, 1.0):
        y = _y(share)
        number = top * share / scale
        text = f"{number:g}{unit}" if number < 10_000 else f"{number / 1000:g}k"
        found += Markup('<line class="rule" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
            _LEFT, y, WIDTH, y
        )
        if not (share == 0.5 and top == scale == 1 and not unit):
            found += Markup('<text class="level" x="{}" y="{}">{}</text>').format(
                _LEFT - 6, _n(float(y) + 4), text
            )
    return found


def _names(days: Sequence[date], step: float) -> list[Markup]:
    found = []
    every = max(len(days) // 5, 1)
    for index, day in enumerate(days):
        if index % every == 0:
            x = _LEFT + (index + 0.5) * step
            found.append(
                Markup('<text class="name" x="{}" y="{}">{}</text>').format(
                    _n(x), HEIGHT - 6, f"{day.day} {day:%b}"
                )
            )
    return found


def _framed(shapes: Sequence[Markup], label: str) -> Markup:
    return Markup(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(WIDTH, HEIGHT, label, Markup().join(shapes))


def _x(share: float) -> str:
    return _n(_LEFT + min(max(share, 0.0), 1.0) * (WIDTH - _LEFT))


def _y(share: float) -> str:
    return _n(HEIGHT - _BOTTOM - min(max(share, 0.0), 1.0) * _FIELD)


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def last_days(today: date, count: int) -> list[date]:
    """So many days, the last of them today."""
    return [today - timedelta(days=count - 1 - index) for index in range(count)]
