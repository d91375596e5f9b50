"""`runner grants`: what session keys may do, and until when."""

from __future__ import annotations

import click

from runner.cli.options import config_option, format_options
from runner.cli.options import now as present


@click.group()
def grants() -> None:
    """Grants of session keys: list, show."""


@grants.command("list")
@config_option
@format_options()
def list_grants(config: str | None, form: str) -> None:
    """Every generation of every session, oldest first."""
    _list(config, None, form)


@grants.command()
@click.argument("session")
@config_option
@format_options()
def show(session: str, config: str | None, form: str) -> None:
    """The generations of one SESSION (policy/name) with their permissions."""
    _list(config, session, form)


def _list(config: str | None, session: str | None, form: str) -> None:
    from runner.cli import reading
    from runner.cli.loading import settings_of
    from runner.cli.render import hint, look, write, write_json
    from runner.errors import UsageError
    from runner.reporting import scripts
    from runner.reporting.text import Cell, away, stamp, state_cell, table

    now = present()
    with reading.ledger(settings_of(config).store) as c:
        found = reading.grants(c, session)
    if session is not None and not found:
        raise UsageError(f"the ledger has no session {session}", hint="see `runner grants list`")
    if form == "json":
        write_json([scripts.grant(one) for one in found])
        return
    if not found:
        hint("no session was granted yet; `runner up` asks for what the policies need")
        return
    rows: list[list[str | Cell]] = [
        [
            one.session,
            str(one.generation),
            state_cell(one.state),
            stamp(one.expires_at, seconds=True),
            away(one.expires_at, now),
            stamp(one.next_renewal_at, seconds=True) if one.state == "active" else "",
            "" if one.entity_id is None else str(one.entity_id),
            one.key_address,
        ]
        for one in found
    ]
    head = ["SESSION", "GEN", "STATE", "EXPIRES", "", "RENEWS", "ENTITY", "KEY"]
    write(table(head, rows, look(), flexible=(7, 0), right=(1, 6)))
    if session is not None:
        for permission in found[-1].permissions:
            facts = " ".join(f"{k}={v}" for k, v in permission.items() if k != "type")
            write([f"  {permission['type']}  {facts}"])
