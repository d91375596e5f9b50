"""`runner scope`: what the account's on-chain modules accept from a session key."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def scope() -> None:
    """What the chain accepts from a session key: judge."""


@scope.command()
@click.option(
    "--cases",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Cases in JSON: grants, and what was tried under them.",
)
def judge(cases: Path) -> None:
    """
    Judge recorded cases: one JSON line for each, in the order of the file.

    Reads what was granted and tried, never what was answered; `unsupported` where the engine
    makes no statement.
    """
    import json

    from runner.errors import UsageError
    from runner.guard.cases import judge_cases

    try:
        document = json.loads(cases.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{cases} cannot be read: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"{cases} is not JSON") from None
    for verdict in judge_cases(document):
        click.echo(json.dumps(verdict))
