"""Each session by itself: what its key can do at worst, who stops it, what is for nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from runner.errors import PlanError
from runner.ethereum.permissions import Permission
from runner.frozen import frozen
from runner.planning.facts import WalletFact
from runner.planning.limits import Limit, limits_of
from runner.planning.lint import beyond_need
from runner.planning.needs import needs_of
from runner.planning.risk import Exposure, exposure
from runner.planning.wanted import wanted_session
from runner.policy.model import Policy, Session, SmartAccount


@frozen
class Explained:
    """
    One session.

    Attributes:
        derived: Whether its permissions follow from its schedules.
        excess: Permissions beyond the need, each with what it is beyond.
        fault: Why it could not be granted at all; the rest is empty then.
    """

    policy: Policy
    session: Session
    account: SmartAccount
    derived: bool
    permissions: tuple[Permission, ...]
    exposure: Exposure
    limits: tuple[Limit, ...]
    excess: tuple[tuple[Permission, str], ...]
    fault: str | None = None


def explain(
    policies: Sequence[Policy], wallets: Mapping[str, WalletFact], *, now: datetime
) -> Iterator[Explained]:
    """Every session of the policies, in their order."""
    for policy in policies:
        needs = needs_of(policy, now=now)
        for session in policy.sessions.values():
            account = policy.accounts[session.account]
            try:
                wanted = wanted_session(policy, session, wallets, now=now)
            except PlanError as error:
                nothing = Exposure((), (), ())
                yield Explained(
                    policy, session, account, True, (), nothing, (), (), fault=error.what
                )
                continue
            tokens = [asset.address for asset in policy.assets if asset.address is not None]
            need = needs.get(session.name)
            yield Explained(
                policy=policy,
                session=session,
                account=account,
                derived=need is None,
                permissions=wanted.permissions,
                exposure=exposure(wanted.permissions, tokens=tokens),
                limits=limits_of(policy, session, wanted.permissions),
                excess=() if need is None else tuple(beyond_need(need)),
            )
