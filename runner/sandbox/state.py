"""
The state of one chain: an EVM, nonces, installed session keys, and the rules of inclusion.

Everything here follows from the events applied in their order, so that a journal can be replayed
and a reorganisation undone by replaying a shorter one. No clock, no randomness, no disk.

Source: ERC-4337, EntryPoint v0.7; onchain-facts.md.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import Final

from runner.ethereum import contracts
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.hashing import keccak256
from runner.ethereum.nonce import OPTION_DEFERRED, OPTION_GLOBAL
from runner.ethereum.user_operation import ENTRY_POINT_V07
from runner.frozen import frozen
from runner.guard import scope
from runner.sandbox import artefacts, entity, gas
from runner.sandbox.effects import MARKERS, Effects, Slot, carry_out
from runner.sandbox.evm import Evm, Log, Reverted
from runner.sandbox.records import Account, Delegation, Operation, Place, Receipt, Sent
from runner.sandbox.refusal import Refusal

_MILLION_ETHER: Final = 10**24
_DELEGATION_GAS: Final = 46_000


@frozen
class Checked:
    """
    An operation that passed validation.

    `entity` is the session key's, None for the owner's. `promised` are the allowances that
    validation leaves, `spent` those after execution; `refused` names the rule that will make the
    execution revert.
    """

    entity: entity.Entity | None
    promised: scope.Allowances
    spent: scope.Allowances
    refused: str | None
    verification_gas: int


class State:
    """One chain, at one moment."""

    def __init__(self, chain_id: int) -> None:
        self.evm = Evm(chain_id)
        self.accounts: dict[Address, Account] = {}
        self.owners: dict[Address, Address] = {}
        self.deployed: set[Address] = set()
        self.transactions: dict[Address, int] = {}
        self.entities: dict[tuple[Address, int], entity.Entity] = {}
        self.remains: dict[tuple[Address, int], entity.Remains] = {}
        self._sequences: dict[tuple[Address, int], int] = {}
        self._history: dict[tuple[Address, int], list[tuple[int, int]]] = {}
        self._furnish()

    def sequence(self, sender: Address, key192: int, block_number: int | None = None) -> int:
        """Return the next sequence of a nonce key, now or as it stood after a block."""
        if block_number is None:
            return self._sequences.get((sender, key192), 0)
        history = self._history.get((sender, key192), [])
        place = bisect_right(history, block_number, key=lambda each: each[0])
        return history[place - 1][1] if place else 0

    def add_account(self, account: Account) -> None:
        """Let the chain know an account; its code waits for the first operation."""
        self.accounts[account.address] = account
        self.owners.setdefault(account.address, account.owner)
        self.evm.place(account.address, artefacts.runtime_code("SandboxAccount"))
        self._tell_owner(account.address)

    def code(self, address: Address) -> bytes:
        """Return what `eth_getCode` answers."""
        account = self.accounts.get(address)
        if account is not None:
            return account.code_shown if address in self.deployed else b""
        return self.evm.code(address)

    def deposit(self, account: Address) -> int:
        """Return an account's deposit at the entry point, in wei."""
        return self.evm.storage(ENTRY_POINT_V07, artefacts.deposit_slot(account))

    def check(
        self, operation: Operation, timestamp: int, *, signed: bool = True, funded: bool = True
    ) -> Checked:
        """
        Validate an operation as the entry point would in a block of this time.

        Args:
            operation: The operation.
            timestamp: Time of the block, unix seconds.
            signed: Whether signature and gas for validation count; not while gas is estimated.
            funded: Whether the account must be able to pay now.

        Raises:
            Refusal: With the entry point's code and the reason.
        """
        op, nonce = operation.op, operation.nonce
        deploys = self._check_deployment(operation)
        found = None if nonce.entity_id == contracts.OWNER_ENTITY else self._entity(operation)
        if found is None:
            session, allowances, key = entity.OWNER, scope.Allowances(), self.owners[op.sender]
        else:
            session, allowances, key = found.session, found.allowances, found.key
        judgement = scope.validate(
            session,
            operation.calls,
            account=op.sender,
            allowances=allowances,
            now=None,
            max_gas_cost=op.max_cost,
            payer=scope.GasPayer.PAYMASTER if op.paymaster else scope.GasPayer.ACCOUNT,
            as_global=bool(nonce.options & OPTION_GLOBAL),
        )
        if judgement.reason is not None:
            raise Refusal.validation(judgement.reason, judgement.call_index)
        installs = found if nonce.options & OPTION_DEFERRED else None
        needed = gas.verification_gas(
            session,
            operation.calls,
            is_owner=found is None,
            fresh_lane=nonce.sequence == 0,
            installs=installs.installation if installs else None,
            deploys=deploys,
        )
        if signed and op.verification_gas_limit < needed:
            raise Refusal.verification_gas()
        if funded and not self._can_pay(op.paymaster or op.sender, op.max_cost):
            raise Refusal.funds() if op.paymaster is None else Refusal.paymaster_funds()
        if self.sequence(op.sender, nonce.key192) != nonce.sequence:
            raise Refusal.nonce()
        if signed and operation.signer != key:
            raise Refusal.signature()
        deadline = operation.grant.deadline if installs and operation.grant else 0
        if not session.is_due(timestamp) or (deadline and timestamp > deadline):
            raise Refusal.expired()
        if op.paymaster is not None and timestamp > operation.paid_until:
            raise Refusal.sponsorship_expired()
        spent = scope.spend(session, operation.calls, judgement.allowances)
        return Checked(found, judgement.allowances, spent.allowances, spent.reason, needed)

    def estimate(self, operation: Operation) -> artefacts.Handled:
        """
        Run an operation's calls with plenty of gas and take them back.

        Returns:
            Whether they succeed, the gas they used, and their revert data.
        """
        handle = self._handle(operation, fixed_gas=0, refused=None, base_fee=0)
        free = replace(handle, prefund=0, gas_price=0, call_gas_limit=gas.LARGEST_CALL_GAS)
        handled, logs = self._attempt(free)
        if handled.success and _is_marked(logs):
            try:
                self._carry_out(logs)
            except entity.AccountReverted as error:
                return replace(handled, success=False, output=error.data)
        return handled

    def rehearse(self, operation: Operation, base_fee: int) -> None:
        """
        Let the paymaster take its tokens and take all back.

        Raises:
            Refusal: It cannot take them before the calls; of those after them nobody knows yet.
        """
        handle = self._handle(operation, fixed_gas=0, refused=None, base_fee=base_fee)
        try:
            self.evm.attempt(artefacts.BUNDLER, ENTRY_POINT_V07, handle.encode())
        except Reverted as error:
            raise Refusal.paymaster(artefacts.revert_reason(error.output)) from None

    def include(self, sent: Sent, place: Place) -> Receipt:
        """
        Put an operation, a delegation, or both, into a block.

        Raises:
            Refusal: It fails in validation; nothing changed.
        """
        self.evm.enter_block(place.block_number, place.timestamp, place.base_fee)
        undo = (self.deployed.copy(), self.transactions.copy()) if sent.delegation else None
        if sent.delegation is not None:
            self._delegate(sent.delegation)
        if sent.operation is None:
            return _receipt(sent, place, logs=(), handled=None, charged=0, whole=_DELEGATION_GAS)
        try:
            checked = self.check(sent.operation, place.timestamp)
            return self._run(sent, sent.operation, checked, place)
        except Refusal:
            if undo is not None:
                self.deployed, self.transactions = undo
            raise

    def _run(self, sent: Sent, operation: Operation, checked: Checked, place: Place) -> Receipt:
        op, nonce, found = operation.op, operation.nonce, checked.entity
        slot = (op.sender, nonce.entity_id)
        undo = self.entities.get(slot), self.remains.get(slot), op.sender in self.deployed
        front: tuple[Log, ...] = ()
        # Validation comes first: a deferred install and the gas that it was promised stand,
        # whatever becomes of the calls.
        if found is not None:
            self.entities[slot] = replace(found, allowances=checked.promised)
            if nonce.options & OPTION_DEFERRED:
                front = (entity.installed_log(op.sender, found.installation),)
                self.remains.pop(slot, None)
        if op.factory is not None:
            self.deployed.add(op.sender)
        fixed = op.pre_verification_gas + checked.verification_gas
        handle = self._handle(
            operation, fixed_gas=fixed, refused=checked.refused, base_fee=place.base_fee
        )
        handle = self._forced(operation, handle)
        try:
            output, logs = self.evm.call(artefacts.BUNDLER, ENTRY_POINT_V07, handle.encode())
        except Reverted as error:
            self._put_back(slot, undo)
            raise Refusal.bundle(artefacts.revert_reason(error.output)) from None
        handled = artefacts.decode_handled(output)
        self._advance(op.sender, nonce.key192, place.block_number)
        if handled.success and found is not None:
            self.entities[slot] = replace(found, allowances=checked.spent)
        charged = int.from_bytes(logs[-1].data[96:128], "big")
        if _is_marked(logs):
            logs = self._take_effect(self._carry_out(logs), place.block_number)
        whole = gas.transaction_gas(
            op.pre_verification_gas, checked.verification_gas, handled.call_gas_used
        )
        made = int(op.factory is not None)  # the event of the deployment comes before the install's
        logs = logs[:made] + front + logs[made:]
        return _receipt(sent, place, logs=logs, handled=handled, charged=charged, whole=whole)

    def _take_effect(self, effects: Effects, block_number: int) -> tuple[Log, ...]:
        """Let what the markers stand for be so; returns the logs to show."""
        changed = [each for each, owner in effects.owners.items() if owner != self.owners[each]]
        self.entities, self.remains = effects.entities, effects.remains
        self.owners = effects.owners
        for account in changed:
            self._tell_owner(account)
        for sender, key192 in effects.incremented:
            self._advance(sender, key192, block_number)
        return tuple(effects.logs)

    def _put_back(
        self, slot: Slot, before: tuple[entity.Entity | None, entity.Remains | None, bool]
    ) -> None:
        """Undo what validation did before a bundle that reverted as a whole."""
        standing, left, deployed = before
        self.entities.pop(slot, None)
        if standing is not None:
            self.entities[slot] = standing
        if left is not None:
            self.remains[slot] = left
        if not deployed:
            self.deployed.discard(slot[0])

    def _forced(self, operation: Operation, handle: artefacts.HandleOp) -> artefacts.HandleOp:
        """Refuse in advance the operation whose calls to the account itself would revert."""
        if handle.refused or not _calls_itself(operation.calls, handle.sender):
            return handle
        handled, logs = self._attempt(handle)
        if not handled.success:
            return handle
        try:
            self._carry_out(logs)
        except entity.AccountReverted as error:
            return replace(handle, refused=True, data=error.data)
        return handle

    def _attempt(self, handle: artefacts.HandleOp) -> tuple[artefacts.Handled, tuple[Log, ...]]:
        try:
            output, logs = self.evm.attempt(artefacts.BUNDLER, ENTRY_POINT_V07, handle.encode())
        except Reverted as error:
            return artefacts.Handled(False, 0, 0, error.output), ()
        return artefacts.decode_handled(output), logs

    def _handle(
        self, operation: Operation, *, fixed_gas: int, refused: str | None, base_fee: int
    ) -> artefacts.HandleOp:
        op = operation.op
        price = gas.effective_price(op.max_fee_per_gas, op.max_priority_fee_per_gas, base_fee)
        data = operation.calls.data if refused is None else keccak256(f"{refused}()".encode())[:4]
        return artefacts.HandleOp(
            user_op_hash=operation.user_op_hash,
            sender=op.sender,
            nonce=op.nonce,
            factory=op.factory,
            paymaster=op.paymaster,
            prefund=op.max_cost,
            gas_price=price,
            fixed_gas=fixed_gas,
            call_gas_limit=op.call_gas_limit,
            refused=refused is not None,
            fee=operation.fee,
            data=data,
        )

    def _check_deployment(self, operation: Operation) -> bool:
        op = operation.op
        stands = op.sender in self.deployed or operation.delegates
        if op.factory is None:
            if not stands:
                raise Refusal.factory("AA20 account not deployed")
            return False
        if stands:
            raise Refusal.factory("AA10 sender already constructed")
        account = self.accounts[op.sender]
        if op.factory != contracts.FACTORY or op.factory_data != account.factory_data:
            raise Refusal.factory("AA14 initCode must return sender")
        return True

    def _entity(self, operation: Operation) -> entity.Entity:
        """Return the entity of a session operation, newly made if the operation installs it."""
        nonce, grant = operation.nonce, operation.grant
        slot = (operation.op.sender, nonce.entity_id)
        standing = self.entities.get(slot)
        if not nonce.options & OPTION_DEFERRED:
            if standing is None:
                raise Refusal.validation("ValidationFunctionMissing")
            return standing
        if grant is None or grant.nonce != nonce.value:
            raise Refusal.validation("DeferredActionSignatureInvalid")
        if standing is not None:
            raise Refusal.validation("ValidationAlreadySet")
        try:
            return entity.install(grant.installation, self.remains.get(slot))
        except entity.AccountReverted as error:
            raise Refusal.validation(error.name) from None

    def _can_pay(self, payer: Address, cost: int) -> bool:
        # Only an account can add to its deposit while it validates.
        balance = self.evm.balance(payer) if payer in self.accounts else 0
        return balance >= cost or balance + self.deposit(payer) >= cost

    def _delegate(self, asked: Delegation) -> None:
        if self.transactions.get(asked.account, 0) != asked.nonce:
            raise Refusal.authorization()
        self.transactions[asked.account] = asked.nonce + 1
        if asked.delegate == ZERO_ADDRESS:
            self.deployed.discard(asked.account)
        else:
            self.deployed.add(asked.account)

    def _advance(self, sender: Address, key192: int, block_number: int) -> None:
        slot = (sender, key192)
        value = self._sequences.get(slot, 0) + 1
        self._sequences[slot] = value
        self._history.setdefault(slot, []).append((block_number, value))

    def _tell_owner(self, account: Address) -> None:
        """Let an account know whose signatures are its own."""
        self.evm.call(artefacts.BUNDLER, account, artefacts.set_owner(self.owners[account]))

    def _carry_out(self, logs: tuple[Log, ...]) -> Effects:
        return carry_out(logs, self.entities, self.remains, self.owners)

    def _furnish(self) -> None:
        """Put the protocol's contracts where they stand on every chain."""
        self.evm.enter_block(0, 0, 0)
        self.evm.place(ENTRY_POINT_V07, artefacts.runtime_code("SandboxEntryPoint"))
        for address in artefacts.RECORDERS:
            self.evm.place(address, artefacts.runtime_code("Recorder"))
        self.evm.set_balance(artefacts.PAYMASTER, _MILLION_ETHER)
        self.evm.call(
            artefacts.PAYMASTER,
            ENTRY_POINT_V07,
            artefacts.deposit_to(artefacts.PAYMASTER),
            value=_MILLION_ETHER,
        )
        self.evm.place(artefacts.PAYMASTER, artefacts.runtime_code("SandboxPaymaster"))


def _calls_itself(operation: scope.Operation, account: Address) -> bool:
    if operation.form is scope.Form.DIRECT:
        return True
    return any(call.to == account for call in operation.calls or ())


def _is_marked(logs: tuple[Log, ...]) -> bool:
    return any(log.topics and log.topics[0] in MARKERS for log in logs)


def _receipt(
    sent: Sent,
    place: Place,
    *,
    logs: tuple[Log, ...],
    handled: artefacts.Handled | None,
    charged: int,
    whole: int,
) -> Receipt:
    success = handled is None or handled.success
    return Receipt(
        place=place,
        transaction_hash=keccak256(b"tx" + sent.key + place.block_number.to_bytes(8, "big")),
        logs=logs,
        success=success,
        revert_data=b"" if handled is None or success else handled.output,
        gas_used=whole,
        actual_gas_cost=handled.actual_gas_cost if handled else 0,
        actual_gas_used=charged,
    )
