"""
Events of libyaml → nodes: counting, merging, and noting what was meant otherwise.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from yaml import events as ev

from runner.errors import Mark
from runner.policy.characters import Span, bad_characters, may_hide_breaks
from runner.policy.codes import Code
from runner.policy.cuts import mend_items, mend_pairs
from runner.policy.faults import Faults, meant, shown
from runner.policy.mending import (
    Reached,
    Trap,
    bare_text,
    key_of,
    line_start,
    quoted,
    report,
    trap,
    value_end,
)
from runner.policy.nodes import Mapping, Node, Scalar, Sequence, Source

MAX_DEPTH = 50
"""The deepest nesting of lists and maps, aliases followed."""

MAX_EXPANSION = 10_000
"""The most nodes that aliases may add to a file."""

_PROPERTIES = r"(?:[&!]\S*\s+(?:#[^\n]*\s+)*)+"


class Stop(Exception):
    """Leaves the event loop; the fault is already kept."""


@dataclass(slots=True)
class _Frame:
    """
    A list or map being built, with the number of nodes in it and the height over them; `since` is
    where the event before it ends.
    """

    node: Sequence | Mapping
    anchor: str | None
    since: int
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    key: Node | None = None
    size: int = 1
    height: int = 1


class Builder:
    """
    Turns events into nodes, counting as it goes.

    Args:
        text: The source's text, its traps blotted out.
        traps: These traps.

    Attributes:
        spans: Where quoted and block text stands, if that is needed.
        written: Where any text stands, if something in the file looks like a secret.
    """

    def __init__(self, source: Source, text: str, traps: list[Trap]) -> None:
        self.source = source
        self.text = text
        self.traps = traps
        self.cuts: list[Trap] = []
        self.faults = Faults(source)
        self.root: Node | None = None
        self.spans: list[Span] = []
        self._broken = sorted(one.low for one in traps if one.breaks)
        self._holes = [one for one in traps if _is_hole(source.text, one)]
        self.written: list[tuple[int, int]] | None = [] if source.suspicious else None
        self._wants_spans = "\t" in text or may_hide_breaks(text)
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Node, int, int] | None] = {}
        self._expanded = 0
        self._documents = 0
        self._last: Any = None

    @property
    def reached(self) -> Reached:
        """How far reading has come."""
        places = (frame.node.index for frame in self._stack)
        flows = [place for place in places if self.text[place : place + 1] in ("[", "{")]
        last = self._last
        if last is None:
            return Reached(flows, 0, None)
        start, end = last.start_mark.index, last.end_mark.index
        is_quoted = isinstance(last, ev.ScalarEvent) and last.style in ("'", '"')
        return Reached(flows, end, (start, end) if is_quoted else None)

    def report(self, faults: Faults) -> None:
        """Hand on what is wrong."""
        report([*self.traps, *self.cuts], self.source, faults)
        faults.take(self.faults)

    def take_all(self, following: Callable[[], Any]) -> None:
        """Take every event up to the end; `following` gives the next one."""
        source, is_plain = self.source, not self._broken and self.written is None
        scalar, end = ev.ScalarEvent, ev.StreamEndEvent
        while (kind := type(event := following())) is not end:
            if kind is scalar:
                text = event.value
                if (
                    is_plain
                    and text
                    and not event.style
                    and event.anchor is None
                    and event.tag is None
                    and "\t" not in text
                ):  # two events in three, and there is nothing to see to
                    self._attach(Scalar(source, event.start_mark.index, text), None, 1, 0)
                else:
                    self._scalar(event)
            else:
                self._take(kind, event)
            self._last = event

    def _take(self, kind: type, event: Any) -> None:
        if kind is ev.MappingStartEvent:
            self._open(event, Mapping(self.source, self._start(event), bool(event.flow_style)))
        elif kind is ev.SequenceStartEvent:
            self._open(event, Sequence(self.source, self._start(event), bool(event.flow_style)))
        elif kind is ev.MappingEndEvent or kind is ev.SequenceEndEvent:
            self._close(event)
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
        raise Stop

    def _start(self, event: Any) -> int:
        """Return where a value itself starts, behind its anchor; a tag is refused."""
        index: int = event.start_mark.index
        if event.anchor is None and event.tag is None:
            return index
        prefix = re.compile(_PROPERTIES).match(self.text, index)
        start = prefix.end() if prefix else index
        is_scalar = type(event) is ev.ScalarEvent
        bare = is_scalar and not event.value and not event.style
        if event.tag is not None and not bare:
            low = self.text.index("!", index)
            tag = re.compile(r"\S+").match(self.text, low)
            what = f"tags such as {shown(tag[0] if tag else event.tag)} are not read"
            if is_scalar and start > low:
                mended = self.text[start : event.end_mark.index]
                self.cuts.append(trap(Code.TAG, what, low, event.end_mark.index, mended))
            else:
                hint = "delete it; a field knows its own type"
                self.faults.add(Code.TAG, what, self.source.mark(low), hint)
        return start

    def _scalar(self, event: Any) -> None:
        style = event.style or None
        index = event.start_mark.index
        if event.anchor is not None or event.tag is not None:
            index = self._start(event)
        node = Scalar(self.source, index, event.value, style)
        if self._broken and self._is_broken(index, event.end_mark.index):
            node.broken = True
        elif style is None and "\t" in event.value:
            node.broken = True  # told by the check of tabs
        elif node.empty:
            self._empty(node, event)
        elif style == '"' and (found := next(bad_characters(event.value), None)):
            self._unseen(node, found[0])
        if self.written is not None:
            self.written.append((index, event.end_mark.index))
        if style and self._wants_spans:
            self.spans.append(Span(index, event.end_mark.index, style in "|>"))
        self._attach(node, event.anchor, 1, 0)

    def _is_broken(self, start: int, end: int) -> bool:
        """Tell whether a blot is part of a scalar."""
        place = bisect_left(self._broken, start)
        return place < len(self._broken) and self._broken[place] < end

    def _empty(self, node: Scalar, event: Any) -> None:
        """See why nothing is written: an anchor or tag is all there is, or a line was no key."""
        if event.anchor is not None or event.tag is not None:
            low, high = event.start_mark.index, event.end_mark.index
            text = self.text[low:high]
            code = Code.NO_VALUE if event.tag is None else Code.TAG
            what = f"{shown(text)} marks a value, and none follows"
            self._bare(code, what, low, high)
            node.broken = True
        node.broken |= any(
            node.index <= one.low and not self.text[node.index : one.low].strip()
            for one in self._holes
        )

    def _bare(self, code: Code, what: str, low: int, high: int) -> None:
        """Report what YAML takes for a mark, and this language for the value itself."""
        value = self.text[low:high]
        bare = bare_text(value, key_of(self.text, low)[0])
        mended = quoted(value) if bare in ("", value) else bare
        if self._merges:
            mended = value.replace("&", "*")
        self.cuts.append(trap(code, what, low, high, mended))

    @property
    def _merges(self) -> bool:
        """A value of `<<` comes next."""
        key = self._stack[-1].key if self._stack else None
        return isinstance(key, Scalar) and key.text == "<<"

    def _unseen(self, node: Scalar, character: str) -> None:
        what = f"this text holds the character U+{ord(character):04X}, which is not allowed"
        self.faults.add(Code.BAD_CHARACTER, what, node, "delete its escape")
        node.broken = True

    def _open(self, event: Any, node: Sequence | Mapping) -> None:
        since = self._last.end_mark.index if self._stack else 0
        self._stack.append(_Frame(node, event.anchor, since))
        self._check_depth(len(self._stack), node)
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # open: an alias to it would contain itself

    def _check_depth(self, depth: int, node: Node) -> None:
        if depth > MAX_DEPTH:
            what = f"lists and maps are nested deeper than {MAX_DEPTH}"
            self._stop(Code.TOO_DEEP, what, node, "no policy needs more than ten levels")

    def _close(self, event: Any) -> None:
        frame = self._stack.pop()
        node = frame.node
        if isinstance(node, Mapping):
            end = event.end_mark.index
            if self._holes:
                self._take_holes(node, frame.since, end)
            spoilt = bool(self._broken) and self._is_broken(node.index, end)
            _fill(node, frame.pairs, self.faults, self.cuts, spoilt=spoilt)
        else:
            mend_items(node, self.cuts)
        self._attach(node, frame.anchor, frame.size, frame.height)

    def _take_holes(self, node: Mapping, since: int, end: int) -> None:
        """Note for the innermost map around a hole that a key of it may be missing."""
        column = node.index - line_start(self.text, node.index)
        mine = [
            one
            for one in self._holes
            if since <= one.low < end
            and (one.breaks or one.low - line_start(self.text, one.low) == column)
        ]
        if mine:
            node.partial = True
            self._holes = [one for one in self._holes if one not in mine]

    def _alias(self, event: Any) -> None:
        index = event.start_mark.index
        place = Scalar(self.source, index, f"*{event.anchor}")
        if event.anchor not in self._anchors:
            self._unknown_alias(event.anchor, place)
            return
        target = self._anchors[event.anchor]
        if target is None:
            self.faults.add(Code.BAD_ALIAS, "this alias contains itself", place, "write it out")
            place.broken = True
            self._attach(place, None, 1, 0)
            return
        node, size, height = target
        self._expanded += size
        if self._expanded > MAX_EXPANSION:
            what = f"aliases expand the file by more than {MAX_EXPANSION} nodes"
            self._stop(Code.EXPANDS_TOO_FAR, what, place, "use fewer aliases of smaller parts")
        self._check_depth(len(self._stack) + height, place)
        self._attach(node, None, size, height, alias=True)

    def _unknown_alias(self, name: str, place: Scalar) -> None:
        what = f"there is no anchor {shown('&' + name)} above"
        if self._merges:
            close = meant(name, self._anchors)
            hint = f"did you mean `*{close}`?" if close else f"write `&{name}` at a map above"
            self.faults.add(Code.BAD_ALIAS, what, place, hint)
        else:
            from runner.policy.brackets import piece_end  # noqa: PLC0415 (only messages need it)

            inside = bool(self._stack) and self._stack[-1].node.flow
            low = place.index
            end = piece_end(self.text, low) if inside else value_end(self.text, low)
            what += "; YAML reads a leading `*` as an alias"
            self._bare(Code.BAD_ALIAS, what, low, end)
        place.broken = True
        self._attach(place, None, 1, 0)

    def _attach(
        self, node: Node, anchor: str | None, size: int, height: int, *, alias: bool = False
    ) -> None:
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
            if not alias and isinstance(frame.key, Scalar):
                node.key = frame.key
            frame.pairs.append((frame.key, node))
            frame.key = None


def _is_hole(text: str, one: Trap) -> bool:
    """Tell whether a trap took out what may have held a key: a line, or more than one value."""
    if one.breaks:
        return one.code in (Code.NOT_CLOSED, Code.VALUE_GOES_ON)
    return not text[line_start(text, one.low) : one.low].strip()


def _fill(
    mapping: Mapping,
    pairs: list[tuple[Node, Node]],
    faults: Faults,
    cuts: list[Trap],
    *,
    spoilt: bool,
) -> None:
    """
    Put keys and values into a map: pieces of cut values, merges and duplicates seen to.

    Args:
        spoilt: Whether something in it was blotted out: a strange key may come from that.
    """
    if mapping.flow:
        pairs = mend_pairs(pairs, cuts)
    merged: list[Node] = []
    entries = mapping.entries
    for key, value in pairs:
        if not isinstance(key, Scalar):
            mapping.partial = True
            if not spoilt:
                _complex_key(mapping, key, value, faults)
        elif key.text == "<<" and key.style is None:
            if merged:
                hint = "write one, with a list: `<<: [*first, *second]`"
                faults.add(Code.DUPLICATE_KEY, "`<<` is written twice", key, hint)
            merged.append(value)
        elif key.text == "<<":
            what = "`<<` between quotes merges nothing"
            faults.add(Code.BAD_MERGE, what, key, "write it without quotes")
            mapping.partial = True
        elif key.text in entries:
            first = entries[key.text][0].mark.line
            what = f"{shown(key.text)} is written twice; first in line {first}"
            faults.add(Code.DUPLICATE_KEY, what, key, "delete one of them")
        else:
            entries[key.text] = (key, value)
    for value in merged:
        _merge(mapping, value, faults)


def _complex_key(mapping: Mapping, key: Node, value: Node, faults: Faults) -> None:
    template = mapping.flow and isinstance(value, Scalar) and value.empty
    if template and isinstance(key, Mapping) and key.flow:
        what = "`{{…}}` is a map within a map: templates are not filled in"
        hint = "write a variable of the environment, as ${NAME}; between brackets within quotes"
        faults.add(Code.BAD_KEY, what, mapping, hint)
        mapping.broken = True
    else:
        hint = "quote a value that contains braces or brackets"
        faults.add(Code.BAD_KEY, "a key is plain text, not a list or map", key, hint)


def _merge(mapping: Mapping, value: Node, faults: Faults) -> None:
    parts = value.items if isinstance(value, Sequence) and value.items else [value]
    for part in parts:
        if isinstance(part, Mapping):
            mapping.partial |= part.partial
            for name, entry in part.entries.items():
                mapping.entries.setdefault(name, entry)
        else:
            hint = "write `<<: *name`, with `&name` at a map above"
            empty = isinstance(part, Scalar) and part.empty
            at = (part.key or part) if empty else part
            if not part.broken:
                faults.add(Code.BAD_MERGE, "`<<` merges a map, or a list of maps", at, hint)
            mapping.partial = True
