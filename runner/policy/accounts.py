"""
Reading `accounts`: who owns them, where they live, who pays their gas.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from runner.policy.addresses import read_address
from runner.policy.books import Books
from runner.policy.codes import Code
from runner.policy.faults import Refusal, did_you_mean, shown
from runner.policy.language import ACCOUNT, GAS
from runner.policy.model import AccountType, Gas, NativeGas, SmartAccount, SponsoredGas
from runner.policy.nodes import Mapping as MapNode
from runner.policy.nodes import Node
from runner.policy.reader import Reader
from runner.policy.record import Record
from runner.policy.scalars import choice, default_max_fee, parse_chain, parse_count, parse_name

T = TypeVar("T")

UNKNOWN_CHAIN = 0
"""Stands in for a chain that could not be read; such a policy is never handed on."""


class WalletFacts(Protocol):
    """What a policy needs to know of a wallet profile."""

    @property
    def is_sandbox(self) -> bool: ...
    @property
    def gas_policies(self) -> Mapping[str, str]: ...


class SignerFacts(Protocol):
    """What a policy needs to know of a signer."""

    @property
    def sandbox_only(self) -> bool: ...


class Surroundings(Protocol):
    """What a policy needs to know of runner.yaml."""

    @property
    def wallets(self) -> Mapping[str, WalletFacts]: ...
    @property
    def signers(self) -> Mapping[str, SignerFacts]: ...
    @property
    def throw_away_signers(self) -> bool: ...


def read_accounts(
    reader: Reader,
    policy: Record,
    books: Books,
    settings: Surroundings | None,
    remember: Callable[[str, str, Record], None],
) -> dict[str, SmartAccount]:
    """
    Read all accounts of a policy; those with an address become names in the books.

    Args:
        settings: The profiles and signers to check against, or None to leave that out.
        remember: Is told the fields of each account, for what is written where.
    """
    policy.read("chain", parse_chain, UNKNOWN_CHAIN)  # be there accounts that need them or not
    policy.read("wallet", parse_name, "")
    accounts = {}
    for name, _, node in reader.named(policy.get("accounts"), ACCOUNT):
        record = reader.record(node, ACCOUNT)
        if record is not None:
            for key in ("chain", "wallet"):  # of the policy, where the account names none
                if key not in record.mapping.entries and (above := policy.get(key)) is not None:
                    record.fields[key] = above
            remember("accounts", name, record)
            account = _Account(record, policy, books, settings).read(name)
            accounts[name] = account
            books.accounts[name] = account.address
    return accounts


class _Account:
    """Reads one account."""

    def __init__(
        self, record: Record, policy: Record, books: Books, settings: Surroundings | None
    ) -> None:
        self.record = record
        self.policy = policy
        self.books = books
        self.settings = settings
        self.reader = record.reader

    def read(self, name: str) -> SmartAccount:
        record = self.record
        chain = self._inherited("chain", parse_chain, UNKNOWN_CHAIN)
        wallet = self._inherited("wallet", parse_name, "")
        gas = self._gas()
        max_fee, per_day = self._fees(chain, wallet)
        kind = AccountType(record.read("type", _parse_type, "smart"))
        owner = record.read("owner", _parse_owner, "")
        self._check_surroundings(owner, wallet, gas)
        salt = record.read("salt", parse_count, 0, hex64=True)
        if kind is AccountType.EIP7702 and salt:
            what = "a delegated EOA has no salt: its account is at the owner's own address"
            hint = "delete `salt`, or take `type: smart`"
            self.reader.fault(Code.OUT_OF_RANGE, what, record.get("salt") or record.place, hint)
        return SmartAccount(
            name=name,
            owner=owner,
            chain=chain,
            wallet=wallet,
            type=kind,
            gas=gas,
            max_fee=max_fee,
            max_fee_per_day=per_day,
            address=record.read("address", read_address, None),
            salt=salt,
            mark=record.mark,
        )

    def _inherited(self, key: str, parse: Callable[[str], T], instead: T) -> T:
        """Read a key that the policy may have written for all of its accounts."""
        if key in self.record:
            return self.record.read(key, parse, instead)
        if self.policy.lacks(key):
            self.record.missing(key)
        return instead

    def _fees(self, chain: int, wallet: str) -> tuple[int | None, int | None]:
        """Return `max_fee` and `max_fee_per_day` in wei, by rule G2 where they are not written."""
        max_fee, per_day = (
            self._positive(node, chain) if (node := self.record.get(key)) is not None else None
            for key in ("max_fee", "max_fee_per_day")
        )
        if max_fee is None:
            max_fee = default_max_fee(chain)
        profile = None if self.settings is None else self.settings.wallets.get(wallet)
        if profile is not None and not profile.is_sandbox:
            if max_fee is None and chain != UNKNOWN_CHAIN:
                what = "this chain has no default for `max_fee`"
                hint = "add `max_fee: 0.01 native`: the most that one operation may cost"
                self.reader.fault(Code.NO_MAX_FEE, what, self.record.place, hint)
            if per_day is None and max_fee is not None:
                per_day = 50 * max_fee
        return max_fee, per_day

    def _positive(self, node: Node, chain: int) -> int | None:
        money = self.books.coin(node, chain or None)
        if money.amount == 0:
            what = "a fee of 0 would refuse every operation"
            self.reader.fault(Code.NOT_ABOVE_ZERO, what, node, "write what one may cost at most")
        return money.amount if money.amount > 0 else None

    def _gas(self) -> Gas:
        node = self.record.get("gas")
        if node is None:
            return NativeGas()
        if isinstance(node, MapNode):
            record = self.reader.record(node, GAS)
            name = "default" if record is None else record.read("sponsor", parse_name, "default")
            return SponsoredGas(name)
        word = self.reader.read(node, _parse_gas, "native")
        return SponsoredGas() if word == "sponsor" else NativeGas()

    def _check_surroundings(self, owner: str, wallet: str, gas: Gas) -> None:
        """Check wallet, gas policy and owner against runner.yaml (G3)."""
        settings = self.settings
        if settings is None:
            return
        profile = settings.wallets.get(wallet)
        if wallet and profile is None:
            at = self.record.get("wallet") or self.record.place
            hint = did_you_mean(wallet, settings.wallets, "wallets of runner.yaml")
            self.reader.fault(
                Code.UNKNOWN_WALLET, f"runner.yaml has no wallet `{wallet}`", at, hint
            )
        if profile is not None and isinstance(gas, SponsoredGas):
            known = set(profile.gas_policies) | ({"default"} if profile.is_sandbox else set())
            if gas.policy not in known:
                at = self.record.get("gas") or self.record.place
                hint = did_you_mean(gas.policy, known, "gas policies")
                what = f"wallet `{wallet}` has no gas policy `{gas.policy}`"
                self.reader.fault(Code.UNKNOWN_GAS_POLICY, what, at, hint)
        if not owner or settings.throw_away_signers:
            return
        at = self.record.get("owner") or self.record.place
        signer = settings.signers.get(owner)
        if signer is None:
            hint = did_you_mean(owner, settings.signers, "signers of runner.yaml")
            self.reader.fault(Code.UNKNOWN_SIGNER, f"runner.yaml has no signer `{owner}`", at, hint)
        elif profile is not None and profile.is_sandbox and not signer.sandbox_only:
            what = f"signer `{owner}` may hold real money; it never signs for a sandbox"
            hint = "mark the signer `sandbox_only: true`, or run with --sandbox"
            self.reader.fault(Code.SANDBOX_MISMATCH, what, at, hint)
        elif profile is not None and not profile.is_sandbox and signer.sandbox_only:
            what = f"signer `{owner}` is for sandboxes only; wallet `{wallet}` is none"
            hint = "name a signer that is not `sandbox_only`"
            self.reader.fault(Code.SANDBOX_MISMATCH, what, at, hint)


def _parse_owner(text: str) -> str:
    """Read the name of a signer; an address is none, though it is spelled like a name."""
    if re.fullmatch(r"0[xX][0-9a-fA-F]{40}", text):
        what = f"{shown(text)} is an address; `owner` names a signer of runner.yaml"
        hint = f"write its name here, and `signers: {{NAME: {{manual: {text}}}}}` or the like there"
        raise Refusal(Code.UNKNOWN_SIGNER, what, hint)
    return parse_name(text)


def _parse_type(text: str) -> str:
    return choice(text, ("smart", "eip7702"))


def _parse_gas(text: str) -> str:
    return choice(text, ("native", "sponsor"))
