"""
Secrets by reference: read from where they lie, never written anywhere.

A file that others of this machine can read is refused, as ssh refuses a key; what a service
manager lays into its own folder of credentials is taken as it is.

Source: systemd.exec(5), LoadCredential; Docker and Kubernetes lay secrets below /run/secrets.
"""

from __future__ import annotations

import asyncio
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

from runner.errors import UsageError
from runner.settings import CommandRef, EnvRef, FileRef, Reference

_LARGEST_BYTES = 64 * 1024
_LONGEST_SECONDS = 30
_LAID_BY_OTHERS = ("/run/secrets", "/var/run/secrets")


def read_reference(reference: Reference | str, environment: Mapping[str, str], *, what: str) -> str:
    """
    The text that a reference names; surrounding line ends are taken off.

    Raises:
        UsageError: the variable is not set, the file cannot be read or is open to others, or the
            program failed. Never shows the value, nor what a program wrote.
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
        return _read_file(reference.path, environment, what=what)
    if isinstance(reference, CommandRef):
        return _ask_program(reference.words, environment, what=what)
    return reference


async def fetch_reference(
    reference: Reference | str, environment: Mapping[str, str], *, what: str
) -> str:
    """`read_reference` beside the event loop: a program may take its time."""
    return await asyncio.to_thread(read_reference, reference, environment, what=what)


def refuse_open_file(path: Path, environment: Mapping[str, str], *, what: str) -> None:
    """
    Refuse a secret that others of this machine may read or change.

    Raises:
        UsageError: it is open to others. A file that is not there is left to its reader.
    """
    if is_laid_by_others(path, environment):
        return
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return
    if mode & 0o077:
        raise UsageError(
            f"{what} is in {path}, which is open to others (mode {mode:04o})",
            hint=f"chmod 600 {path}",
        )


def is_laid_by_others(path: Path, environment: Mapping[str, str]) -> bool:
    """Whether a service manager put it there: then its mode is none of ours."""
    laid = [*_LAID_BY_OTHERS, environment.get("CREDENTIALS_DIRECTORY")]
    return any(folder and path.is_relative_to(folder) for folder in laid)


def _read_file(path: Path, environment: Mapping[str, str], *, what: str) -> str:
    refuse_open_file(path, environment, what=what)
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LARGEST_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise UsageError(
            f"{what} is to come from the file {path}: {reason}",
            hint="check the path and its permissions",
        ) from None
    if len(text) > _LARGEST_BYTES:
        raise UsageError(f"{what} is to come from the file {path}, which is too long for a secret")
    if not text.strip():
        raise UsageError(
            f"{what} is to come from the file {path}, which is empty",
            hint="write the secret into it; write it beside and move it there, so that nobody "
            "reads the half of it",
        )
    return text.strip("\r\n")


def _ask_program(words: tuple[str, ...], environment: Mapping[str, str], *, what: str) -> str:
    program = words[0]
    why = None
    try:
        done = subprocess.run(  # noqa: S603 (the words are those of runner.yaml, and no shell is between)
            words,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        why = f"gave no answer in {_LONGEST_SECONDS} s"
    except OSError as error:
        why = f"cannot be started: {error.strerror or 'unknown reason'}"
    else:
        if done.returncode != 0:
            why = f"failed with exit code {done.returncode}"
        elif not done.stdout.strip() or len(done.stdout) > _LARGEST_BYTES:
            why = "printed nothing" if not done.stdout.strip() else "printed too much for a secret"
        else:
            try:
                return done.stdout.decode("utf-8").strip("\r\n")
            except UnicodeDecodeError:
                why = "printed what is not text"
    raise UsageError(
        f"{what} is to come from the program {program}, which {why}",
        hint="run it by hand as the daemon's user; its output is not shown here",
    ) from None
