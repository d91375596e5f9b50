"""What the log says: every event has its level in the manual, and those of a payment its run."""

import ast
import re
from pathlib import Path

from support.events import emitted, sayings

LEVELS = ("critical", "error", "warning", "info", "debug")


def documented():
    """By event: its levels, as the manual has them."""
    page = Path("docs/operations.md").read_text(encoding="utf-8")
    part = page.partition("### Levels\n")[2].partition("\n## ")[0]
    found: dict[str, set[str]] = {}
    for level, events in re.findall(r"^\| `(\w+)` \|[^|]+\| (.+) \|$", part, re.MULTILINE):
        assert level in LEVELS
        for event in re.findall(r"`([\w.]+)`", events):
            found.setdefault(event, set()).add(level)
    return found


def test_every_event_of_the_program_stands_in_the_manual_with_its_levels():
    """
    Where a level is computed, those that are written out are among the documented ones.
    """
    told, written = emitted(), documented()

    assert set(told) == set(written)
    for event, levels in told.items():
        if "?" in levels:
            assert written[event] >= levels - {"?"}, event
        else:
            assert written[event] == levels, event


def test_events_of_a_payment_carry_its_run():
    """
    Said with the run id, or by a method that adds it.
    """
    lacking = [
        (path.name, node.lineno)
        for path, node, names in sayings()
        if any(name.startswith(("run.", "operation.")) for name in names)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "emit"
        and "run" not in {keyword.arg for keyword in node.keywords}
    ]

    assert lacking == []
    executor = Path("runner/execution/executor.py").read_text(encoding="utf-8")
    assert "run=run.id" in executor.partition("def _say(")[2].partition("\n\n\n")[0]
