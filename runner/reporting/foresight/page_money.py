"""The page's parts about money: balances over time, totals, and months."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from html import escape

from runner.reporting.foresight import people, plots
from runner.reporting.foresight.markup import article, levels, section, table, units
from runner.reporting.foresight.model import Course, Foresight
from runner.reporting.text import amount
from runner.reporting.totals import Total

_SERIES = 6
"""Colours of bars; the last one stands for all others where there are more receivers."""

_HEIGHT = 170


def balances(found: Foresight, scale: plots.Scale) -> str:
    """What each account holds, day by day."""
    body = "".join(_balance(one, scale) for one in found.courses)
    return section("Balances", body, "What each account holds, and how long it lasts.")


def _balance(one: Course, scale: plots.Scale) -> str:
    purse, short = one.purse, one.shortage
    points = [plots.Point(0, purse.opening)]
    points += [plots.Point((day - scale.start).days + 0.5, left) for day, left in one.points]
    top = plots.nice_top(max(point.value for point in points) or 1)
    title, lasts = f"{purse.account}: {purse.symbol}", people.lasts(one)
    opening = amount(purse.opening, purse.decimals, purse.symbol)
    closing = amount(one.closing, purse.decimals, purse.symbol)
    plot = plots.steps(
        points,
        scale,
        top=top,
        height=_HEIGHT,
        kind="accent" if short is None else "bad",
        label=f"{title}, from {opening} to {closing}; {lasts}",
    )
    if short is not None:
        percent = scale.of(short.day) / plots.WIDTH * 100
        plot += plots.marker(percent, f"dry on {short.day.day} {short.day:%b %Y}")
    said = (
        f"{units(purse.opening, purse.decimals, purse.symbol)} → "
        f"<b>{units(one.closing, purse.decimals, purse.symbol)}</b>; {escape(lasts)}"
    )
    framed = plots.framed(plot, scale, levels(top, purse.decimals))
    return article(title, said, framed, warns=short is not None)


def totals(found: Foresight) -> str:
    """What each contact receives in all."""
    if not found.totals:
        return ""
    several = len({one.chain for one in found.totals}) > 1
    most: dict[tuple[int, str], int] = defaultdict(int)
    for one in found.totals:
        most[one.chain, one.token] = max(most[one.chain, one.token], one.amount)
    rows = [
        [
            _receiver(one),
            _share(one, most[one.chain, one.token]),
            f"{one.count:,}",
            *([str(one.chain)] if several else []),
        ]
        for one in sorted(found.totals, key=lambda one: (one.chain, one.token, -one.amount))
    ]
    header = ["Paid to", "Total", "Times", *(["Chain"] if several else [])]
    return section("Totals", table(header, rows), "What each contact receives.")


def _receiver(one: Total) -> str:
    if one.receiver_name == one.receiver:
        return f"<code>{escape(one.receiver)}</code>"
    return f"<b>{escape(one.receiver_name)}</b><small>{escape(one.receiver)}</small>"


def _share(one: Total, most: int) -> str:
    percent = one.amount * 100 // most if most else 0
    bar = f'<span class="share" style="width:{percent}%"></span>'
    return f"{units(one.amount, one.decimals, one.symbol)}{bar}"


# ── months ────────────────────────────────────────────────────────────────────────────────────


def months(found: Foresight, scale: plots.Scale) -> str:
    """What each contact receives in each month, a plot a token."""
    names = _months_of(scale)
    if len(names) < 2 or not found.totals:
        return ""
    tokens = dict.fromkeys((one.chain, one.token) for one in found.totals)
    body = "".join(_token(found, chain, token, names) for chain, token in tokens)
    return section("Month by month", body, "What each contact receives in each month.")


def _token(found: Foresight, chain: int, token: str, names: Sequence[str]) -> str:
    mine = [one for one in found.totals if (one.chain, one.token) == (chain, token)]
    ranked = sorted(mine, key=lambda one: -one.amount)
    own = ranked[: _SERIES if len(ranked) <= _SERIES else _SERIES - 1]
    series = [one.receiver_name for one in own] + (["others"] if len(ranked) > len(own) else [])
    columns = _columns(found, (chain, token), [one.receiver for one in own], names)
    known = ranked[0]
    top = plots.nice_top(max(sum(parts) for parts in columns.values()) or 1)
    several = len({one.chain for one in found.totals}) > 1
    title = f"{known.symbol} on chain {chain}" if several else known.symbol
    plot = plots.box(
        _bars(columns, top, series, known),
        height=_HEIGHT,
        label=f"{title} paid in each month; the table below has the numbers",
    )
    keys = "".join(
        f'<span><i class="swatch series{place}"></i> {escape(name)}</span>'
        for place, name in enumerate(series, 1)
    )
    rows = [[month, *(_part(part, known) for part in parts)] for month, parts in columns.items()]
    axis = plots.Scale(_first(names[0]), _first(_following(names[-1])))
    return article(
        title,
        "",
        f'{plots.framed(plot, axis, levels(top, known.decimals))}<p class="legend">{keys}</p>'
        f"<details><summary>In numbers</summary>{table(['Month', *series], rows)}</details>",
    )


def _columns(
    found: Foresight, key: tuple[int, str], receivers: Sequence[str], names: Sequence[str]
) -> dict[str, list[int]]:
    """By month: what each receiver gets, and in a last place what the others get."""
    mine = [one for month in found.months.values() for one in month]
    others = {one.receiver for one in mine if (one.chain, one.token) == key} - set(receivers)
    columns = {month: [0] * (len(receivers) + bool(others)) for month in names}
    for month, paid in found.months.items():
        for one in paid:
            if (one.chain, one.token) == key and month in columns:
                known = one.receiver in receivers
                place = receivers.index(one.receiver) if known else len(receivers)
                columns[month][place] += one.amount
    return columns


def _bars(columns: dict[str, list[int]], top: int, series: Sequence[str], known: Total) -> str:
    wide = plots.WIDTH / len(columns)
    gap = min(wide * 0.3, 14)
    shapes = []
    for index, (month, parts) in enumerate(columns.items()):
        y, x = float(_HEIGHT), round(index * wide + gap / 2, 2)
        for place, part in enumerate(parts):
            if part:
                height = round(part * _HEIGHT / top, 2)
                y = round(y - height, 2)
                title = f"{month}: {amount(part, known.decimals, known.symbol)} to {series[place]}"
                kind = f"series{place + 1}"
                shapes.append(plots.rectangle(x, y, round(wide - gap, 2), height, kind, title))
    return "".join(shapes)


def _part(part: int, known: Total) -> str:
    return units(part, known.decimals, known.symbol) if part else "—"


def _months_of(scale: plots.Scale) -> list[str]:
    found = []
    month = f"{scale.start:%Y-%m}"
    while _first(month) < scale.end:
        found.append(month)
        month = _following(month)
    return found


def _first(month: str) -> date:
    return date.fromisoformat(f"{month}-01")


def _following(month: str) -> str:
    return f"{_first(month) + timedelta(days=31):%Y-%m}"
