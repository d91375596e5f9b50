"""The command line's outermost layer: lazy commands, exit codes, errors in words."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from runner.cli import main, options, render
from runner.errors import GuardError, Mark, RunnerError, UsageError
from runner.reporting.text import Look

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(main.__file__).parents[2])}
PROBE = """
import contextlib, io, json, resource, sys
from runner.cli.main import run
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    run(json.loads(sys.argv[1]))
print(json.dumps([sorted(sys.modules), resource.getrusage(resource.RUSAGE_SELF).ru_utime]))
"""


def probe(*arguments, cwd):
    command = [sys.executable, "-c", PROBE, json.dumps(list(arguments))]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=cwd, env=ENVIRONMENT
    )
    modules, seconds = json.loads(done.stdout)
    return set(modules), seconds


@pytest.fixture
def failing(monkeypatch):
    """Makes a command `fail` that raises what it is given."""

    def install(error):
        @click.command()
        def fail():
            raise error

        monkeypatch.setattr(main.LazyGroup, "get_command", lambda *_: fail)
        monkeypatch.setitem(main.COMMANDS, "fail", ("nowhere:fail", "Fail."))
        return main.run(["fail"])

    return install


def test_version_needs_click_alone(tmp_path):
    """
    Nothing of ours but the group and the version.
    """
    modules, _ = probe("--version", cwd=tmp_path)

    assert {name for name in modules if name.startswith("runner")} == {
        "runner",
        "runner.cli",
        "runner.cli.main",
        "runner.version",
    }
    assert not modules & {"yaml", "pydantic", "sqlalchemy", "httpx"}


def test_help_imports_no_command(tmp_path):
    """
    The list comes from the table, in a fraction of a second.
    """
    modules, seconds = probe("--help", cwd=tmp_path)

    assert not {name for name in modules if name.startswith("runner.cli.")} - {"runner.cli.main"}
    assert seconds < 0.3


@pytest.mark.parametrize(
    ("command", "absent"),
    [
        (["validate"], {"sqlalchemy", "httpx", "cryptography"}),
        (["next"], {"sqlalchemy", "httpx", "cryptography"}),
    ],
)
def test_commands_import_only_what_they_need(tmp_path, command, absent):
    """
    What a command does not use costs it nothing.
    """
    modules, _ = probe(*command, cwd=tmp_path)

    assert not modules & absent


def test_every_name_of_the_table_is_a_command():
    """
    The table's lines are promises.
    """
    context = click.Context(main.cli)
    for name, (_, line) in main.COMMANDS.items():
        command = main.cli.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert line.endswith((".", "?"))
        assert len(line) < 60


def test_an_error_is_printed_with_its_hint(failing, capsys):
    """
    What, where, what to do; on stderr; the exit code of its class.
    """
    code = failing(RunnerError("it broke", where=Mark("a.yaml", 3, 1), hint="mend it"))
    told = capsys.readouterr()

    assert code == 1
    assert told.out == ""
    assert told.err == "error: it broke\n  --> a.yaml:3:1\nhint: mend it\n"
    assert failing(UsageError("no")) == 2
    assert failing(GuardError("no", findings=["calls[0]: to"])) == 4
    assert "  - calls[0]: to" in capsys.readouterr().err


def test_an_unforeseen_error_tells_no_secret(failing, capsys, monkeypatch):
    """
    Kind and place, not the message; the traceback only when asked for.
    """
    code = failing(KeyError("https://rpc.example/v2/SECRET"))
    quiet = capsys.readouterr().err
    monkeypatch.setenv("RUNNER_DEBUG", "1")
    failing(KeyError("https://rpc.example/v2/SECRET"))
    loud = capsys.readouterr().err

    assert code == 1
    assert "unexpected KeyError at test_cli_main.py:" in quiet
    assert "SECRET" not in quiet
    assert "please report it" in quiet
    assert "Traceback" in loud


def test_an_error_cannot_move_the_cursor(failing, capsys):
    """
    Control characters from outside are not printed.
    """
    failing(RunnerError("bad \x1b[2J\rname"))

    assert "\x1b" not in capsys.readouterr().err


def test_what_the_disk_says(failing, capsys):
    """
    An OSError names the file and the reason.
    """
    assert failing(PermissionError(13, "Permission denied", "/x/ledger.db")) == 1
    assert capsys.readouterr().err == "error: Permission denied: /x/ledger.db\n"


def test_stopped_by_the_person(failing, capsys):
    """
    Ctrl-C is no error.
    """
    assert failing(KeyboardInterrupt()) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["statsu"], "Did you mean 'status'?"),
        (["next", "--count", "0"], "'--count'"),
        (["next", "--from", "2026-12-01T09:00"], "names no zone"),
        (["next", "--from", "soon"], "is not a time"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_bad_usage(arguments, words, capsys):
    """
    Says what was wrong and where help is; exit 2.
    """
    code = main.run(arguments)
    told = capsys.readouterr()

    assert code == 2
    assert words in told.err
    assert "--help" in told.err
    assert told.out == ""


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-12-01", "2026-12-01T00:00:00+00:00"),
        ("2026-12-01T09:00Z", "2026-12-01T09:00:00+00:00"),
        ("2026-12-01T09:00:30+01:00", "2026-12-01T08:00:30+00:00"),
    ],
)
def test_instants(text, instant):
    """
    A date is midnight UTC; anything finer names its zone.
    """
    assert options.Instant().convert(text, None, None).isoformat() == instant


def test_colour_is_for_terminals_that_want_it(monkeypatch):
    """
    A pipe gets plain text of any width; NO_COLOR is respected.
    """

    class Terminal:
        def isatty(self):
            return True

    class Pipe:
        def isatty(self):
            return False

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert render.look(Pipe()) == Look(None, False)
    assert render.look(Terminal()) == Look(80, True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert render.look(Terminal()) == Look(80, False)
