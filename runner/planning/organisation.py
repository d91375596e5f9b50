"""
Policies under the rules of an organisation: where one goes beyond them, and one held to them.

Pure. What `breaches` finds is an error like any other of the policy. `held_to` narrows what is left
to the organisation's bounds, so that whoever plans, asks for a grant or signs is bound by them
without knowing of them; what no key of a policy can say is laid on its sessions (`Above`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from runner.errors import Mark
from runner.ethereum.address import Address
from runner.ethereum.permissions import ContractAccess, FunctionsOnContract
from runner.guard.intent import NATIVE, at_most, encode, intent_of, spent_by_token
from runner.planning.naming import COIN, Names, amount_of, length_of
from runner.policy.codes import Code
from runner.policy.faults import Finding
from runner.policy.model import (
    Above,
    Asset,
    Derive,
    Limits,
    Money,
    Organisation,
    Policy,
    PolicyCall,
    RollingLimit,
    Schedule,
    Session,
    SmartAccount,
)
from runner.policy.scalars import CHAIN_NAMES

_UNBOUND = frozenset({"root", "account-functions", "functions-on-all-contracts"})
"""Permissions that reach contracts without naming them."""


def breaches(policy: Policy, organisation: Organisation) -> Iterator[Finding]:
    """What of a policy goes beyond the organisation's rules, each at its place."""
    yield from _Review(policy, organisation).findings()


def held_to(policy: Policy, organisation: Organisation) -> Policy:
    """The policy within the organisation's bounds: the narrower of both holds everywhere."""
    accounts = {
        name: replace(one, max_fee=_least(one.max_fee, organisation.max_fee))
        for name, one in policy.accounts.items()
    }
    sessions = {
        name: _held(one, organisation, policy.accounts[one.account].chain)
        for name, one in policy.sessions.items()
    }
    return replace(policy, accounts=accounts, sessions=sessions)


def _held(session: Session, organisation: Organisation, chain: int) -> Session:
    receivers = session.receivers
    if organisation.receivers is not None:
        mine = receivers if receivers is not None else sorted(organisation.receivers)
        receivers = tuple(one for one in mine if one in organisation.receivers)
    most = {money.asset.address: money for money in session.max_exposure or ()}
    for bound in _on(organisation.max_exposure, organisation, chain):
        mine_too = most.get(bound.asset.address)
        if mine_too is None or bound.amount < mine_too.amount:
            most[bound.asset.address] = bound
    above = Above(
        scope=f"organisation:{chain}",
        limits=_limits_on(organisation, chain),
        contracts=_contracts(organisation, chain),
        approve_above=_on(organisation.approve_above, organisation, chain),
        approvers=organisation.approvers,
        max_lifetime=organisation.max_lifetime,
        forbidden=organisation.forbidden_permissions,
    )
    exposure = tuple(most.values()) or session.max_exposure
    return replace(session, receivers=receivers, max_exposure=exposure, above=above)


def _least(mine: int | None, bound: int | None) -> int | None:
    known = [one for one in (mine, bound) if one is not None]
    return min(known, default=None)


def _on(moneys: Sequence[Money], organisation: Organisation, chain: int) -> tuple[Money, ...]:
    """Amounts in what the tokens are on one chain; those of a token that is not there are left."""
    found = []
    for money in moneys:
        if money.asset.address is None:
            found.append(money)
            continue
        token = organisation.tokens[money.asset.name]
        address = token.on(chain)
        if address is not None:
            found.append(replace(money, asset=Asset(token.name, address, token.decimals)))
    return tuple(found)


def _limits_on(organisation: Organisation, chain: int) -> Limits:
    limits = organisation.limits

    def here(moneys: Sequence[Money]) -> tuple[Money, ...]:
        return _on(moneys, organisation, chain)

    return Limits(
        per_run=here(limits.per_run),
        per_day=here(limits.per_day),
        per_week=here(limits.per_week),
        per_month=here(limits.per_month),
        per_lifetime=here(limits.per_lifetime),
        rolling=tuple(RollingLimit(one.window, here(one.amounts)) for one in limits.rolling),
        timezone=limits.timezone,
    )


def _contracts(organisation: Organisation, chain: int) -> frozenset[Address] | None:
    if organisation.contracts is None:
        return None
    tokens = (token.on(chain) for token in organisation.tokens.values())
    return organisation.contracts | {one for one in tokens if one is not None}


class _Review:
    """One policy under one organisation."""

    def __init__(self, policy: Policy, organisation: Organisation) -> None:
        self._policy = policy
        self._organisation = organisation
        self._names = Names(policy)

    def findings(self) -> Iterator[Finding]:
        for account in self._policy.accounts.values():
            yield from self._account(account)
        for session in self._policy.sessions.values():
            yield from self._session(session)
        for schedule in self._policy.schedules.values():
            yield from self._schedule(schedule)

    def _found(self, rule: str, what: str, mark: Mark, path: str = "") -> Finding:
        """At the key of the policy that goes beyond, if it is written, else at what holds it."""
        mark = self._policy.written.get(path, mark)
        place = self._organisation.written.get(rule)
        where = self._organisation.file if place is None else str(place)
        hint = f"stay within `{rule}` of {where}, or have it changed there"
        return Finding(Code.BEYOND_ORGANISATION, what, mark, hint, "error")

    def _account(self, account: SmartAccount) -> Iterator[Finding]:
        rules, path = self._organisation, f"accounts.{account.name}"
        if rules.chains is not None and account.chain not in rules.chains:
            what = (
                f"{CHAIN_NAMES.get(account.chain, account.chain)} is no chain of the organisation"
            )
            yield self._found("chains", what, account.mark, f"{path}.chain")
        fee = account.max_fee
        is_written = f"{path}.max_fee" in self._policy.written
        if is_written and rules.max_fee is not None and fee is not None and fee > rules.max_fee:
            what = f"one operation may cost {amount_of(COIN, rules.max_fee)} at most"
            yield self._found("max_fee", what, account.mark, f"{path}.max_fee")

    # ── sessions ──────────────────────────────────────────────────────────────────────────────

    def _session(self, session: Session) -> Iterator[Finding]:
        rules, path = self._organisation, f"sessions.{session.name}"
        if rules.max_lifetime is not None and session.lifetime > rules.max_lifetime:
            what = f"a grant may live {length_of(rules.max_lifetime)} at most"
            yield self._found("max_lifetime", what, session.mark, f"{path}.lifetime")
        for receiver in session.receivers or ():
            if rules.receivers is not None and receiver not in rules.receivers:
                what = f"`{self._names.of(receiver)}` is no receiver of the organisation"
                yield self._found("receivers", what, session.mark, f"{path}.receivers")
        yield from self._permissions(session)
        chain = self._policy.accounts[session.account].chain
        bounds = {one.asset.address: one for one in _on(rules.max_exposure, rules, chain)}
        for money in session.max_exposure or ():
            bound = bounds.get(money.asset.address)
            if bound is not None and money.amount > bound.amount:
                what = f"a session may have {_text(bound)} at stake at most"
                yield self._found("max_exposure", what, money.mark)

    def _permissions(self, session: Session) -> Iterator[Finding]:
        if isinstance(session.permissions, Derive):
            return
        rules = self._organisation
        chain = self._policy.accounts[session.account].chain
        contracts = _contracts(rules, chain)
        marks = (*session.permission_marks, *(session.mark for _ in session.permissions))
        for permission, mark in zip(session.permissions, marks, strict=False):
            if permission.kind in rules.forbidden_permissions:
                what = f"the permission `{permission.kind}` is forbidden"
                yield self._found("forbidden_permissions", what, mark)
            if contracts is None:
                continue
            if permission.kind in _UNBOUND:
                what = f"`{permission.kind}` reaches more than the contracts of the organisation"
                yield self._found("contracts", what, mark)
            elif (
                isinstance(permission, ContractAccess | FunctionsOnContract)
                and permission.address not in contracts
            ):
                what = f"`{self._names.of(permission.address)}` is no contract of the organisation"
                yield self._found("contracts", what, mark)

    # ── schedules ─────────────────────────────────────────────────────────────────────────────

    def _schedule(self, schedule: Schedule) -> Iterator[Finding]:
        session = self._policy.sessions[schedule.session]
        chain = self._policy.accounts[session.account].chain
        contracts = _contracts(self._organisation, chain)
        for call in schedule.calls:
            yield from self._call(call, contracts)
        assets = {asset.address or NATIVE: asset for asset in self._policy.assets}
        sums = spent_by_token(intent_of(schedule.calls, assets).lines)
        for bound in _on(self._organisation.limits.per_run, self._organisation, chain):
            spent = sums.get(bound.asset.address or NATIVE, 0)
            if spent > bound.amount:
                shown = amount_of(bound.asset, spent)
                what = f"a run of `{schedule.name}` moves {shown}, and may move {_text(bound)}"
                yield self._found("limits", what, schedule.mark)

    def _call(self, call: PolicyCall, contracts: frozenset[Address] | None) -> Iterator[Finding]:
        plain = at_most(call)
        encoded = encode(plain)
        assets = {asset.address or NATIVE: asset for asset in self._policy.assets}
        lines = intent_of((call,), assets).lines
        receivers = self._organisation.receivers
        for line in lines:
            if receivers is not None and line.receiver not in receivers:
                what = f"`{self._names.of(line.receiver)}` is no receiver of the organisation"
                yield self._found("receivers", what, call.mark)
        pays_coin = not encoded.data
        if contracts is not None and not pays_coin and encoded.to not in contracts:
            what = f"`{self._names.of(encoded.to)}` is no contract of the organisation"
            yield self._found("contracts", what, call.mark)


def _text(money: Money) -> str:
    return amount_of(money.asset, money.amount)
