"""
Judge recorded cases of session keys: what was granted and tried in, verdicts out.

    cases file → per case: a World at its start, the grant, then operation by operation

Inputs alone are read, never a recorded answer: outcomes, errors, limits and balances follow from
the rules of `guard.scope`, the account, the EntryPoint's order of checks and the behaviour of the
called contracts. Kinds that no session of this program uses answer `unsupported`: direct
transactions of a key, and the old allowlist module.

Source: the format's own README; EntryPoint v0.7 (`_validatePrepayment`, `innerHandleOp`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from runner.errors import EncodingError
from runner.ethereum import contracts
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.installation import encode_uninstallation, session_installation
from runner.ethereum.nonce import OPTION_DEFERRED, OPTION_GLOBAL, Nonce, decode_nonce
from runner.ethereum.permission_check import PermissionRefused, check_permissions
from runner.ethereum.permissions import Erc20TokenTransfer, GasLimit, NativeTokenTransfer
from runner.ethereum.words import uint_word
from runner.frozen import frozen
from runner.guard.cases_callees import Gas
from runner.guard.cases_modules import Revert
from runner.guard.cases_reading import (
    EMPTY_SIGNATURE,
    Json,
    make_world,
    normal,
    other_installation,
    read_address,
    read_integer,
    read_operation_of,
    signature_fault,
    with_time_range,
    written_permission,
)
from runner.guard.scope import (
    NO_INNER_DATA,
    NOT_DUE,
    GasPayer,
    Operation,
    Outcome,
    spend,
    validate,
)

UNSUPPORTED: Final = "unsupported"
"""Outcome of cases that are not judged."""

_UNSUPPORTED_KINDS: Final = frozenset({"runtime-path", "allowlist-2.0.0"})
_UNREADABLE: Final = (
    EncodingError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What reading members that are not of the format ends in."""

_LEAST_VERIFICATION_GAS: Final = 40_000  # below, the account's own validation runs dry
_LEAST_CALL_GAS: Final = 20_000  # what the account itself needs before it calls anybody
_OWNER_LANE: Final = Nonce(0, contracts.OWNER_ENTITY, OPTION_GLOBAL, 0).key192
_GAS_LIMITS: Final = ("verificationGasLimit", "callGasLimit", "preVerificationGas")

Verdict = dict[str, Any]
"""What is said of a case or a step, as JSON."""


def judge_cases(document: Json) -> Iterator[Verdict]:
    """
    Judge every case of a file.

    Args:
        document: The parsed file, format 1.

    Returns:
        For each case `{"id", "outcome", "reason", "steps"}`, each step `{"outcome", "reason",
        "limitsAfter"}`, in the words of the format. A case that cannot be read is `unsupported`,
        and `error` says why; the others are judged all the same.

    Raises:
        EncodingError: The document is not of this format.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("cases"), list):
        raise EncodingError("not a file of recorded cases (format 1)")
    if document.get("format") != 1:
        raise EncodingError(f"not a file of recorded cases of format 1: {document.get('format')!r}")
    for number, case in enumerate(document["cases"]):
        try:
            verdict = judge_case(case, document)
        except _UNREADABLE as error:
            steps = case.get("steps") if isinstance(case, Mapping) else None
            verdict = _unsupported(
                case.get("id") if isinstance(case, Mapping) else None,
                len(steps) if isinstance(steps, list) else 0,
            )
            verdict["error"] = f"case {number} is not of this format: {error!r}"
        yield verdict


def _unsupported(identity: Any, steps: int) -> Verdict:
    return {
        "id": identity,
        "outcome": UNSUPPORTED,
        "reason": None,
        "steps": [_verdict(UNSUPPORTED, None, None) for _ in range(steps)],
    }


def judge_case(case: Json, document: Json) -> Verdict:
    """
    Judge one case.

    Args:
        case: The case; its recorded answers are not looked at.
        document: The file around it, for labels, balances and the clock.

    Raises:
        EncodingError: A member has not the form of the format.
    """
    steps: Sequence[Json] = case.get("steps") or ()
    if case["kind"] in _UNSUPPORTED_KINDS or any("via" in step for step in steps):
        return _unsupported(case["id"], len(steps))
    try:
        run = _Run(case, document)
    except PermissionRefused as refused:
        name = refused.name.removeprefix("PermissionBuilder: ")
        return {"id": case["id"], "outcome": "grant_refused", "reason": name, "steps": []}
    refusal = run.prepare(deferred=case.get("install") == "deferred" and bool(steps))
    if refusal is not None:
        return {"id": case["id"], "outcome": "install_failed", "reason": refusal, "steps": []}
    verdicts = [run.step(step) for step in steps]
    last = verdicts[-1] if verdicts else _verdict(Outcome.ACCEPTED, None, None)
    return {
        "id": case["id"],
        "outcome": last["outcome"],
        "reason": last["reason"],
        "steps": verdicts,
    }


class _RejectedError(Exception):
    """The EntryPoint refuses the operation."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@frozen
class _Signed:
    """An operation as it was sent. `max_cost` is wei; `payer` the paymaster's address or None."""

    operation: Operation
    nonce: Nonce
    signer: str
    tampered: bool
    signature_fault: str | None  # why the account cannot even read the signature
    verification_gas_limit: int
    call_gas_limit: int
    max_cost: int
    payer: Address | None
    has_factory: bool
    deferred: bool


class _Run:
    """One case under way: its world, and what the steps still refer to."""

    def __init__(self, case: Json, document: Json) -> None:
        grant: Json = case["grant"]
        self._case = case
        self._labels = {name: read_address(text) for name, text in document["labels"].items()}
        self.world = make_world(case["account"], document, self._labels)
        self._clock = int(document["chain"]["clockStart"])
        written = [written_permission(each) for each in grant["permissions"]]
        self._entity = int(grant.get("entityId", 1))
        self._expiry = int(grant.get("expirySec") or 0)
        # The recorded builder's clock stood still at the start, so that very second is not past.
        check_permissions(
            written,
            expiry=self._expiry,
            now=self._clock - 1,
            account=Address(case["account"]["address"]),
            entity_id=self._entity,
        )
        self._permissions = [normal(each) for each in written]
        self._installation = with_time_range(
            session_installation(
                self._permissions,
                key=self._labels["sessionKey"],
                entity_id=self._entity,
                expiry=self._expiry,
            ),
            grant.get("timeRangeHook"),
        )
        self._gas: Json = document["defaultGas"]
        self._sent: list[_Signed | None] = []
        self._was_installed = False

    def prepare(self, *, deferred: bool) -> str | None:
        """Install what stands before the first step; return why the account refuses, if it does."""
        world = self.world
        wanted = [other_installation(each) for each in self._case.get("otherGrants") or ()]
        if not deferred:
            wanted.append(self._installation)
        for installation in wanted:
            try:
                world.install(installation)
            except Revert as error:
                return error.reason
            self._owner_operates()
            world.deployed = True
        self._was_installed = not deferred
        return None

    def step(self, step: Json) -> Verdict:
        """Judge one step; the world changes with it."""
        if "ownerAction" in step:
            self._sent.append(None)
            try:
                self._owner_acts(str(step["ownerAction"]))
            except Revert as error:
                return _verdict(Outcome.EXECUTION_REVERTED, error.reason, None)
            return _verdict(Outcome.ACCEPTED, None, None)
        encoded_as = str(step.get("encodedAs"))
        if encoded_as.startswith("replay of step "):
            signed = self._sent[int(encoded_as.rsplit(" ", 1)[1])]
        else:
            signed = self._signed(step)
        self._sent.append(signed)
        if signed is None:
            return _verdict(UNSUPPORTED, None, None)
        outcome, reason = self._include(signed, int(step["timestamp"]))
        return _verdict(outcome, reason, self._limits())

    def _signed(self, step: Json) -> _Signed | None:
        world = self.world
        operation = read_operation_of(step, world.account)
        if operation is None:
            return None
        gas: Json = step.get("gas") or self._gas
        deferred = step.get("usesDeferredAction")
        if deferred is None:
            deferred = self._case.get("install") == "deferred" and not self._was_installed
        limits = [read_integer(gas[name]) for name in _GAS_LIMITS]
        told = f"{self._case.get('title', '')} {step.get('note', '')}"
        return _Signed(
            operation=operation,
            nonce=self._nonce(step, bool(deferred)),
            signer=str(step.get("signer", "session")),
            tampered="tampered" in step,
            signature_fault=signature_fault(str(step.get("tampered", "")), told),
            verification_gas_limit=read_integer(gas["verificationGasLimit"]),
            call_gas_limit=read_integer(gas["callGasLimit"]),
            max_cost=sum(limits) * read_integer(gas["maxFeePerGas"]),
            payer=None if step.get("paymaster") is None else read_address(step["paymaster"]),
            has_factory=not world.deployed,
            deferred=bool(deferred),
        )

    def _nonce(self, step: Json, deferred: bool) -> Nonce:
        if "nonce" in step:
            return decode_nonce(read_integer(step["nonce"]))
        is_global = step.get("global", self._installation.is_global)
        options = (OPTION_GLOBAL if is_global else 0) | (OPTION_DEFERRED if deferred else 0)
        entity_id = int(step.get("entityId", self._entity))
        first = Nonce(read_integer(step.get("nonceKey", 0)), entity_id, options, 0)
        sequence = self.world.entry_point.sequences.get(first.key192, 0)
        return replace(first, sequence=sequence + int(step.get("nonceDelta", 0)))

    def _granted_nonce(self) -> Nonce:
        grant: Json = self._case["grant"]
        if "nonce" in grant:
            return decode_nonce(read_integer(grant["nonce"]))
        options = OPTION_DEFERRED | (OPTION_GLOBAL if self._installation.is_global else 0)
        return Nonce(0, self._entity, options, 0)

    def _include(self, signed: _Signed, timestamp: int) -> tuple[str, str | None]:
        """Put the operation into a block: validation, then execution, each all or nothing."""
        before = self.world.copy()
        try:
            self._validate(signed, timestamp)
        except _RejectedError as rejected:
            self.world = before
            return Outcome.VALIDATION_REJECTED, rejected.reason
        self._was_installed = self._was_installed or signed.deferred
        before = self.world.copy()
        try:
            self._execute(signed)
        except Revert as error:
            self.world = before
            outcome: str = Outcome.EXECUTION_REVERTED
            reason: str | None = error.reason
        else:
            outcome, reason = Outcome.ACCEPTED, None
        if signed.payer in (None, ZERO_ADDRESS):
            self.world.entry_point.deposit += signed.max_cost
        return outcome, reason

    def _validate(self, signed: _Signed, timestamp: int) -> None:
        """Source: EntryPoint v0.7, `_validatePrepayment` and what follows it."""
        world, nonce = self.world, signed.nonce
        if signed.has_factory and world.deployed:
            raise _RejectedError("AA10 sender already constructed")
        world.deployed = True
        if signed.verification_gas_limit < _LEAST_VERIFICATION_GAS:
            raise _RejectedError(NO_INNER_DATA)
        try:
            if signed.deferred:
                self._install_deferred(signed)
            self._validate_by_account(signed)
            is_signed_by_key = not signed.tampered and world.signer(nonce.entity_id) == self._key(
                signed.signer
            )
        except Revert as error:
            reason = error.reason
            raise _RejectedError(NO_INNER_DATA if reason == Revert().reason else reason) from None
        if signed.payer in (None, ZERO_ADDRESS):
            self._prefund(signed.max_cost)
        sequences = world.entry_point.sequences
        if nonce.sequence != sequences.get(nonce.key192, 0):
            raise _RejectedError("AA25 invalid account nonce")
        sequences[nonce.key192] = nonce.sequence + 1
        if not is_signed_by_key:
            raise _RejectedError("AA24 signature error")
        deadline = self._expiry if signed.deferred else 0
        in_time = world.session(nonce.entity_id).is_due(timestamp)
        if not in_time or (deadline and timestamp > deadline):
            raise _RejectedError(NOT_DUE)

    def _install_deferred(self, signed: _Signed) -> None:
        world, grant = self.world, self._case["grant"]
        if signed.signature_fault == EMPTY_SIGNATURE:
            raise Revert  # the action is sliced out of the signature
        signer = self._key(str(grant.get("signedBy", "owner")))
        faithful = "tampered" not in grant and signed.nonce == self._granted_nonce()
        if signer != world.owner or not faithful:
            raise Revert("DeferredActionSignatureInvalid")
        world.install(self._installation)

    def _validate_by_account(self, signed: _Signed) -> None:
        world, entity_id = self.world, signed.nonce.entity_id
        session, allowances = world.session(entity_id), world.allowances(entity_id)
        # An empty signature fails before the first hook, other faults behind the last one.
        asked = replace(session, gas_hook=False, allowlist_hook=False)
        judgement = validate(
            asked if signed.signature_fault == EMPTY_SIGNATURE else session,
            signed.operation,
            account=world.account,
            allowances=allowances,
            now=None,
            max_gas_cost=signed.max_cost,
            payer=self._payer(signed.payer),
            as_global=bool(signed.nonce.options & OPTION_GLOBAL),
        )
        if judgement.reason is not None:
            raise Revert(judgement.reason)
        if signed.signature_fault is not None:
            raise Revert(signed.signature_fault)
        world.store_allowances(entity_id, judgement.allowances)

    def _prefund(self, cost: int) -> None:
        world = self.world
        missing = max(0, cost - world.entry_point.deposit)
        if missing > world.balance:
            raise _RejectedError("AA21 didn't pay prefund")
        world.balance -= missing
        world.entry_point.deposit += missing - cost

    def _execute(self, signed: _Signed) -> None:
        world, operation, entity_id = self.world, signed.operation, signed.nonce.entity_id
        world.gas = Gas(signed.call_gas_limit)
        if operation.data:
            if signed.call_gas_limit < _LEAST_CALL_GAS:
                raise Revert
            if operation.user_op_context:
                judgement = spend(world.session(entity_id), operation, world.allowances(entity_id))
                if judgement.reason is not None:
                    raise Revert(judgement.reason)
                world.store_allowances(entity_id, judgement.allowances)
            world.call_account(world.account, 0, operation.data)

    def _owner_acts(self, action: str) -> None:
        words, world = action.lower(), self.world
        self._owner_operates()
        if "incrementnonce" in words or "nonce" in words.split():
            key = self._granted_nonce().key192
            sequences = world.entry_point.sequences
            sequences[key] = sequences.get(key, 0) + 1
        elif "uninstallvalidation" in words and ("no hook" in words or "without" in words):
            module, entity_id = self._installation.module, self._entity
            world.uninstall(entity_id, module, uint_word(entity_id, 32), ())
        elif "uninstallvalidation" in words:
            world.call_account(world.account, 0, encode_uninstallation(self._installation))
        elif "install" in words:
            world.install(self._installation)
            self._was_installed = True

    def _owner_operates(self) -> None:
        """Count one operation of the owner's in the owner's lane."""
        sequences = self.world.entry_point.sequences
        sequences[_OWNER_LANE] = sequences.get(_OWNER_LANE, 0) + 1

    def _key(self, name: str) -> Address:
        if name == "owner":
            return self.world.first_owner
        return self._labels["otherKey" if name == "other" else "sessionKey"]

    def _payer(self, paymaster: Address | None) -> GasPayer:
        if paymaster is None:
            return GasPayer.ACCOUNT
        if paymaster == ZERO_ADDRESS:
            return GasPayer.NOBODY
        special = paymaster in self.world.modules.special_paymasters
        return GasPayer.SPECIAL_PAYMASTER if special else GasPayer.PAYMASTER

    def _limits(self) -> dict[str, Any] | None:
        """What the modules hold for the first grant; None while it was never installed."""
        if not self._was_installed:
            return None
        modules, second = self.world.modules, self._entity + contracts.SECOND_HOOK_OFFSET
        limits: dict[str, Any] = {}
        tokens: dict[str, str] = {}
        for permission in self._permissions:
            match permission:
                case NativeTokenTransfer():
                    limits["native"] = hex(modules.native_limits.get(self._entity, 0))
                case GasLimit():
                    limits["gas"] = hex(modules.native_limits.get(second, 0))
                case Erc20TokenTransfer(token, _):
                    tokens[token] = hex(modules.token_limits.get(second, {}).get(token, 0))
                case _:
                    pass
        if tokens:
            limits["erc20"] = tokens
        return limits


def _verdict(outcome: str, reason: str | None, limits: Json | None) -> Verdict:
    return {"outcome": str(outcome), "reason": reason, "limitsAfter": limits}
