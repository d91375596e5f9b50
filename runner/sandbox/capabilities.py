"""
The capabilities of a request.

Source: Wallet API specification §6.1.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.contracts import DELEGATE_7702
from runner.ethereum.grants import Context
from runner.frozen import frozen
from runner.sandbox import rpc, wire
from runner.sandbox.authority import read_context
from runner.sandbox.evm import StateOverride
from runner.sandbox.token_gas import TokenGas, read_token_gas

_LARGEST_PARALLEL = 2**152
_LARGEST_GAS = 2**128
_GAS_FIELDS = (
    "preVerificationGas",
    "verificationGasLimit",
    "callGasLimit",
    "paymasterVerificationGasLimit",
    "paymasterPostOpGasLimit",
    "maxFeePerGas",
    "maxPriorityFeePerGas",
)


@frozen
class GasOverride:
    """Gas fields that the caller wants: absolute numbers, or multiples of the estimate."""

    absolute: dict[str, int] = field(default_factory=dict)
    multiplier: dict[str, float] = field(default_factory=dict)

    def apply(self, name: str, estimate: int, *, margin: float = 1.0) -> int:
        """Return a gas field; without an override it is the estimate times `margin`."""
        if name in self.absolute:
            return self.absolute[name]
        return int(estimate * self.multiplier.get(name, margin))


@frozen
class Capabilities:
    """What a request asks for besides its calls; `token_gas` only where `is_sponsored`."""

    context: Context | None = None
    is_sponsored: bool = False
    only_estimation: bool = False
    token_gas: TokenGas | None = None
    parallel: int = 0
    delegation: Address | None = None
    data_suffix: bytes = b""
    gas: GasOverride = field(default_factory=GasOverride)
    overrides: tuple[StateOverride, ...] = ()


def read_capabilities(value: Any) -> Capabilities:
    """
    Read capabilities; unknown names are ignored.

    Raises:
        RpcError: Malformed, or something that this service does not do.
    """
    fields = wire.members(value, "capabilities")
    paymaster = wire.optional(fields, "paymasterService", wire.members, "capabilities")
    where = "capabilities.paymasterService"
    nonce = wire.optional(fields, "nonceOverride", wire.members, "capabilities")
    suffix = wire.optional(fields, "experimental_dataSuffix", wire.members, "capabilities")
    only_estimation = token_gas = None
    if paymaster is not None:
        only_estimation = wire.optional(paymaster, "onlyEstimation", wire.flag, where)
        token_gas = wire.optional(paymaster, "erc20", read_token_gas, where)
    return Capabilities(
        context=wire.optional(fields, "permissions", read_context, "capabilities"),
        is_sponsored=paymaster is not None and _check_policy(paymaster, where),
        only_estimation=bool(only_estimation),
        token_gas=token_gas,
        parallel=0 if nonce is None else _parallel(nonce),
        delegation=wire.optional(fields, "eip7702Auth", _delegation, "capabilities"),
        data_suffix=b""
        if suffix is None
        else wire.required(
            suffix, "value", wire.data_bytes, "capabilities.experimental_dataSuffix"
        ),
        gas=wire.optional(fields, "gasParamsOverride", _gas, "capabilities") or GasOverride(),
        overrides=wire.optional(fields, "stateOverride", _overrides, "capabilities") or (),
    )


def _overrides(value: Any, where: str) -> tuple[StateOverride, ...]:
    return tuple(
        _override(wire.address(name, f"{where} {name[:80]!r}"), each, f"{where}.{name[:80]}")
        for name, each in wire.members(value, where).items()
    )


def _override(address: Address, value: Any, where: str) -> StateOverride:
    """Read what an account is to be while gas is estimated; nonces play no part in that."""
    fields = wire.members(value, where)
    wire.only(fields, where, "balance", "nonce", "code", "state", "stateDiff")
    if "state" in fields and "stateDiff" in fields:
        raise rpc.invalid(f"{where}: either state or stateDiff")
    wire.optional(fields, "nonce", wire.number, where)
    return StateOverride(
        address,
        balance=wire.optional(fields, "balance", wire.big, where),
        code=wire.optional(fields, "code", wire.data_bytes, where),
        storage=wire.optional(fields, "state" if "state" in fields else "stateDiff", _slots, where)
        or {},
        is_whole="state" in fields,
    )


def _slots(value: Any, where: str) -> dict[int, int]:
    slots = wire.members(value, where)
    return {wire.big(name, where): wire.big(each, where) for name, each in slots.items()}


def _check_policy(paymaster: dict[str, Any], where: str) -> bool:
    """Refuse a sponsorship request that names no policy."""
    wire.optional(paymaster, "webhookData", wire.text, where)
    if "policyId" in paymaster:
        wire.uuid(paymaster["policyId"], f"{where}.policyId")
        return True
    listed = wire.required(paymaster, "policyIds", wire.items, where)
    if not listed:
        raise rpc.invalid(f"{where}.policyIds is empty")
    for index, policy in enumerate(listed):
        wire.uuid(policy, f"{where}.policyIds[{index}]")
    return True


def _parallel(nonce: dict[str, Any]) -> int:
    key = wire.required(nonce, "nonceKey", wire.big, "capabilities.nonceOverride")
    if key >= _LARGEST_PARALLEL:
        raise rpc.invalid("capabilities.nonceOverride.nonceKey is not a uint152")
    return key


def _delegation(value: Any, where: str) -> Address | None:
    if value is True:
        return DELEGATE_7702
    fields = wire.members(value, where)
    wanted = wire.required(fields, "delegation", wire.text, where)
    if wanted in ("ModularAccountV2", DELEGATE_7702):
        return DELEGATE_7702
    if wanted == ZERO_ADDRESS:
        return ZERO_ADDRESS
    raise rpc.invalid(f"{where}.delegation: not a delegate that is known here")


def _gas(value: Any, where: str) -> GasOverride:
    override = GasOverride()
    for name, wanted in wire.members(value, where).items():
        if name not in _GAS_FIELDS:
            continue
        if not isinstance(wanted, dict):
            override.absolute[name] = wire.big(wanted, f"{where}.{name}")
            if override.absolute[name] >= _LARGEST_GAS:
                raise rpc.invalid(f"{where}.{name} is not a uint128")
            continue
        factor = wanted.get("multiplier")
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < 1e6:
            raise rpc.invalid(f"{where}.{name}.multiplier must be a number above 0")
        override.multiplier[name] = factor
    return override
