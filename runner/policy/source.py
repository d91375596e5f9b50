"""
YAML text → nodes, by way of libyaml's events.

Events are read one at a time, so depth and expansion are counted before anything is built:
composing 60 KB of nested dashes with the C loader would end the process. Nothing is resolved:
there are no tags, and a scalar stays the text it is. After a fault that the scanner trips over,
the value is blotted out at its length and reading starts again, so that one unquoted `*/5` does
not hide the faults below it.

Source: rules X23 and X24.
"""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from runner.policy.builder import Builder, Stop
from runner.policy.characters import (
    DELETE_BREAK,
    HIDDEN_BREAK,
    check_blanks,
    decoded,
    ends_line,
    refuse_seeming,
    refuse_unseen,
)
from runner.policy.codes import Code
from runner.policy.faults import Faults
from runner.policy.mending import Diagnosis, Trap, follows
from runner.policy.nodes import Mapping, Node, Scalar, Sequence, Source

MAX_BYTES = 1 << 20
"""The largest file."""

_MOST_REPAIRS = 200
_MOST_STALE = 5  # traps where one was before: reading comes no further
_MOST_REREAD = 8 << 20  # characters, over all repairs of a file


@dataclass(slots=True)
class Document:
    """One file as read: its map, or None if it could not be read, and what is wrong so far."""

    source: Source
    root: Mapping | None
    faults: Faults


def read(raw: bytes | str, file: str, start: str = "with `version: 1`") -> Document:
    """
    Read a file's only document, whose root must be a map.

    Args:
        raw: The file's bytes, or its text.
        file: Its name in messages.
        start: How such a file begins, for the hint of an empty one.
    """
    text, fault_at = decoded(raw)
    source = Source(file, text)
    faults = Faults(source)
    document = Document(source, None, faults)
    if fault_at is not None:
        faults.add(
            Code.NOT_UTF8,
            "the file is not UTF-8 text",
            source.mark(fault_at),
            "save it as UTF-8; UTF-16 and Latin-1 are not read",
        )
        return document
    size = len(raw) if isinstance(raw, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        what = "the file is larger than 1 MiB"
        faults.add(Code.TOO_LARGE, what, source.mark(0), "split it into several policies")
        return document
    if refuse_unseen(source, faults) or refuse_seeming(source, faults):
        return document
    root = _read_events(source, faults, start)
    if isinstance(root, Mapping):
        document.root = root
    return document


def _read_events(source: Source, faults: Faults, start: str) -> Node | None:
    """Read again and again, each time with one more trap blotted out, until nothing stops it."""
    text = source.text
    traps: list[Trap] = []
    stale = 0
    for _ in range(min(_MOST_REPAIRS, 5 + _MOST_REREAD // (len(text) + 1))):
        builder = Builder(source, text, traps)
        try:
            builder.take_all(yaml.CSafeLoader(text).get_event)
        except yaml.MarkedYAMLError as error:
            from runner.policy.traps import diagnose  # noqa: PLC0415 (only faulty files need it)

            found = _hidden_break(error, source) or diagnose(error, text, builder.reached)
            is_new = not follows(found, traps, text)
            if isinstance(found, Trap):
                stale = stale if is_new else stale + 1
                traps.append(found)
                text = text[: found.low] + found.blot + text[found.high :]
                if stale < _MOST_STALE:
                    continue
            elif is_new:
                faults.add(found.code, found.what, source.mark(found.start), found.hint)
        except yaml.YAMLError as error:
            faults.add(Code.NOT_YAML, f"not YAML: {error}", source.mark(0))
        except Stop:
            pass
        else:
            return _finished(builder, source, faults, start)
        break
    else:
        builder = Builder(source, text, traps)
    builder.report(faults)
    return None


def _finished(builder: Builder, source: Source, faults: Faults, start: str) -> Node | None:
    if check_blanks(source, builder.spans, faults):
        return None  # lines are not what they seem: what else is wrong may only seem so
    builder.report(faults)
    if builder.written is not None:
        from runner.policy.comments import refuse_in_comments  # noqa: PLC0415 (hardly ever needed)

        refuse_in_comments(source, builder.written, faults)
    if not isinstance(builder.root, Mapping):
        _refuse_root(builder.root, source, faults, start)
    return builder.root


def _hidden_break(error: yaml.MarkedYAMLError, source: Source) -> Diagnosis | None:
    """Blame a line break that only YAML sees for what the scanner trips over behind it."""
    found = HIDDEN_BREAK.search(source.text)
    if found is None or error.problem_mark is None or found.start() > error.problem_mark.index:
        return None
    return Diagnosis(Code.HIDDEN_LINE_BREAK, ends_line(found[0]), found.start(), DELETE_BREAK)


def _refuse_root(root: Node | None, source: Source, faults: Faults, start: str) -> None:
    empty = root is None or (isinstance(root, Scalar) and root.empty)
    kind = "empty" if empty else "a list" if isinstance(root, Sequence) else "plain text"
    faults.add(
        Code.NOT_A_MAP,
        f"the file is {kind}; it must be a map of keys",
        source.mark(0),
        f"it starts {start}",
    )
