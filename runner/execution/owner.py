"""
Operations that an account's owner signs (G7): made, checked, signed and sent like any other, on a
nonce key of their own, with no session in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from runner.errors import UsageError
from runner.ethereum.address import Address
from runner.ethereum.contracts import ALLOWLIST_MODULE, SINGLE_SIGNER_MODULE
from runner.ethereum.installation import Hook, Installation, decode_module_config
from runner.ethereum.modules import Allowlist, encode_module_data
from runner.ethereum.signature import recover_address
from runner.execution.steps import Operator, Order
from runner.guard.checks import ApprovedOperation
from runner.guard.offer import OperationOffer
from runner.guard.owner import Action, OwnerTerms, Uninstall, Void, check_owner_operation
from runner.guard.verdict import Refused
from runner.ports import FeeOverride, Signer
from runner.records import Grant, NewOperation, OperationKind, Run


class OwnerOperator(Operator):
    """Makes the owner's operations on one account."""

    async def action(self, kind: OperationKind, grant: Grant) -> Action:
        """What an operation of this kind does about a grant."""
        if kind is OperationKind.VOID and grant.nonce is not None:
            return Void(grant.nonce)
        if grant.entity_id is None:
            raise AssertionError("what is taken off has an entity")
        if grant.nonce is None:
            return Uninstall(await self._found(grant.entity_id))
        expiry = int(grant.expires_at.timestamp())
        return Uninstall.of(grant.permissions, entity_id=grant.entity_id, expiry=expiry)

    async def ask(self, order: Order) -> dict[str, Any]:
        """
        What somebody signs elsewhere: the service's answer, for an operation that the guard admits.

        Raises:
            WalletApiError, GuardError: as `make`.
        """
        order = await self._complete(order)
        offer = await self._offered(order, None, self._context(order))
        await self._approved(order, None, offer)
        return self._venue.api.keep_offer(offer)

    async def bring(
        self, order: Order, answer: Mapping[str, Any], signature: bytes, *, head_block: int
    ) -> tuple[Run, NewOperation]:
        """
        As `make`, with what was prepared before and signed elsewhere. Everything is checked anew.

        Raises:
            GuardError: it is not what takes this grant off; nothing is used.
            UsageError: the signature is not the owner's over it.
        """
        order = await self._complete(order)
        offer = self._venue.api.read_offer(answer)
        verdict, pinned = await self._approved(order, None, offer)
        signer = recover_address(verdict.approved.digest, signature)
        if signer != verdict.approved.signer:
            raise UsageError(
                f"the signature is of {signer}, the owner is {verdict.approved.signer}",
                hint="sign what the file says, unchanged, with the owner's key",
            )
        return await self._committed(
            order,
            verdict,
            offer,
            signature,
            context=self._context(order),
            pinned=pinned,
            head_block=head_block,
        )

    async def _found(self, entity_id: int) -> Installation:
        """
        What stands on the account without being ours. What its allowlist was made with nobody
        tells, so that is left to the module; the entity counts as unclean after it (X15).
        """
        head = await self._venue.chain.head()
        standing = await self._venue.chain.validation(
            self._account.address, entity_id, block=head.number
        )
        hooks = [Hook(*decode_module_config(config), b"") for config in standing.hooks]
        return Installation(
            module=SINGLE_SIGNER_MODULE,
            entity_id=entity_id,
            flags=standing.flags,
            selectors=standing.selectors,
            install_data=b"",
            hooks=tuple(
                replace(hook, init_data=encode_module_data(Allowlist(hook.entity_id, ())))
                if hook.module == ALLOWLIST_MODULE
                else hook
                for hook in hooks
            ),
        )

    async def _stopped(self) -> str | None:
        """A stop is no reason to leave a key on the account (O8, O9)."""
        return None

    def _context(self, order: Order) -> bytes | None:
        del order
        return None

    async def _complete(self, order: Order) -> Order:
        action = await self.action(order.kind, order.grant)
        return replace(order, intent=action.calls(self._account.address))

    async def _check(
        self,
        order: Order,
        pinned: Address | None,
        fees: FeeOverride | None,
        offer: OperationOffer,
    ) -> ApprovedOperation | Refused:
        account = self._account
        known = await self._ledger.grants()
        terms = OwnerTerms(
            chain_id=self._venue.chain_id,
            account=account.address,
            nonce=order.nonce,
            sponsored=account.gas_policy is not None,
            paymaster=pinned,
            max_fee=account.max_fee,
            sandbox=self._venue.sandbox,
            least_fees=None
            if fees is None
            else (fees.max_fee_per_gas, fees.max_priority_fee_per_gas),
            deploys_for=account.deploys_for,
            action=await self.action(order.kind, order.grant),
            owner=account.owner.address,
            entities=frozenset(
                one.entity_id
                for one in known
                if (one.chain, one.account) == (self._venue.chain_id, account.address)
                and one.entity_id is not None
            ),
        )
        return check_owner_operation(terms, offer)

    def _signer(self, order: Order) -> Signer:
        del order
        return self._account.owner
