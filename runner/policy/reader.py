"""
Reading fields: a node and what it should be → a value, or a fault and a stand-in.

Reading never stops at a fault. A stand-in keeps the program going, so that everything else that
is wrong comes out too; a policy with faults is never handed on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping
from typing import TypeVar

from runner.errors import Mark
from runner.policy import unsupported
from runner.policy.codes import Code
from runner.policy.faults import Faults, Refusal, did_you_mean, listed, meant, shown
from runner.policy.language import LEVELS, Level
from runner.policy.nodes import CELL, Node, Scalar, Sequence, kind_of
from runner.policy.nodes import Mapping as MapNode
from runner.policy.scalars import parse_name
from runner.policy.secrets import find_secret
from runner.policy.traps import line_with, quoted

T = TypeVar("T")

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


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

    def fault(self, code: Code, what: str, at: Node | Mark, hint: str | None = None) -> None:
        """Keep an error."""
        self.faults.add(code, what, at, hint)

    def read(self, node: Node, parse: Callable[[str], T], instead: T, *, hex64: bool = False) -> T:
        """
        Read a scalar.

        Args:
            node: The value.
            parse: Turns its text into a value, or raises `Refusal`.
            instead: What to go on with after a fault.
            hex64: Whether 64 hex digits are fine here.
        """
        text = self.text(node, hex64=hex64)
        if text is None:
            return instead
        try:
            return parse(text)
        except Refusal as refusal:
            if isinstance(node, Scalar) and text != node.text:
                refusal = self._without_value(refusal, node)
            self.faults.refuse(refusal, node)
            return instead

    def text(self, node: Node, *, hex64: bool = False) -> str | None:
        """Return the text of a scalar that must be there, variables replaced; None on a fault."""
        if not isinstance(node, Scalar):
            # A value of braces that reads as a map is most often an unquoted variable.
            what = f"{_called(node)} takes one value, not {kind_of(node)}"
            self.fault(Code.WRONG_TYPE, what, node, "write a plain value")
            return None
        if node.broken:
            return None
        if node.empty:
            self.no_value(node)
            return None
        text = node.text
        if "${" in text and node.style != CELL:
            expanded = self._expanded(node)
            if expanded is None:
                return None
            text = expanded
        elif not node.source.suspicious:
            return text
        return None if self._is_secret(text, node, hex64=hex64) else text

    def no_value(self, node: Scalar) -> None:
        """Report a key without value, or one whose value became a comment."""
        source = node.source
        match = re.compile(r":?[ \t]+(#[^\n]*)").match(source.text, node.index)
        key = node.key
        called = _called(node)
        if match and key is not None:
            comment = match[1].rstrip("\r")
            at = Scalar(source, match.start(1), comment)
            what = f"{called} has no value: {shown(comment)} is read as a comment"
            hint = "write " + line_with(at, at.index + len(comment), quoted(comment))
            self.fault(Code.SWALLOWED_BY_COMMENT, what, at, hint + ", if it is none")
        else:
            what = f"{called} has no value"
            self.fault(Code.NO_VALUE, what, key or node, "write one, or delete the key")
        node.broken = True

    def mapping(self, node: Node) -> MapNode | None:
        """Return a node that must be a map; None on a fault."""
        if isinstance(node, MapNode):
            return node
        self._not_a(node, "a map of keys and values")
        return None

    def sequence(self, node: Node) -> Sequence | None:
        """Return a node that must be a list; None on a fault."""
        if isinstance(node, Sequence):
            return node
        self._not_a(node, "a list")
        return None

    def _not_a(self, node: Node, wanted: str) -> None:
        if isinstance(node, Scalar) and node.empty:
            self.no_value(node)
            return
        hint = "indent its keys below it" if wanted.startswith("a map") else None
        if isinstance(node, Scalar) and wanted == "a list":
            hint = f"write [{node.text[:60]}]"
        what = f"{_called(node)} takes {wanted}, not {kind_of(node)}"
        self.fault(Code.WRONG_TYPE, what, node, hint)
        node.broken = True

    def named(self, node: Node | None, *, names: bool = True) -> Iterator[tuple[str, Scalar, Node]]:
        """
        Go through a map whose keys are names that the user chose.

        Args:
            node: The map; None for a key that was not written.
            names: Whether the keys must be names (else they are checked by the caller).
        """
        if node is None or (mapping := self.mapping(node)) is None:
            return
        for text, (key, value) in mapping.entries.items():
            if key.source.suspicious and self._is_secret(text, key):
                continue
            if self._variable_in(key):
                continue
            if names:
                try:
                    parse_name(text)
                except Refusal as refusal:
                    self.faults.refuse(refusal, key)
            yield text, key, value

    def record(self, node: Node, level: Level, given: Container[str] = ()) -> Record | None:
        """
        Return the fields of a map with fixed keys; what is unknown or missing is reported.

        Args:
            given: Keys that have a value elsewhere, in `defaults`.
        """
        mapping = self.mapping(node)
        if mapping is None:
            return None
        fields: dict[str, Node] = {}
        known = level.keys
        for text, (key, value) in mapping.entries.items():
            if text not in known:
                self._unknown_key(text, key, level)
            else:
                fields[text] = value
                self.warn_if_unsupported(level.name, text, key)
        for name in level.required:
            if name not in fields and name not in given:
                self.missing(name, mapping, level.article)
        return Record(self, mapping, fields)

    def missing(self, name: str, mapping: MapNode, article: str) -> None:
        """Report a key that is not there, at the key of the map it belongs to."""
        if name in mapping.entries:
            return
        where = mapping.key or mapping
        called = f"{article} {shown(mapping.key.text)}" if mapping.key else article
        at: Node | Mark = where if where.index or mapping.key else mapping.source.mark(0)
        if mapping.key is None and article == "a policy":
            at = mapping.source.mark(0)
        homes = [level for level in self.levels.values() if name in level.keys]
        homes.sort(key=lambda level: level.article != article)
        hint = f"add `{name}: …`" + (f": {homes[0].keys[name].gist}" if homes else "")
        self.fault(Code.MISSING_KEY, f"{called} lacks the key `{name}`", at, hint)

    def warn_if_unsupported(self, level: str, key: str, at: Node) -> None:
        """Warn of a key that is read and not carried out yet."""
        if (level, key) in unsupported.KEYS:
            self.not_supported(f"`{key}`", at)

    def not_supported(self, what: str, at: Node) -> None:
        """Warn of what the language has, and this release does not carry out."""
        what = f"{what} is not carried out by this release"
        hint = "`runner up` refuses to start with it: it would only seem to be obeyed"
        self.faults.warn(Code.NOT_SUPPORTED_YET, what, at, hint)

    def _unknown_key(self, text: str, key: Scalar, level: Level) -> None:
        if key.broken or self._is_secret(text, key) or self._variable_in(key):
            return
        if text.count("(") != text.count(")"):
            hint = 'quote the signature, as in function: "transfer(address,uint256)"'
            self.fault(Code.SIGNATURE_CUT, f"{shown(text)} is half a signature", key, hint)
            return
        homes = [other.article for other in self.levels.values() if text in other.keys]
        hint = did_you_mean(text, level.keys, f"keys of {level.article}")
        if homes and meant(text, level.keys) is None:
            hint = f"it is a key of {' and of '.join(homes)}"
        self.fault(Code.UNKNOWN_KEY, f"{level.article} has no key {shown(text)}", key, hint)

    def _variable_in(self, key: Scalar) -> bool:
        if "${" not in key.text:
            return False
        what = f"{shown(key.text)}: variables stand in values only"
        self.fault(Code.BAD_VARIABLE, what, key, "write the key out")
        return True

    def _is_secret(self, text: str, node: Scalar, *, hex64: bool = False) -> bool:
        kind = find_secret(text, hex64=not hex64)
        if kind is None:
            return False
        hint = "delete it here and treat it as known to others; keys belong to signers"
        self.fault(Code.SECRET, f"this looks like {kind}; it has no place in this file", node, hint)
        node.broken = True
        return True

    def _expanded(self, node: Scalar) -> str | None:
        """Replace `${NAME}` and `${NAME:-default}`; None and a fault if one cannot be."""
        text = node.text
        if len(_VARIABLE.findall(text)) != text.count("${"):
            what = f"{shown(text)} is not a variable as they are written here"
            hint = "write ${NAME} or ${NAME:-default}"
            self.fault(Code.BAD_VARIABLE, what, node, hint)
            return None
        unset = [
            name
            for name, default in _VARIABLE.findall(text)
            if name not in self.environment and f"${{{name}:-" not in text
        ]
        if unset:
            close = meant(unset[0], self.environment)
            hint = f"set it, or write ${{{unset[0]}:-default}}"
            if close is not None:
                hint += f"; did you mean `{close}`?"
            what = f"the variable {listed(f'`{name}`' for name in unset)} is not set"
            self.fault(Code.UNSET_VARIABLE, what, node, hint)
            return None
        expanded = _VARIABLE.sub(self._value, text)
        if not expanded:
            self.fault(Code.NO_VALUE, f"the value of {shown(text)} is empty", node, "set it")
            return None
        return expanded

    def _value(self, match: re.Match[str]) -> str:
        value = self.environment.get(match[1], "")
        return value or (match[2] or "")

    def _without_value(self, refusal: Refusal, node: Scalar) -> Refusal:
        # What comes from the environment may be anything, a password too: it is not repeated.
        from runner.policy.catalogue import CATALOGUE  # noqa: PLC0415 (only messages need it)

        title = CATALOGUE[refusal.code].title
        what = f"the value of {shown(node.text)} is refused: {title}"
        hint = "values from the environment are not shown; look at the variable"
        return Refusal(refusal.code, what, hint)


class Record:
    """The fields of one map."""

    __slots__ = ("fields", "mapping", "reader")

    def __init__(self, reader: Reader, mapping: MapNode, fields: dict[str, Node]) -> None:
        self.reader = reader
        self.mapping = mapping
        self.fields = fields

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def get(self, name: str) -> Node | None:
        """Return the value of a key, or None if it was not written."""
        return self.fields.get(name)

    def read(self, name: str, parse: Callable[[str], T], default: T, *, hex64: bool = False) -> T:
        """Read a scalar, or return the default if the key was not written or has a fault."""
        node = self.fields.get(name)
        if node is None:
            return default
        return self.reader.read(node, parse, default, hex64=hex64)

    @property
    def place(self) -> Node:
        """Where the map is named: its key, else itself."""
        return self.mapping.key or self.mapping

    @property
    def mark(self) -> Mark:
        """Where the map is named."""
        return self.place.mark


def _called(node: Node) -> str:
    """Return what a message calls a value: the key it belongs to."""
    return f"`{node.key.text[:60]}`" if node.key is not None else "this item"
