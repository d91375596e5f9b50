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

from runner.frozen import frozen
from runner.policy.codes import Code
from runner.policy.faults import shown
from runner.policy.nodes import Node, Source


@frozen
class Diagnosis:
    """What is wrong at `start`, an index into the text."""

    code: Code
    what: str
    start: int
    hint: str


@frozen
class Trap(Diagnosis):
    """A value that only lacks its quotes: from `start` to before `end`."""

    end: int


_IN_FLOW = re.compile(r"(?:\$\{[^}\n]*\}|[^,\[\]{}\n#]|(?<!\s)#|,(?!\s))*")


def diagnose(error: yaml.MarkedYAMLError, text: str, source: Source) -> Diagnosis:
    """Turn an error of libyaml into a diagnosis; a `Trap` if the value can be blotted out."""
    at: int = (error.problem_mark.index or 0) if error.problem_mark else 0
    opened = error.context_mark.index if error.context_mark else None
    problem = error.problem or ""
    here = text[at : at + 1]
    # A tab where the indentation ends stops libyaml a little earlier or later: look around.
    if tab := re.compile(r"[^\n]*").match(text, _line_start(text, at)):
        indent = re.match(r"[ ]*\t", tab[0])
        if indent:
            return _tab(tab.start() + indent.end() - 1)
    if error.context == "while scanning an alias" and opened is not None:
        return _unquoted(
            Code.STARTS_WITH_STAR, "YAML reads a leading `*` as an alias", text, opened, source
        )
    if "cannot start any token" in problem:
        if here == "\t":
            return _tab(at)
        code = Code.STARTS_WITH_AT if here == "@" else Code.RESERVED_START
        return _unquoted(code, f"YAML reserves a leading {shown(here)}", text, at, source)
    if here == "{" and text[at - 1 : at] == "$" and at:
        start = _flow_value_start(text, at - 1)
        what = "the brace of `${…}` opens a map here"
        return _unquoted(Code.VARIABLE_IN_BRACES, what, text, start, source)
    if "mapping values are not allowed" in problem:
        value = _first_value(text, at)
        if value is not None:
            what = "YAML takes `: ` for a new key"
            return _unquoted(Code.COLON_IN_VALUE, what, text, value, source)
    context = error.context or ""
    if context == "while parsing a flow node":
        opened = _innermost_open(text, at)
    if opened is not None and text[opened : opened + 1] in ("[", "{", '"', "'"):
        return _bracket(text, opened, at, error)
    return _other(text, at, error, source)


def quoted(text: str) -> str:
    """Return a value between quotes, as it can be pasted."""
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def value_end(text: str, start: int) -> int:
    """Return where a plain value that starts at `start` was meant to end."""
    if _in_flow(text, start):
        match = _IN_FLOW.match(text, start)
        end = match.end() if match else start
    else:
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        comment = re.compile(r"\s#").search(text, start, end)
        end = comment.start() if comment else end
    return start + len(text[start:end].rstrip())


def line_with(value: Node, end: int, replacement: str) -> str:
    """Return the line of a value with another text in its place: what to paste."""
    return _replaced(value.source.text, value.index, end, replacement)


def _replaced(text: str, start: int, end: int, replacement: str) -> str:
    last = text.find("\n", end)
    rest = text[end : last if last >= 0 else len(text)]
    return (text[_line_start(text, start) : start] + replacement + rest).strip()


_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def _unquoted(code: Code, what: str, text: str, start: int, source: Source) -> Trap:
    end = max(value_end(text, start), start + 1)
    value = text[start:end]
    line = _replaced(source.text, start, end, quoted(_NICKNAMES.get(value, value)))
    return Trap(code, f"{shown(value)} needs quotes: {what}", start, f"write {line}", end=end)


def _tab(at: int) -> Diagnosis:
    return Diagnosis(Code.TAB, "a tab stands here", at, "write spaces instead")


def _bracket(text: str, opened: int, at: int, error: yaml.MarkedYAMLError) -> Diagnosis:
    opener = text[opened]
    if opener in "\"'":
        if "unexpected end" in (error.problem or "") or "document indicator" in (
            error.problem or ""
        ):
            what = f"the quote {opener} is not closed"
            return Diagnosis(Code.NOT_CLOSED, what, opened, f"end the text with {opener}")
        hint = "between double quotes a backslash is written \\\\; single quotes keep it as it is"
        return Diagnosis(Code.NOT_YAML, f"bad quoted text: {error.problem}", at, hint)
    if not _closed(text, opened):
        what = f"the bracket {shown(opener)} is not closed"
        closer = "]" if opener == "[" else "}"
        return Diagnosis(Code.NOT_CLOSED, what, opened, f"close it with {shown(closer)}")
    what = f"between {shown(opener)} and its end a comma is missing, or a value needs quotes"
    return Diagnosis(Code.NOT_YAML, what, at, "separate the parts by commas")


def _other(text: str, at: int, error: yaml.MarkedYAMLError, source: Source) -> Diagnosis:
    at = min(at, len(text.rstrip()))
    problem = error.problem or "not YAML"
    if problem == "did not find expected key":
        if text[at : at + 1] in ("]", "}"):
            what = f"{shown(text[at])} closes nothing"
            return Diagnosis(Code.NOT_CLOSED, what, at, "delete it, or open the bracket")
        if re.search(r"[\"'][ ]*$", text[_line_start(text, at) : at]):
            what = "text goes on behind the closing quote"
            return Diagnosis(Code.NOT_YAML, what, at, "put all of the value between the quotes")
        what = "this line is neither a key nor part of the value above"
        hint = "align it with its neighbours; a key is followed by `: `"
        return Diagnosis(Code.NOT_YAML, what, at, hint)
    if "expected '-' indicator" in problem:
        hint = "each item of a list begins with `- `, aligned with the others"
        return Diagnosis(Code.NOT_YAML, "a key stands among the items of a list", at, hint)
    if "mapping values are not allowed" in problem:
        return Diagnosis(
            Code.NOT_YAML,
            "a key cannot stand here",
            _line_start(text, at) + _indent(text, at),
            "the key above already has a value, or the indentation is off",
        )
    if "could not find expected ':'" in problem:
        opened = error.context_mark.index if error.context_mark else at
        return Diagnosis(
            Code.NOT_YAML,
            "this line has no colon",
            opened,
            "a key is followed by `: `; longer text goes between quotes",
        )
    if "sequence entries are not allowed" in problem:
        hint = "begin the list in the next line, or write it between brackets"
        return Diagnosis(Code.NOT_YAML, "a list cannot start here", at, hint)
    mark = source.mark(at)
    what = f"not YAML: {error.context or 'reading'}, {problem}".replace("\n", " ")
    return Diagnosis(Code.NOT_YAML, what, at, f"look at line {mark.line} and the one above it")


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _indent(text: str, at: int) -> int:
    start = _line_start(text, at)
    return len(text[start:at]) - len(text[start:at].lstrip(" "))


def _in_flow(text: str, at: int) -> bool:
    """Look back for a bracket that is still open in this line or the flow map around it."""
    line = text[_line_start(text, at) : at]
    return line.count("{") + line.count("[") > line.count("}") + line.count("]")


def _flow_value_start(text: str, at: int) -> int:
    """Return where the plain value around `at` begins, inside brackets."""
    line = _line_start(text, at)
    before = text[line:at]
    cut = max((match.end() for match in re.finditer(r":\s+|,\s*|[\[{]\s*", before)), default=0)
    return line + cut


def _first_value(text: str, at: int) -> int | None:
    """Return where the value begins whose second colon stands at `at`."""
    line = _line_start(text, at)
    match = re.match(r"\s*(?:-\s+)*[\w.$<>/-]+\s*:\s+", text[line : at + 1])
    return line + match.end() if match and line + match.end() < at else None


_TOKENS = re.compile(
    r"(?<![^\s\[{,:])(?:\"(?:\\.|[^\"\\])*\"|'(?:''|[^'])*')|(?<!\S)#[^\n]*|[{}\[\]]", re.DOTALL
)
"""What matters for pairing brackets: quoted text and comments, to be skipped, and brackets."""

_PAIRS = {"{": "}", "[": "]"}


def _closed(text: str, opened: int) -> bool:
    """Follow brackets from an opening one to see whether the matching one comes."""
    expected: list[str] = []
    for match in _TOKENS.finditer(text, opened):
        token = match[0]
        if token in _PAIRS:
            expected.append(_PAIRS[token])
        elif token in ("}", "]"):
            if expected.pop() != token:
                return False
            if not expected:
                return True
    return False


def _innermost_open(text: str, end: int) -> int | None:
    """Return the last bracket before `end` that is not closed before it."""
    places: list[int] = []
    for match in _TOKENS.finditer(text, 0, end):
        if match[0] in _PAIRS:
            places.append(match.start())
        elif match[0] in ("}", "]") and places:
            places.pop()
    return places[-1] if places else None
