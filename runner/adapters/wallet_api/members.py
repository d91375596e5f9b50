"""
The members of JSON objects that people write: names in any spelling, numbers in any notation.

What nobody asked for is kept, so that it can be told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from runner.errors import EncodingError

T = TypeVar("T")

_INTEGER = re.compile(r"0x[0-9a-fA-F]+|[0-9]+(?:_[0-9]+)*")


class Members:
    """
    The members of an object, each asked for by its names.

    Case and underscores do not matter, so `maxFee` and `max_fee` are one name.
    """

    def __init__(self, value: Any, what: str) -> None:
        if not isinstance(value, Mapping):
            raise EncodingError(f"{what} is not a JSON object")
        self._what = what
        self._members = {_plain(name): (name, each) for name, each in value.items()}
        if len(self._members) != len(value):
            raise EncodingError(f"{what} has one member in two spellings")
        self._read: set[str] = set()

    def get(self, read: Callable[[Any], T], *names: str) -> T | None:
        """
        Read the member that has one of these names; null is as good as absent.

        Raises:
            EncodingError: It cannot be read, or is there under two names with two values.
        """
        found: list[T] = []
        for name in names:
            plain = _plain(name)
            self._read.add(plain)
            given, value = self._members.get(plain, (name, None))
            if value is None:
                continue
            try:
                found.append(read(value))
            except (ValueError, EncodingError) as error:
                why = error.what if isinstance(error, EncodingError) else error
                raise EncodingError(f"{self._what}: {given}: {why}") from None
        if any(each != found[0] for each in found):
            raise EncodingError(f"{self._what}: {' and '.join(names)} contradict each other")
        return found[0] if found else None

    def needed(self, read: Callable[[Any], T], *names: str) -> T:
        """
        Read a member that has to be there.

        Raises:
            EncodingError: It is not, or cannot be read.
        """
        value = self.get(read, *names)
        if value is None:
            raise EncodingError(f"{self._what}: `{names[0]}` is missing", hint="see docs/guard.md")
        return value

    @property
    def unread(self) -> tuple[str, ...]:
        """Members that nobody asked for."""
        return tuple(
            given for plain, (given, _) in self._members.items() if plain not in self._read
        )


def whole_number(value: Any) -> int:
    """
    Read a JSON number, decimal digits, or hex.

    Raises:
        ValueError: It is none of these.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value, 16 if value.startswith("0x") else 10)
    raise ValueError("not a whole number: write digits, or hex behind 0x")


def uint(bits: int) -> Callable[[Any], int]:
    """Return a reader of whole numbers of so many bits."""

    def read(value: Any) -> int:
        number = whole_number(value)
        if number >> bits:
            raise ValueError(f"more than {bits} bits")
        return number

    return read


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
