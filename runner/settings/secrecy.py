"""
Keeping secrets out of messages: whatever in runner.yaml is one, or could be, is blotted out
before any fault shows its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from runner.errors import PolicyError
from runner.policy.codes import Code
from runner.policy.faults import Faults
from runner.policy.nodes import Mapping, Node, Scalar, Sequence, Source
from runner.settings.signers import SANDBOX_KEY

_REFERENCES = ("api_key", "token", "secret_key", "password", "secret")
_WRITTEN = re.compile(
    # To the end of the line, and of the lines below that are indented deeper.
    rf"^(?P<indent>[ \t]*)[^\n]*?\b(?:{'|'.join(_REFERENCES)}|{SANDBOX_KEY}|to|env)\b[\"']?[ \t]*:"
    r"(?P<value>[^\n]*(?:\n(?P=indent)[ \t]+[^\n]*)*)",
    re.MULTILINE,
)
_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")


def hide_lines(source: Source, faults: Faults) -> None:
    """
    Take what may be a secret out of faults that were found before there were nodes.

    YAML that cannot be read has no fields: there the rest of each line that names a secret goes.
    """
    hidden = Source(source.file, source.text)
    for found in _WRITTEN.finditer(source.text):
        hidden.hide(*found.span("value"))
    faults.errors[:] = [
        _without_line(fault)
        if fault.where is not None
        and hidden.line(fault.where.line) != source.line(fault.where.line)
        else fault
        for fault in faults.errors
    ]


def _without_line(fault: PolicyError) -> PolicyError:
    from runner.policy.catalogue import CATALOGUE  # noqa: PLC0415 (only messages need it)

    return PolicyError(
        CATALOGUE[Code(fault.code)].title,
        code=fault.code,
        where=fault.where,
        hint="the line may hold a secret and is not shown; look at the file",
    )


def refuse_plain_secrets(root: Node, faults: Faults) -> None:
    """Report secrets that are written out, and hide everything that could be one."""
    values = list(_values(root, ""))
    starts = sorted({value.index for _, value in values} | {_start(value) for _, value in values})
    for name, value in values:
        if isinstance(value, Scalar) and _may_be_secret(name, value):
            value.source.hide(value.index, _end(value, starts))
    for name, value in values:
        if isinstance(value, Scalar) and name in _REFERENCES and not value.empty:
            what = f"`{name}` says where the secret lies, it does not hold it"
            hint = "write {env: NAME} or {file: PATH}, and treat what stood here as known"
            faults.add(Code.PLAIN_SECRET, what, value, hint)
            value.broken = True


def _values(node: Node, name: str) -> Iterator[tuple[str, Node]]:
    """Go through all values with the key they belong to; those of a list with that of the list."""
    yield name, node
    if isinstance(node, Mapping):
        for key, (_, value) in node.entries.items():
            yield from _values(value, key)
    elif isinstance(node, Sequence):
        for item in node:
            yield from _values(item, name)


def _may_be_secret(name: str, value: Scalar) -> bool:
    if name == "env":  # who confuses a variable with its value writes the secret there
        return not _NAME.fullmatch(value.text)
    return name in _REFERENCES or name in (SANDBOX_KEY, "to")


def _start(value: Node) -> int:
    return value.index if value.key is None else value.key.index


def _end(value: Scalar, starts: list[int]) -> int:
    """Return where text ends: what was written is longer than it if quoted or of several lines."""
    text = value.source.text
    if text.startswith(value.text, value.index) and value.style is None:
        return value.index + len(value.text)
    return next((start for start in starts if start > value.index), len(text))
