"""
Reading the fields of runner.yaml: the reader of policies, with paths and references to secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from runner.policy.codes import Code
from runner.policy.faults import Faults
from runner.policy.language.config import CONFIG_LEVELS, REFERENCE
from runner.policy.nodes import Node, Sequence
from runner.policy.reader import Reader
from runner.policy.record import Record
from runner.policy.scalars import parse_text
from runner.settings.model import CommandRef, EnvRef, FileRef, Reference
from runner.settings.values import parse_path, parse_variable


class SettingsReader(Reader):
    """
    Reads the nodes of one runner.yaml.

    Args:
        base: What relative paths are relative to.
    """

    def __init__(self, faults: Faults, environment: Mapping[str, str], base: Path) -> None:
        super().__init__(faults, environment, CONFIG_LEVELS)
        self.base = base

    def path(self, node: Node) -> Path:
        """Read a path."""
        return self.placed(self.read(node, parse_path, "."))

    def placed(self, text: str) -> Path:
        """Return an absolute path."""
        return self.base / Path(text).expanduser()

    def reference(self, node: Node | None) -> Reference | None:
        """Read where a secret lies; None if the key was not written."""
        record = None if node is None else self.record(node, REFERENCE)
        if record is None or not self.exactly_one(
            record,
            tuple(REFERENCE.keys),
            "a secret lies in one place: a variable, a file, or what a program prints",
            "write {env: NAME} or {file: PATH}",
        ):
            return None
        if (file := record.get("file")) is not None:
            return FileRef(self.path(file))
        if (command := record.get("command")) is not None:
            return CommandRef(self.words(command))
        return EnvRef(record.read("env", parse_variable, ""))

    def exactly_one(self, record: Record, keys: tuple[str, ...], what: str, hint: str) -> bool:
        """Report a map that holds none of some keys, or more than one of them."""
        written = [key for key in keys if key in record]
        if len(written) != 1 and not self.misspelt(record):
            self.fault(Code.BAD_REFERENCE, what, record.place, hint)
        return len(written) == 1

    def misspelt(self, record: Record) -> bool:
        """Tell whether a key was unknown: it is reported, and may be the one that is missed."""
        return len(record.fields) < len(record.mapping.entries)

    def program(self, node: Node) -> tuple[str, ...]:
        """Read a program and its arguments; one that is named by its path, from here."""
        words = self.words(node)
        if not words or "/" not in words[0]:
            return words
        return (str(self.placed(words[0])), *words[1:])

    def words(self, node: Node) -> tuple[str, ...]:
        """Read a program and its arguments."""
        if not isinstance(node, Sequence) or not node.items:
            what = "a program and its arguments are a list of words"
            self.fault(Code.WRONG_TYPE, what, node, 'write ["program", "argument"]')
            return ()
        return tuple(self.read(item, parse_text, "") for item in node)
