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

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NoReturn

import yaml
from yaml import events as ev

from runner.errors import Mark
from runner.frozen import frozen
from runner.policy.codes import Code
from runner.policy.cuts import mend_items, mend_pairs
from runner.policy.faults import MOST_FAULTS, Faults, shown
from runner.policy.nodes import Mapping, Node, Scalar, Sequence, Source
from runner.policy.traps import Diagnosis, Trap, diagnose, quoted, value_end

MAX_BYTES = 1 << 20
"""The largest file."""

MAX_DEPTH = 50
"""The deepest nesting of lists and maps, aliases followed."""

MAX_EXPANSION = 10_000
"""The most nodes that aliases may add to a file."""

_MOST_REPAIRS = 200
_MOST_REREAD = 8 << 20  # characters, over all repairs of a file

# What YAML allows, less the marks that make a line read otherwise than it is (bidirectional
# overrides, zero-width spaces): nobody shall approve a receiver that the screen does not show.
# Compiled where it is needed: that takes longer than reading a policy.
_BAD_CHARACTER = (
    "[^\\t\\n\\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    "|[\u200b\u2060-\u2064\u202a-\u202e\u2066-\u2069\ufeff]"
)
_BLANKS = {ord(character): None for character in "\t\n\r"}
_HIDDEN_BREAK = re.compile("[\x85\u2028\u2029]|\r(?!\n)")
_DELETE_BREAK = "delete it, or end the line with a plain line feed"
_COMMENT = re.compile(r"(?:^|\s)#", re.MULTILINE)


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
    if refuse_unseen(source, faults):
        return document
    root = _read_events(source, faults, start)
    if isinstance(root, Mapping):
        document.root = root
    return document


def decoded(raw: bytes | str) -> tuple[str, int | None]:
    """Return the text without byte order mark, and where it stops being UTF-8, if it does."""
    if isinstance(raw, str):
        return raw.removeprefix("\ufeff"), None
    try:
        return raw.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        readable = raw[: error.start].decode("utf-8-sig", "replace")
        return readable + raw[error.start :].decode("utf-8", "replace"), len(readable)


def refuse_unseen(source: Source, faults: Faults) -> bool:
    """Report characters that a screen does not show as they are read; tell if there are any."""
    if source.text.translate(_BLANKS).isprintable():
        return False
    before = len(faults.errors)
    for found in islice(re.finditer(_BAD_CHARACTER, source.text), MOST_FAULTS):
        faults.add(
            Code.BAD_CHARACTER,
            f"character U+{ord(found[0]):04X} is not allowed",
            Scalar(source, found.start(), found[0]),
            "it does not show on the screen; delete it",
        )
    return len(faults.errors) > before


@dataclass(slots=True)
class _Frame:
    """A list or map being built, with the number of nodes in it and the height over them."""

    node: Sequence | Mapping
    anchor: str | None
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    key: Node | None = None
    size: int = 1
    height: int = 1


class _Stop(Exception):
    """Leaves the event loop; the fault is already kept."""


def _read_events(source: Source, faults: Faults, start: str) -> Node | None:
    text = source.text
    broken: set[int] = set()
    for _ in range(min(_MOST_REPAIRS, 5 + _MOST_REREAD // (len(text) + 1))):
        builder = _Builder(source, text, faults, broken)
        try:
            for event in yaml.parse(text, Loader=yaml.CSafeLoader):
                builder.take(event)
        except yaml.MarkedYAMLError as error:
            found = _hidden_break(error, source) or diagnose(error, text, source)
            faults.add(found.code, found.what, source.mark(found.start), found.hint)
            if not isinstance(found, Trap):
                return None
            broken.add(found.start)
            text = text[: found.start] + "x" * (found.end - found.start) + text[found.end :]
            continue
        except yaml.YAMLError as error:
            faults.add(Code.NOT_YAML, f"not YAML: {error}", source.mark(0))
            return None
        except _Stop:
            return None
        _check_blanks(source, builder.spans, faults)
        if not isinstance(builder.root, Mapping):
            _refuse_root(builder.root, source, faults, start)
        return builder.root
    return None


def _hidden_break(error: yaml.MarkedYAMLError, source: Source) -> Diagnosis | None:
    """Blame a line break that only YAML sees for what the scanner trips over behind it."""
    found = _HIDDEN_BREAK.search(source.text)
    if found is None or error.problem_mark is None or found.start() > error.problem_mark.index:
        return None
    return Diagnosis(Code.HIDDEN_LINE_BREAK, _ends_line(found[0]), found.start(), _DELETE_BREAK)


def _ends_line(character: str) -> str:
    return f"character U+{ord(character):04X} ends a line for YAML, but not for editors"


def _refuse_root(root: Node | None, source: Source, faults: Faults, start: str) -> None:
    empty = root is None or (isinstance(root, Scalar) and root.empty)
    kind = "empty" if empty else "a list" if isinstance(root, Sequence) else "plain text"
    faults.add(
        Code.NOT_A_MAP,
        f"the file is {kind}; it must be a map of keys",
        source.mark(0),
        f"it starts {start}",
    )


@frozen
class _Span:
    """Where quoted or block text stands."""

    start: int
    end: int
    block: bool


def _check_blanks(source: Source, spans: list[_Span], faults: Faults) -> None:
    """Refuse line breaks that editors do not count, and tabs outside quoted text."""
    text = source.text
    breaks = _HIDDEN_BREAK.finditer(text) if _may_hide_breaks(text) else ()
    for found in islice(breaks, MOST_FAULTS):
        place = found.start()
        end = text.find("\n", place)
        span = _span_at(spans, place)
        # Block text may hold one, if the block also holds the rest of what editors show as its
        # line: else a key could hide behind what looks like a memo.
        if span is None or not span.block or (end if end >= 0 else len(text)) > span.end:
            at = source.mark(place)
            faults.add(Code.HIDDEN_LINE_BREAK, _ends_line(found[0]), at, _DELETE_BREAK)
    place = text.find("\t")
    while place >= 0 and len(faults.errors) < MOST_FAULTS:
        span = _span_at(spans, place)
        if span is not None:
            place = text.find("\t", span.end)
        elif _in_comment(text, place, spans):
            end = text.find("\n", place)
            place = text.find("\t", end) if end >= 0 else -1
        else:
            faults.add(Code.TAB, "a tab stands here", source.mark(place), "write spaces instead")
            end = text.find("\n", place)
            place = text.find("\t", end) if end >= 0 else -1  # one fault a line


def _may_hide_breaks(text: str) -> bool:
    """Look for the characters of hidden breaks: much faster than the pattern."""
    return any(map(text.__contains__, "\r\x85\u2028\u2029"))


def _span_at(spans: list[_Span], place: int) -> _Span | None:
    number = bisect_right(spans, place, key=lambda span: span.start) - 1
    return spans[number] if number >= 0 and place < spans[number].end else None


def _in_comment(text: str, place: int, spans: list[_Span]) -> bool:
    """Look for a `#` before `place` in its line that begins a comment."""
    start = text.rfind("\n", 0, place) + 1
    for found in _COMMENT.finditer(text, start, place):
        if _span_at(spans, found.end() - 1) is None:
            return True
    return False


class _Builder:
    """Turns events into nodes, counting as it goes."""

    def __init__(self, source: Source, text: str, faults: Faults, broken: set[int]) -> None:
        self.source = source
        self.text = text
        self.faults = faults
        self.broken = broken
        self.root: Node | None = None
        self.spans: list[_Span] = []
        self._wants_spans = "\t" in text or _may_hide_breaks(text)
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Node, int, int] | None] = {}
        self._expanded = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        """Take the next event."""
        kind = type(event)
        if kind is ev.ScalarEvent:
            self._scalar(event)
        elif kind is ev.MappingStartEvent:
            self._open(event, Mapping(self.source, self._start(event), bool(event.flow_style)))
        elif kind is ev.SequenceStartEvent:
            self._open(event, Sequence(self.source, self._start(event), bool(event.flow_style)))
        elif kind is ev.MappingEndEvent or kind is ev.SequenceEndEvent:
            self._close()
        elif kind is ev.AliasEvent:
            self._alias(event)
        elif kind is ev.DocumentStartEvent:
            self._document(event)

    def _document(self, event: Any) -> None:
        self._documents += 1
        at = self.source.mark(event.start_mark.index)
        if self._documents > 1:
            self._stop(
                Code.SECOND_DOCUMENT, "a second document starts here", at, "one policy per file"
            )
        if event.tags:
            self._stop(Code.TAG, "tags are not read", at, "delete the %TAG line")

    def _stop(self, code: Code, what: str, at: Node | Mark, hint: str) -> NoReturn:
        self.faults.add(code, what, at, hint)
        raise _Stop

    def _start(self, event: Any) -> int:
        """Return where a value itself starts, behind its anchor; a tag is refused."""
        index: int = event.start_mark.index
        if event.anchor is None and event.tag is None:
            return index
        if event.tag is not None:
            self.faults.add(
                Code.TAG,
                f"tags such as {shown(event.tag)} are not read",
                self.source.mark(index),
                "delete it; a field knows its own type",
            )
        prefix = re.compile(r"(?:[&!]\S*\s+(?:#[^\n]*\s+)*)+").match(self.text, index)
        return prefix.end() if prefix else index

    def _scalar(self, event: Any) -> None:
        style = event.style or None
        anchor = event.anchor
        index = event.start_mark.index
        if anchor is not None or event.tag is not None:
            index = self._start(event)
        node = Scalar(self.source, index, event.value, style)
        if index in self.broken:
            node.broken = True
        if style and self._wants_spans:
            self.spans.append(_Span(index, event.end_mark.index, style in "|>"))
        self._attach(node, anchor, 1, 0)

    def _open(self, event: Any, node: Sequence | Mapping) -> None:
        self._stack.append(_Frame(node, event.anchor))
        self._check_depth(len(self._stack), node)
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # open: an alias to it would contain itself

    def _check_depth(self, depth: int, node: Node) -> None:
        if depth > MAX_DEPTH:
            what = f"lists and maps are nested deeper than {MAX_DEPTH}"
            self._stop(Code.TOO_DEEP, what, node, "no policy needs more than ten levels")

    def _close(self) -> None:
        frame = self._stack.pop()
        if isinstance(frame.node, Mapping):
            _fill(frame.node, frame.pairs, self.faults)
        else:
            mend_items(frame.node, self.faults)
        self._attach(frame.node, frame.anchor, frame.size, frame.height)

    def _alias(self, event: Any) -> None:
        index = event.start_mark.index
        place = Scalar(self.source, index, f"*{event.anchor}")
        if event.anchor not in self._anchors:
            end = value_end(self.text, index)
            self._stop(
                Code.BAD_ALIAS,
                f"there is no anchor `&{event.anchor}` above",
                place,
                f"a value that begins with `*` is quoted: {quoted(self.text[index:end])}",
            )
        target = self._anchors[event.anchor]
        if target is None:
            self._stop(Code.BAD_ALIAS, "this alias contains itself", place, "write it out")
        node, size, height = target
        self._expanded += size
        if self._expanded > MAX_EXPANSION:
            what = f"aliases expand the file by more than {MAX_EXPANSION} nodes"
            self._stop(Code.EXPANDS_TOO_FAR, what, place, "use fewer aliases of smaller parts")
        self._check_depth(len(self._stack) + height, place)
        self._attach(node, None, size, height)

    def _attach(self, node: Node, anchor: str | None, size: int, height: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, size, height)
        if not self._stack:
            self.root = node
            return
        frame = self._stack[-1]
        frame.size += size
        if height >= frame.height:
            frame.height = height + 1
        if isinstance(frame.node, Sequence):
            frame.node.items.append(node)
        elif frame.key is None:
            frame.key = node
        else:
            frame.pairs.append((frame.key, node))
            frame.key = None


def _fill(mapping: Mapping, pairs: list[tuple[Node, Node]], faults: Faults) -> None:
    """Put keys and values into a map: pieces of cut values, merges and duplicates seen to."""
    if mapping.flow:
        pairs = mend_pairs(pairs, faults)
    merged: list[Node] = []
    entries = mapping.entries
    for key, value in pairs:
        if not isinstance(key, Scalar):
            hint = "quote a value that contains braces or brackets"
            faults.add(Code.BAD_KEY, "a key is plain text, not a list or map", key, hint)
        elif key.text == "<<" and key.style is None:
            merged.append(value)
            value.key = value.key or key
        elif key.text in entries:
            first = entries[key.text][0].mark.line
            what = f"{shown(key.text)} is written twice; first in line {first}"
            faults.add(Code.DUPLICATE_KEY, what, key, "delete one of them")
        else:
            if value.key is None:
                value.key = key
            entries[key.text] = (key, value)
    for value in merged:
        _merge(mapping, value, faults)


def _merge(mapping: Mapping, value: Node, faults: Faults) -> None:
    for part in value.items if isinstance(value, Sequence) else [value]:
        if isinstance(part, Mapping):
            for name, entry in part.entries.items():
                mapping.entries.setdefault(name, entry)
        else:
            hint = "write `<<: *name`, with `&name` at a map above"
            faults.add(Code.BAD_MERGE, "`<<` merges a map, or a list of maps", part, hint)
