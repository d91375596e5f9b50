"""
How to mend what was found where something else belongs: hints that need the language's own tables.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping

from runner.frozen import frozen
from runner.policy.codes import Code
from runner.policy.faults import CLOSE, brief, listed, lookalike, meant, shown
from runner.policy.language import DATES, Key, Level
from runner.policy.language.calls import UNITS_APART
from runner.policy.language.synonyms import SYNONYMS
from runner.policy.mending import quoted, with_line
from runner.policy.nodes import Mapping as MapNode
from runner.policy.nodes import Node, Scalar, Sequence

_FEW = 9  # keys that a hint can list
_ALL_BUT_EQUAL = 0.9  # an `s` too few
_CLOSER = 0.85  # than a typo is what is a key elsewhere
_PAIR = r"([A-Za-z_][\w.-]*)\s*([:=\s])\s*(\S.*)"
_PAYMENT = r"([\w.-]{1,63})[:,]?\s+([0-9][0-9_.]{0,40}\s\S{1,40})"
_RUN_TOGETHER = r"([\w.-]+)(:|[ ])(?=\S)"


@frozen
class Unknown:
    """What is said of a key that there is not, and which key was probably meant."""

    what: str
    hint: str
    meant: str | None = None
    code: Code = Code.UNKNOWN_KEY


def key_of(node: Node) -> Key | None:
    """Return the key of the language that a value stands behind."""
    if node.home is None or node.key is None:
        return None
    return node.home.keys.get(node.key.text)


def is_free_text(node: Node) -> bool:
    """Tell whether a value is text that people read."""
    key = key_of(node)
    return key is not None and key.type == "text"


def example_of(node: Node) -> str | None:
    """Return an example of a value's key, as it stands in a file, if that is one line."""
    from runner.policy.catalogue.examples import EXAMPLES  # noqa: PLC0415 (only messages need it)

    if node.home is None or node.key is None:
        return None
    return part_of(EXAMPLES.get(node.home.name, {}).get(node.key.text, ""), node.key.text)


def part_of(example: str, key: str) -> str | None:
    """Return a key with its value out of an example, if that is one line."""
    from runner.policy.brackets import piece_end  # noqa: PLC0415 (only messages need it)

    found = re.search(rf"(?:^|[ {{]){re.escape(key)}: ", example)
    if found is None or "\n" in example:
        return None
    start = found.end() - len(key) - 2
    return example[start : piece_end(example, found.end()) if start else None]


def for_value(node: Node) -> str:
    """Return the hint for a list or map where one value belongs."""
    if isinstance(node, Sequence) and len(node.items) == 1 and isinstance(node.items[0], Scalar):
        return f"write {brief(node.items[0].text)}"
    words = _bare_words(node)
    if words:
        return f'write "{{{words}}}" if the braces belong to it, "${{{words}}}" for a variable'
    example = example_of(node)
    if example:
        return f"write one value, as {example}"
    return "write one value, " + ("without keys" if isinstance(node, MapNode) else "no list")


def for_list(node: Node) -> str:
    """Return the hint for a value or map where a list belongs."""
    key = key_of(node)
    of_maps = key is not None and key.type in (
        "list of calls",
        "list of conditions",
        "list of spans",
    )
    example = example_of(node)
    if isinstance(node, Scalar) and key is not None and node.text in DATES.keys:
        return f'write {{{node.text}: …}}, as {{last_business_day: "17:00"}}'
    if isinstance(node, Scalar) and not of_maps:
        if node.text.find("(") > 0:
            return f"write [{quoted(brief(node.text))}]"
        parts = [node.text, *(piece.text for piece in node.tail)]
        items = [word.strip("()[] ") for part in parts for word in part.split(",")]
        return f"write [{brief(', '.join(items))}]"
    words = _bare_words(node)
    if words:
        return f"write [{words}]"
    if isinstance(node, MapNode) and not node.flow:
        return "begin each item with `- `"
    if isinstance(node, MapNode) and of_maps and node.entries:
        return "put it between [ and ]"
    return f"write a list, as {example}" if example else "write a list, between [ and ]"


def for_map(node: Node, level: Level | None) -> str:
    """Return the hint for a value or list where a map belongs."""
    if isinstance(node, Sequence):
        if node.home is not None and node.key is not None:
            several = f"{node.key.text}s"
            if several in node.home.keys:
                return f"did you mean `{several}`?"
            if "calls" in node.home.keys and not node.flow:
                return f"for several write `calls:`, and below it `- {node.key.text}: …` for each"
        if not node.flow:
            return "delete one `- `" if node.key is None else "write `name: …` instead of each `- `"
    pair = re.fullmatch(_PAIR, node.text) if isinstance(node, Scalar) else None
    if pair and (pair[1] in level.keys if level else True):
        beside = node.key is not None and node.key.mark.line == node.mark.line
        mended = f"{pair[1]}: {brief(pair[3])}"
        return "write " + (f"{{{mended}}}" if beside else mended)
    payment = re.fullmatch(_PAYMENT, node.text) if isinstance(node, Scalar) else None
    if payment and level is not None and level.name in ("pay", "approve"):
        return f"write {{{payment[1]}: {payment[2]}}}"
    example = example_of(node)
    if example:
        return f"write keys and values, as {example}"
    if level is None:
        return "write names and values below it, as `name: …`"
    if isinstance(node, Scalar) and node.text in level.keys:
        return f"write `{node.text}: …`"
    return f"write keys below it: {listed(level.required or level.keys)}"


def _bare_words(node: Node) -> str | None:
    """Return what stands between braces that hold no value: `{alice, bob}`."""
    if not isinstance(node, MapNode) or not node.flow or not node.entries:
        return None
    values = [value for _, value in node.entries.values()]
    if all(isinstance(value, Scalar) and value.empty for value in values):
        return brief(", ".join(node.entries))
    return None


# ── keys ──────────────────────────────────────────────────────────────────────────────────────


def unknown_key(key: Scalar, value: Node, level: Level, levels: Mapping[str, Level]) -> Unknown:
    """Say what is wrong with a key that a level does not have."""
    text = key.text
    what = f"{level.article} has no key {shown(text)}"
    glued = run_together(key, value, level.keys)
    if glued is not None:
        return glued
    if text.startswith("-") and text.lstrip("- ") in level.keys:
        known = text.lstrip("- ")
        return Unknown(what, f"write `{known}: …`; an item of a list begins with `- `", known)
    if level.name == "pay" and text in UNITS_APART:
        unit = value.text if isinstance(value, Scalar) and value.text else "usdc"
        return Unknown(what, f"the unit stands behind the number, as amount: 10 {brief(unit)}")
    homes = dict.fromkeys(other.article for other in levels.values() if text in other.keys)
    likely = likely_key(text, level.keys, cutoff=_CLOSER if homes else CLOSE)
    if likely is not None:
        return Unknown(what, f"did you mean `{likely}`?{lookalike(text)}", likely)
    if homes:
        return Unknown(what, f"it is a key of {listed(homes, 3)}")
    if text.startswith(("x-", ".", "_")):
        return Unknown(what, "write an anchor at the first value that uses it; there are no others")
    if len(level.keys) > _FEW:
        return Unknown(what, f"`runner explain {level.name}` lists its keys")
    return Unknown(what, f"keys of {level.article}: {listed(level.keys, _FEW)}")


def likely_key(text: str, keys: Iterable[str], *, cutoff: float = CLOSE) -> str | None:
    """Return the key that was probably meant: one that others call so, else the closest."""
    keys = list(keys)
    folded = text.casefold().replace("_", "-")
    others = SYNONYMS.get(folded)
    if others is not None and folded not in map(str.casefold, keys):
        known = next((name for name in others if name in keys), None)
        return known or meant(text, keys, cutoff=_ALL_BUT_EQUAL)
    return meant(text, keys, cutoff=cutoff)


def run_together(key: Scalar, value: Node, names: Container[str] | None = None) -> Unknown | None:
    """
    Find a key that lacks the colon, or the blank behind it: `every:1w`, `{alice 5 usdc}`.

    Args:
        names: What it may be; None for names that the user chose.
    """
    match = re.match(_RUN_TOGETHER, key.text)
    empty = isinstance(value, Scalar) and value.empty
    if match is None or key.style is not None or not (empty or (names and match[2] == ":")):
        return None
    name, colon = match[1], match[2] == ":"
    if names is not None and name not in names:
        return None
    place = key.index + (match.end() if colon else match.end(1))
    equals = re.compile(r"[ ]*=(?=[ ])").match(key.source.text, place)
    until = place if equals is None else equals.end()
    hint = with_line(key.source, place, until, " " if colon else ":")
    lacks = "a blank is missing behind the colon of" if colon else "a colon is missing behind"
    return Unknown(f"{lacks} {shown(name)}", hint, name, Code.NOT_YAML)
