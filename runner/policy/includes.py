"""
Shared books: files of tokens, contacts, groups and defaults that policies include.

A book is read once for all policies. Its own faults are reported once, in its own file; whoever
includes it goes on with what could be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.policy.alike import Alike
from runner.policy.beside import Neighbour, Shelf
from runner.policy.books import Books, read_books
from runner.policy.codes import Code
from runner.policy.context import CheckCron, Names
from runner.policy.defaults import read_each
from runner.policy.faults import Faults, Moot, Refusal, shown
from runner.policy.language import BOOK, POLICY, SCHEDULE, SESSION
from runner.policy.language.defaults import DEFAULTS
from runner.policy.nodes import Mapping as MapNode
from runner.policy.nodes import Node, Scalar
from runner.policy.reader import Reader
from runner.policy.record import Declared, Record
from runner.policy.sessions import Accounts
from runner.policy.source import read

_ENDINGS = (".yaml", ".yml")


@dataclass(slots=True)
class Given:
    """
    What `defaults` says.

    Attributes:
        fields: Its values by key.
        meant: Keys that misspelt ones were probably meant to be.
        whole: All of it could be read.
    """

    fields: dict[str, Node] = field(default_factory=dict)
    meant: set[str] = field(default_factory=set)
    whole: bool = True


@dataclass(slots=True)
class Book:
    """What one file shares."""

    file: str
    path: Path
    books: Books
    defaults: Given
    faults: Faults


@dataclass(slots=True)
class Library:
    """The books and other files beside the policies of one load."""

    environment: Mapping[str, str]
    check_cron: CheckCron
    shelf: Shelf = field(default_factory=Shelf)
    books: dict[Path, Book] = field(default_factory=dict)

    def included(self, record: Record, policy: Path | None) -> tuple[list[Book], bool]:
        """
        Read the list below `include` of a policy; what is declared in two books is reported.

        Returns:
            The books, and whether that is all that was meant.
        """
        reader, node = record.reader, record.get("include")
        sequence = None if node is None else reader.sequence(node)
        whole = sequence is not None or (node is None and record.lacks("include"))
        if isinstance(node, Scalar):
            self._know(policy, node.text)
        found: dict[Path, Book] = {}
        names: dict[str, Scalar] = {}
        defaults: dict[str, str] = {}
        for item in sequence or ():
            file = reader.read(item, lambda text: self.shelf.find(policy, text, _ENDINGS), None)
            if file is None:
                whole = False
                continue
            if file.path in found or (policy is not None and file.path == policy.resolve()):
                what = f"{file.written} is included already"
                reader.fault(Code.DUPLICATE_KEY, what, item, "delete it here")
                continue
            book = found[file.path] = self._book(file)
            for name, key in book.books.declared.items():
                first = names.setdefault(name, key)
                if first is not key:
                    what = f"{shown(name)} of {file.written} is declared in {first.mark} too"
                    reader.fault(Code.NAME_TWICE, what, item, "delete one of them")
            for name in book.defaults.fields:
                earlier = defaults.setdefault(name, file.written)
                if earlier != file.written:
                    what = f"the default `{name}` of {file.written} stands in {earlier} too"
                    reader.fault(Code.DUPLICATE_KEY, what, item, "delete one of them")
        return list(found.values()), whole

    def _know(self, policy: Path | None, text: str) -> None:
        """Read what is named without the brackets of a list: it is a book, and no policy."""
        with suppress(Refusal):
            self._book(self.shelf.find(policy, text, _ENDINGS))

    def _book(self, file: Neighbour) -> Book:
        known = self.books.get(file.path)
        if known is None:
            known = self.books[file.path] = _read_book(file, self.environment, self.check_cron)
        return known


def _read_book(file: Neighbour, environment: Mapping[str, str], check_cron: CheckCron) -> Book:
    document = read(file.raw, file.name, "with `contacts:` or `tokens:`")
    reader = Reader(document.faults, environment)
    root = document.root
    record, foreign = None, None
    if root is not None:
        keys = {text: key for text, (key, _) in root.entries.items()}
        foreign = next((keys[text] for text in keys if _is_foreign(text)), None)
        record = None if foreign is not None else reader.record(root, BOOK)
    if foreign is not None:
        what = f"an included file has no {shown(foreign.text)}"
        hint = "books share tokens, contacts, groups and defaults; the rest stays in the policy"
        reader.fault(Code.BAD_BOOK, what, foreign, hint)
    books = read_books(reader, record)
    defaults = read_defaults(reader, record)
    if record is not None:
        _read_each(defaults, record, books, check_cron)
    return Book(file.name, file.path, books, defaults, document.faults)


def _read_each(defaults: Given, record: Record, books: Books, check_cron: CheckCron) -> None:
    """Read the defaults of a book; what they name may be declared by whoever includes it."""
    beyond = Declared(frozenset(), whole=False)
    names = Names(
        policy="",
        sessions={},
        declared=beyond,
        doubtful=frozenset(),
        chains={},
        books=replace(books, whole=False),
        find=_beside_the_policy,
        check_cron=check_cron,
        alike=Alike(books.reader.faults),
    )
    read_each(defaults.fields, record, Accounts({}, beyond), names)


def _beside_the_policy(_text: str, _endings: tuple[str, ...]) -> Neighbour:
    raise Moot


def is_book(root: MapNode) -> bool:
    """Tell whether a file holds what books share, and nothing of a policy."""
    shares = root.entries.keys() - {"description"}
    return bool(shares) and shares <= BOOK.keys.keys() - {"version"} and not root.partial


def _is_foreign(key: str) -> bool:
    return key in POLICY.keys and key not in BOOK.keys


def read_defaults(reader: Reader, record: Record | None) -> Given:
    """Read `defaults`: any key of sessions and schedules, save what names one of them."""
    given = Given(whole=record is not None and record.declared("defaults").whole)
    node = None if record is None else record.get("defaults")
    written = None if node is None else reader.record(node, DEFAULTS)
    if record is None or written is None:
        return given
    record.strays |= written.strays
    given.meant = written.meant
    given.fields = written.fields
    for text, value in given.fields.items():
        for level in (SESSION, SCHEDULE):
            if text in level.keys:
                value.home = level
    return given
