"""What a plan is made against, read from the ledger and runner.yaml; nothing is written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select

from runner.adapters.sql import reading
from runner.adapters.sql import tables as t
from runner.adapters.sql.names import Names, identities
from runner.adapters.sql.rows import parse_permissions
from runner.adapters.sql.store import sqlite_path
from runner.cli.loading import margins_of, wallets_of
from runner.errors import LedgerEmpty
from runner.ethereum.address import Address
from runner.guard.budget import LIFE
from runner.planning.applied import read_record
from runner.planning.facts import MAY_SIGN, Facts, GrantFact, ScheduleFact, WalletFact

if TYPE_CHECKING:
    from runner.policy.model import Policy
    from runner.settings import Settings


_TOTAL = ":until_total"


def facts_of(settings: Settings) -> Facts:
    """
    The ledger as far as plans look at it; none yet is an empty one.

    Raises:
        StoreError: there is a ledger, and it cannot be read.
    """
    path = sqlite_path(settings.store)
    if path is not None and not path.exists():
        return Facts()
    try:
        with reading.ledger(settings.store) as connection:
            schedules = _schedules(connection)
            return Facts(
                known=identities(connection),
                exists=True,
                revision=t.REVISION,
                grants=tuple(_grants(connection)),
                schedules=schedules,
                applied=_applied(connection),
            )
    except LedgerEmpty:
        return Facts()


def wallets_as_facts(settings: Settings) -> dict[str, WalletFact]:
    """Every wallet profile."""
    margins, words = margins_of(settings), wallets_of(settings)
    return {
        name: WalletFact(
            margins=margins[name],
            sandbox=profile.is_sandbox,
            where=words[name],
            evidence=(
                None if profile.rpc_url.for_all is not None else frozenset(profile.rpc_url.by_chain)
            ),
        )
        for name, profile in settings.wallets.items()
    }


def settings_facts(settings: Settings, policies: Sequence[Policy]) -> dict[str, str]:
    """What runner.yaml says about all that the policies use, by path; nothing secret."""
    accounts = [account for policy in policies for account in policy.accounts.values()]
    found = {"store": settings.store}
    for name, fact in wallets_as_facts(settings).items():
        if any(account.wallet == name for account in accounts):
            evidence = "all chains" if fact.evidence is None else sorted(fact.evidence)
            found[f"wallets.{name}"] = f"{fact.where}, own evidence: {evidence}, {fact.margins}"
    for name in {account.owner for account in accounts}:
        spec = settings.signers.get(name)
        kind = "throw-away" if spec is None else "sandbox only" if spec.sandbox_only else "real"
        found[f"signers.{name}"] = kind
    return found


def _schedules(c: Connection) -> dict[str, ScheduleFact]:
    paid = select(t.runs.c.schedule, func.max(t.runs.c.due_at)).where(
        t.runs.c.kind == "payment", t.runs.c.state == "success"
    )
    last = {row[0]: row[1] for row in c.execute(paid.group_by(t.runs.c.schedule))}
    b = t.budgets.c
    totals: dict[str, dict[str, int]] = {}
    for row in c.execute(select(t.budgets).where(b.period == LIFE, b.budget.endswith(_TOTAL))):
        uid = row.budget.removeprefix("schedule:").removesuffix(_TOTAL)
        totals.setdefault(uid, {})[row.token] = row.spent + row.reserved
    names = Names(c)
    return {
        names.schedule(row.uid): ScheduleFact(
            uid=names.schedule(row.uid),
            session=names.session(row.session),
            trigger=row.trigger,
            anchor=row.anchor,
            state=row.state,
            runs=row.runs,
            paused_reason=row.paused_reason,
            last_paid=last.get(row.uid),
            paid=totals.get(row.uid, {}),
        )
        for row in c.execute(select(t.schedules))
    }


def _grants(c: Connection) -> list[GrantFact]:
    rows = c.execute(select(t.grants).order_by(t.grants.c.session, t.grants.c.generation)).all()
    taken = _taken(c, [row.id for row in rows if row.state in MAY_SIGN])
    names = Names(c)
    return [
        GrantFact(
            session=names.session(row.session),
            generation=row.generation,
            state=row.state,
            chain=row.chain,
            account=Address(row.account),
            wallet=row.wallet,
            permissions=parse_permissions(row.permissions),
            requested_at=row.requested_at,
            expires_at=row.expires_at,
            next_renewal_at=row.next_renewal_at,
            entity_id=row.entity_id,
            taken=taken.get(row.id, {}),
        )
        for row in rows
    ]


def _taken(c: Connection, grants: list[int]) -> Mapping[int, Mapping[str, int]]:
    """What runs have spent of each generation, or may yet spend."""
    spends = ("success", "included")
    found: dict[int, dict[str, int]] = {}
    for grant in grants:
        query = (
            select(t.transfers.c.token, t.transfers.c.amount)
            .join_from(t.transfers, t.runs, t.transfers.c.run == t.runs.c.id)
            .where(
                t.runs.c.grant_id == grant,
                t.transfers.c.kind != "observed",
                t.runs.c.closed_at.is_(None) | t.runs.c.state.in_(spends),
            )
        )
        sums = found.setdefault(grant, {})
        for row in c.execute(query):
            sums[row.token] = sums.get(row.token, 0) + row.amount
    return found


def _applied(c: Connection) -> dict[str, Policy]:
    """The policies in force: those whose schedules are, as they were written down."""
    in_force = select(t.schedules.c.uid, t.schedules.c.revision).where(
        t.schedules.c.state != "removed"
    )
    wanted = {(row.uid.partition("/")[0], row.revision) for row in c.execute(in_force)}
    query = select(t.events.c.subject, t.events.c.data).where(t.events.c.kind == "policy.applied")
    found: dict[str, Policy] = {}
    for row in c.execute(query.order_by(t.events.c.at.desc())):
        data = json.loads(row.data)
        if row.subject not in found and (row.subject, data.get("revision")) in wanted:
            policy = read_record(data["text"], row.subject)
            if policy is not None:
                found[row.subject] = policy
    return found
