"""
The only place that prints errors; and how the other commands write: data to stdout, hints to
stderr, colour on terminals alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

import click

from runner.errors import GuardError, PolicyError, PolicyErrors, RunnerError
from runner.reporting.text import Look, Tone, clean, plural

_NARROWEST = 60


def look(stream: TextIO | None = None) -> Look:
    """How to write to a stream: width and colour of a terminal, neither in a pipe."""
    out = sys.stdout if stream is None else stream
    if not out.isatty():
        return Look()
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    import shutil

    width = max(shutil.get_terminal_size((80, 24)).columns, _NARROWEST)
    return Look(width=width, colour=not plain)


def write(lines: Iterable[str]) -> None:
    """Lines of data for people."""
    for line in lines:
        click.echo(line, color=True)  # colours were decided on by `look`


def write_json(value: Any) -> None:
    """Data for scripts."""
    import json

    click.echo(json.dumps(value, indent=2))


def hint(text: str) -> None:
    """A word to the person beside the data: on stderr, where no script reads."""
    eye = look(sys.stderr)
    click.echo(eye.tint("hint: ", Tone.DIM) + clean(text), err=True, color=True)


def note(text: str) -> None:
    """Something worth knowing that is neither data nor error."""
    click.echo(clean(text), err=True, color=True)


# ── errors ────────────────────────────────────────────────────────────────────────────────────


def report_error(error: Exception) -> int:
    """Print what happened, where, and what to do; returns the exit code."""
    if isinstance(error, PolicyErrors):
        print_faults(error.faults)
        return error.exit_code
    if isinstance(error, PolicyError):
        print_faults([error])
        return error.exit_code
    if isinstance(error, RunnerError):
        _print(error)
        return error.exit_code
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        click.echo(_error_line(f"{error.strerror}{where}"), err=True, color=True)
        _trace(error)
        return 1
    _unexpected(error)
    return 1


def report_usage(error: click.ClickException) -> int:
    """Print what was wrong with the command line; returns the exit code."""
    click.echo(_error_line(error.format_message()), err=True, color=True)
    context = getattr(error, "ctx", None)
    if context is not None:
        hint(f"see {context.command_path} --help")
    return error.exit_code


def print_faults(faults: Iterable[PolicyError]) -> None:
    """Every fault with its line and a caret, then how many there were."""
    from runner.policy.report import render_fault

    faults = tuple(faults)
    colour = look(sys.stderr).colour
    for fault in faults:
        click.echo(render_fault(fault, colour=colour), err=True, color=True)
        click.echo(err=True)
    errors = sum(fault.severity == "error" for fault in faults)
    warnings = len(faults) - errors
    counts = [plural(errors, "error")] if errors else []
    counts += [plural(warnings, "warning")] if warnings else []
    click.echo(f"{' and '.join(counts)}. `runner explain CODE` says more.", err=True)


def _print(error: RunnerError) -> None:
    click.echo(_error_line(error.what), err=True, color=True)
    if error.where is not None:
        click.echo(f"  --> {clean(str(error.where))}", err=True)
    if isinstance(error, GuardError):
        for finding in error.findings:
            click.echo(f"  - {clean(str(finding))}", err=True)
    if error.hint:
        hint(error.hint)
    _trace(error)


def _error_line(what: str) -> str:
    return look(sys.stderr).tint("error: ", Tone.BAD) + clean(what)


def _unexpected(error: Exception) -> None:
    import traceback

    # The message of an unforeseen exception may hold anything, a key in a URL as well: only its
    # kind and place are shown.
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    click.echo(_error_line(f"unexpected {type(error).__name__}{place}"), err=True, color=True)
    if not _trace(error):
        hint(
            "this is a fault of runner, not yours: please report it with what "
            "RUNNER_DEBUG=1 shows (look through it for secrets first)"
        )


def _trace(error: BaseException) -> bool:
    if os.environ.get("RUNNER_DEBUG") != "1":
        return False
    import traceback

    click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    return True
