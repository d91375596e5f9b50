"""Random honest runs: a session asked for, installed and used, all by the sandbox's own answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from runner.adapters.wallet_api.messages import (
    calls_request,
    operation_offer,
    session_offer,
    session_request,
)
from runner.ethereum.address import Address, address_from_bytes
from runner.ethereum.calls import Call
from runner.ethereum.erc20 import encode_approve, encode_transfer
from runner.ethereum.hashing import keccak256
from runner.ethereum.modular_account import is_global, session_context
from runner.ethereum.nonce import OPTION_GLOBAL, Nonce
from runner.ethereum.permissions import (
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    GasLimit,
    NativeTokenTransfer,
    Permission,
    Root,
)
from runner.guard.checks import ApprovedOperation
from runner.guard.grants import ApprovedGrant, GrantTerms, check_grant
from runner.guard.operation import OperationTerms, check_operation
from runner.guard.owner import OwnerTerms, Uninstall, check_owner_operation, owner_nonce
from runner.guard.verdict import Refused
from runner.policy.scalars import CHAINS
from runner.ports import FeeOverride
from runner.sandbox.rpc import RpcError
from runner.sandbox.sandbox import Sandbox
from support.keys import Key

USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
DAI = Address("0x00000000000000000000000000000000000000DA")
POLICY = "11111111-2222-4333-8444-555555555555"
START = 1_800_000_000
MAX_FEE = 2 * 10**16


@dataclass
class Tally:
    """How many answers were judged, and which of them were refused though they were honest."""

    judged: int = 0
    unanswered: int = 0
    refused: list[str] = field(default_factory=list)


class Honest:
    """One sandbox for many runs; every run has an owner, an account and a key of its own."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)
        self._now = float(START)
        self._sandbox = Sandbox(time_source=lambda: self._now)
        self.tally = Tally()

    def close(self) -> None:
        self._sandbox.close()

    def run(self) -> None:
        """Ask for a session, have it signed, install it, use it, and sometimes take it away."""
        chance = self._chance
        run = _Run(
            chain=chance.choice(sorted(CHAINS.values())),
            owner=Key(chance.randrange(1, 2**200)),
            key=Key(chance.randrange(1, 2**200)),
            salt=chance.choice((0, 0, chance.randrange(2**256))),
            expiry=int(self._now) + chance.randrange(3_600, 10**8),
            sponsored=chance.random() < 0.5,
        )
        run.account = self._rpc(
            "wallet_requestAccount",
            {
                "signerAddress": run.owner.address,
                "creationHint": {"accountType": "sma-b", "salt": hex(run.salt)},
            },
        )["accountAddress"]
        run.permissions = self._permissions(run)
        if not self._grant(run):
            return
        self._operation(run, (), installs=True)
        for _ in range(chance.randrange(1, 4)):
            self._operation(run, self._calls(run))
        if chance.random() < 0.3:
            self._uninstall(run)

    # ── what is asked ─────────────────────────────────────────────────────────────────────────

    def _someone(self) -> Address:
        return address_from_bytes(keccak256(self._chance.randbytes(8))[12:])

    def _permissions(self, run: _Run) -> tuple[Permission, ...]:
        chance = self._chance
        if chance.random() < 0.1:
            return (Root(),)
        tokens = chance.sample((USDC, DAI), chance.randrange(3))
        found: list[Permission] = [
            *(Erc20TokenTransfer(each, chance.choice((10**6, 10**12, 2**255))) for each in tokens),
            *(ContractAccess(self._someone()) for _ in range(chance.randrange(3))),
        ]
        if chance.random() < 0.4:
            selectors = tuple(chance.randbytes(4) for _ in range(chance.randrange(1, 4)))
            found.append(FunctionsOnContract(self._someone(), selectors))
        if chance.random() < 0.2:
            found.append(FunctionsOnAllContracts((chance.randbytes(4),)))
        if not found:
            found.append(Erc20TokenTransfer(USDC, 10**9))
        if chance.random() < 0.7:
            found.append(NativeTokenTransfer(chance.choice((0, 10**15, 10**20))))
        if run.sponsored and chance.random() < 0.7:
            found.append(GasLimit(0))
        elif chance.random() < 0.5:
            found.append(GasLimit(10**18))
        chance.shuffle(found)
        return tuple(found)

    def _calls(self, run: _Run) -> tuple[Call, ...]:
        return tuple(self._call(run) for _ in range(self._chance.choice((0, 1, 1, 1, 2, 3, 8))))

    def _call(self, run: _Run) -> Call:
        chance = self._chance
        natives = [each for each in run.permissions if isinstance(each, NativeTokenTransfer)]
        most = min(natives[0].allowance if natives else 10**18, 10**15)
        value = chance.randrange(most // 10 + 1)
        callable_ = [
            p for p in run.permissions if not isinstance(p, NativeTokenTransfer | GasLimit)
        ]
        match chance.choice(callable_):
            case Erc20TokenTransfer(token):
                encode = chance.choice((encode_transfer, encode_transfer, encode_approve))
                return Call(token, 0, encode(self._someone(), chance.randrange(1, 1_000)))
            case ContractAccess(target):
                return Call(target, value, chance.randbytes(chance.choice((0, 4, 36, 100))))
            case FunctionsOnContract(target, functions):
                return Call(target, value, chance.choice(functions) + chance.randbytes(32))
            case FunctionsOnAllContracts(functions):
                return Call(self._someone(), value, functions[0] + chance.randbytes(32))
        return Call(self._someone(), value, chance.randbytes(chance.choice((0, 7, 64))))

    # ── what is answered, and what the guard says ─────────────────────────────────────────────

    def _grant(self, run: _Run) -> bool:
        request = session_request(
            account=run.account,
            chain_id=run.chain,
            expiry=run.expiry,
            key=run.key.address,
            permissions=run.permissions,
        )
        answer = self._asked("wallet_createSession", request)
        if answer is None:
            return False
        offer = session_offer(answer, "honest")
        verdict = check_grant(
            GrantTerms(
                chain_id=run.chain,
                account=run.account,
                owner=run.owner.address,
                key=run.key.address,
                permissions=run.permissions,
                expiry=run.expiry,
                living_entities=frozenset(),
                sandbox=True,
            ),
            offer,
        )
        if self._is_refused(verdict, run) or not isinstance(verdict, ApprovedGrant):
            return False
        signature = run.owner.sign(verdict.approved.digest)
        run.entity, run.grant_nonce = verdict.entity_id, verdict.nonce
        run.context = session_context(offer.session_id, signature)
        return True

    def _operation(self, run: _Run, calls: tuple[Call, ...], *, installs: bool = False) -> None:
        chance = self._chance
        parallel = None if installs else chance.choice((1, chance.randrange(2**152)))
        options = OPTION_GLOBAL if is_global(run.permissions) else 0
        nonce = run.grant_nonce
        if parallel is not None:
            nonce = Nonce(parallel, run.entity, options, run.used.get(parallel, 0)).value
            if parallel in run.used:
                return
        fees = FeeOverride(10**8, 10**7) if chance.random() < 0.2 else None
        request = calls_request(
            account=run.account,
            chain_id=run.chain,
            calls=calls,
            context=run.context,
            gas_policy=POLICY if run.sponsored else None,
            nonce_key=parallel,
            fees=fees,
        )
        answer = self._asked("wallet_prepareCalls", request)
        if answer is None:
            return
        verdict = check_operation(
            OperationTerms(
                chain_id=run.chain,
                account=run.account,
                intent=calls,
                permissions=run.permissions,
                expiry=run.expiry,
                nonce=nonce,
                session_key=run.key.address,
                sponsored=run.sponsored,
                paymaster=self._pinned(run),
                max_fee=MAX_FEE,
                sandbox=True,
                now=int(self._now),
                least_fees=None if fees is None else (10**8, 10**7),
                deploys_for=(run.owner.address, run.salt) if installs else None,
            ),
            operation_offer(answer, "honest"),
        )
        if self._is_refused(verdict, run) or not isinstance(verdict, ApprovedOperation):
            return
        self._paymaster = verdict.operation.paymaster or self._paymaster
        if installs or chance.random() < 0.3:
            self._send(answer, run.key, verdict, run.context)
            if parallel is not None:
                run.used[parallel] = 1

    _paymaster: Address | None = None

    def _pinned(self, run: _Run) -> Address | None:
        return self._paymaster if run.sponsored else None

    def _uninstall(self, run: _Run) -> None:
        action = Uninstall.of(run.permissions, entity_id=run.entity, expiry=run.expiry)
        parallel = self._chance.randrange(2**152)
        request = calls_request(
            account=run.account,
            chain_id=run.chain,
            calls=action.calls(run.account),
            context=None,
            gas_policy=POLICY if run.sponsored else None,
            nonce_key=parallel,
        )
        answer = self._asked("wallet_prepareCalls", request)
        if answer is None:
            return
        verdict = check_owner_operation(
            OwnerTerms(
                chain_id=run.chain,
                account=run.account,
                owner=run.owner.address,
                action=action,
                nonce=owner_nonce(parallel=parallel).value,
                sponsored=run.sponsored,
                paymaster=self._pinned(run),
                max_fee=MAX_FEE,
                sandbox=True,
                entities=frozenset({run.entity}),
            ),
            operation_offer(answer, "honest"),
        )
        self._is_refused(verdict, run)

    def _is_refused(self, verdict: object, run: _Run) -> bool:
        self.tally.judged += 1
        if isinstance(verdict, Refused):
            self.tally.refused.append(f"{verdict} for {run.permissions}")
        return isinstance(verdict, Refused)

    def _send(self, answer: Any, key: Key, verdict: ApprovedOperation, context: bytes) -> None:
        body = {name: each for name, each in answer.items() if name != "signatureRequest"}
        signature = "0x" + key.sign(verdict.approved.digest).hex()
        body["signature"] = {"type": "secp256k1", "data": signature}
        body["capabilities"] = {"permissions": {"context": "0x" + context.hex()}}
        self._rpc("wallet_sendPreparedCalls", body)
        self._now += 1

    def _asked(self, method: str, request: Any) -> Any:
        """The answer; None where the service would not, which is no business of the guard."""
        try:
            return self._rpc(method, request)
        except RpcError:
            self.tally.unanswered += 1
            return None

    def _rpc(self, method: str, request: Any) -> Any:
        return self._sandbox.handle(method, [request])


@dataclass
class _Run:
    chain: int
    owner: Key
    key: Key
    salt: int
    expiry: int
    sponsored: bool
    account: Address = USDC
    permissions: tuple[Permission, ...] = ()
    entity: int = 0
    grant_nonce: int = 0
    context: bytes = b""
    used: dict[int, int] = field(default_factory=dict)
