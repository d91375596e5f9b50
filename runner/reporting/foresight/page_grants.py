"""The page's parts about grants: how long each lives, and what its key may still spend."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html import escape

from runner.reporting.foresight import plots
from runner.reporting.foresight.markup import article, levels, section, units
from runner.reporting.foresight.model import Foresight, GrantLife
from runner.reporting.text import plural, span, stamp

_MOST_BARS = 200
_ROW = 20
_DAY = timedelta(days=1)


def grants(found: Foresight, scale: plots.Scale) -> str:
    """Each generation as a bar."""
    body = "".join(_lives(name, lives, scale) for name, lives in _by_session(found).items())
    lead = "How long each signed grant lives: dark while it serves, light until it ends."
    return section("Grants", body, lead)


def _by_session(found: Foresight) -> dict[str, list[GrantLife]]:
    sessions: dict[str, list[GrantLife]] = defaultdict(list)
    for grant in found.grants:
        sessions[grant.session].append(grant)
    return dict(sorted(sessions.items()))


def _lives(session: str, lives: Sequence[GrantLife], scale: plots.Scale) -> str:
    shown = lives[:_MOST_BARS]
    rows = 2 if len(shown) > 1 else 1
    shapes = "".join(_life(one, index % rows, scale) for index, one in enumerate(shown))
    renewals = sum(one.generation > 1 and one.active_at is not None for one in lives)
    lifetime = span(lives[0].expires_at - lives[0].requested_at)
    said = f"{plural(len(lives), 'grant')} of {lifetime}, {plural(renewals, 'renewal')}"
    if len(lives) > _MOST_BARS:
        said += f"; the first {_MOST_BARS} are shown"
    svg = plots.box(shapes, height=rows * _ROW + 2, label=f"{session}: {said}")
    return article(session, escape(said), plots.framed(svg, scale))


def _life(one: GrantLife, row: int, scale: plots.Scale) -> str:
    begin = scale.x(_days_after(scale, one.active_at or one.requested_at))
    y, height = row * _ROW + 3, _ROW - 5
    if one.active_at is None:
        title = f"generation {one.generation}: never active"
        return plots.rectangle(begin, y, 4, height, "fail", title)
    served = scale.x(_days_after(scale, one.served_until or one.expires_at))
    end = scale.x(_days_after(scale, one.expires_at))
    until = f", served until {stamp(one.served_until)}" if one.served_until else ""
    title = f"generation {one.generation}: active {stamp(one.active_at)}{until}"
    title += f", ends {stamp(one.expires_at)}"
    whole = plots.rectangle(begin, y, max(round(end - begin, 2), 1), height, "idle", title)
    part = max(round(served - begin, 2), 1)
    return whole + plots.rectangle(begin, y, part, height, "serving", title)


def allowances(found: Foresight, scale: plots.Scale) -> str:
    """What the chain lets each session key spend, as it is used up and renewed."""
    body = "".join(
        _burn_down(session, token, lives, found, scale)
        for session, lives in _by_session(found).items()
        for token in dict.fromkeys(each.token for one in lives for each in one.allowances)
    )
    lead = "What the chain still lets each session key spend; a renewal fills it up again."
    return section("Allowances", body, lead)


def _burn_down(
    session: str, token: str, lives: Sequence[GrantLife], found: Foresight, scale: plots.Scale
) -> str:
    points: list[plots.Point] = []
    known, most = None, 0
    for one in lives:
        each = next((each for each in one.allowances if each.token == token), None)
        if each is None or one.active_at is None:
            continue
        known = each
        points.append(plots.Point(max(_days_after(scale, one.active_at), 0.0), each.amount))
        for at, taken in found.spent_of(one, token):
            most = max(most, taken * 100 // each.amount)
            points.append(plots.Point(_days_after(scale, at), max(each.amount - taken, 0)))
    if known is None or not most:
        return ""
    top = plots.nice_top(known.amount)
    title = f"{session}: {known.symbol}"
    whole = units(known.amount, known.decimals, known.symbol)
    svg = plots.steps(
        points,
        scale,
        top=top,
        height=110,
        kind="accent",
        label=f"{title} left to spend; at most {most} % of an allowance is used",
    )
    said = f"{whole} for each grant; at most <b>{most} %</b> of it is used"
    return article(title, said, plots.framed(svg, scale, levels(top, known.decimals)))


def _days_after(scale: plots.Scale, moment: datetime) -> float:
    start = datetime(scale.start.year, scale.start.month, scale.start.day, tzinfo=UTC)
    return (moment - start) / _DAY
