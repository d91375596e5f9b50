"""
How much gas an operation needs apart from its own calls.

The calls are metered by the EVM. Validation runs outside of it, so its gas is modelled: the
constants reproduce the measured tables within a tenth or so.

Source: onchain-facts.md §1 and §8; EIP-2028 for calldata.
"""

from __future__ import annotations

from typing import Final

from runner.ethereum import contracts
from runner.ethereum.installation import Installation
from runner.guard import scope

BASE_FEE: Final = 10_000_000
"""Wei per gas of every block, 0.01 gwei."""

PRIORITY_FEE: Final = 1_000_000
"""Wei per gas that the bundler asks on top."""

PAYMASTER_VERIFICATION_GAS: Final = 30_000
"""Gas limit of the paymaster's validation."""

LARGEST_CALL_GAS: Final = 40_000_000
"""Gas given to the calls while they are estimated."""

_BUNDLE = 44_000
_OWNER = 38_000
_SESSION = 47_000
_FRESH_LANE = 17_100
_DEPLOYMENT = 98_500

_ALLOWLIST_CHECK = 10_000
_ALLOWLIST_CALL = 2_416
_TOKEN_CHECK = 20_000
_NATIVE_CHECK = 10_500
_TIME_CHECK = 9_000

_INSTALL = 67_500
_INSTALL_HOOK = {contracts.TIME_RANGE_MODULE: 48_500, contracts.NATIVE_LIMIT_MODULE: 34_500}
_INSTALL_ALLOWLIST = 125_000
_INSTALL_ALLOWLIST_BYTE = 60


def pre_verification_gas(call_data: bytes) -> int:
    """Return the gas of carrying an operation in a bundle."""
    zeros = call_data.count(0)
    return _BUNDLE + 16 * (len(call_data) - zeros) + 4 * zeros


def verification_gas(
    session: scope.Installed,
    calls: scope.Operation,
    *,
    is_owner: bool,
    fresh_lane: bool,
    installs: Installation | None,
    deploys: bool,
) -> int:
    """Return the gas of validating an operation, as charged."""
    gas = _OWNER
    if not is_owner:
        gas = _SESSION
        gas += _NATIVE_CHECK * (session.native_hook + session.gas_hook)
        gas += _TOKEN_CHECK * session.token_hook + _TIME_CHECK * bool(session.valid_until)
        if session.allowlist_hook:
            gas += _ALLOWLIST_CHECK + _ALLOWLIST_CALL * len(calls.calls or ())
    if fresh_lane:
        gas += _FRESH_LANE
    if deploys:
        gas += _DEPLOYMENT
    if installs is not None:
        gas += _INSTALL
        for hook in installs.hooks:
            gas += _INSTALL_HOOK.get(hook.module) or (
                _INSTALL_ALLOWLIST + _INSTALL_ALLOWLIST_BYTE * len(hook.init_data)
            )
    return gas


def transaction_gas(pre_verification: int, verification: int, call_gas: int) -> int:
    """Return the gas of the transaction that holds one operation."""
    return max(21_000, pre_verification - 18_000) + verification + call_gas


def effective_price(max_fee: int, max_priority_fee: int, base_fee: int) -> int:
    """Return what a unit of gas costs, in wei (EIP-1559)."""
    return min(max_fee, base_fee + max_priority_fee)
