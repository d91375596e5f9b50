"""Secrets by reference: read from where they lie, never written anywhere."""

from __future__ import annotations

from collections.abc import Mapping

from runner.errors import UsageError
from runner.settings import CommandRef, EnvRef, FileRef


def read_reference(
    reference: EnvRef | FileRef | CommandRef | str, environment: Mapping[str, str], *, what: str
) -> str:
    """
    The text that a reference names; surrounding line ends are taken off.

    Raises:
        UsageError: the variable is not set, or the file cannot be read. Never shows the value.
    """
    if isinstance(reference, EnvRef):
        value = environment.get(reference.name)
        if not value:
            raise UsageError(
                f"{what} is to come from the environment variable {reference.name}, "
                "which is not set",
                hint=f"set {reference.name} before starting, or refer to a file",
            )
        return value.strip("\r\n")
    if isinstance(reference, FileRef):
        try:
            return reference.path.read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise UsageError(
                f"{what} is to come from the file {reference.path}: {reason}",
                hint="check the path and its permissions",
            ) from None
    if isinstance(reference, CommandRef):
        raise UsageError(
            f"{what} is to come from a program, which this release does not run",
            hint="refer to a variable or a file",
        )
    return reference
