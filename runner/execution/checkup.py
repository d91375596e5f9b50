"""
Is everything as the daemon will need it? One look at a time, each with its finding.

Nothing here changes anything: no operation is sent, nothing is signed, no session is asked for.
What cannot be looked at is said to be unchecked, with the reason; it is never taken for sound.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from runner.errors import AnswerLost, EncodingError, RunnerError, WalletBusy, WalletRefused
from runner.ethereum.address import Address
from runner.ethereum.authorization import DELEGATION_PREFIX, decode_delegation
from runner.ethereum.contracts import DELEGATE_7702
from runner.ethereum.user_operation import call_id
from runner.execution.contexts import Venue
from runner.execution.watch import skew_level
from runner.frozen import frozen
from runner.planning.addresses import address_of
from runner.policy.model import AccountType
from runner.ports import ChainReader, WalletApi

_NOT_AUTHENTICATED = -32600


class Outcome(StrEnum):
    """How a look ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@frozen
class Check:
    """
    What one look found.

    `subject` is whom it is about (a wallet, a chain, an account); `hint` how to mend it.
    """

    name: str
    subject: str
    outcome: Outcome
    detail: str
    hint: str | None = None


class ChainView(ChainReader, Protocol):
    """A chain, as far as a look at the setup needs it."""

    async def decimals(self, token: Address) -> int:
        """How many decimals a token says that it has."""
        ...


@frozen
class Watched:
    """An account of the policies: what is written about it, and its owner's address."""

    uid: str
    kind: AccountType
    owner: Address
    salt: int
    pinned: Address | None
    gas_policy: str | None
    max_fee: int

    @property
    def address(self) -> Address:
        """Where it is: the owner's own address, or the one that the factory will make."""
        return address_of(self.kind, self.owner, self.salt)


# ── the wallet service ────────────────────────────────────────────────────────────────────────


async def wallet_checks(name: str, chain_id: int, api: WalletApi) -> AsyncIterator[Check]:
    """Whether the service answers, and whether it takes our key: asked for an id of nobody."""
    nobody = "0x" + call_id(chain_id, bytes(32)).hex()
    try:
        await api.get_calls_status(nobody)
    except WalletRefused as refusal:
        yield Check("endpoint", name, Outcome.OK, "answers")
        if refusal.code == _NOT_AUTHENTICATED:
            yield _failed("API key", name, refusal)
            return
        yield Check("API key", name, Outcome.OK, f"taken (code {refusal.code} for an unknown id)")
    except WalletBusy as error:
        yield Check("endpoint", name, Outcome.WARNING, error.what, "try again later")
        yield _unchecked("API key", name, "the service is busy")
    except RunnerError as error:
        hint = error.hint or "check the `url` of the wallet, and whether the service is up"
        yield Check("endpoint", name, Outcome.FAILED, error.what, hint)
        yield _unchecked("API key", name, "the endpoint gave no answer")
    else:
        yield Check("endpoint", name, Outcome.OK, "answers")
        yield Check("API key", name, Outcome.OK, "taken")


# ── the chain ─────────────────────────────────────────────────────────────────────────────────


async def chain_checks(venue: Venue) -> AsyncIterator[Check]:
    """Whether evidence is of the right chain, independent, and of this time."""
    name = venue.name
    try:
        served = await venue.chain.chain_id()
    except RunnerError as error:
        yield _failed("chain id", name, error)
        yield _unchecked("clock", name, "the chain cannot be read")
        return
    if served != venue.chain_id:
        yield Check(
            "chain id",
            name,
            Outcome.FAILED,
            f"the endpoint serves chain {served}, not {venue.chain_id}",
            "check `rpc_url` of this chain in runner.yaml",
        )
        yield _unchecked("clock", name, "the endpoint is of another chain")
        return
    yield Check("chain id", name, Outcome.OK, str(served))
    yield _evidence(venue)
    yield await _clock(venue)


def _evidence(venue: Venue) -> Check:
    if venue.independent:
        return Check("evidence", venue.name, Outcome.OK, "read through an `rpc_url` of its own")
    if venue.sandbox:
        return Check("evidence", venue.name, Outcome.OK, "the sandbox is its own chain")
    return Check(
        "evidence",
        venue.name,
        Outcome.WARNING,
        "comes from the wallet service itself, and automatic new attempts are off (X12)",
        f"add `rpc_url` for chain {venue.chain_id} to wallet `{venue.wallet}`",
    )


async def _clock(venue: Venue) -> Check:
    try:
        head = await venue.chain.head()
    except RunnerError as error:
        return _failed("clock", venue.name, error)
    if venue.sandbox:
        venue.clock.observe(head.timestamp)
    skew = venue.clock.now() - head.timestamp
    seconds = abs(skew).total_seconds()
    side = "after" if skew >= timedelta(0) else "before"
    detail = f"{seconds:.0f} s {side} the head block {head.number}"
    level = skew_level(skew)
    if level == "critical":
        hint = "set the machine's clock by NTP; if it is right, the endpoint is behind"
        return Check("clock", venue.name, Outcome.FAILED, detail, hint)
    if level == "warning":
        hint = "is the machine's clock kept by NTP, and the endpoint in step?"
        return Check("clock", venue.name, Outcome.WARNING, detail, hint)
    return Check("clock", venue.name, Outcome.OK, detail)


async def token_check(
    venue: Venue, chain: ChainView, symbol: str, token: Address, declared: int
) -> Check:
    """Whether a token counts as the policies say: a wrong number of decimals pays a millionfold."""
    subject = f"{symbol} on {venue.name}"
    try:
        decimals = await chain.decimals(token)
    except AnswerLost as error:
        return Check("decimals", subject, Outcome.FAILED, error.what, f"is {token} the token?")
    except RunnerError as error:
        return _failed("decimals", subject, error)
    if decimals != declared:
        return Check(
            "decimals",
            subject,
            Outcome.FAILED,
            f"declared {declared}, the contract {token} says {decimals}",
            f"write `decimals: {decimals}`, or the right address",
        )
    return Check("decimals", subject, Outcome.OK, f"{decimals}, as declared")


# ── accounts ──────────────────────────────────────────────────────────────────────────────────


async def account_checks(account: Watched, venue: Venue, chain: ChainView) -> AsyncIterator[Check]:
    """Whether the account is where we think, in the state it should be in, and able to pay."""
    address = await _address(account, venue)
    yield address
    code = await _code(account, chain)
    yield code
    if account.kind is AccountType.EIP7702 and code.outcome is Outcome.FAILED:
        yield _unchecked("gas", account.uid, "no operation is prepared before it has delegated")
        return
    if address.outcome is Outcome.FAILED:
        yield _unchecked("gas", account.uid, "the account's address is in doubt")
        return
    yield await _gas(account, venue)


async def _address(account: Watched, venue: Venue) -> Check:
    name, computed = "address", account.address
    is_eoa = account.kind is AccountType.EIP7702
    if account.pinned is not None and account.pinned != computed:
        theirs = "is its own account" if is_eoa else f"with salt {account.salt} owns {computed}"
        return Check(
            name,
            account.uid,
            Outcome.FAILED,
            f"written as {account.pinned}, but {account.owner} {theirs}",
            "mend `address`, `owner` or `salt`",
        )
    if is_eoa:
        return Check(name, account.uid, Outcome.OK, f"{computed}, the owner's own (G1)")
    try:
        answered = await venue.api.request_account(account.owner, salt=account.salt)
        if answered != computed:  # the oldest of this owner is another one, whatever the salt
            answered = await venue.api.request_account(
                account.owner, salt=account.salt, additional=True
            )
    except RunnerError as error:
        return _failed(name, account.uid, error)
    if answered != computed:
        return Check(
            name,
            account.uid,
            Outcome.FAILED,
            f"the service names {answered}, computed offline it is {computed}",
            "is this the right wallet, and the right account type?",
        )
    pinned = "as written" if account.pinned is not None else "as computed offline"
    return Check(name, account.uid, Outcome.OK, f"{computed}, {pinned}")


async def _code(account: Watched, chain: ChainView) -> Check:
    name, uid = "delegation", account.uid
    try:
        code = await chain.code(account.address)
    except RunnerError as error:
        return _failed(name, uid, error)
    if account.kind is AccountType.EIP7702:
        return _delegated(uid, code)
    if code.startswith(DELEGATION_PREFIX):
        detail = "a smart account's address has the code of a delegated EOA"
        return Check(name, uid, Outcome.FAILED, detail, "is the account's `type` right?")
    state = "deployed" if code else "not deployed yet: the first activation deploys it"
    return Check(name, uid, Outcome.OK, f"none, a smart account; {state}")


def _delegated(uid: str, code: bytes) -> Check:
    name, hint = "delegation", "have the owner delegate: runner grants request SESSION --delegate"
    if not code:
        return Check(name, uid, Outcome.FAILED, "the owner has not delegated", hint)
    try:
        delegate = decode_delegation(code)
    except EncodingError:
        detail = "the owner's address holds code of its own"
        return Check(name, uid, Outcome.FAILED, detail, "is the account's `type` right?")
    if delegate != DELEGATE_7702:
        detail = f"delegates to {delegate}, not to {DELEGATE_7702}"
        return Check(name, uid, Outcome.FAILED, detail, hint)
    return Check(name, uid, Outcome.OK, f"to {delegate}")


async def _gas(account: Watched, venue: Venue) -> Check:
    """Ask for an operation without calls, as an activation is: who pays, and within `max_fee`?"""
    name, uid = "gas", account.uid
    try:
        offer = await venue.api.prepare_calls(
            account=account.address,
            chain_id=venue.chain_id,
            calls=(),
            context=None,
            gas_policy=account.gas_policy,
        )
    except WalletRefused as refusal:
        hint = refusal.hint or (
            "check `gas_policies` of the wallet" if account.gas_policy else "fund the account"
        )
        return Check(name, uid, Outcome.FAILED, refusal.what, hint)
    except RunnerError as error:
        return _failed(name, uid, error)
    operation = offer.operation
    if operation is None:
        return Check(name, uid, Outcome.FAILED, f"prepared as {offer.kind}, which no run signs")
    paymaster = operation.paymaster
    if account.gas_policy is not None and paymaster is None:
        detail = "the service took the gas policy, and sponsors nothing"
        return Check(name, uid, Outcome.FAILED, detail, "check the policy at the service")
    if account.gas_policy is None and paymaster is not None:
        return Check(name, uid, Outcome.FAILED, f"sponsored by {paymaster}, which was not asked")
    payer = f"sponsored by {paymaster}" if paymaster else "paid by the account"
    detail = f"{payer}; an empty operation costs at most {operation.max_cost} wei"
    if operation.max_cost > account.max_fee:
        over = f"{detail}, more than `max_fee` ({account.max_fee} wei)"
        return Check(name, uid, Outcome.WARNING, over, "the guard would refuse it: raise `max_fee`")
    return Check(name, uid, Outcome.OK, detail)


# ── words ─────────────────────────────────────────────────────────────────────────────────────


def _failed(name: str, subject: str, error: RunnerError) -> Check:
    return Check(name, subject, Outcome.FAILED, error.what, error.hint)


def _unchecked(name: str, subject: str, why: str) -> Check:
    return Check(name, subject, Outcome.NOT_CHECKED, why)
