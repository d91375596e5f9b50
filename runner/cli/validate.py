"""`runner validate`: everything that can be known without network and secrets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import config_option, format_options

if TYPE_CHECKING:
    from runner.errors import PolicyError
    from runner.policy.model import Policy

_DIFFERENCES = 3


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@config_option
@click.option("--strict", is_flag=True, help="Warnings count: exit 3 when there are only such.")
@format_options("github")
def validate(paths: tuple[Path, ...], config: str | None, strict: bool, form: str) -> int:
    """
    Check runner.yaml and the policies (or those at PATH…), offline.

    Exit code 0: fine; 2: faults; with --strict, 3: warnings only.
    """
    from runner.cli.loading import policies_of, settings_of
    from runner.errors import PolicyErrors

    policies: tuple[Policy, ...] = ()
    try:
        settings = settings_of(config)
        policies = policies_of(settings, paths)
        faults: tuple[PolicyError, ...] = (
            *settings.warnings,
            *(warning for policy in policies for warning in policy.warnings),
        )
    except PolicyErrors as found:
        faults = found.faults
    _show(faults, policies, form)
    if any(fault.severity == "error" for fault in faults):
        return PolicyErrors.exit_code
    return _DIFFERENCES if strict and faults else 0


def _show(faults: Sequence[PolicyError], policies: Sequence[Policy], form: str) -> None:
    from runner.cli.render import print_faults, write, write_json
    from runner.policy.report import fault_as_json, fault_for_github
    from runner.reporting.text import plural

    if form == "json":
        write_json([fault_as_json(fault) for fault in faults])
        return
    if form == "github":
        write(fault_for_github(fault) for fault in faults)
        return
    if faults:
        print_faults(faults)
    if not any(fault.severity == "error" for fault in faults):
        counts = (
            plural(len(policies), "policy", "policies"),
            plural(sum(len(policy.sessions) for policy in policies), "session"),
            plural(sum(len(policy.schedules) for policy in policies), "schedule"),
        )
        write([f"valid: {', '.join(counts)}"])
