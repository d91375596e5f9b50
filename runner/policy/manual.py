"""
The reference tables of docs/policy.md, written from the language's own table.

`python -m runner.policy.manual docs/policy.md` (or `make docs`) rewrites what stands between the
two marks of that page; a test fails when it is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from runner.policy.catalogue.examples import EVERY_EXAMPLE
from runner.policy.catalogue.keys import ENFORCED, Enforcer
from runner.policy.catalogue.values import VALUES, unit_of
from runner.policy.language import LEVELS, Key, Level
from runner.policy.language.config import CONFIG_LEVELS
from runner.policy.language.nesting import places, slug
from runner.policy.language.organisation import ORGANISATION

BEGIN = "<!-- keys: written by `make docs` -->"
END = "<!-- /keys -->"

_KEPT_BY = {Enforcer.CHAIN: "Enforced by the chain.", Enforcer.RUNNER: "Kept by the runner."}
_MOST_PLACES = 4


def tables() -> str:
    """Every level of policies and of runner.yaml with its keys, and the plain values."""
    lines = [line for level in LEVELS.values() for line in _table(level)]
    lines += ["## Every key of an organisation file", "", *_table(ORGANISATION)]
    lines += ["## Every key of runner.yaml", ""]
    lines += [line for level in CONFIG_LEVELS.values() for line in _table(level)]
    lines += ["## Every plain value", ""]
    return "\n".join([*lines, *_values()])


def renewed(page: str) -> str:
    """A page with what stands between its marks brought up to date."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{tables()}\n{END}{tail}"


def _table(level: Level) -> Iterator[str]:
    yield f"### {level.name}"
    yield ""
    found = [place for place in places(level.name) if place]
    if found:
        shown = ", ".join(f"`{place}`" for place in found[:_MOST_PLACES])
        yield f"At {shown}{' and elsewhere' if len(found) > _MOST_PLACES else ''}."
        yield ""
    yield "| key | value | unit | default | example | what it does |"
    yield "|---|---|---|---|---|---|"
    for key in level.keys.values():
        cells = (
            f"`{key.name}`",
            key.type,
            unit_of(key.type) or "—",
            "required" if key.required else key.default or "—",
            _example(EVERY_EXAMPLE[level.name][key.name]),
            " ".join(_about(level, key)),
        )
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _values() -> Iterator[str]:
    yield "| value | how it is written | unit |"
    yield "|---|---|---|"
    for word, value in VALUES.items():
        yield f"| {word} | {value.about} | {value.unit or '—'} |"
    yield ""


def _example(text: str) -> str:
    """An example in a cell: each of its lines as code, the indentation kept."""
    lines = (line.replace("  ", "\N{NO-BREAK SPACE} ") for line in text.splitlines())
    return "<br>".join(f"`{line}`" for line in lines)


def _about(level: Level, key: Key) -> Iterator[str]:
    yield key.about
    enforcer = ENFORCED.get(f"{slug(level.name)}.{key.name}")
    if enforcer is not None:
        yield _KEPT_BY[enforcer]


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(renewed(target.read_text(encoding="utf-8")), encoding="utf-8")
