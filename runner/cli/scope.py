"""`runner scope`: what the account's on-chain modules accept from a session key."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import config_option, format_options


@click.group()
def scope() -> None:
    """What the chain accepts from a session key: explain, judge."""


@scope.command()
@click.argument("policy", metavar="POLICY", type=click.Path(path_type=Path))
@config_option
@format_options()
def explain(policy: Path, config: str | None, form: str) -> None:
    """
    Say what each session's key can do at worst, and who stops it.

    POLICY is a file or a folder of them. For each session: what a thief of its key could take
    (by one key, and by the two that live side by side at a renewal), which limits the chain keeps
    against him and which only the runner, and which permissions nothing uses.
    """
    from runner.cli.loading import policies_of, settings_of
    from runner.cli.options import now
    from runner.cli.render import look, write, write_json
    from runner.cli.standing import wallets_as_facts
    from runner.planning.explained import explain as explained
    from runner.reporting.scope import as_json, as_text

    settings = settings_of(config)
    moment = now()
    policies = policies_of(settings, [policy])
    found = list(explained(policies, wallets_as_facts(settings), now=moment))
    if form == "json":
        write_json(as_json(found))
    else:
        write(as_text(found, look()))


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
    makes no statement. A case that cannot be read is `unsupported` too; `error` says why, and the
    exit code is 2.
    """
    import json

    from runner.errors import EncodingError, UsageError
    from runner.guard.cases import judge_cases
    from runner.strict_json import parse_json

    try:
        document = parse_json(cases.read_bytes())
    except OSError as error:
        raise UsageError(f"{cases} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{cases} is not JSON that we read: {error}") from None
    unread = 0
    try:
        for verdict in judge_cases(document):
            unread += "error" in verdict
            click.echo(json.dumps(verdict))
    except EncodingError as error:
        raise UsageError(f"{cases}: {error.what}") from None
    if unread:
        raise UsageError(f"{cases}: {unread} of the cases cannot be read; their lines say why")
