"""`runner plan`: what would change, what it costs and what it risks, before anything is done."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.loading import near, policies_of, settings_of
from runner.cli.options import config_option, format_options, now
from runner.cli.render import look, note, write, write_json
from runner.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.planning.facts import Facts
    from runner.planning.plan import Plan
    from runner.policy.model import Policy
    from runner.settings import Settings

_DIFFERENCES = 3


class Length(click.ParamType[timedelta]):
    """A duration as policies write it: 90d, 12w, 36h."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Read an integer and its unit."""
        from runner.policy.faults import Refusal
        from runner.policy.scalars import parse_duration

        if isinstance(value, timedelta):
            return value
        try:
            length = parse_duration(str(value))
        except Refusal as refusal:
            self.fail(f"{value!r} is not a duration: {refusal.hint or refusal.what}", param, ctx)
        if length > timedelta(days=3660):
            self.fail(f"{value!r} is longer than ten years", param, ctx)
        return length


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@config_option
@click.option("--check", is_flag=True, help="Exit 3 when there are differences.")
@click.option("--markdown", is_flag=True, help="The same as --format markdown.")
@click.option(
    "--horizon", type=Length(), default="90d", show_default=True, help="How far to look ahead."
)
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save the plan, so that exactly this one can be applied.",
)
@format_options("markdown")
def plan(
    paths: tuple[Path, ...],
    config: str | None,
    check: bool,
    markdown: bool,
    horizon: timedelta,
    out: Path | None,
    form: str,
) -> int:
    """
    Show what the policies would change: grants, schedules, amounts, funding, risk.

    PATH is a policy or a folder of them, planned as if runner.yaml named it and nothing else;
    without one, the policies of runner.yaml are planned.

    Looks at the policies and the ledger alone: nothing is changed, no key is opened, nobody is
    asked. Without a ledger everything is new. Exit code: 0, with --check 3 if there are
    differences.
    """
    from runner.cli.standing import facts_of, wallets_as_facts
    from runner.planning.plan import make_plan

    if markdown:
        if form == "json":
            raise UsageError("--markdown and --json are two formats", hint="choose one")
        form = "markdown"
    if paths and out is not None:
        what = "a plan that is saved is one of the policies that the daemon runs"
        raise UsageError(what, hint="name them as `policies` in a runner.yaml, and leave PATH out")
    settings = settings_of(config)
    moment = now()
    policies = policies_of(settings, paths, now=moment)
    facts = facts_of(settings)
    made = make_plan(policies, facts, wallets_as_facts(settings), now=moment, horizon=horizon)
    _show(made, policies, facts, settings, form)
    if out is not None:
        _save(made, policies, facts, settings, out)
        note(f"Saved to {out}.")
    return _DIFFERENCES if check and made.changes else 0


def _show(
    made: Plan, policies: Sequence[Policy], facts: Facts, settings: Settings, form: str
) -> None:
    from runner.adapters.sql.store import sqlite_path
    from runner.reporting.plan_words import Lexicon

    if form == "json":
        from runner.reporting.plan_json import as_json

        write_json(as_json(made))
        return
    from runner.planning.naming import Names

    known = {one.name: Names(one) for one in (*facts.applied.values(), *policies)}
    path = sqlite_path(settings.store)
    store = settings.store if path is None else str(near(path))
    if form == "markdown":
        from runner.reporting.plan_markdown import as_markdown

        write(as_markdown(made, Lexicon(known), store=store))
        return
    from runner.reporting.plan_text import as_text, caption

    eye = look()
    write([*caption(made, len(policies), store, eye), *as_text(made, eye, Lexicon(known))])


def _save(
    made: Plan, policies: Sequence[Policy], facts: Facts, settings: Settings, out: Path
) -> None:
    import json

    from runner.cli.standing import settings_facts
    from runner.planning.saved import basis_of, to_document
    from runner.reporting.plan_json import as_json
    from runner.version import __version__

    basis = basis_of(policies, facts, settings_facts(settings, policies))
    document = to_document(basis, as_json(made), made_by=__version__, at=made.at)
    out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
