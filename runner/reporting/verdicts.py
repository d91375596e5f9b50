"""
What the guard says to files: each check, what was asked and what was offered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from runner.guard.filed import Judged
from runner.reporting.text import Look, Tone, clean

_LONGEST: Final = 100


def judged_json(judged: Judged) -> dict[str, Any]:
    """The verdict for scripts."""
    checks = [(check, check.finding) for check in judged.checks]
    return {
        "would_sign": judged.signs,
        "checks": [
            {"rule": said.rule, "holds": check.holds, "asked": said.asked, "offered": said.offered}
            for check, said in checks
        ],
        "not_checked": list(judged.unchecked),
    }


def judged_text(judged: Judged, look: Look) -> Iterator[str]:
    """The verdict for people: what differs is shown in full, what fits in one line."""
    width = max((len(check.rule) for check in judged.checks), default=0)
    for check in judged.checks:
        said = check.finding
        rule = said.rule.ljust(width)
        if check.holds:
            yield f"{look.tint('ok', Tone.GOOD)}  {rule}  {_short(clean(said.offered), look)}"
            continue
        yield f"{look.tint('NO', Tone.BAD)}  {rule}  asked    {clean(said.asked)}"
        yield f"    {' ' * width}  offered  {clean(said.offered)}"
    for what in judged.unchecked:
        yield look.tint(f"not checked: {clean(what)}", Tone.WARN)
    failed = sum(not check.holds for check in judged.checks)
    if judged.signs:
        yield look.tint("would sign", Tone.GOOD)
    else:
        yield look.tint(f"refused: {failed} of {len(judged.checks)} checks fail", Tone.BAD)


def _short(text: str, look: Look) -> str:
    if look.colour and len(text) > _LONGEST:
        return f"{text[:_LONGEST]}…"
    return text
