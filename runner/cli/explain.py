"""`runner explain`: what a code or a key means, why it is there, what to write."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click

from runner.cli.options import format_options
from runner.cli.render import hint, look, write, write_json
from runner.errors import UsageError
from runner.reporting.text import Tone

if TYPE_CHECKING:  # the language is read when somebody asks
    from runner.policy.catalogue import Entry
    from runner.policy.catalogue.lookup import Asked
    from runner.policy.language import Level

_WIDTH = 80
_SHOWN = 3
"""Up to so many keys of one name are explained; more are listed."""


@click.command()
@click.argument("code_or_key", metavar="[CODE-OR-KEY]", required=False)
@format_options()
def explain(code_or_key: str | None, form: str) -> None:
    """
    Explain a fault by its code, as P031, or a key, as session.lifetime.

    A key may be asked for by its path (schedule.calls.pay.to), by level and name (call.args), or
    by its name alone (catch_up). `runner explain policy` and `runner explain config` list the keys
    that a policy and runner.yaml begin with, `runner explain` all codes.
    """
    from runner.policy.catalogue import CATALOGUE

    entries = {known.value: entry for known, entry in CATALOGUE.items()}
    if code_or_key is None:
        _list_codes(entries, form)
        return
    text = code_or_key.strip().strip("[]`")
    entry = entries.get(text.upper())
    if entry is not None:
        _explain_code(text.upper(), entry, form)
    else:
        _explain_key(text, form)


def _list_codes(entries: dict[str, Entry], form: str) -> None:
    if form == "json":
        write_json([{"code": key, "title": entries[key].title} for key in sorted(entries)])
        return
    eye = look()
    write(f"{eye.tint(key, Tone.STRONG)}  {entries[key].title}" for key in sorted(entries))
    hint("keys are explained too: runner explain session.lifetime; runner explain policy")


def _explain_code(code: str, entry: Entry, form: str) -> None:
    if form == "json":
        found = {"code": code, "title": entry.title, "about": entry.about}
        write_json({**found, "example": entry.example, "keys": list(entry.keys)})
        return
    write([f"{look().tint(code, Tone.STRONG)}: {entry.title}", ""])
    write(_wrapped(entry.about))
    write(["", *_indented(entry.example)])
    if entry.keys:
        write(["", *_wrapped(f"keys: {', '.join(entry.keys)}")])


def _explain_key(text: str, form: str) -> None:
    from runner.policy.catalogue.lookup import close_to, find_keys, find_level

    found, level = find_keys(text), find_level(text)
    if not found and level is None:
        close = close_to(text)
        what = f"there is no code or key {text[:60]}"
        ask = "list codes: runner explain; list keys: runner explain policy"
        raise UsageError(what, hint=f"did you mean `{close}`?" if close else ask)
    if form == "json":
        told: list[Any] = [_as_json(asked) for asked in found]
        if level is not None:
            told.append(_level_as_json(level))
        write_json(told[0] if len(told) == 1 else told)
        return
    parts = [list(_told(asked)) for asked in found] if len(found) <= _SHOWN else [_listed(found)]
    if level is not None:
        parts.append(list(_overview(level)))
    for number, lines in enumerate(parts):
        write([*([""] if number else []), *lines])


def _told(asked: Asked) -> Iterator[str]:
    """One key, as people read it."""
    from runner.policy.catalogue import CATALOGUE
    from runner.policy.catalogue.keys import BACKGROUND
    from runner.policy.catalogue.values import unit_of, values_in

    key, eye = asked.key, look()
    yield eye.tint(asked.name, Tone.STRONG)
    yield ""
    paths = asked.paths
    rest = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    where = " of runner.yaml" if asked.file == "runner.yaml" else ""
    facts = {
        "stands at": ", ".join(paths[:_SHOWN]) + rest + where,
        "type": key.type,
        "unit": unit_of(key.type),
        "default": "none: it must be written" if key.required else key.default,
        "enforced by": asked.enforcer,
    }
    for name, fact in facts.items():
        if fact is not None:
            yield from _wrapped(fact, first=f"  {name:<12} ")
    yield ""
    yield from _wrapped(key.about)
    if asked.name in BACKGROUND:
        yield ""
        yield from _wrapped(BACKGROUND[asked.name])
    yield ""
    yield from _indented(_example(asked))
    for name, value in values_in(key.type).items():
        yield ""
        yield from _wrapped(f"{name}: {value.about}")
    if asked.codes:
        yield ""
        yield from (f"  {code}  {CATALOGUE[code].title}" for code in asked.codes)


def _example(asked: Asked) -> str:
    from runner.policy.catalogue.examples import EVERY_EXAMPLE

    return EVERY_EXAMPLE[asked.levels[0].name][asked.key.name]


def _listed(found: list[Asked]) -> list[str]:
    """Keys of one name on several levels."""
    name = found[0].key.name
    lines = [f"several levels have a key `{name}`; ask for one of them:", ""]
    width = max(len(asked.name) for asked in found)
    for asked in found:
        lines += _wrapped(asked.key.gist, first=f"  {asked.name:<{width}}  ")
    return lines


def _overview(level: Level) -> Iterator[str]:
    """The keys of one level."""
    from runner.policy.language.nesting import slug

    yield f"keys of {level.article}; each is explained: runner explain {slug(level.name)}.KEY"
    yield ""
    width = max(len(name) for name in level.keys)
    for name, key in level.keys.items():
        yield from _wrapped(key.gist, first=f"  {name:<{width}}  ")


def _as_json(asked: Asked) -> dict[str, Any]:
    from runner.policy.catalogue import CATALOGUE
    from runner.policy.catalogue.keys import BACKGROUND
    from runner.policy.catalogue.values import unit_of

    key = asked.key
    background = BACKGROUND.get(asked.name)
    return {
        "key": asked.name,
        "file": asked.file,
        "paths": asked.paths,
        "type": key.type,
        "unit": unit_of(key.type),
        "required": key.required,
        "default": key.default,
        "enforced_by": asked.enforcer,
        "about": key.about,
        "background": None if background is None else " ".join(background.split()),
        "example": _example(asked),
        "codes": [{"code": code, "title": CATALOGUE[code].title} for code in asked.codes],
    }


def _level_as_json(level: Level) -> dict[str, Any]:
    keys = [{"key": key.name, "about": key.about} for key in level.keys.values()]
    return {"level": level.name, "keys": keys}


def _wrapped(text: str, *, first: str = "") -> list[str]:
    """Text at a width that reads well; `first` stands before it, the other lines below its end."""
    width = min(look().width or _WIDTH, _WIDTH)
    return wrap(
        " ".join(text.split()),
        width,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _indented(text: str) -> Iterator[str]:
    return (f"    {line}" for line in text.splitlines())
