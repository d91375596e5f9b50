"""
What libyaml trips over, told in the words of the person who wrote it.

Some values break before any field sees them: `cron: */5 * * * *` is an alias for YAML, `@daily`
cannot start a token, `{to: ${X}}` opens a second map. Each is found again in the text, gets its
own code, and the line to paste. Everything else that is not YAML is located as well as can be.

Source: rule X24.
"""

from __future__ import annotations

import re

import yaml

from runner.policy.brackets import PAIRS, open_brackets, piece_end
from runner.policy.codes import Code
from runner.policy.faults import shown
from runner.policy.mending import (
    KEYS,
    Diagnosis,
    Reached,
    Trap,
    line_end,
    line_start,
    needs_quotes,
    quoted,
    takes_list,
    trap,
    value_end,
)
from runner.policy.traps_inside import diagnose_inside, reserved

_VALUE = re.compile(
    r"[ ]*(?P<dash>(?:-[ ]+)*)(?:(?P<key>[\w.$<>/-]+|\"[^\"\n]*\"|'[^'\n]*')[ ]*:[ ]+)?"
)
_CONFLICT = r"(?m)^(?:<{7}|>{7})[ ][^\n]*$|^={7}\r?$"
_LONGEST_KEY = 1024  # characters, for YAML
_NO_BLANK = re.compile(r"(?P<key>[A-Za-z_][\w-]*)[ ]*(?::|=|[ ])[ ]*(?P<value>[^\s:=].*)?\Z")


def diagnose(error: yaml.MarkedYAMLError, text: str, reached: Reached) -> Diagnosis:
    """Turn an error of libyaml into a diagnosis; a `Trap` if reading can go on."""
    at = min((error.problem_mark.index or 0) if error.problem_mark else 0, len(text))
    since = error.context_mark.index if error.context_mark else at
    # A tab where the indentation ends stops libyaml a little earlier or later: look around.
    indent = re.compile(r"[ ]*\t").match(text, line_start(text, at))
    if indent is not None:
        return _tab(indent.end() - 1)
    conflict = re.compile(_CONFLICT).search(text)
    if conflict is not None:
        what = f"{shown(conflict[0].strip())} marks a conflict that version control left here"
        hint = "choose one side, and delete the three lines of marks"
        return Diagnosis(Code.NOT_YAML, what, conflict.start(), hint)
    context, problem = error.context or "", error.problem or ""
    if "cannot start any token" in problem and text[at : at + 1] == "\t":
        return _tab(at)
    unclosed = _ran_on(text, at, reached)
    if unclosed is not None:
        return unclosed
    is_quoted = "quoted scalar" in context
    opened = open_brackets(text, reached.flows, reached.place, since if is_quoted else at)
    if is_quoted:
        return _quote(text, since, at, problem, inside=bool(opened))
    if "tag" in context or "tag handle" in problem:
        return _tag(text, at if "handle" in problem else since, inside=bool(opened))
    if opened:
        return diagnose_inside(text, opened, since if "alias" in context else at, problem)
    return _outside(text, since, at, context, problem)


def _tab(at: int) -> Diagnosis:
    return Diagnosis(Code.TAB, "a tab stands here", at, "write spaces instead")


# ── quotes and tags ───────────────────────────────────────────────────────────────────────────


def _ran_on(text: str, at: int, reached: Reached) -> Trap | None:
    """Blame a quote that was closed by one of a later line, behind which the text goes on."""
    if reached.text is None:
        return None
    start, end = reached.text
    if "\n" not in text[start:end] or line_start(text, at) != line_start(text, end):
        return None
    return _unclosed_quote(text, start, inside=bool(reached.flows))


def _unclosed_quote(text: str, start: int, *, inside: bool) -> Trap:
    end = value_end(text, start)
    if inside:
        is_key = text[:start].rstrip()[-1:] in ("{", ",") and ": " in text[start:end]
        end = piece_end(text, start, is_key=is_key)
    what = f"the quote {text[start]} is not closed"
    return trap(Code.NOT_CLOSED, what, start, end, text[start], since=end, until=end)


def _quote(text: str, start: int, at: int, problem: str, *, inside: bool) -> Diagnosis:
    if "escape" not in problem and "hexdecimal" not in problem:
        return _unclosed_quote(text, start, inside=inside)
    backslash = text.rfind("\\", start, at + 1)
    what = f"{shown(text[backslash : backslash + 2])} stands for nothing between double quotes"
    whole = re.compile(r'"((?:\\.|[^"\\\n])*)"').match(text, start)
    if whole is None:
        hint = "a backslash is written twice there; single quotes keep it as it is"
        return Diagnosis(Code.NOT_YAML, what, start, hint)
    return trap(Code.NOT_YAML, what, start, whole.end(), quoted(whole[1]))


def _tag(text: str, start: int, *, inside: bool) -> Trap:
    end = piece_end(text, start) if inside else value_end(text, start)
    value = text[start:end]
    what = f"tags such as {shown(value.split(' ')[0])} are not read"
    rest = value.partition(" ")[2].strip()
    return trap(Code.TAG, what, start, end, rest or quoted(value))


# ── outside of brackets ───────────────────────────────────────────────────────────────────────


def _outside(text: str, since: int, at: int, context: str, problem: str) -> Diagnosis:
    first = line_start(text, since if context == "while scanning a block scalar" else at)
    if text.startswith("...", first):
        what = "the end mark `...` stands where nothing ends"
        return Diagnosis(Code.SECOND_DOCUMENT, what, first, "delete the line")
    found = _VALUE.match(text, first)
    value = found.end() if found else first
    end = value_end(text, value)
    has_key = found is not None and found["key"] is not None
    if "alias" in context or "anchor" in context or "cannot start any token" in problem:
        start = since if "alias" in context or "anchor" in context else at
        return reserved(text, start, value_end(text, start))
    if "block scalar" in context:
        return reserved(text, value, end)
    if "entries are not allowed" in problem and has_key:
        return _list_in_line(text, value, end, found["key"] if found else "")
    if "keys are not allowed" in problem or "node content" in problem:
        if value < end:
            return reserved(text, value, end)
    elif "mapping values are not allowed" in problem and has_key and value <= at < end:
        if value == at:
            return reserved(text, value, end)
        why = "YAML takes `: ` for a new key"
        return needs_quotes(Code.COLON_IN_VALUE, why, text, value, end)
    elif problem == "did not find expected key" and value < at < end:
        return _goes_on(text, value, at, end)
    return _line(text, since, at, context, problem)


def _list_in_line(text: str, start: int, end: int, key: str) -> Trap:
    if not takes_list(key):
        return reserved(text, start, end)
    what = "a list cannot start here"
    mended = f"[{text[start:end].removeprefix('-').strip()}]"
    return trap(Code.NOT_YAML, what, start, end, mended)


def _goes_on(text: str, start: int, at: int, end: int) -> Diagnosis:
    """Diagnose a line that goes on where YAML thinks its value complete."""
    if text[at] in ("}", "]"):
        what = f"{shown(text[at])} closes nothing"
        return trap(Code.NOT_CLOSED, what, at, at + 1, "", blot=" ")
    value = text[start:end]
    if text[start] in "\"'":
        inner = value[1:-1] if value.endswith(text[start]) else value
        what = f"{shown(value)} goes on behind its closing quote"
        return trap(Code.VALUE_GOES_ON, what, start, end, quoted(inner))
    if text[start] in PAIRS:
        return needs_quotes(
            Code.VALUE_GOES_ON,
            f"its {shown(text[start])} opens a {_OPENS[text[start]]}",
            text,
            start,
            end,
        )
    return reserved(text, start, end)


_OPENS = {"{": "map", "[": "list"}


# ── lines out of order ────────────────────────────────────────────────────────────────────────


def _line(text: str, since: int, at: int, context: str, problem: str) -> Diagnosis:
    """Diagnose a line that does not stand where it could."""
    at = min(at, len(text.rstrip()))
    start = line_start(text, at)
    indented = start + len(text[start:]) - len(text[start:].lstrip(" "))
    if "could not find expected ':'" in problem:
        return _no_colon(text, since)
    if "document start" in problem:
        return _behind_the_end(text, at)
    if "directive" in context or "incompatible YAML" in problem:
        what = "a line that begins with `%` is an order to YAML"
        return Diagnosis(Code.NOT_YAML, what, start, "delete the line")
    item = text.startswith("- ", indented) or text[indented : indented + 2] in ("-", "-\n")
    if problem in ("did not find expected key", "did not find expected '-' indicator") or (
        "are not allowed" in problem
    ):
        return _misplaced(text, indented, problem, item=item)
    what = f"this is not YAML: {context or 'reading'}, {problem}".replace("\n", " ")
    hint = "compare this line and the one above with the examples of `runner explain P014`"
    return Diagnosis(Code.NOT_YAML, what, at, hint)


def _behind_the_end(text: str, at: int) -> Diagnosis:
    """Diagnose text behind what YAML takes for the whole file."""
    if re.compile(r"(?m)^\.\.\.").search(text, 0, at):
        what, hint = "text stands behind the end mark `...`", "one policy per file"
        return Diagnosis(Code.SECOND_DOCUMENT, what, at, hint)
    begin = re.compile(r"(?:[ ]*(?:#[^\n]*)?\r?\n|---[ ]*\r?\n)*[ ]*").match(text)
    opening = text[begin.end() if begin else 0 :][:1]
    kind = _OPENS.get(opening, "text")
    what = f"the file is a {kind}, and more follows it; it must be a map of keys"
    return Diagnosis(
        Code.NOT_A_MAP, what, begin.end() if begin else 0, "it starts with `version: 1`"
    )


def _misplaced(text: str, at: int, problem: str, *, item: bool) -> Diagnosis:
    """Diagnose a line that is indented otherwise than its neighbours."""
    column = at - line_start(text, at)
    if re.compile(r":(?:[ ]|\r?$)", re.MULTILINE).match(text, at):
        return Diagnosis(Code.NOT_YAML, "a key is missing before this colon", at, "write the key")
    above, before = _lines_above(text, at)
    if "values are not allowed" in problem and above is not None:
        high = above[1] - above[0]
        if before is not None and before[1] - before[0] == column > high:
            # The line above stepped out of the map that this one goes on with.
            what = f"this line is indented by {high}, its neighbours by {column}"
            return Diagnosis(Code.NOT_YAML, what, above[1], f"indent it by {column} as well")
        return _below_value(text, at, above[1])
    if "'-' indicator" in problem and not item:
        what = "a key stands among the items of a list"
        hint = "each item of a list begins with `- `, aligned with the others"
        return Diagnosis(Code.NOT_YAML, what, at, hint)
    if not item and above is not None and column > above[1] - above[0]:
        return _below_value(text, at, above[1])
    if item and above is not None and column == above[1] - above[0]:
        what = "an item of a list stands among keys"
        return Diagnosis(Code.NOT_YAML, what, at, "delete its `- `, or indent it below a key")
    what = f"this line is indented by {column}, unlike those around it"
    return Diagnosis(Code.NOT_YAML, what, at, "align it with the lines it belongs to")


def _below_value(text: str, at: int, above: int) -> Diagnosis:
    """Diagnose a key below one that has a value in its line; one of the two is too much."""
    found = _VALUE.match(text, line_start(text, above))
    line = text[above : line_end(text, above)].rstrip()
    if re.fullmatch(r"[\w.-]+", line):
        what = "this line has no colon"
        return Diagnosis(Code.NOT_YAML, what, above, f"write {line}:")
    lacks = found is None or found["key"] is None
    if lacks and at - line_start(text, at) == above - line_start(text, above):
        return _no_colon(text, above)
    if found is not None and found["key"] and _is_block(text, at, found["key"]):
        what = f"{shown(found['key'])} has a value, and keys below it"
        value = text[found.end() : value_end(text, found.end())]
        return Diagnosis(Code.NOT_YAML, what, found.end(), f"delete {shown(value)}")
    what = "a key cannot stand here: the line above has a value already"
    hint = "align it with the line above, or delete the value there"
    return Diagnosis(Code.NOT_YAML, what, at, hint)


def _is_block(text: str, at: int, key: str) -> bool:
    """Tell whether a line below a key begins a block that belongs to it, or just stands astray."""
    end = line_end(text, at)
    if text[at:end].rstrip().endswith(":"):
        return True
    below = re.compile(r"\r?\n([ ]*)(?=\S)").match(text, end)
    return key not in KEYS and below is not None and below[1] == text[line_start(text, at) : at]


def _lines_above(text: str, at: int) -> list[tuple[int, int] | None]:
    """Return start and indentation's end of the two lines above that hold something."""
    found: list[tuple[int, int] | None] = []
    end = line_start(text, at)
    while end > 0 and len(found) < 2:
        start = line_start(text, end - 1)
        line = text[start:end]
        if line.strip() and not line.lstrip().startswith("#"):
            found.append((start, start + len(line) - len(line.lstrip(" "))))
        end = start
    return [*found, None, None][:2]


def _no_colon(text: str, start: int) -> Diagnosis:
    """Diagnose a line that should be a key with its value."""
    end = line_end(text, start)
    line = text[start:end].rstrip()
    found = _NO_BLANK.match(line)
    what, hint = "this line has no colon", "a key is followed by `: `"
    if line.find(": ") > _LONGEST_KEY:
        what = f"this key has more than {_LONGEST_KEY} characters"
        return Diagnosis(Code.NOT_YAML, what, start, "names have at most 63")
    if remark := re.match(r"(?://+|/\*+|;+|--)[ ]?(.*)", line):
        what = f"comments begin with `#`, not with {shown(line[:2].strip())}"
        return trap(Code.NOT_YAML, what, start, end, f"# {remark[1]}", blot="#")
    if (whole := re.fullmatch(r"([\"'])([\w.-]+:[ ].*)\1", line)) is not None:
        what = "the quotes stand around key and value"
        return trap(Code.NOT_YAML, what, start, end, whole[2], blot="")
    below = re.compile(r"\r?\n([ ]*)").match(text, end)
    if below is not None and len(below[1]) > start - line_start(text, start):
        return Diagnosis(Code.NOT_YAML, what, start, f"write {line.split(' ')[0]}:")
    if found is not None and found["value"]:
        mended = f"{found['key']}: {found['value']}"
        if ":" in line:
            what = f"a blank is missing behind the colon of {shown(found['key'])}"
        return trap(Code.NOT_YAML, what, start, end, mended, blot="")
    return trap(Code.NOT_YAML, what, start, end, f"{line}:", blot="", hint=hint)
