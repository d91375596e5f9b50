"""`runner validate`: everything that can be known without network and secrets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.loading import policies_of, settings_of
from runner.cli.options import config_option, format_options, now
from runner.cli.render import print_faults, write, write_json
from runner.errors import PolicyError, PolicyErrors, UsageError
from runner.reporting.text import plural

if TYPE_CHECKING:
    from runner.policy.model import Policy
    from runner.settings import Settings

_INVALID = 2
_ONLY_WARNINGS = 3


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@config_option
@click.option("--strict", is_flag=True, help="Exit 3 when there are warnings.")
@click.option(
    "--resolved",
    is_flag=True,
    help="Print each policy with its books, variables and defaults filled in, and their origins.",
)
@format_options("github")
def validate(
    paths: tuple[Path, ...], config: str | None, strict: bool, resolved: bool, form: str
) -> int:
    """
    Check policies and runner.yaml: every fault of every file at once.

    PATH is a policy or a folder of them; without one, the policies of runner.yaml are checked.
    Exit code: 0 valid, 2 invalid, with --strict 3 if there are warnings only.
    """
    if resolved and form != "text":
        raise UsageError("--resolved prints YAML", hint="leave --format and --json out")
    settings, policies, faults = _check(config, paths)
    if form == "json":
        from runner.policy.report import fault_as_json

        write_json([fault_as_json(fault) for fault in faults])
    elif form == "github":
        from runner.policy.report import fault_for_github

        write(fault_for_github(fault) for fault in faults)
    else:
        if faults:
            print_faults(faults)
        if policies is not None and resolved:
            from runner.policy.printing import print_policy

            write([f"# {one.file}\n{print_policy(one, origins=True)}" for one in policies])
        elif policies is not None and settings is not None:
            write([_summary(policies)])
    if any(fault.severity == "error" for fault in faults):
        return _INVALID
    return _ONLY_WARNINGS if strict and faults else 0


def _check(
    config: str | None, paths: Sequence[Path]
) -> tuple[Settings | None, Sequence[Policy] | None, list[PolicyError]]:
    """Read both, whatever is wrong with either: faults of runner.yaml come first."""
    faults: list[PolicyError] = []
    settings, policies = None, None
    try:
        settings = settings_of(config)
        faults += settings.warnings
    except PolicyErrors as error:
        faults += error.faults
    if settings is None and not paths:
        return None, None, faults
    try:
        policies = policies_of(settings, paths, now=now())
        faults += [warning for policy in policies for warning in policy.warnings]
    except PolicyErrors as error:
        faults += error.faults
    return settings, policies, faults


def _summary(policies: Sequence[Policy]) -> str:
    sessions = sum(len(policy.sessions) for policy in policies)
    schedules = sum(len(policy.schedules) for policy in policies)
    found = [
        plural(len(policies), "policy", "policies"),
        plural(sessions, "session"),
        plural(schedules, "schedule"),
    ]
    return f"valid: {', '.join(found)}"
