"""
What a person asks about → the keys that are meant: `session.lifetime`, `sessions.lifetime`,
`schedule.calls.pay.to`, or `catch_up` alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.frozen import frozen
from runner.policy.catalogue import CATALOGUE
from runner.policy.catalogue.keys import ENFORCED
from runner.policy.catalogue.values import values_in
from runner.policy.codes import Code
from runner.policy.faults import meant
from runner.policy.language import LEVELS, Key, Level
from runner.policy.language.config import CONFIG_LEVELS
from runner.policy.language.defaults import DEFAULTS
from runner.policy.language.nesting import NESTED, owner, places, slug
from runner.policy.language.organisation import ORGANISATION_LEVELS

_ALL = {**LEVELS, **ORGANISATION_LEVELS, **CONFIG_LEVELS}
_WALKED = {**_ALL, DEFAULTS.name: DEFAULTS}


@frozen
class Asked:
    """
    A key that was asked for.

    Attributes:
        levels: Those that share it, in the order of the language.
    """

    key: Key
    levels: tuple[Level, ...]

    @property
    def name(self) -> str:
        """`level.key`."""
        return f"{slug(self.levels[0].name)}.{self.key.name}"

    @property
    def file(self) -> str:
        """The kind of file it stands in."""
        name = self.levels[0].name
        if name == "organisation":
            return "organisation file"
        return "runner.yaml" if name in CONFIG_LEVELS else "policy"

    @property
    def paths(self) -> list[str]:
        """Where it stands in a file."""
        name = self.key.name
        return [place for level in self.levels for place in places(level.name, name)]

    @property
    def enforcer(self) -> str | None:
        """Who keeps the bound that it is."""
        found = ENFORCED.get(self.name)
        return None if found is None else found.value

    @property
    def codes(self) -> tuple[Code, ...]:
        """The faults that speak of it: of its value, then of itself."""
        found = [code for value in values_in(self.key.type).values() for code in value.codes]
        if _is_choice(self.key.type):
            found.append(Code.NOT_A_CHOICE)
        names = {f"{slug(level.name)}.{self.key.name}" for level in self.levels}
        found += [code for code, entry in CATALOGUE.items() if names.intersection(entry.keys)]
        return tuple(sorted(set(found)))


def find_level(text: str) -> Level | None:
    """The level of this name."""
    return next((level for level in _ALL.values() if text in (level.name, slug(level.name))), None)


def find_keys(text: str) -> list[Asked]:
    """
    All keys that a path may mean: a level or key first, then keys below; names that the user chose
    and places in lists may stand between, or be left out.
    """
    parts = [part for part in text.replace("[]", "").split(".") if part]
    found: list[tuple[Level, Key]] = []
    if len(parts) == 1:
        found = [(level, level.keys[parts[0]]) for level in _ALL.values() if parts[0] in level.keys]
    elif parts:
        found = list(_from_any(parts))
    shared: dict[int, tuple[Key, list[Level]]] = {}
    for level, key in found:
        levels = shared.setdefault(id(key), (key, []))[1]
        if level not in levels:
            levels.append(level)
    return [Asked(key, tuple(levels)) for key, levels in shared.values()]


def all_keys() -> list[Asked]:
    """Every key once for each level it stands on."""
    return [Asked(key, (level,)) for level in _ALL.values() for key in level.keys.values()]


def close_to(text: str) -> str | None:
    """The path that was probably meant: the same key on another level, else the closest."""
    keys = all_keys()
    level, _, last = text.rpartition(".")
    same = [asked.name for asked in keys if level and asked.key.name == last]
    names = [asked.name for asked in keys] + [slug(name) for name in _ALL]
    if not level:
        names += [asked.key.name for asked in keys]
    return meant(text, same) or next(iter(same), None) or meant(text, names)


def _from_any(parts: list[str]) -> Iterator[tuple[Level, Key]]:
    level = find_level(parts[0])
    if level is not None:
        yield from _below(level, parts[1:])
    for (_, key), below in NESTED.items():
        if key == parts[0]:
            yield from _below(_WALKED[below.level], parts[1:], named=bool(below.step))


def _below(level: Level, parts: list[str], *, named: bool = False) -> Iterator[tuple[Level, Key]]:
    """Follow a path from a level on; `named` if a name that the user chose may come first."""
    if not parts:
        return
    name, rest = parts[0], parts[1:]
    if name not in level.keys:
        if named:
            yield from _below(level, rest)
    elif not rest:
        home = _ALL[owner(level.name, name)]
        yield home, home.keys[name]
    elif (below := NESTED.get((level.name, name))) is not None:
        yield from _below(_WALKED[below.level], rest, named=bool(below.step))


def _is_choice(words: str) -> bool:
    return " or " in words and not values_in(words) and "list" not in words
