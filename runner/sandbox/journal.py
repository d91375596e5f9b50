"""
The state file: one JSON object a line, appended before an answer leaves, replayed at start.

Each append is handed to the operating system at once, so that a killed process loses nothing it
has answered; a last line that was torn is dropped. One process at a time may hold a file.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from runner.errors import StoreError

VERSION: Final = 1
"""Format of the file, in its first record."""

Record = dict[str, Any]
"""What happened: `kind`, and members by kind."""


class Journal:
    """An open state file."""

    def __init__(self, path: Path) -> None:
        """
        Open a file, make it and its folder if need be, and lock it.

        Raises:
            StoreError: The file cannot be opened, or another process holds it.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise StoreError(f"cannot open the sandbox state {path}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise StoreError(
                f"another process uses the sandbox state {path}",
                hint="stop the other one, or give this one a state file of its own",
            ) from error

    def records(self) -> Iterator[Record]:
        """
        Yield what is written, in order, and cut a torn last line off.

        Raises:
            StoreError: A line before the last is not a record.
        """
        good = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break
                try:
                    record = json.loads(line)
                except ValueError as error:
                    raise StoreError(
                        f"{self.path}:{number} is not a record of the sandbox",
                        hint="move the file away to start from an empty chain",
                    ) from error
                good += len(line)
                yield record
        os.ftruncate(self._file, good)

    def append(self, record: Record) -> None:
        """
        Write one record down.

        Raises:
            StoreError: The disk is full or gone; the caller must not act.
        """
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        end = os.fstat(self._file).st_size
        try:
            written = os.write(self._file, line)
        except OSError as error:
            raise StoreError(f"cannot write {self.path}: {error.strerror}") from error
        if written != len(line):
            os.ftruncate(self._file, end)  # half a line would end what can be read
            raise StoreError(f"cannot write {self.path}: the disk is full")

    def clear(self) -> None:
        """Forget everything."""
        os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Close the file and let others open it."""
        os.close(self._file)
