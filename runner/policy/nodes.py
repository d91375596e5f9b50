"""
What a YAML file is made of: text, sequences and maps that know where they stand.

A scalar keeps the text between its quotes. Whether `010`, `no` or `0x0b` is a number, a word or
an address is decided by the field that reads it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from runner.errors import Mark
from runner.policy.language.level import Level
from runner.policy.secrets import find_secret, masked

NULLS = ("null", "Null", "NULL", "~")
"""What YAML reads as nothing, and this language refuses, unless it is quoted."""

CELL = "csv"
"""The style of a scalar that is a cell of a table: its text is data, and holds no variables."""


class Source:
    """The text of one file. Lines end at `\\n` alone, as editors and libyaml's rivals count."""

    __slots__ = ("_hidden", "_shown", "_starts", "_suspicious", "file", "text")

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._starts: list[int] = []
        self._hidden: list[tuple[int, int]] = []
        self._shown: dict[int, str] = {}
        self._suspicious: bool | None = None

    @property
    def suspicious(self) -> bool:
        """Something in it looks like a secret. One look at all spares one at each scalar."""
        if self._suspicious is None:
            self._suspicious = find_secret(self.text) is not None
        return self._suspicious

    def hide(self, start: int, end: int) -> None:
        """Blot out a stretch of the text wherever its line is shown."""
        self._hidden.append((start, end))
        self._shown.clear()

    def mark(self, index: int) -> Mark:
        """Return line and column, from 1, of the character at `index`."""
        starts = self._line_starts()
        line = bisect_right(starts, index)
        return Mark(self.file, line, index - starts[line - 1] + 1)

    def line(self, number: int) -> str:
        """Return a line, from 1, without its end; what looks like a secret is blotted out."""
        if number in self._shown:
            return self._shown[number]
        starts = self._line_starts()
        if not 1 <= number <= len(starts):
            return ""
        start = starts[number - 1]
        end = starts[number] - 1 if number < len(starts) else len(self.text)
        line = self.text[start:end]
        for first, last in self._hidden:
            low, high = max(first, start) - start, min(last, end) - start
            if low < high:
                line = line[:low] + "*" * (high - low) + line[high:]
        self._shown[number] = masked(line.rstrip("\r"))
        return self._shown[number]

    def _line_starts(self) -> list[int]:
        if not self._starts:
            starts = [0]
            place = self.text.find("\n")
            while place >= 0:
                starts.append(place + 1)
                place = self.text.find("\n", place + 1)
            self._starts = starts
        return self._starts


class Node:
    """
    A part of a file.

    Attributes:
        index: Of its first character in the source's text.
        key: The key it is the value of, if it is one.
        home: The level of the map that it stands in, once that has been read.
        broken: A fault has been reported here; nothing more is to be said about it.
    """

    __slots__ = ("broken", "home", "index", "key", "source")

    def __init__(self, source: Source, index: int) -> None:
        self.source = source
        self.index = index
        self.key: Scalar | None = None
        self.home: Level | None = None
        self.broken = False

    @property
    def mark(self) -> Mark:
        """Where it stands."""
        return self.source.mark(self.index)


class Scalar(Node):
    """
    Text.

    Attributes:
        style: None for plain text, else what opens it, one of `'"|>`; or `CELL`.
        tail: What follows it behind commas, if that is no key: between brackets a comma ends a
            value, and what comes next reads as keys without value.
    """

    __slots__ = ("style", "tail", "text")

    def __init__(self, source: Source, index: int, text: str, style: str | None = None) -> None:
        # As Node's own constructor does: nine nodes in ten are scalars.
        self.source = source
        self.index = index
        self.key = None
        self.home = None
        self.broken = False
        self.text = text
        self.style = style
        self.tail: tuple[Scalar, ...] = ()

    @property
    def empty(self) -> bool:
        """Nothing was written (an empty pair of quotes is something)."""
        return not self.text and self.style is None


class Sequence(Node):
    """A list. `flow` when it is written between brackets."""

    __slots__ = ("flow", "items")

    def __init__(self, source: Source, index: int, flow: bool) -> None:
        super().__init__(source, index)
        self.flow = flow
        self.items: list[Node] = []

    def __iter__(self) -> Iterator[Node]:
        return iter(self.items)


class Mapping(Node):
    """
    A map.

    Attributes:
        entries: From the text of a key to the key as it stands, and the value.
        flow: It is written between braces.
        partial: Something in it could not be read: a key that is missed may have been there.
    """

    __slots__ = ("entries", "flow", "partial")

    def __init__(self, source: Source, index: int, flow: bool) -> None:
        super().__init__(source, index)
        self.flow = flow
        self.entries: dict[str, tuple[Scalar, Node]] = {}
        self.partial = False


def is_sound(node: Node) -> bool:
    """Tell whether no fault has been reported at a value, nor anywhere in it."""
    if node.broken:
        return False
    if isinstance(node, Mapping):
        return not node.partial and all(is_sound(value) for _, value in node.entries.values())
    return not isinstance(node, Sequence) or all(is_sound(item) for item in node)


def kind_of(node: Node) -> str:
    """Return what a node is, as messages say it."""
    if isinstance(node, Mapping):
        return "a map"
    return "a list" if isinstance(node, Sequence) else "plain text"
