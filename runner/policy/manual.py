"""
The reference tables of docs/policy.md, written from the language's own table.

`python -m runner.policy.manual docs/policy.md` (or `make docs`) rewrites what stands between the
two marks of that page; a test fails when it is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from runner.policy.language import LEVELS, Key, Level
from runner.policy.unsupported import KEYS

BEGIN = "<!-- keys: written by `make docs` -->"
END = "<!-- /keys -->"


def tables() -> str:
    """Every level of the language with its keys, as Markdown."""
    return "\n".join(line for level in LEVELS.values() for line in _table(level))


def renewed(page: str) -> str:
    """A page with what stands between its marks brought up to date."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{tables()}\n{END}{tail}"


def _table(level: Level) -> Iterator[str]:
    yield f"### {level.name}"
    yield ""
    yield "| key | value | default | what it does |"
    yield "|---|---|---|---|"
    for key in level.keys.values():
        later = " *Not supported yet.*" if (level.name, key.name) in KEYS else ""
        yield f"| `{key.name}` | {key.type} | {_default(key)} | {key.about}{later} |"
    yield ""


def _default(key: Key) -> str:
    return "required" if key.required else key.default or "—"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(renewed(target.read_text(encoding="utf-8")), encoding="utf-8")
