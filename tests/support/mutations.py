"""Every way in which one thing of a JSON value can be different."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MALLORY = "0x0000000000000000000000000000000000000B0b"
OTHER_WORDS = (
    "user-operation-v060",
    "user-operation-v070",
    "authorization",
    "array",
    "paymaster-permit",
    "personal_sign",
    "eth_signTypedData_v4",
    "eip7702Auth",
    "Permit",
    "uint256",
    "",
)

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Mutation:
    """One difference: where, what was done there, and the whole value with it."""

    path: Path
    what: str
    value: Any

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path)) or '(all)'}: {self.what}"


def mutations(
    value: Any, siblings: dict[str, Any], *, near: Path | None = None
) -> Iterator[Mutation]:
    """
    All differences, at every leaf and every branch.

    Args:
        siblings: Members that are put beside others, where they are not there yet.
        near: Only those in this place and in what holds it.
    """
    for path, here in _places(value):
        if near is not None and path not in (near, near[:-1]):
            continue
        for what, other in _others(here):
            if other != here or type(other) is not type(here):
                yield Mutation(path, what, _with(value, path, other))
        if path:
            yield Mutation(path, "deleted", _without(value, path))
        if isinstance(here, dict):
            for name, member in siblings.items():
                if name not in here:
                    more = {**here, name: member}
                    yield Mutation((*path, name), "added", _with(value, path, more))
        if isinstance(here, list):
            yield from _rearranged(value, path, here)


def _places(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    yield path, value
    members = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else members
    for name, each in items:
        yield from _places(each, (*path, name))


def _others(here: Any) -> Iterator[tuple[str, Any]]:
    """Other values in a place, of its own type and of others."""
    for other in (None, True, False, 0, 1, -1, 1.5, "", "0x", [], {}, [here], {"data": here}):
        yield f"becomes {str(other)[:20]!r}", other
    if isinstance(here, bool):
        return
    if isinstance(here, int):
        yield "one more", here + 1
        yield "one less", here - 1
        yield "as hex", hex(here) if here >= 0 else here
        yield "huge", 10**30
    elif isinstance(here, str):
        yield from _other_texts(here)


def _other_texts(here: str) -> Iterator[tuple[str, Any]]:
    for word in OTHER_WORDS:
        yield f"becomes {word!r}", word
    if not here.startswith("0x") or len(here) < 3:
        return
    digits = here[2:]
    for place in {2, 2 + len(digits) // 2, len(here) - 1}:
        flipped = format(int(here[place], 16) ^ 1, "x")
        yield f"digit {place} flipped", here[:place] + flipped + here[place + 1 :]
    if digits != "0":  # whose leading zeros would leave it the same number
        yield "doubled", "0x" + digits + digits
        yield "a byte more", here + "00"
        yield "odd", here + "0"
        yield "nobody", "0x" + "0" * 40
        yield "a word of zeros", "0x" + "0" * 64
    yield "a byte less", here[:-2]
    yield "cut in half", here[: 2 + len(digits) // 4 * 2]
    yield "without 0x", digits
    yield "as an integer", int(here, 16)
    yield "someone else", MALLORY
    number = int(here, 16)
    for what, other in (
        ("one more", number + 1),
        ("one less", max(number - 1, 0)),
        ("ten times", number * 10),
        ("2^64 more", number + 2**64),
        ("2^72 more", number + 2**72),
        ("2^104 more", number + 2**104),
        ("zero", 0),
        ("2^128 - 1", 2**128 - 1),
        ("2^256 - 1", 2**256 - 1),
    ):
        yield what, hex(other)


def _rearranged(value: Any, path: Path, here: list[Any]) -> Iterator[Mutation]:
    for index, item in enumerate(here):
        less = here[:index] + here[index + 1 :]
        yield Mutation((*path, index), "taken out", _with(value, path, less))
        yield Mutation(
            (*path, index), "twice", _with(value, path, [*here[:index], item, *here[index:]])
        )
    if here != here[::-1]:
        yield Mutation(path, "reversed", _with(value, path, here[::-1]))
    for index in range(len(here) - 1):
        swapped = [*here[:index], here[index + 1], here[index], *here[index + 2 :]]
        yield Mutation((*path, index), "swapped with the next", _with(value, path, swapped))


def _with(value: Any, path: Path, other: Any) -> Any:
    if not path:
        return copy.deepcopy(other)
    whole = copy.deepcopy(value)
    spot = whole
    for name in path[:-1]:
        spot = spot[name]
    spot[path[-1]] = copy.deepcopy(other)
    return whole


def _without(value: Any, path: Path) -> Any:
    whole = copy.deepcopy(value)
    spot = whole
    for name in path[:-1]:
        spot = spot[name]
    del spot[path[-1]]
    return whole
