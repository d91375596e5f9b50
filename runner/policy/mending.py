"""
Values that only lack quotes, a comma or a bracket: what is wrong with each, and what to paste.

A trap is a stretch of text that YAML reads otherwise than it was meant. It is blotted out at its
length, so that reading goes on and places stay where they are. Once all of a file are found, each
is reported with its line as it should read, the other traps of that line mended as well.

Source: rule X24.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.frozen import frozen
from runner.policy.codes import Code
from runner.policy.faults import Faults, shown
from runner.policy.language import LEVELS
from runner.policy.nodes import Source
from runner.policy.secrets import masked

_AROUND = 30  # characters on both sides of what is mended in a longer line
_LONGEST_LINE = 240  # characters of a line that is printed to be pasted

KEYS = frozenset(key for level in LEVELS.values() for key in level.keys)
"""All keys of the policy language."""

_KEY = r"(?P<key>[\w.-]+)[\"']?[ ]*:[ ]+\Z"
_KEY_OF_LIST = r"(?P<key>[\w.-]+)[ ]*:[ ]+\[[^\[\]{}]*\Z"
_OPENS_BLOCK = r"(?P<indent>[ ]*(?:-[ ]+)*)(?P<key>[\w.-]+)[ ]*:[ ]*(?:#.*)?\r?"
_TEMPLATE = r"\{\{\s*\.?(\w+)\s*\}\}"
_ITEM = r"[ ]*-[ ]+"
_DURATION = r"@every\s+([0-9]+[smhdw])"
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


@frozen
class Diagnosis:
    """What is wrong at `start`, an index into the text. A trap without hint shows its line."""

    code: Code
    what: str
    start: int
    hint: str | None


@frozen
class Trap(Diagnosis):
    """
    A diagnosis that reading can go on from.

    Attributes:
        low: Where the text begins that is blotted out.
        high: Where it ends.
        blot: What is read there instead, as long as it.
        breaks: The blot stands for a value that nobody must look at.
        since: Where the text begins that `mended` takes the place of: all of the blot, more of
            it, or a place for what is missing.
        until: Where it ends.
    """

    low: int
    high: int
    blot: str
    breaks: bool
    since: int
    until: int
    mended: str


@frozen
class Reached:
    """
    How far reading came before it tripped.

    Attributes:
        flows: Where the brackets begin that are open.
        place: Where the last event ends.
        text: Where the last quoted text stands.
    """

    flows: Sequence[int]
    place: int
    text: tuple[int, int] | None


def trap(
    code: Code,
    what: str,
    low: int,
    high: int,
    mended: str,
    *,
    at: int | None = None,
    blot: str | None = None,
    since: int | None = None,
    until: int | None = None,
    hint: str | None = None,
) -> Trap:
    """Make a trap; without `blot`, a plain word of no meaning takes its place."""
    high = max(high, low + 1)
    cover = "x" * (high - low) if blot is None else blot.ljust(high - low)
    return Trap(
        code,
        what,
        low if at is None else at,
        hint,
        low,
        high,
        cover,
        blot is None,
        low if since is None else since,
        high if until is None else until,
        mended,
    )


def needs_quotes(code: Code, why: str, text: str, low: int, high: int) -> Trap:
    """Make the trap of a plain value that YAML does not take as one."""
    value = text[low : max(high, low + 1)]
    key, key_at = key_of(text, low)
    what = f"{shown(value)} needs quotes: {why}"
    if key == "cron" and value.startswith(("@", "?")):
        return _cron(code, what, value, low, key_at)
    if code is Code.COLON_IN_VALUE and (shape := _shape(key)):
        opener, closer, called = shape
        if value[:1] == "(":
            value = value.strip("()")
        what = f"{shown(key)} takes {called}: YAML needs brackets around it in one line"
        return trap(code, what, low, high, opener + value.rstrip(closer) + closer)
    templates = re.sub(_TEMPLATE, r"${\1}", value)
    if templates != value:
        what = f"{shown(value)}: templates are not filled in, variables are"
        return trap(code, what, low, high, quoted(templates))
    bare = bare_text(value, key)
    if bare != value:
        what = f"{shown(value)} cannot be read: {why}"
        return trap(code, what, low, high, bare, hint=None if bare else _example(key))
    return trap(code, what, low, high, quoted(value))


def _example(key: str) -> str:
    """Return the hint for a value of which nothing is left."""
    from runner.policy.advice import part_of  # noqa: PLC0415 (that module needs this one)
    from runner.policy.catalogue.examples import EXAMPLES  # noqa: PLC0415 (only messages need it)

    examples = (part_of(level.get(key, ""), key) for level in EXAMPLES.values())
    found = next((one for one in examples if one is not None), None)
    return "write a value" + (f", as {found}" if found else "")


def key_of(text: str, at: int) -> tuple[str, int]:
    """Return the key whose value, or list of values, a place belongs to, and where it stands."""
    start = line_start(text, at)
    found = re.compile(_KEY).search(text, start, at)
    found = found or re.compile(_KEY_OF_LIST).search(text, start, at)
    if found is not None:
        return found["key"], found.start()
    if re.compile(_ITEM).fullmatch(text, start, at) is None:
        return "", at
    indent = len(text[start:at]) - len(text[start:at].lstrip(" "))
    while start > 0:
        end, start = start - 1, line_start(text, start - 1)
        found = re.compile(_OPENS_BLOCK).fullmatch(text, start, end)
        if found is not None and len(found["indent"]) <= indent:
            return found["key"], found.start("key")
        if text[start:end].strip() and not text[start:end].lstrip().startswith(("-", "#")):
            break
    return "", at


def bare_text(value: str, key: str) -> str:
    """
    Return a value without the character at its head that no value of its key begins with.

    Text and cron expressions may begin with anything; names, amounts and the like may not.
    Of them nothing may be left.
    """
    if key not in KEYS or is_text(key) or key in ("cron", "args", "function"):
        return value
    bare = value.lstrip("*@#`%&!|>?")
    return (bare.rstrip(value[:1]) if value[:1] in ("`", "*", "%") else bare).strip()


def _cron(code: Code, what: str, value: str, low: int, key_at: int) -> Trap:
    """Make the trap of a cron that quotes alone do not mend."""
    high = low + len(value)
    if period := re.fullmatch(_DURATION, value):
        what = f"{shown(value)} is no cron expression"
        return trap(code, what, low, high, f"every: {period[1]}", since=key_at)
    if value.startswith("?"):
        return trap(code, what, low, high, quoted(value.replace("?", "*")))
    spelled = _NICKNAMES.get(value.lower())
    if spelled is not None:
        return trap(code, what, low, high, quoted(spelled))
    what = f"{shown(value)} is no cron expression"
    return trap(code, what, low, high, value, hint='write the fields, as cron: "0 9 1 * *"')


def _shape(key: str) -> tuple[str, str, str] | None:
    """Return the brackets of what a key takes, if it takes no plain value anywhere."""
    types = [level.keys[key].type for level in LEVELS.values() if key in level.keys]
    if types and all(kind == "map" for kind in types):
        return "{", "}", "a map"
    if types and all(kind.startswith("list of") for kind in types):
        return "[", "]", "a list"
    return None


def takes_list(key: str) -> bool:
    """Tell whether a key takes a list somewhere."""
    return any("list" in level.keys[key].type for level in LEVELS.values() if key in level.keys)


def is_text(key: str) -> bool:
    """Tell whether a key takes any text, wherever there is one of its name."""
    types = [level.keys[key].type for level in LEVELS.values() if key in level.keys]
    return bool(types) and all(kind == "text" for kind in types)


def quoted(text: str) -> str:
    """Return a value between quotes, as it can be pasted."""
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def line_start(text: str, at: int) -> int:
    """Return where the line of a place begins."""
    return text.rfind("\n", 0, at) + 1


def line_end(text: str, at: int) -> int:
    """Return where the line of a place ends, before its break."""
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    return end - 1 if text[end - 1 : end] == "\r" and end > at else end


def value_end(text: str, start: int) -> int:
    """Return where a plain value outside of brackets ends: at a comment, or with its line."""
    end = line_end(text, start)
    comment = re.compile(r"\s#").search(text, start, end)
    return start + len(text[start : comment.start() if comment else end].rstrip())


def report(traps: Sequence[Trap], source: Source, faults: Faults) -> None:
    """Report traps, each with the line to paste; what only follows from another is left out."""
    told: list[Trap] = []
    for one in traps:
        if not follows(one, told, source.text):
            told.append(one)
    for one in told:
        hint = one.hint or _paste(source.text, one, told)
        faults.add(one.code, one.what, source.mark(one.start), hint)


def follows(found: Diagnosis, traps: Sequence[Trap], text: str) -> bool:
    """
    Tell whether a diagnosis only follows from a trap before it.

    A trap does whose text another one has blotted out; what stops reading does in the line of one.
    """
    if isinstance(found, Trap):
        return any(
            one.low <= found.start <= one.high or (found.low < one.high and one.low < found.high)
            for one in traps
        )
    start, end = line_start(text, found.start), line_end(text, found.start)
    return any(start <= one.low <= end for one in traps)


def with_line(source: Source, low: int, high: int, replacement: str) -> str:
    """Return the hint to write the line of a value with another text in its place."""
    one = trap(Code.NOT_YAML, "", low, high, replacement, since=low, until=high)
    return _paste(source.text, one, [one])


def _paste(text: str, wanted: Trap, traps: Sequence[Trap]) -> str:
    start = line_start(text, wanted.since)
    end = line_end(text, wanted.until)
    if masked(text[start:end]) != text[start:end]:
        return "take the secret out of this line, and treat it as known to others"
    if end - start > _LONGEST_LINE:  # too long to be pasted: what stands around it will do
        before = text[max(start, wanted.since - _AROUND) : wanted.since]
        after = text[wanted.until : min(end, wanted.until + _AROUND)]
        return f"write …{before}{wanted.mended[:_LONGEST_LINE]}{after}…"
    line, place = "", start
    for one in sorted(traps, key=lambda one: (one.since, one.until)):
        inside = start <= one.since and one.until <= end
        if one is wanted or (inside and one.since >= place and not _overlap(one, wanted)):
            line += text[place : one.since] + one.mended
            place = one.until
    return f"write {(line + text[place:end]).strip()}"


def _overlap(one: Trap, other: Trap) -> bool:
    return one.since < other.until and other.since < one.until
