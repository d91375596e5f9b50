"""`runner grants`: the grants of session keys."""

from __future__ import annotations

import click

from runner.cli.loading import policies_if_valid, settings_of
from runner.cli.options import config_option, format_options, now
from runner.cli.render import hint, look, note, write, write_json
from runner.errors import UsageError


@click.group()
def grants() -> None:
    """What session keys were granted, until when, and what for."""


@grants.command("list")
@config_option
@click.option("--all", "every", is_flag=True, help="Those that have ended too (JSON has all).")
@format_options()
def list_grants(config: str | None, every: bool, form: str) -> None:
    """
    List the generations of every session.
    """
    from runner.cli import reading
    from runner.reporting import scripts
    from runner.reporting.lists import grants_table

    settings = settings_of(config)
    with reading.ledger(settings.store) as ledger:
        found = reading.grants(ledger)
    if form == "json":
        write_json([scripts.grant(one) for one in found])
        return
    lines = grants_table(found, look(), now=now(), every=every)
    write(lines)
    if not found:
        note("No grant was asked for yet.")
        hint("the daemon asks for them when it starts: runner up")
    elif not lines:
        note("Every grant has ended; show them with --all.")


@grants.command("show")
@click.argument("session")
@config_option
@format_options()
def show_grants(session: str, config: str | None, form: str) -> None:
    """
    Show SESSION (policy/name): its condition, its grant's scope, and all its generations.
    """
    from runner.cli import reading
    from runner.reporting import scripts
    from runner.reporting.health import over_sessions, session_status
    from runner.reporting.story import session_story

    settings = settings_of(config)
    with reading.ledger(settings.store) as ledger:
        every = reading.grants(ledger)
        timeline = reading.events(ledger, [session])
        over = session in over_sessions(reading.schedules(ledger))
    found = [one for one in every if one.session == session]
    if not found:
        written = policies_if_valid(settings) or ()
        names = {one.session for one in every}
        names |= {one.uid for policy in written for one in policy.sessions.values()}
        if session not in names:
            known = ", ".join(sorted(names)) or "none yet"
            raise UsageError(f"there is no session {session[:120]}", hint=f"sessions: {known}")
    moment = now()
    if form == "json":
        write_json(
            {
                "session": session,
                "condition": session_status(session, found, moment, over=over).condition,
                "grants": [scripts.grant(one) for one in found],
                "timeline": [scripts.event(one) for one in timeline],
            }
        )
        return
    write(session_story(session, found, timeline, look(), now=moment, over=over))
