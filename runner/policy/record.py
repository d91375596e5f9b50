"""
The fields of one map: what was written, what was probably meant, what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from runner.errors import Mark
from runner.frozen import frozen
from runner.policy.codes import Code
from runner.policy.faults import shown
from runner.policy.language import Level
from runner.policy.nodes import Mapping, Node

if TYPE_CHECKING:
    from runner.policy.reader import Reader

T = TypeVar("T")


class Record:
    """
    The fields of one map.

    Attributes:
        meant: Keys that misspelt ones were probably meant to be.
        strays: Unknown keys.
    """

    __slots__ = ("fields", "level", "mapping", "meant", "reader", "strays")

    def __init__(self, reader: Reader, mapping: Mapping, level: Level) -> None:
        self.reader = reader
        self.mapping = mapping
        self.level = level
        self.fields: dict[str, Node] = {}
        self.meant: set[str] = set()
        self.strays: set[str] = set()

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

    def lacks(self, *names: str) -> bool:
        """Tell whether none of some keys is there, nor may have been meant by what is."""
        return not (
            self.mapping.partial
            or any(name in self.fields for name in names)
            or self.meant.intersection(names)
        )

    @property
    def misspelt(self) -> bool:
        """A key is unknown, and reported: it may be one that is missed."""
        return self.mapping.partial or len(self.fields) < len(self.mapping.entries)

    def missing(self, name: str) -> None:
        """Report a key that is not there, at the key of the map it belongs to."""
        if not self.lacks(name):
            return
        at: Node | Mark = self.place
        if self.mapping.key is None and self.level.name == "policy":
            at = self.mapping.source.mark(0)
        called, own = self.level.article, self.mapping.key
        if own is not None and self.mapping.home is not None and own.text in self.mapping.home.keys:
            called = shown(own.text)
        elif own is not None and own.text not in called:
            called += f" {shown(own.text)}"
        key = self.level.keys[name]
        hint = f"add `{name}: …`: {key.gist}"
        self.reader.fault(Code.MISSING_KEY, f"{called} lacks the key `{name}`", at, hint)

    def declared(self, name: str) -> Declared:
        """Return which names stand below a key, and whether that is all that was meant."""
        node = self.fields.get(name)
        whole = name.removesuffix("s") not in self.reader.misplaced
        if isinstance(node, Mapping):
            whole = whole and not node.broken and not node.partial
            return Declared(frozenset(node.entries), whole)
        return Declared(frozenset(), whole and node is None and self.lacks(name))

    @property
    def place(self) -> Node:
        """Where the map is named: its key, else itself."""
        return self.mapping.key or self.mapping

    @property
    def mark(self) -> Mark:
        """Where the map is named."""
        return self.place.mark


@frozen
class Declared:
    """
    The names that a section declares.

    Attributes:
        whole: There are no others; else one that is unknown may have been meant to be there.
    """

    names: frozenset[str]
    whole: bool

    def may_hold(self, name: str) -> bool:
        """Tell whether a name that was not read may be declared all the same."""
        return not self.whole or name in self.names
