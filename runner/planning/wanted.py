"""What a session asks for: its permissions, where, and what its runs need of a grant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from runner.ethereum.address import Address
from runner.ethereum.permissions import Permission
from runner.frozen import frozen
from runner.planning.demand import demands_of
from runner.planning.derive import max_fee_of, permissions_of
from runner.planning.facts import GrantFact, WalletFact
from runner.planning.renewal import Margins, room
from runner.policy.model import Policy, Session, SmartAccount, SponsoredGas
from runner.scheduling.lateness import run_deadline_default


@frozen
class Wanted:
    """
    One session as `up` would keep it.

    Attributes:
        address: The account's, where it is written.
        max_fee: Wei, the most one operation may cost (G2).
    """

    session: Session
    account: SmartAccount
    permissions: tuple[Permission, ...]
    max_fee: int
    margins: Margins
    room: timedelta
    address: Address | None

    @property
    def uid(self) -> str:
        """`policy/name`."""
        return self.session.uid

    @property
    def sponsored(self) -> bool:
        """Whether somebody else pays for gas."""
        return isinstance(self.account.gas, SponsoredGas)

    def is_place_of(self, grant: GrantFact) -> bool:
        """Whether a grant was obtained for this account, chain and wallet."""
        same = (grant.chain, grant.wallet) == (self.account.chain, self.account.wallet)
        return same and self.address in (None, grant.account)


def wanted_of(
    policies: Sequence[Policy], wallets: Mapping[str, WalletFact], *, now: datetime
) -> dict[str, Wanted]:
    """
    By uid, all sessions of the policies.

    Raises:
        PlanError: as `wanted_session`.
    """
    return {
        session.uid: wanted_session(policy, session, wallets, now=now)
        for policy in policies
        for session in policy.sessions.values()
    }


def wanted_session(
    policy: Policy, session: Session, wallets: Mapping[str, WalletFact], *, now: datetime
) -> Wanted:
    """
    One session as `up` would ask for it.

    Raises:
        PlanError: nothing can be derived for it, since no schedule uses it; or nothing bounds the
            fees of its account.
    """
    account = policy.accounts[session.account]
    wallet = wallets[account.wallet]
    uses = [one for one in policy.schedules.values() if one.session == session.name]
    max_fee = max_fee_of(account, sandbox=wallet.sandbox)
    permissions = permissions_of(
        session,
        demands_of(session, uses, now=now),
        sponsored=isinstance(account.gas, SponsoredGas),
        max_fee=max_fee,
    )
    rooms = [
        room(one.run_deadline or run_deadline_default(session.lifetime), wallet.margins)
        for one in uses
    ]
    return Wanted(
        session=session,
        account=account,
        permissions=permissions,
        max_fee=max_fee,
        margins=wallet.margins,
        room=max(rooms, default=timedelta(0)),
        address=account.address,
    )
