"""`runner grants`: the grants of session keys."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.asking import ask, reason_option, tell
from runner.cli.loading import policies_if_valid, settings_of
from runner.cli.options import Duration, config_option, format_options, now
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
    from runner.adapters.sql import reading
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
    from runner.adapters.sql import reading
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


@grants.command()
@click.argument("target", metavar="SESSION|GENERATION")
@click.option("--foreign", is_flag=True, help="It was found on an account, and is not ours.")
@click.option(
    "--wait",
    "seconds",
    type=Duration(),
    default="15m",
    show_default=True,
    help="How long to wait for the proof.",
)
@click.option("--no-wait", is_flag=True, help="Do not wait for the proof.")
@reason_option
@config_option
@format_options()
@click.pass_context
def revoke(
    context: click.Context,
    target: str,
    foreign: bool,
    seconds: float,
    no_wait: bool,
    reason: str,
    config: str | None,
    form: str,
) -> None:
    """
    Take the grants of a session (policy/name) off its account, or one generation (policy/name#2).

    From here on they sign no payment. The owner uninstalls each with all that its modules need to
    clean up, or voids it unused; the command ends when the chain shows nothing of them. While its
    policy names the session, it is granted anew with a fresh key: `runner stop --revoke-all` ends
    all grants for good.
    """
    from runner.cli.revoking import finish

    command = ask(config, "grant.revoke", target, reason, foreign=foreign)
    context.exit(finish(config, command, form, seconds=0.0 if no_wait else seconds))


@grants.command()
@click.argument("session")
@reason_option
@config_option
@format_options()
def renew(session: str, reason: str, config: str | None, form: str) -> None:
    """
    Ask for the next grant of SESSION (policy/name) now, whatever failed before.

    The one in service goes on until the next is active.
    """
    tell(ask(config, "grant.renew", session, reason), form)


@grants.command()
@click.argument("session", metavar="SESSION|GENERATION")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where to write the request.",
)
@click.option(
    "--delegate",
    is_flag=True,
    help="Have the owner's address delegate to the account's code (type: eip7702).",
)
@config_option
def request(session: str, out: Path | None, delegate: bool, config: str | None) -> None:
    """
    Write what the owner of SESSION (policy/name) is to sign, for a person who signs by hand.

    The file says in words what is allowed, until when, and what a thief could take; it carries the
    EIP-712 data for a wallet, and all that `runner grants sign` needs on a machine of its own.
    With a generation (policy/name#2) that was revoked, it is the operation that takes it off.

    With --delegate no file is written: the owner's signer signs the delegation of its address
    (EIP-7702) and an operation without calls that carries it, once for each chain; grants of the
    account can be asked for when the chain shows it.
    """
    if delegate == (out is not None):
        raise click.UsageError("say one of --out FILE and --delegate")
    if out is None:
        from runner.cli.delegating import delegate_for

        note(delegate_for(config, session))
        return
    from runner.cli import byhand, takeoff

    told = (takeoff if "#" in session else byhand).export(config, session, out)
    note(f"{out}: {told}")
    hint(f"sign it where the key is, then bring it back: runner grants sign {out}")


@grants.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--signer", metavar="NAME", help="Sign with this signer of runner.yaml.")
@click.option("--signature", metavar="0x…", help="The signature that a wallet has made.")
@click.option(
    "--clean-entity",
    type=int,
    metavar="N",
    help="You have seen in the ledger that entity N, used before, was uninstalled clean.",
)
@config_option
@format_options()
def sign(
    file: Path,
    signer: str | None,
    signature: str | None,
    clean_entity: int | None,
    config: str | None,
    form: str,
) -> None:
    """
    Sign the request in FILE, or bring its signature back.

    All that the file shows is recomputed from its fields first. With --signer it is signed here;
    where the ledger is elsewhere, the signature is written into the file, to be brought back by
    `runner grants sign FILE` there.
    """
    from runner.adapters.signers.takeoff import is_takeoff
    from runner.cli import byhand, takeoff

    if is_takeoff(file):
        command, told = takeoff.bring_back(config, file, signer=signer, signature=signature)
    else:
        command, told = byhand.bring_back(
            config, file, signer=signer, signature=signature, clean_entity=clean_entity
        )
    if command is not None:
        tell(command, form)
    else:
        note(told)
