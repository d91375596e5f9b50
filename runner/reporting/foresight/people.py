"""What people read of a simulation on a terminal: the verdict first, then where the money goes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from runner.ethereum.units import format_units
from runner.reporting.foresight.model import FAILED, Course, Foresight, GrantLife, Outcome
from runner.reporting.text import (
    NOTHING,
    Cell,
    Look,
    Row,
    Tone,
    amount,
    clean,
    plural,
    span,
    stamp,
    state_cell,
    table,
    wrapped,
)
from runner.reporting.totals import Total
from runner.reporting.words import label, meaning

_MOST_ROWS = 20
_MOST_MONTHS = 24
_MOST_COLUMNS = 5


def as_text(found: Foresight, look: Look) -> list[str]:
    """Everything on a page or two; what is cut is in the JSON, the CSV and the page."""
    lines = [*_verdict(found, look), ""]
    lines += _calendar(found, look)
    lines += _totals(found, look)
    lines += _months(found, look)
    lines += _funding(found, look)
    lines += _grants(found, look)
    lines += _failures(found, look)
    lines += _skips(found, look)
    lines += [text for note in found.notes for text in wrapped(f"note: {note}", look, indent="  ")]
    return lines[:-1] if lines[-1] == "" else lines


def headline(found: Foresight) -> str:
    """What it comes to, in a sentence."""
    total = plural(found.total, "occurrence")
    if not found.total:
        return "Nothing is due in this time."
    failed = sum(one.count for one in found.failures)
    if failed:
        fail = f"{failed} of {total} {'fails' if failed == 1 else 'fail'}"
        dry = found.driest
        if dry is not None and dry.shortage is not None:
            when = f"{dry.shortage.day.day} {dry.shortage.day:%B %Y}"
            return f"{dry.purse.account} runs out of {dry.purse.symbol} on {when}: {fail}."
        first = found.failures[0]
        state = label(first.state, first.reason)
        return f"{fail}, the first on {stamp(first.due_at)}: {first.schedule}, {state}."
    if found.fails:
        return f"{total} in order, but {found.troubles[0].subject} is in trouble."
    paid = found.counts["success"]
    if paid == found.total:
        return f"All is well: {total}, {'it is' if paid == 1 else 'all of them'} paid."
    return f"All is well: {paid} of {total} paid, {found.total - paid} skipped by rule."


def how(found: Foresight) -> str:
    """Over which time, and by what means."""
    days = (found.end - found.start) // timedelta(days=1)
    window = f"{plural(days, 'day')} from {stamp(found.start)} to {stamp(found.end)}"
    if found.executed:
        return f"{window}; every payment was signed and carried out on a sandbox"
    return f"{window}; a forecast by arithmetic, nothing was signed"


def _verdict(found: Foresight, look: Look) -> Iterator[str]:
    yield look.tint(headline(found), Tone.BAD if found.fails else Tone.GOOD)
    yield look.tint(how(found), Tone.DIM)
    for one in found.troubles:
        tone = Tone.BAD if one.fatal else Tone.WARN
        said = f"{stamp(one.at)} {clean(one.subject)}: {one.what}"
        first, *rest = wrapped(said, look, indent="  ")
        yield look.tint(first, tone)
        yield from rest
        if one.hint:
            yield from wrapped(f"  to do: {one.hint}", look, indent="  ")


# ── the calendar ──────────────────────────────────────────────────────────────────────────────

_SHADES = "▁▃▅▇"


def _calendar(found: Foresight, look: Look) -> Iterator[str]:
    """A line a month, a sign a day: how much is paid, or that something is not."""
    days = by_day(found.outcomes)
    if not days:
        return
    most = max(counts["success"] for counts in days.values())
    months = sorted({(day.year, day.month) for day in days})
    yield look.tint("           1    5    10   15   20   25   30", Tone.DIM)
    for year, month in months[:_MOST_MONTHS]:
        signs = "".join(_sign(days.get(day), most, look) for day in _days_of(year, month))
        yield f"{date(year, month, 1):%b %Y}   {signs}"
    if len(months) > _MOST_MONTHS:
        yield look.tint(f"and {len(months) - _MOST_MONTHS} more months", Tone.DIM)
    yield look.tint(f"{_SHADES} paid, few to many   - skipped   ! fails", Tone.DIM)
    yield ""


def by_day(outcomes: Sequence[Outcome]) -> dict[date, Counter[str]]:
    """How many slots of each local day are a success, skipped, or fail (`failed`)."""
    days: dict[date, Counter[str]] = defaultdict(Counter)
    for one in outcomes:
        kind = "failed" if one.state in FAILED else "success" if one.paid else "skipped"
        days[one.local_day][kind] += one.count
    return dict(days)


def _days_of(year: int, month: int) -> Iterator[date]:
    day = date(year, month, 1)
    while day.month == month:
        yield day
        day += timedelta(days=1)


def _sign(counts: Counter[str] | None, most: int, look: Look) -> str:
    if counts is None:
        return look.tint("·", Tone.DIM)
    if counts["failed"]:
        return look.tint("!", Tone.BAD)
    if not counts["success"]:
        return "-"
    return look.tint(_SHADES[shade(counts["success"], most, len(_SHADES))], Tone.GOOD)


def shade(count: int, most: int, steps: int) -> int:
    """Which of so many steps a count is, 0 for few: half of the most is half way up."""
    return min((count * steps - 1) // most, steps - 1)


# ── money ─────────────────────────────────────────────────────────────────────────────────────


def _totals(found: Foresight, look: Look) -> Iterator[str]:
    if not found.totals:
        return
    rows = [_total(one) for one in found.totals[:_MOST_ROWS]]
    header = ["PAID TO", "TOTAL", "COUNT", "ADDRESS"]
    yield from table(header, rows, look, flexible=(3, 0), right=(1, 2))
    yield from _more(len(found.totals), look)
    yield ""


def _total(one: Total) -> Row:
    return [
        one.receiver_name,
        Cell(_units(one), Tone.STRONG),
        str(one.count),
        Cell(one.receiver, Tone.DIM),
    ]


def _months(found: Foresight, look: Look) -> Iterator[str]:
    keys = list(dict.fromkeys((one.chain, one.token, one.receiver) for one in found.totals))
    if len(found.months) < 2 or not keys:
        return
    if len(keys) <= _MOST_COLUMNS:
        header, rows = _month_columns(found, keys)
    else:
        header, rows = _month_rows(found)
    right = tuple(range(1 if len(keys) <= _MOST_COLUMNS else 2, len(header)))
    yield from table(header, rows[:_MOST_ROWS], look, flexible=(1,), right=right)
    yield from _more(len(rows), look)
    yield ""


def _month_columns(
    found: Foresight, keys: Sequence[tuple[int, str, str]]
) -> tuple[list[str], list[Row]]:
    """A line a month, a column a receiver."""
    rows: list[Row] = []
    for month, totals in found.months.items():
        paid = {(one.chain, one.token, one.receiver): one for one in totals}
        cells = [_units(paid[key]) if key in paid else NOTHING for key in keys]
        rows.append([month, *cells])
    return ["MONTH", *(one.receiver_name.upper() for one in found.totals)], rows


def _month_rows(found: Foresight) -> tuple[list[str], list[Row]]:
    """A line for each month and receiver."""
    rows: list[Row] = []
    for month, totals in found.months.items():
        for index, one in enumerate(totals):
            rows.append(["" if index else month, one.receiver_name, _units(one), str(one.count)])
    return ["MONTH", "PAID TO", "AMOUNT", "COUNT"], rows


def _units(one: Total) -> str:
    return amount(one.amount, one.decimals, one.symbol)


def _funding(found: Foresight, look: Look) -> Iterator[str]:
    if not found.courses:
        return
    rows: list[Row] = [
        [
            one.purse.account,
            amount(one.purse.opening, one.purse.decimals, one.purse.symbol),
            amount(one.closing, one.purse.decimals, one.purse.symbol),
            Cell(lasts(one), Tone.BAD if one.shortage else Tone.PLAIN),
        ]
        for one in found.courses
    ]
    header = ["ACCOUNT", "HOLDS", "LEFT", "LASTS"]
    yield from table(header, rows, look, flexible=(3, 0), right=(1, 2))
    yield ""


def lasts(one: Course) -> str:
    """How long a purse lasts, in words."""
    short, purse = one.shortage, one.purse
    if short is not None:
        needs = amount(short.needs, purse.decimals, purse.symbol)
        holds = amount(short.holds, purse.decimals, purse.symbol)
        return f"runs dry on {short.day}: {short.outcome.schedule} needs {needs}, there are {holds}"
    if one.rests:
        return "nothing leaves it any more"
    if one.lasts_until is not None:
        return f"until about {one.lasts_until:%B %Y} at this pace"
    return "for more than a century at this pace"


# ── grants ────────────────────────────────────────────────────────────────────────────────────


def _grants(found: Foresight, look: Look) -> Iterator[str]:
    if not found.grants:
        return
    sessions: dict[str, list[GrantLife]] = defaultdict(list)
    for grant in found.grants:
        sessions[grant.session].append(grant)
    rows: list[Row] = [
        [
            session,
            str(len(grants)),
            str(sum(one.active_at is not None and one.generation > 1 for one in grants)),
            span(grants[0].expires_at - grants[0].requested_at),
            _fullest(found, grants),
        ]
        for session, grants in sorted(sessions.items())
    ]
    header = ["SESSION", "GRANTS", "RENEWALS", "LIFETIME", "MOST SPENT OF AN ALLOWANCE"]
    yield from table(header, rows, look, flexible=(0, 4), right=(1, 2))
    yield ""


def _fullest(found: Foresight, grants: Sequence[GrantLife]) -> str:
    used = [
        (found.spent_in_all(grant, each.token), each)
        for grant in grants
        for each in grant.allowances
    ]
    used = [(spent, each) for spent, each in used if spent]
    if not used:
        return NOTHING
    spent, each = max(used, key=lambda pair: pair[0] * 10_000 // pair[1].amount)
    share = spent * 100 // each.amount
    return f"{share} % of {amount(each.amount, each.decimals, each.symbol)}"


# ── what is not paid ──────────────────────────────────────────────────────────────────────────


def _failures(found: Foresight, look: Look) -> Iterator[str]:
    if not found.failures:
        return
    rows: list[Row] = [
        [
            stamp(one.due_at),
            one.schedule,
            Cell(_named(one), state_cell(one.state).tone),
            why(found, one),
        ]
        for one in found.failures[:_MOST_ROWS]
    ]
    yield from table(["FAILS", "SCHEDULE", "STATE", "WHY"], rows, look, flexible=(3, 1))
    yield from _more(len(found.failures), look)
    yield ""


def why(found: Foresight, one: Outcome) -> str:
    """The reason of a failure that helps most: the money that is missing, else what was said."""
    short = found.uncovered.get((one.schedule, one.slot))
    if short is None:
        return one.detail or meaning(one.state, one.reason).what
    purse, shortage = short
    needs = amount(shortage.needs, purse.decimals, purse.symbol)
    return f"needs {needs}, {purse.account} holds {format_units(shortage.holds, purse.decimals)}"


def _skips(found: Foresight, look: Look) -> Iterator[str]:
    """By schedule and reason; one by one they are in the JSON and the CSV."""
    groups: dict[tuple[str, str, str | None], list[Outcome]] = defaultdict(list)
    for one in found.skips:
        groups[one.schedule, one.state, one.reason].append(one)
    if not groups:
        return
    rows: list[Row] = [
        [
            schedule,
            Cell(label(state, reason), Tone.DIM),
            str(sum(one.count for one in ones)),
            stamp(ones[0].due_at),
            stamp(ones[-1].until),
            meaning(state, reason).what,
        ]
        for (schedule, state, reason), ones in sorted(groups.items(), key=lambda pair: pair[0][:2])
    ]
    header = ["SKIPS", "REASON", "COUNT", "FIRST", "LAST", "BECAUSE IT"]
    yield from table(header, rows[:_MOST_ROWS], look, flexible=(5, 0), right=(2,))
    yield from _more(len(rows), look)
    yield ""


def _named(one: Outcome) -> str:
    times = f" × {one.count}" if one.count > 1 else ""
    return label(one.state, one.reason) + times


def _more(rows: int, look: Look) -> Iterator[str]:
    if rows > _MOST_ROWS:
        left = rows - _MOST_ROWS
        yield look.tint(f"and {left} more: see --csv, --json or --html", Tone.DIM)
