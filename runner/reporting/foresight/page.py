"""
The page of a simulation: one file, readable without a network and without a script.

Whatever comes from a policy is escaped. Tables say in numbers what the plots show.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, timedelta
from html import escape
from importlib.resources import files

from runner.reporting.foresight import page_grants, page_money, people, plots
from runner.reporting.foresight.markup import MOST_ROWS, rest, section, table, when
from runner.reporting.foresight.model import Foresight, Outcome
from runner.reporting.text import amount, stamp
from runner.reporting.words import label, meaning

_LONGEST_IN_MONTHS = 430
"""Days that are shown month by month; longer windows are strips of years."""

_MOST_YEARS = 30
_DAY = timedelta(days=1)


def as_page(found: Foresight) -> str:
    """The whole page."""
    style = files("runner.reporting.foresight").joinpath("page.css").read_text(encoding="utf-8")
    scale = _scale(found)
    parts = [
        _head(found),
        _calendar(found, scale),
        _failures(found),
        page_money.balances(found, scale),
        page_money.totals(found),
        page_money.months(found, scale),
        page_grants.grants(found, scale),
        page_grants.allowances(found, scale),
        _skips(found),
    ]
    title = escape(people.headline(found))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Simulation: {title}</title><style>{style}</style></head>"
        f"<body><main>{''.join(parts)}</main>{_footer(found)}</body></html>\n"
    )


def _scale(found: Foresight) -> plots.Scale:
    last = (found.end - timedelta(microseconds=1)).astimezone(UTC).date()
    return plots.Scale(found.start.astimezone(UTC).date(), last + _DAY)


# ── the head ──────────────────────────────────────────────────────────────────────────────────


def _head(found: Foresight) -> str:
    state, sign = ("bad", "!") if found.fails else ("good", "✓")
    counts = found.counts
    tiles = [
        ("paid", counts["success"], "good"),
        ("skipped by rule", counts["skipped"], "quiet"),
        ("missed", counts["missed"], "bad" if counts["missed"] else "quiet"),
        ("failed", counts["failed"], "bad" if counts["failed"] else "quiet"),
        ("grants signed", len(found.grants), "plain"),
        ("of them renewals", found.renewals, "plain"),
    ]
    shown = "".join(
        f'<div class="tile {kind}"><b>{number:,}</b><span>{name}</span></div>'
        for name, number, kind in tiles
    )
    return (
        f'<header class="{state}"><p class="sign" aria-hidden="true">{sign}</p><div>'
        f"<h1>{escape(people.headline(found))}</h1><p>{escape(people.how(found))}.</p></div>"
        f'</header><div class="tiles">{shown}</div>{_troubles(found)}'
    )


def _troubles(found: Foresight) -> str:
    if not found.troubles:
        return ""
    items = "".join(
        f"<li>{when(stamp(one.at))} <b>{escape(one.subject)}</b>: {escape(one.what)}"
        + (f"<br><em>{escape(one.hint)}</em>" if one.hint else "")
        + "</li>"
        for one in found.troubles
    )
    return f'<ul class="troubles">{items}</ul>'


def _footer(found: Foresight) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in found.notes)
    return (
        "<footer><p>Made by <code>runner simulate</code> with play money and throw-away keys. "
        "Times are UTC; days of the calendar and months are those of each schedule’s own time "
        f"zone.</p>{f'<ul>{notes}</ul>' if notes else ''}</footer>"
    )


# ── the calendar ──────────────────────────────────────────────────────────────────────────────


def _calendar(found: Foresight, scale: plots.Scale) -> str:
    days = _days(found)
    if not days:
        return ""
    last = scale.end - _DAY
    if scale.days <= _LONGEST_IN_MONTHS:
        months = sorted({(day.year, day.month) for day in [*days, scale.start, last]})
        body = "".join(plots.month(year, month, days, scale) for year, month in months)
        body = f'<div class="months">{body}</div>'
    else:
        years = range(scale.start.year, last.year + 1)[:_MOST_YEARS]
        body = "".join(plots.year(year, days, scale) for year in years)
        body = f'<div class="years">{body}</div>'
    return section("Calendar", body + _legend(), "What happens on each day.")


def _days(found: Foresight) -> dict[date, plots.Day]:
    by_day = people.by_day(found.outcomes)
    most = max((counts["success"] for counts in by_day.values()), default=0)
    paid: dict[date, dict[tuple[str, int], int]] = defaultdict(lambda: defaultdict(int))
    for one in found.paid:
        for line in one.lines:
            paid[one.local_day][line.symbol, line.decimals] += line.amount * one.count
    shown = {}
    for day, counts in by_day.items():
        kind = "skip"
        if counts["failed"]:
            kind = "fail"
        elif counts["success"]:
            kind = f"heat{people.shade(counts['success'], most, 4) + 1}"
        said = [f"{counts[name]:,} {word}" for name, word in _SAID if counts[name]]
        sums = [amount(total, decimals, name) for (name, decimals), total in paid[day].items()]
        shown[day] = plots.Day(kind, ", ".join(said) + (f": {', '.join(sums)}" if sums else ""))
    return shown


_SAID = (("failed", "not paid"), ("success", "paid"), ("skipped", "skipped"))


def _legend() -> str:
    swatches = "".join(f'<i class="swatch heat{n}"></i>' for n in range(1, 5))
    return (
        f'<p class="legend"><span>paid, few to many {swatches}</span>'
        '<span><i class="swatch skip"></i> skipped by rule</span>'
        '<span><i class="swatch fail"></i> not paid</span></p>'
    )


# ── what is not paid ──────────────────────────────────────────────────────────────────────────


def _failures(found: Foresight) -> str:
    rows = [
        [
            when(stamp(one.due_at)),
            escape(one.schedule),
            f'<span class="badge bad">{escape(_named(one))}</span>',
            escape(people.why(found, one)),
        ]
        for one in found.failures[:MOST_ROWS]
    ]
    body = table(["Due", "Schedule", "State", "Why"], rows) if rows else ""
    return section("What would fail", body + rest(len(found.failures)))


def _named(one: Outcome) -> str:
    return label(one.state, one.reason) + (f" × {one.count:,}" if one.count > 1 else "")


def _skips(found: Foresight) -> str:
    groups: dict[tuple[str, str, str | None], list[Outcome]] = defaultdict(list)
    for one in found.skips:
        groups[one.schedule, one.state, one.reason].append(one)
    body = "".join(_group(key, ones) for key, ones in sorted(groups.items(), key=str))
    lead = "Decided by the policy: nothing is signed for these slots."
    return section("What is skipped, and why", body, lead)


def _group(key: tuple[str, str, str | None], ones: Sequence[Outcome]) -> str:
    schedule, state, reason = key
    rows = [
        [when(stamp(one.due_at)), f"<code>{escape(one.slot)}</code>", f"{one.count:,}"]
        for one in ones[:MOST_ROWS]
    ]
    count = sum(one.count for one in ones)
    badge = f'<span class="badge quiet">{escape(label(state, reason))} × {count:,}</span>'
    what = escape(meaning(state, reason).what)
    listed = table(["Due", "Slot", "Slots"], rows) + rest(len(ones))
    return (
        f"<details><summary><b>{escape(schedule)}</b> {badge} it {what}</summary>{listed}</details>"
    )
