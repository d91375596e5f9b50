"""
An EOA that runs the account's code by delegation (EIP-7702).

Looked at before a grant is asked for, since a session needs it. Made by the owner's word alone,
with an operation that does nothing besides: never on the way of a payment (G9).
"""

from __future__ import annotations

from runner.errors import GuardError, RunnerError
from runner.ethereum.address import Address
from runner.ethereum.authorization import delegation_code
from runner.ethereum.contracts import DELEGATE_7702
from runner.execution.contexts import AccountContext
from runner.guard.delegation import ApprovedDelegation, DelegationTerms, check_delegation
from runner.guard.offer import OperationOffer
from runner.guard.owner import CarryDelegation, OwnerTerms, owner_nonce
from runner.guard.verdict import Refused

_LANE = 0x7702
"""The nonce key of every carrier: of two that are signed, at most one is included."""


async def has_delegated(account: AccountContext) -> bool:
    """Whether code is there for a session to be installed on; a smart account brings its own."""
    if not account.is_eoa:
        return True
    return await account.venue.chain.code(account.address) == delegation_code(DELEGATE_7702)


async def delegate(account: AccountContext, *, paymaster: Address | None) -> str | None:
    """
    Have the owner sign a delegation, send it, and wait until the chain shows it.

    Repeating it is safe: what is done already is seen first, and both nonces admit one of two.

    Args:
        paymaster: The one that sponsored operations are pinned to, if one is known (G4).

    Returns:
        The call id; None where the EOA has delegated before.

    Raises:
        GuardError: the address holds other code, or what was prepared may not be signed.
        SignatureNeeded: a person signs for this owner.
        RunnerError: the service, the chain or the signer refused, or the chain does not show it
            in time.
    """
    venue = account.venue
    code = await venue.chain.code(account.address)
    if code == delegation_code(DELEGATE_7702):
        return None
    if code:
        raise GuardError(
            f"{account.address} holds other code than a delegation to {DELEGATE_7702}",
            hint="a delegation to something else is taken back by its owner's own wallet first",
        )
    offer, verdict = await _approved(account, paymaster)
    if verdict.carrier is None:
        raise AssertionError("a delegation that was asked for with a carrier has one")
    signatures = [
        await account.owner.sign(verdict.approved),
        await account.owner.sign(verdict.carrier.approved),
    ]
    sealed = venue.api.seal(offer, *signatures, context=None, gas_policy=account.gas_policy)
    call_id = await venue.api.send_prepared_calls(sealed)
    await _until_delegated(account)
    return call_id


async def _approved(
    account: AccountContext, paymaster: Address | None
) -> tuple[OperationOffer, ApprovedDelegation]:
    """What the service prepares, judged whole before any of it is signed."""
    venue = account.venue
    carrier = await _carrier(account, paymaster)
    offer = await venue.api.prepare_calls(
        account=account.address,
        chain_id=venue.chain_id,
        calls=(),
        context=None,
        gas_policy=account.gas_policy,
        nonce_key=_LANE,
        delegate=True,
    )
    verdict = check_delegation(
        DelegationTerms(
            chain_id=venue.chain_id,
            account=account.address,
            nonce=await venue.chain.transaction_count(account.address),
            sandbox=venue.sandbox,
            carrier=carrier,
        ),
        offer,
    )
    if isinstance(verdict, Refused):
        raise GuardError(
            f"refused to sign the delegation of {account.address}",
            findings=verdict.findings,
            hint="nothing was signed; compare what was asked with what the service offered",
        )
    return offer, verdict


async def _carrier(account: AccountContext, paymaster: Address | None) -> OwnerTerms:
    """An operation of the owner without calls, on the next nonce of its lane."""
    venue = account.venue
    head = await venue.chain.head()
    key192 = owner_nonce(parallel=_LANE).key192
    sequence = await venue.chain.nonce(account.address, key192, block=head.number)
    return OwnerTerms(
        chain_id=venue.chain_id,
        account=account.address,
        nonce=owner_nonce(parallel=_LANE, sequence=sequence).value,
        sponsored=account.gas_policy is not None,
        paymaster=paymaster,
        max_fee=account.max_fee,
        sandbox=venue.sandbox,
        deploys_for=None,
        action=CarryDelegation(),
        owner=account.owner.address,
        entities=frozenset(),
    )


async def _until_delegated(account: AccountContext) -> None:
    venue = account.venue
    end = venue.clock.now() + 4 * venue.margins.inclusion
    while not await has_delegated(account):
        if venue.clock.now() >= end:
            raise RunnerError(
                f"the delegation of {account.address} was sent, and the chain does not show it yet",
                hint="say it again to look again: what was done is seen first",
            )
        await venue.clock.sleep(venue.poll_seconds)
