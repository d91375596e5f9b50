"""
The files that stand beside a policy and that it names: books, tables, ABIs.

A path is relative to the policy's file and has the ending of its kind, links followed: so a
policy can show a reviewer no more of the machine that checks it than tables and books.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from os.path import normpath
from pathlib import Path

from runner.frozen import frozen
from runner.policy.codes import Code
from runner.policy.faults import Refusal, listed, meant, shown
from runner.policy.source import MAX_BYTES


@frozen
class Neighbour:
    """
    A file beside a policy.

    Attributes:
        name: How places in it are told.
        written: How the policy calls it, as messages repeat it.
        path: Where it is, links followed.
    """

    name: str
    written: str
    path: Path
    raw: bytes


@dataclass(slots=True)
class Shelf:
    """Reads the files that policies name, each once for all of them."""

    _read: dict[Path, bytes] = field(default_factory=dict)

    def find(self, policy: Path | None, text: str, endings: tuple[str, ...]) -> Neighbour:
        """
        Read the file that a policy names.

        Args:
            policy: The policy's own file; None if it was read from text alone.
            text: The path as it is written.
            endings: Those that such a file may have.

        Raises:
            Refusal: The path leads nowhere, or not to such a file.
        """
        if policy is None:
            what = f"{shown(text)} cannot be found: this policy stands in no folder"
            raise Refusal(Code.BAD_PATH, what, "save it as a file, and name that")
        if not text or text.startswith(("/", "~")) or re.search(r"\\|\0|://", text):
            hint = f"write it relative to this file, with slashes, as shared/file{endings[0]}"
            raise Refusal(Code.BAD_PATH, f"{shown(text)} is not a path beside the policy", hint)
        if not text.endswith(endings):
            what = f"{shown(text)} does not end in {listed(endings)}"
            raise Refusal(Code.BAD_PATH, what, f"name a file that ends in {endings[0]}")
        path = policy.parent / text
        try:
            resolved = path.resolve(strict=True)
            if resolved.suffix not in endings or not resolved.is_file():
                what = f"{shown(text)} does not lead to a file that ends in {listed(endings)}"
                raise Refusal(Code.BAD_PATH, what, "look at what the link or folder is")
            raw = self._read.get(resolved)
            if raw is None:
                with resolved.open("rb") as file:
                    raw = self._read[resolved] = file.read(MAX_BYTES + 1)
        except (OSError, RuntimeError) as error:  # a loop of links is one or the other
            reason = getattr(error, "strerror", None) or "its links go in circles"
            what = f"{shown(text)} cannot be read: {reason}"
            hint = _nearest(path, policy.parent, endings)
            if is_link(path):
                hint = "it is a link: look at where that leads"
            elif isinstance(error, PermissionError):
                hint = "look at its permissions, and at those of the folders above it"
            raise Refusal(Code.BAD_PATH, what, hint) from None
        if len(raw) > MAX_BYTES:
            raise Refusal(Code.TOO_LARGE, f"{shown(text)} is larger than 1 MiB", "split it")
        return Neighbour(normpath(path), shown(text), resolved, raw)


def is_link(path: Path) -> bool:
    """Tell whether a path is a link, whatever else is wrong with it."""
    try:
        return path.is_symlink()
    except (OSError, ValueError):
        return False


def _nearest(path: Path, start: Path, endings: tuple[str, ...]) -> str:
    try:
        names = {each.stem: each.name for each in path.parent.iterdir() if each.suffix in endings}
    except (OSError, ValueError):
        names = {}
    close = meant(path.stem, names)
    return f"paths are relative to {start}" if close is None else f"did you mean `{names[close]}`?"
