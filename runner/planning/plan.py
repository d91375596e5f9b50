"""
The plan: policies × ledger × time → what would change, what it would cost and risk.

One pure function of values. Nothing is asked of anybody, nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from runner.ethereum.address import Address
from runner.ethereum.permissions import Erc20TokenTransfer, Permission
from runner.frozen import frozen
from runner.guard.intent import NATIVE
from runner.guard.scope import Allowances, initial_allowances, installed
from runner.planning.diff import Action, Difference, SessionChange, difference
from runner.planning.facts import Facts, GrantFact, WalletFact
from runner.planning.limits import Limit, limits_of
from runner.planning.naming import COIN
from runner.planning.outlook import Outlook, outlook
from runner.planning.renames import moved, relabelled
from runner.planning.risk import Exposure, Trap, exposure, together
from runner.planning.wanted import Wanted, wanted_of
from runner.policy.model import Asset, Policy
from runner.scheduling.zones import tzdata_version

_GRANTED = frozenset({Action.CREATE, Action.RENEW, Action.WIDEN, Action.REPLACE})


@frozen
class AtRisk:
    """
    What could be taken of one asset of one account if all keys that can still sign were stolen
    (R14), before and after the plan; None: all that the account holds.
    """

    account: str
    asset: Asset
    before: int | None
    after: int | None
    keys_before: int
    keys_after: int


@frozen
class Guarded:
    """A session that changes: who enforces its limits, and the traps in what it may do."""

    session: str
    limits: tuple[Limit, ...]
    traps: tuple[Trap, ...]


@frozen
class Plan:
    """
    All that a reviewer has to know.

    Attributes:
        blind: Wallets and chains whose inclusions only the service itself attests (X12).
        tzdata: The version of zone data that instants were computed with (T4).
    """

    at: datetime
    horizon: timedelta
    exists: bool
    difference: Difference
    outlook: Outlook
    at_risk: tuple[AtRisk, ...]
    guarded: tuple[Guarded, ...]
    blind: tuple[tuple[str, int], ...]
    tzdata: str

    @property
    def changes(self) -> bool:
        """Whether carrying it out would do anything."""
        return bool(self.difference)

    @property
    def signatures(self) -> int:
        """How often owners have to sign now."""
        return sum(one.signatures for one in self.difference.sessions)


def make_plan(
    policies: Sequence[Policy],
    facts: Facts,
    wallets: Mapping[str, WalletFact],
    *,
    now: datetime,
    horizon: timedelta,
) -> Plan:
    """
    Plan.

    Raises:
        PlanError: a session cannot be granted as it is written.
    """
    wanted = wanted_of(policies, wallets, now=now)
    changed = difference(policies, facts, wanted, now=now)
    facts = relabelled(facts, moved(policies, facts.identities))
    at_once = {one.uid: one.action in _GRANTED for one in changed.sessions}
    risk = _Risk(policies, facts, wanted, now)
    return Plan(
        at=now,
        horizon=horizon,
        exists=facts.exists,
        difference=changed,
        outlook=outlook(policies, facts, wanted, at_once, now=now, horizon=horizon),
        at_risk=tuple(risk.lines(changed.sessions)),
        guarded=tuple(_guarded(policies, wanted, changed.sessions)),
        blind=tuple(
            sorted(
                {
                    (one.account.wallet, one.account.chain)
                    for one in wanted.values()
                    if not wallets[one.account.wallet].independent(one.account.chain)
                }
            )
        ),
        tzdata=tzdata_version(),
    )


def _guarded(
    policies: Sequence[Policy], wanted: Mapping[str, Wanted], changes: Sequence[SessionChange]
) -> Iterator[Guarded]:
    touched = {one.uid for one in changes if one.action is not Action.RETIRE}
    for policy in policies:
        for session in policy.sessions.values():
            if session.uid in touched:
                permissions = wanted[session.uid].permissions
                tokens = [asset.address for asset in policy.assets if asset.address is not None]
                found = exposure(permissions, tokens=tokens)
                yield Guarded(session.uid, limits_of(policy, session, permissions), found.traps)


class _Risk:
    """Exposure over all generations of all sessions, by account."""

    def __init__(
        self,
        policies: Sequence[Policy],
        facts: Facts,
        wanted: Mapping[str, Wanted],
        now: datetime,
    ) -> None:
        self.facts = facts
        self.wanted = wanted
        known = (*facts.applied.values(), *policies)
        self.accounts = {
            session.uid: f"{policy.name}/{session.account}"
            for policy in known
            for session in policy.sessions.values()
        }
        self.by_address = {
            one.account: self.accounts[one.session]
            for one in facts.grants
            if one.session in self.accounts
        }
        self.assets: dict[str, dict[Address, Asset]] = {}
        for policy in known:
            tokens = {asset.address: asset for asset in policy.assets if asset.address is not None}
            for name in policy.accounts:
                self.assets[f"{policy.name}/{name}"] = tokens
        self.living = [one for one in facts.grants if one.may_sign(now)]

    def lines(self, changes: Sequence[SessionChange]) -> Iterator[AtRisk]:
        """
        Every account and asset of which anything can be taken, before or after.

        A grant that is to be revoked counts on: it is gone when that is proved, not when planned.
        """
        new = [one.uid for one in changes if one.action in _GRANTED or one.stops]
        before: dict[str, list[Exposure]] = {}
        after: dict[str, list[Exposure]] = {}
        for grant in self.living:
            account = self.accounts.get(grant.session) or self.by_address.get(grant.account)
            account = account or str(grant.account)
            found = self._of_grant(grant, account)
            before.setdefault(account, []).append(found)
            after.setdefault(account, []).append(found)
        for uid in new:
            account = self.accounts[uid]
            permissions = self.wanted[uid].permissions
            found = exposure(permissions, tokens=self._tokens(account, permissions))
            after.setdefault(account, []).append(found)
        for account in dict.fromkeys((*before, *after)):
            yield from self._of_account(account, before.get(account, []), after.get(account, []))

    def _of_account(
        self, account: str, before: Sequence[Exposure], after: Sequence[Exposure]
    ) -> Iterator[AtRisk]:
        named = {loss.token for one in (*before, *after) for loss in one.losses}
        known = self.assets.get(account, {})
        for token in sorted(named, key=lambda token: (token is not None, token or "")):
            asset = COIN if token is None else known.get(token, Asset(token, token, 0))
            then, later = together(before, token), together(after, token)
            if then != 0 or later != 0:
                yield AtRisk(account, asset, then, later, len(before), len(after))

    def _tokens(self, account: str, permissions: Sequence[Permission]) -> list[Address]:
        named = [one.address for one in permissions if isinstance(one, Erc20TokenTransfer)]
        return [*self.assets.get(account, {}), *named]

    def _of_grant(self, grant: GrantFact, account: str) -> Exposure:
        inherited, left = self._inherited(grant), left_of(grant)
        # Counters of an earlier key live on where the new one does not name their token.
        older = dict(initial_allowances(inherited).erc20)
        return exposure(
            grant.permissions,
            tokens=[*self._tokens(account, grant.permissions), *older],
            left=replace(left, erc20=older | dict(left.erc20)),
            previous=installed(inherited) if inherited else None,
        )

    def _inherited(self, grant: GrantFact) -> tuple[Permission, ...]:
        """What an earlier key under the same entity id may have left behind (F2, X15)."""
        for one in self.facts.grants:
            same = (one.chain, one.account, one.entity_id)
            earlier = one.requested_at < grant.requested_at
            if (
                grant.entity_id is not None
                and same == (grant.chain, grant.account, grant.entity_id)
                and earlier
                and one.state not in {"revoked", "abandoned"}
            ):
                return one.permissions
        return ()


def left_of(grant: GrantFact) -> Allowances:
    """The allowances of a generation less what its runs have taken; gas as it was granted."""
    granted = initial_allowances(grant.permissions)
    native = granted.native
    if native is not None:
        native = max(native - grant.taken.get(NATIVE, 0), 0)
    erc20 = {
        token: max(allowance - grant.taken.get(token, 0), 0)
        for token, allowance in granted.erc20.items()
    }
    return replace(granted, native=native, erc20=erc20)
