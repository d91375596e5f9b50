"""
Reading fields: a node and what it should be → a value, or a fault and a stand-in.

Reading never stops at a fault. A stand-in keeps the program going, so that everything else that
is wrong comes out too; a policy with faults is never handed on. What only follows from a fault is
not reported: a key that is missed because it is misspelt, a name from a section that could not be
read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping
from typing import TypeVar

from runner.errors import Mark
from runner.policy.codes import Code
from runner.policy.faults import Faults, Moot, Refusal, shown
from runner.policy.language import LEVELS, Level
from runner.policy.mending import quoted, with_line
from runner.policy.nodes import CELL, NULLS, Node, Scalar, Sequence, kind_of
from runner.policy.nodes import Mapping as MapNode
from runner.policy.record import Record
from runner.policy.scalars import parse_name, parse_text
from runner.policy.secrets import A_PHRASE, find_secret
from runner.policy.variables import expand, is_disclosed, otherwise

T = TypeVar("T")

_MANY = 2  # unknown keys that tell of another level
_COMMENT = r"[ \t]+(#[^\n\r]*)"
_HASH = r"[ \t]+#\S"


class Reader:
    """
    Reads the nodes of one file.

    Args:
        faults: Where faults go.
        environment: The variables that `${NAME}` may name.
        levels: The levels of keys that hints may name.
    """

    def __init__(
        self,
        faults: Faults,
        environment: Mapping[str, str],
        levels: Mapping[str, Level] = LEVELS,
    ) -> None:
        self.faults = faults
        self.environment = environment
        self.levels = levels
        self.misplaced: set[str] = set()
        """Levels of which a map was found where another belongs."""

    def fault(self, code: Code, what: str, at: Node | Mark, hint: str | None = None) -> None:
        """Keep an error."""
        self.faults.add(code, what, at, hint)

    # ── values ────────────────────────────────────────────────────────────────────────────────

    def read(self, node: Node, parse: Callable[[str], T], instead: T, *, hex64: bool = False) -> T:
        """
        Read a scalar.

        Args:
            node: The value.
            parse: Turns its text into a value, or raises `Refusal`; `Moot` if it cannot tell,
                because of a fault that has been reported.
            instead: What to go on with after a fault.
            hex64: Whether 64 hex digits are fine here.
        """
        if isinstance(node, Scalar) and _is_plain(node):
            text: str | None = node.text
        else:
            if isinstance(node, Scalar) and node.tail:
                self._report_tail(node, free=parse is parse_text)
            text = self.text(node, hex64=hex64)
        if text is None:
            return instead
        try:
            return parse(text)
        except Moot:
            return instead
        except Refusal as refusal:
            self.faults.refuse(self._told(refusal, node, text), node)
            node.broken = True
            return instead

    def text(self, node: Node, *, hex64: bool = False) -> str | None:
        """Return the text of a scalar that must be there, variables replaced; None on a fault."""
        if not isinstance(node, Scalar):
            from runner.policy.advice import for_value  # noqa: PLC0415 (only messages need it)

            what = f"{_called(node)} takes one value, not {kind_of(node)}"
            self.fault(Code.WRONG_TYPE, what, node, for_value(node))
            node.broken = True
            return None
        if self._is_nothing(node):
            return None
        text = node.text
        if "${" in text and node.style != CELL:
            try:
                text = expand(text, self.environment)
            except Refusal as refusal:
                self.faults.refuse(refusal, node)
                node.broken = True
                return None
        elif not node.source.suspicious:
            return text
        return None if self._is_secret(text, node, hex64=hex64) else text

    def _told(self, refusal: Refusal, node: Node, text: str) -> Refusal:
        """Complete what a reader of plain values says by what only the file shows."""
        if not isinstance(node, Scalar):
            return refusal
        if text != node.text and not is_disclosed(node.text, self.environment):
            # What comes from the environment may be anything, a password too.
            from runner.policy.catalogue import CATALOGUE  # noqa: PLC0415 (only messages need it)

            title = CATALOGUE[refusal.code].title
            what = f"the value of {shown(node.text)} is refused: {title}"
            hint = "values from the environment are not shown; look at the variable"
            return Refusal(refusal.code, what, hint)
        told = otherwise(text) or refusal.hint
        behind = node.index + len(node.text)
        if node.style in ("|", ">") and text.strip():
            told = f"write it in one line behind its key, without `{node.style}`"
        if node.style is None and re.compile(_HASH).match(node.source.text, behind):
            told = f"{told}; what follows ` #` is a comment: if it is none, quote the value"
        return Refusal(refusal.code, refusal.what, told)

    def _report_tail(self, node: Scalar, *, free: bool) -> None:
        """Report what a comma parted from a value, where that is no key."""
        first, last = node.tail[0], node.tail[-1]
        if free:
            end = last.index + len(last.text)
            whole = " ".join(node.source.text[node.index : end].split())
            what = f"the comma of {shown(whole)} ends the value here"
            hint = with_line(node.source, node.index, end, quoted(whole))
            self.fault(Code.VALUE_GOES_ON, what, node, hint)
            node.broken = True
        else:
            what = f"{shown(first.text)} has no value: the comma before it makes it a key"
            self.fault(Code.NO_VALUE, what, first, "write its value, or delete it")
        node.tail = ()

    # ── nothing ───────────────────────────────────────────────────────────────────────────────

    def _is_nothing(self, node: Node, wanted: str = "one") -> bool:
        """Report a key without value; tell if it is one. `null` is a value to nobody here."""
        if not isinstance(node, Scalar) or node.broken:
            return node.broken
        if node.empty:
            self._no_value(node, wanted)
            return True
        if node.style is None and node.text in NULLS:
            what = f"{_called(node)} is {shown(node.text)}, which is no value"
            self.fault(Code.NO_VALUE, what, node, self._write_one(node, wanted))
            node.broken = True
            return True
        return False

    def _no_value(self, node: Scalar, wanted: str) -> None:
        from runner.policy.advice import is_free_text  # noqa: PLC0415 (only messages need it)

        called, place = _called(node), _behind(node)
        match = re.compile(_COMMENT).match(node.source.text, place)
        if match is not None:
            comment = match[1]
            at = Scalar(node.source, match.start(1), comment)
            instead = comment.lstrip("# ") or comment
            if is_free_text(node):
                instead = quoted(comment)
            end = at.index + len(comment)
            hint = f"{with_line(node.source, at.index, end, instead)}, if it is none"
            what = f"{called} has no value: {shown(comment)} is read as a comment"
            self.fault(Code.SWALLOWED_BY_COMMENT, what, at, hint)
        else:
            at = node.key or Scalar(node.source, max(0, place - 1), "")
            self.fault(Code.NO_VALUE, f"{called} has no value", at, self._write_one(node, wanted))
        node.broken = True

    def _write_one(self, node: Node, wanted: str) -> str:
        from runner.policy.advice import example_of, key_of  # noqa: PLC0415 (only messages)

        example, key = example_of(node), key_of(node)
        hint = f"write {wanted}" + (f", as {example}" if example else "")
        if node.key is not None and (key is None or not key.required):
            hint += ", or delete the key"
        return hint

    # ── lists and maps ────────────────────────────────────────────────────────────────────────

    def mapping(self, node: Node, level: Level | None = None) -> MapNode | None:
        """Return a node that must be a map, with the keys of a level; None on a fault."""
        if isinstance(node, MapNode):
            return None if node.broken else node
        if not self._is_nothing(node, "its keys below it") and not self._holds_secret(node):
            from runner.policy.advice import for_map  # noqa: PLC0415 (only messages need it)

            what = f"{_called(node)} takes a map of keys and values, not {kind_of(node)}"
            self.fault(Code.WRONG_TYPE, what, node, for_map(node, level))
            node.broken = True
        return None

    def sequence(self, node: Node) -> Sequence | None:
        """Return a node that must be a list; None on a fault."""
        if isinstance(node, Sequence):
            return None if self._spells_secret(node) else node
        if not self._is_nothing(node, "a list") and not self._holds_secret(node):
            from runner.policy.advice import for_list  # noqa: PLC0415 (only messages need it)

            what = f"{_called(node)} takes a list, not {kind_of(node)}"
            self.fault(Code.WRONG_TYPE, what, node, for_list(node))
            node.broken = True
        return None

    def named(
        self, node: Node | None, level: Level | None = None, *, names: bool = True
    ) -> Iterator[tuple[str, Scalar, Node]]:
        """
        Go through a map whose keys are names that the user chose.

        Args:
            node: The map; None for a key that was not written.
            level: What stands below each name, if that is a map.
            names: Whether the keys must be names (else they are checked by the caller).
        """
        if node is None or (mapping := self.mapping(node)) is None:
            return
        hollow: Scalar | None = None
        # A key of the level among the names left one of their maps: what that lacks may be this.
        astray = level is not None and any(
            text in level.keys and isinstance(value, Scalar)
            for text, (_, value) in mapping.entries.items()
        )
        for text, (key, value) in mapping.entries.items():
            if self._is_unreadable(key):
                mapping.partial = True
                continue
            if astray and isinstance(value, MapNode):
                value.partial = True
            if level is not None and self._stands_out(hollow, key, value, level):
                continue
            if mapping.flow and self._is_run_together(key, value):
                continue
            if names:
                try:
                    parse_name(text)
                except Refusal as refusal:
                    self.faults.refuse(refusal, key)
                    mapping.partial = True
            hollow = _hollow(value)
            yield text, key, value

    def _is_run_together(self, key: Scalar, value: Node) -> bool:
        if not (isinstance(value, Scalar) and value.empty):
            return False
        from runner.policy.advice import run_together  # noqa: PLC0415 (only messages need it)

        found = run_together(key, value)
        if found is not None:
            self.fault(Code.NOT_YAML, found.what, key, found.hint)
        return found is not None

    def record(self, node: Node, level: Level, given: Container[str] = ()) -> Record | None:
        """
        Return the fields of a map with fixed keys; what is unknown or missing is reported.

        Args:
            given: Keys that have a value elsewhere, in `defaults`.
        """
        mapping = self.mapping(node, level)
        if mapping is None or self._is_of_another(mapping, level):
            return None
        record = Record(self, mapping, level)
        hollow: Scalar | None = None
        for text, (key, value) in mapping.entries.items():
            value.home = level
            known = level.keys.get(text)
            if known is not None:
                record.fields[text] = value
                hollow = _hollow(value) if "map" in known.type or "list" in known.type else None
            else:
                self._unknown_key(record, key, value, hollow)
        for name in level.required:
            if name not in record.fields and name not in given:
                record.missing(name)
        return record

    def _stands_out(self, hollow: Scalar | None, key: Scalar, value: Node, level: Level) -> bool:
        """Report a key of a level that stands among the names of its maps; tell if it does."""
        if key.text not in level.keys:
            return False
        if self._beside(hollow, key):
            return True
        # An empty map may be a name that `defaults` complete.
        if isinstance(value, MapNode) and (
            not value.entries or any(text in level.keys for text in value.entries)
        ):
            return False
        what = f"{shown(key.text)} is a key of {level.article}, and stands where its name belongs"
        self.fault(Code.UNKNOWN_KEY, what, key, "indent it below the name")
        return True

    def _is_of_another(self, mapping: MapNode, level: Level) -> bool:
        """Report a map whose keys are those of another level; tell if it is one."""
        strange = [text for text in mapping.entries if text not in level.keys]
        if len(strange) < _MANY or 2 * len(strange) <= len(mapping.entries):
            return False
        other = next(
            (each for each in self.levels.values() if mapping.entries.keys() <= each.keys.keys()),
            None,
        )
        if other is None:
            return False
        self.misplaced.add(other.name)
        at = mapping.key or mapping
        called = shown(mapping.key.text) if mapping.key is not None else "this item"
        what = (
            f"{called} stands where {level.article} belongs; its keys are those of {other.article}"
        )
        hint = "look at the indentation, and whether a line above it is missing"
        self.fault(Code.UNKNOWN_KEY, what, at, hint)
        mapping.broken = True
        return True

    def _beside(self, hollow: Scalar | None, key: Scalar) -> bool:
        """Report, once, keys beside one without value that belong below it; tell if so."""
        if hollow is None or hollow.key is None:
            return False
        if not hollow.broken:
            above = shown(hollow.key.text)
            what = f"{shown(key.text)} stands beside {above}, which has no value"
            hint = f"indent it, and the lines that belong to it, below {above}"
            self.fault(Code.UNKNOWN_KEY, what, key, hint)
            hollow.broken = True
        return True

    def _unknown_key(self, record: Record, key: Scalar, value: Node, hollow: Scalar | None) -> None:
        if self.faults.full:
            return
        if self._is_unreadable(key):
            record.mapping.partial = True
            return
        if self._holds_secret(value):
            record.strays.add(key.text)
            return
        from runner.policy.advice import unknown_key  # noqa: PLC0415 (only messages need it)

        found = unknown_key(key, value, record.level, self.levels)
        record.strays.add(key.text)
        if found.meant is not None:
            record.meant.add(found.meant)
        elif self._beside(hollow, key):
            return
        self.fault(found.code, found.what, key, found.hint)

    def _is_unreadable(self, key: Scalar) -> bool:
        """Tell whether nothing can be said about a key but what has been or is now reported."""
        if key.broken or self._is_secret(key.text, key):
            return True
        if "${" not in key.text:
            return False
        what = f"{shown(key.text)}: variables stand in values only"
        self.fault(Code.BAD_VARIABLE, what, key, "write the key out")
        return True

    def _holds_secret(self, node: Node) -> bool:
        """Report a secret where no value is read; tell if it is one."""
        return isinstance(node, Scalar) and self._is_secret(node.text, node)

    def _spells_secret(self, node: Sequence) -> bool:
        """Report a seed phrase that is spread over the items of a list; tell if it is one."""
        if not node.source.suspicious or node.broken:
            return node.broken
        words = [item for item in node if isinstance(item, Scalar)]
        if any(find_secret(word.text) for word in words):
            return False  # told where that one stands
        if find_secret(" ".join(word.text for word in words)) != A_PHRASE:
            return False
        node.source.hide(words[0].index, words[-1].index + len(words[-1].text))
        self._secret(A_PHRASE, node)
        return True

    def _is_secret(self, text: str, node: Scalar, *, hex64: bool = False) -> bool:
        if text is node.text and not node.source.suspicious:
            return False
        kind = find_secret(text, hex64=not hex64)
        if kind is None:
            return False
        self._secret(kind, node)
        return True

    def _secret(self, kind: str, node: Node) -> None:
        hint = "delete it here and treat it as known to others; keys belong to signers"
        self.fault(Code.SECRET, f"this looks like {kind}; it has no place in this file", node, hint)
        node.broken = True


def _is_plain(node: Scalar) -> bool:
    """Whether nothing has to be looked up, reported or replaced: so are nearly all values."""
    text = node.text
    return not (
        node.broken
        or node.tail
        or not text
        or "${" in text
        or text in NULLS
        or node.source.suspicious
    )


def _hollow(value: Node) -> Scalar | None:
    """Return a value that is not there, and not to be told of already."""
    hollow = isinstance(value, Scalar) and value.empty and not value.broken
    return value if hollow and isinstance(value, Scalar) else None


def _behind(node: Scalar) -> int:
    """Return where the value of a key, or of an item, should begin."""
    key, text = node.key, node.source.text
    if key is None:
        return node.index
    colon = text.find(":", key.index + len(key.text))
    return node.index if colon < 0 or colon > node.index else colon + 1


def _called(node: Node) -> str:
    """Return what a message calls a value: the key it belongs to."""
    return shown(node.key.text) if node.key is not None else "this item"
