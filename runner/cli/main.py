"""
The command line: names, one line of help each, and the way from an error to an exit code.

A command is imported when it is called. `--version` needs click alone, `--help` this table.
"""

from __future__ import annotations

import errno
import gc
import io
import os
import sys
from importlib import import_module

import click

from runner.version import __version__

COMMANDS = {
    "init": ("runner.cli.init:init", "Write a runner.yaml and a first policy to start from."),
    "validate": ("runner.cli.validate:validate", "Check policies and runner.yaml, offline."),
    "explain": ("runner.cli.explain:explain", "Explain a fault by its code, or a key by its name."),
    "schema": ("runner.cli.schema:schema", "Print the JSON Schema of policies, for editors."),
    "next": ("runner.cli.upcoming:upcoming", "List the coming payments of the policies."),
    "calendar": ("runner.cli.calendar:calendar", "Months as a grid, with their payments."),
    "simulate": (
        "runner.cli.simulate:simulate",
        "Live through the coming days in seconds, with play money.",
    ),
    "plan": ("runner.cli.plan:plan", "What would change, what it costs and what it risks."),
    "apply": ("runner.cli.apply:apply", "Carry a plan out once, and end."),
    "up": ("runner.cli.up:up", "Run the daemon."),
    "status": ("runner.cli.status:status", "Is all well, what needs me, what comes next?"),
    "why": ("runner.cli.why:why", "Why a slot was or was not paid, or will be."),
    "runs": (
        "runner.cli.runs:runs",
        "Runs: list, show, approve, retry, cancel.",
    ),
    "schedules": (
        "runner.cli.schedules:schedules",
        "Schedules: list, pause, resume, run, skip, backfill.",
    ),
    "stop": ("runner.cli.stop:stop", "Sign and send nothing any more."),
    "resume": ("runner.cli.stop:resume", "End a stop."),
    "grants": ("runner.cli.grants:grants", "Grants of session keys: list, show."),
    "alerts": ("runner.cli.alerts:alerts", "What people are told: list, test."),
    "report": ("runner.cli.report:report", "What was paid to whom."),
    "db": ("runner.cli.db:db", "The ledger: make, check, copy, restore, migrate it."),
    "keys": ("runner.cli.keys:keys", "Keys: new, import, list, rotate."),
    "scope": ("runner.cli.scope:scope", "What a session key can do: explain, judge."),
    "guard": ("runner.cli.guard:guard", "Would we sign this? Judged from files: op, grant."),
    "doctor": ("runner.cli.doctor:doctor", "Is everything as the daemon will need it?"),
    "inspect": ("runner.cli.inspect:inspect", "Decode and hash what a signer is shown, offline."),
    "sandbox": ("runner.cli.sandbox:sandbox", "Run a local wallet API to try things on."),
}
"""Name → where it lives, and what `runner --help` says of it."""

_STOPPED_BY_READER = 128 + 13  # as a program that SIGPIPE ends
_STOPPED_BY_USER = 128 + 2
_ALLOCATIONS = 10_000  # until the collector looks: modules and policies stay, so it finds nothing
_COMPLETION = "_RUNNER_COMPLETE"  # click's variable, set by a shell that completes a word


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which one meets them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is not a command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown name says what was probably meant."""
        name = click.utils.make_str(args[0])
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            ctx.fail(f"there is no command '{name}'.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the table without importing anything."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start here: `runner init`, then `runner validate`, `runner next` and `runner up`.",
)
@click.version_option(__version__, prog_name="runner", message="%(prog)s %(version)s")
def cli() -> None:
    """Pay from smart wallets by policy files: each due payment exactly once."""


def main() -> None:
    """The entry point of `runner`."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # an arrow must not fail on a Latin-1 terminal
        sys.stdout.reconfigure(errors="replace")
    gc.set_threshold(_ALLOCATIONS)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """
    Carry out one command line.

    Returns:
        The exit code: 0 done, 1 failed, 2 bad usage or policy, and what each command adds
        (DESIGN §4).
    """
    try:
        code = cli.main(arguments, prog_name="runner", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as leave:
        return int(leave.exit_code)
    except SystemExit:
        # click leaves so in two cases: it has completed a word for the shell, or nobody reads.
        if _COMPLETION in os.environ:
            raise
        return _reader_left()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        from runner.cli.render import report_usage

        return report_usage(error)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return _STOPPED_BY_USER
    except BrokenPipeError:
        return _reader_left()
    except Exception as error:  # whatever it is, people get words, not a traceback
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            return _reader_left()
        from runner.cli.render import report_error

        return report_error(error)
    return code if isinstance(code, int) else 0


def _reader_left() -> int:
    # The reader of our pipe has gone (`runner runs list | head`): keep the interpreter from
    # complaining when it flushes at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _STOPPED_BY_READER
