"""
The language's table → JSON Schema, draft 2020-12: what an editor completes, explains and checks
while a file is written.

A schema says how a file is built; the loader, `runner validate`, says whether it holds. So that
an editor never underlines what the loader takes, a schema leaves to it, deliberately:

- names: whether a contact, token, account, session, signer or wallet exists, on this chain;
- text: secrets, tabs, duplicate keys, hidden characters, and that `~` or `null` is empty to YAML
  (a name or memo of that spelling needs quotes to pass an editor);
- numbers an editor has already read: `12` or `0x0c` for an address, `0x10` for a count; bounds of
  a number written as text, decimals of a token, amounts that must be above 0, checksums;
- what a variable holds: where `${NAME}` stands, everything goes;
- permissions of one kind twice, limits that bound nothing, receivers outside of a session;
- triggers and times: whether a cron ever fires, an end lies after its start, a zone exists;
- what a default, or a book, completes: with `include`, or the key below `defaults`, a schedule
  need not write it;
- files beside the policy: rows of a CSV file, functions of an ABI;
- runner.yaml: what `RUNNER_…` variables override, and when a dashboard needs a token.

One thing it takes more narrowly than the loader: text is not empty. Beside the keywords of the
draft there is `errorMessage`, an annotation that editors show instead of a regular expression.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.policy.catalogue.examples import EVERY_EXAMPLE
from runner.policy.language import LEVELS, Key, Level
from runner.policy.language.config import CONFIG_LEVELS
from runner.policy.language.defaults import DEFAULTS
from runner.policy.language.nesting import KEYS_OF_RULE, NESTED, owner, slug
from runner.policy.language.organisation import ORGANISATION_LEVELS
from runner.policy.nodes import Mapping as MapNode
from runner.policy.nodes import Node, Scalar
from runner.policy.nodes import Sequence as ListNode
from runner.policy.schema.structure import COMPLETED, FORMS, RULES
from runner.policy.schema.values import DEFINED, Schema, ref, value
from runner.policy.source import read

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def policy_schema() -> Schema:
    """The schema of a policy."""
    return _schema("policy", LEVELS, "A policy of runner: accounts, sessions and schedules.")


def book_schema() -> Schema:
    """The schema of a book that policies include."""
    return _schema("book", LEVELS, "A book of runner: what the policies that include it share.")


def organisation_schema() -> Schema:
    """The schema of an organisation file."""
    about = "The rules of an organisation, which its policies cannot override."
    return _schema("organisation", ORGANISATION_LEVELS, about)


def config_schema() -> Schema:
    """The schema of runner.yaml."""
    return _schema("config", CONFIG_LEVELS, "runner.yaml: the environment of the daemon.")


SCHEMAS = {
    "policy": policy_schema,
    "book": book_schema,
    "organisation": organisation_schema,
    "config": config_schema,
}
"""By the kind of file."""


def _schema(root: str, levels: Mapping[str, Level], about: str) -> Schema:
    writer = _Writer({**levels, DEFAULTS.name: DEFAULTS})
    top = writer.level(root)
    named = {"title": f"{root} of runner", "description": about}
    return {"$schema": _DRAFT, **named, **top, "$defs": writer.definitions(top)}


class _Writer:
    """Writes the levels of one language."""

    def __init__(self, levels: Mapping[str, Level]) -> None:
        self._levels = levels

    def level(self, name: str) -> Schema:
        """The maps of a level."""
        return self._map(name, self._levels[name].keys, self._levels[name].required)

    def definitions(self, top: Schema) -> dict[str, Schema]:
        """All that a schema refers to, however deep."""
        found: dict[str, Schema] = {}
        wanted = list(_references(top))
        while wanted:
            name = wanted.pop()
            if name not in found:
                found[name] = self._definition(name)
                wanted += _references(found[name])
        return dict(sorted(found.items()))

    def _definition(self, name: str) -> Schema:
        level = next((level for level in self._levels if slug(level) == name), None)
        return DEFINED[name] if level is None else self.level(level)

    def _map(self, level: str, keys: Mapping[str, Key], required: tuple[str, ...]) -> Schema:
        found: Schema = {
            "type": "object",
            "properties": {
                key.name: self._property(level, key) for key in keys.values() if not _is_bare(key)
            },
            "additionalProperties": False,
        }
        if required and level not in COMPLETED:
            found["required"] = list(required)
        if level in RULES:
            found["allOf"] = RULES[level]
        return found

    def _property(self, level: str, key: Key) -> Schema:
        home = owner(level, key.name)
        if home != level:  # of `defaults`
            return {"$ref": f"#/$defs/{slug(home)}/properties/{key.name}"}
        return {
            "title": f"{level}.{key.name}",
            "description": " ".join(_about(key)),
            **_default(key),
            **_examples(level, key.name),
            **value(key.type, self._below(level, key.name)),
        }

    def _below(self, level: str, key: str) -> Schema | None:
        below = NESTED.get((level, key))
        if below is None:
            return None
        if level == "dates":
            names = KEYS_OF_RULE[key]
            keys = self._levels[below.level].keys
            needed = tuple(name for name in names if name != "months")
            return self._map(below.level, {name: keys[name] for name in names}, needed)
        plain = ref(slug(below.level))
        return FORMS[below.level](plain) if below.level in FORMS else plain


def _is_bare(key: Key) -> bool:
    return key.type == "nothing: a bare word"


def _about(key: Key) -> Iterator[str]:
    yield key.about
    if key.default is not None:
        yield f"Default: {key.default}."


def _default(key: Key) -> Schema:
    """A default of one word is a value; any other is a sentence about it."""
    if key.default is None or " " in key.default:
        return {}
    return {"default": _natural(key.default)}


def _examples(level: str, key: str) -> Schema:
    text = EVERY_EXAMPLE[level][key]
    found = _find(read(text, "example").root, key)
    return {} if found is None else {"examples": [_plain(found)]}


def _find(node: Node | None, key: str) -> Node | None:
    """The value of the first key of this name, however deep."""
    if isinstance(node, MapNode):
        if key in node.entries:
            return node.entries[key][1]
        inner = [value for _, value in node.entries.values()]
    else:
        inner = node.items if isinstance(node, ListNode) else []
    return next((found for each in inner if (found := _find(each, key)) is not None), None)


def _plain(node: Node) -> Any:
    match node:
        case MapNode():
            return {name: _plain(value) for name, (_, value) in node.entries.items()}
        case ListNode():
            return [_plain(item) for item in node]
        case Scalar(style=None):
            return _natural(node.text)
        case Scalar():
            return node.text


def _natural(text: str) -> Any:
    """What a person would write in JSON: short integers and booleans, all else as text."""
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isdecimal() and str(int(text)) == text else text


def _references(schema: Any) -> Iterator[str]:
    """The names of all definitions that a schema refers to."""
    if isinstance(schema, dict):
        if isinstance(target := schema.get("$ref"), str):
            yield target.split("/")[2]
        for part in schema.values():
            yield from _references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _references(part)
