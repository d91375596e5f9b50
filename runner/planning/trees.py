"""
What an edit changes, key by key: two policies' trees laid over each other.

Lists are aligned as `diff` aligns lines, so that one payment put in front of others is one change;
the places in them are told of calls, not of names and amounts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

from runner.frozen import frozen
from runner.policy.printing import Tree, print_value

_WHOM = ("to", "spender", "contract")


@frozen
class KeyChange:
    """
    One key with its old and new value, as YAML; None where there was or will be none.

    `about` names whom a changed call pays, since its place in a list says little.
    """

    path: str
    before: str | None
    after: str | None
    about: str | None = None


def changes(before: Tree, after: Tree) -> tuple[KeyChange, ...]:
    """All keys that differ, in the order of the file."""
    return tuple(_of_maps(before, after, "", None))


def _of_maps(before: Tree, after: Tree, path: str, about: str | None) -> Iterator[KeyChange]:
    for key in dict.fromkeys((*before, *after)):
        here = f"{path}.{key}" if path else key
        yield from _of_values(before.get(key), after.get(key), here, about)


def _of_values(before: Any, after: Any, path: str, about: str | None) -> Iterator[KeyChange]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        whom = next((after[key] for key in _WHOM if key in after), about)
        yield from _of_maps(before, after, path, str(whom) if whom is not None else None)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_lists(before, after, path, about)
    else:
        yield KeyChange(path, _text(before), _text(after), about)


def _of_lists(
    before: Sequence[Any], after: Sequence[Any], path: str, about: str | None
) -> Iterator[KeyChange]:
    plain = not any(isinstance(each, dict) for each in (*before, *after))
    old, new = [print_value(each) for each in before], [print_value(each) for each in after]
    for kind, first, end, start, stop in SequenceMatcher(None, old, new, False).get_opcodes():
        if kind == "equal":
            continue
        pairs = min(end - first, stop - start)
        for step in range(pairs):
            here = path if plain else f"{path}[{start + step}]"
            yield from _of_values(before[first + step], after[start + step], here, about)
        for index in range(first + pairs, end):
            yield KeyChange(path if plain else f"{path}[{index}]", old[index], None, about)
        for index in range(start + pairs, stop):
            yield KeyChange(path if plain else f"{path}[{index}]", None, new[index], about)


def _text(value: Any) -> str | None:
    return None if value is None else print_value(value)
