"""
The contracts of the sandbox as bytes: where they stand, how they are called, what they log.

`contracts/` holds their sources and `npm ci && npm run build`, which compiles them.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from runner.ethereum.address import Address, address_from_bytes
from runner.ethereum.contracts import (
    ALLOWLIST_MODULE,
    DELEGATE_7702,
    FACTORY,
    MODULAR_ACCOUNT_IMPLEMENTATION,
    NATIVE_LIMIT_MODULE,
    PAYMASTER_GUARD_MODULE,
    SEMI_MODULAR_IMPLEMENTATION,
    SINGLE_SIGNER_MODULE,
    TIME_RANGE_MODULE,
)
from runner.ethereum.hashing import keccak256
from runner.ethereum.words import address_word, bytes_tail, uint_word
from runner.frozen import frozen

BUNDLER: Final = Address("0x00000000000000000000000000000000000B0B07")
"""Hands operations to the entry point and takes their fees; named in SandboxEntryPoint.sol."""

FAUCET: Final = Address("0x000000000000000000000000000000000000fa0C")
"""Mints the demo tokens."""

PAYMASTER: Final = Address("0x3f222Df6aB18C1E10d0Ec136503c3B0dfd929048")
"""Pays for sponsored operations."""

RECORDERS: Final = (
    FACTORY,
    SEMI_MODULAR_IMPLEMENTATION,
    MODULAR_ACCOUNT_IMPLEMENTATION,
    DELEGATE_7702,
    SINGLE_SIGNER_MODULE,
    ALLOWLIST_MODULE,
    NATIVE_LIMIT_MODULE,
    TIME_RANGE_MODULE,
    PAYMASTER_GUARD_MODULE,
)
"""Where calls are only written down, by Recorder.sol."""

ACCOUNT_FUNCTION_TOPIC: Final = keccak256(b"AccountFunction(bytes)")
"""Marker of SandboxAccount.sol: the account called a function of its own."""

NONCE_INCREMENTED_TOPIC: Final = keccak256(b"NonceIncremented(address,uint192)")
"""Marker of SandboxEntryPoint.sol: a sender gave up a sequence number."""

RECORDED_TOPIC: Final = keccak256(b"Recorded(address,bytes)")
"""Marker of Recorder.sol: a module was called."""

_HANDLE_OP: Final = keccak256(
    b"handleOp((bytes32,address,uint256,address,address,uint256,uint256,uint256,uint256,uint256,"
    b"address,uint256,uint256,uint256,bytes,bytes))"
)[:4]
_HANDLE_OP_WORDS: Final = 16
_MINT: Final = keccak256(b"mint(address,uint256)")[:4]
_DEPOSIT_TO: Final = keccak256(b"depositTo(address)")[:4]
_BALANCE_OF: Final = keccak256(b"balanceOf(address)")[:4]
_ALLOWANCE: Final = keccak256(b"allowance(address,address)")[:4]
_NONCES: Final = keccak256(b"nonces(address)")[:4]
_SET_OWNER: Final = keccak256(b"setOwner(address)")[:4]
_PERMIT: Final = keccak256(b"permit(address,address,uint256,uint256,bytes)")[:4]
_NO_ADDRESS: Final = Address("0x" + 40 * "0")


@cache
def _artefact(name: str) -> dict[str, str]:
    path = Path(__file__).parent / "contracts" / f"{name}.json"
    artefact: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return artefact


@cache
def runtime_code(name: str) -> bytes:
    """Return the deployed code of a contract that needs no constructor."""
    return bytes.fromhex(_artefact(name)["deployedBytecode"][2:])


def token_init_code(symbol: str, decimals: int) -> bytes:
    """Return the creation code of a demo token with its constructor arguments."""
    return (
        bytes.fromhex(_artefact("DemoToken")["bytecode"][2:])
        + uint_word(96)
        + uint_word(decimals, 8, "decimals")
        + address_word(FAUCET)
        + bytes_tail(symbol.encode())
    )


def mint(to: Address, amount: int) -> bytes:
    """Return the calldata by which the faucet makes tokens."""
    return _MINT + address_word(to) + uint_word(amount, what="amount")


def deposit_to(account: Address) -> bytes:
    """Return the calldata that pays into an account's deposit at the entry point."""
    return _DEPOSIT_TO + address_word(account)


@lru_cache(maxsize=1_024)
def deposit_slot(account: Address) -> int:
    """Return where the entry point keeps an account's deposit: its mapping is slot 0."""
    return int.from_bytes(keccak256(address_word(account) + bytes(32)), "big")


def balance_of(account: Address) -> bytes:
    """Return the calldata that reads a token balance."""
    return _BALANCE_OF + address_word(account)


def allowance(owner: Address, spender: Address) -> bytes:
    """Return the calldata that reads how much of a token may be taken."""
    return _ALLOWANCE + address_word(owner) + address_word(spender)


def permit_nonce(owner: Address) -> bytes:
    """Return the calldata that reads the nonce of an owner's next permit."""
    return _NONCES + address_word(owner)


def permit(owner: Address, *, value: int, deadline: int, signature: bytes) -> bytes:
    """Return the calldata of a permit for the paymaster (ERC-7597)."""
    words = (address_word(owner), address_word(PAYMASTER), uint_word(value), uint_word(deadline))
    return _PERMIT + b"".join(words) + uint_word(5 * 32) + bytes_tail(signature)


def set_owner(owner: Address) -> bytes:
    """Return the calldata by which an account learns whose signatures are its own."""
    return _SET_OWNER + address_word(owner)


@frozen
class TokenFee:
    """
    What the paymaster takes for the gas: base units of `token`, `rate` of them for one ether and
    `most` at most.

    With `first` it takes `most` before the calls and gives the rest back, else it takes what is
    due after them. `permit` is calldata of the token that lets it, empty where none is needed.
    """

    token: Address
    rate: int
    most: int
    first: bool
    permit: bytes = b""


_NO_FEE: Final = TokenFee(_NO_ADDRESS, 0, 0, first=False)


@frozen
class HandleOp:
    """What `SandboxEntryPoint.handleOp` takes; amounts in wei, gas in gas units."""

    user_op_hash: bytes
    sender: Address
    nonce: int
    factory: Address | None
    paymaster: Address | None
    prefund: int
    gas_price: int
    fixed_gas: int
    call_gas_limit: int
    refused: bool
    fee: TokenFee | None
    data: bytes

    def encode(self) -> bytes:
        """Return the calldata."""
        fee = self.fee or _NO_FEE
        permit = bytes_tail(fee.permit)
        return b"".join(
            (
                _HANDLE_OP,
                uint_word(32),
                self.user_op_hash,
                address_word(self.sender),
                self.nonce.to_bytes(32, "big"),
                address_word(self.factory or _NO_ADDRESS),
                address_word(self.paymaster or _NO_ADDRESS),
                self.prefund.to_bytes(32, "big"),
                self.gas_price.to_bytes(32, "big"),
                self.fixed_gas.to_bytes(32, "big"),
                self.call_gas_limit.to_bytes(32, "big"),
                int(self.refused).to_bytes(32, "big"),
                address_word(fee.token),
                fee.rate.to_bytes(32, "big"),
                fee.most.to_bytes(32, "big"),
                int(fee.first).to_bytes(32, "big"),
                uint_word(_HANDLE_OP_WORDS * 32),
                uint_word(_HANDLE_OP_WORDS * 32 + len(permit)),
                permit,
                bytes_tail(self.data),
            )
        )


@frozen
class Handled:
    """What `handleOp` returns: gas used by the call alone, cost in wei, return or revert data."""

    success: bool
    call_gas_used: int
    actual_gas_cost: int
    output: bytes


def decode_handled(data: bytes) -> Handled:
    """Read the return data of `handleOp`."""
    size = int.from_bytes(data[128:160], "big")
    return Handled(
        success=data[31] == 1,
        call_gas_used=int.from_bytes(data[32:64], "big"),
        actual_gas_cost=int.from_bytes(data[64:96], "big"),
        output=data[160 : 160 + size],
    )


def marked_call(data: bytes) -> bytes:
    """Read the calldata out of an `AccountFunction` marker."""
    return data[64 : 64 + int.from_bytes(data[32:64], "big")]


def recorded_call(data: bytes) -> tuple[Address, bytes]:
    """Read caller and calldata out of a `Recorded` marker."""
    size = int.from_bytes(data[64:96], "big")
    return address_from_bytes(data[12:32]), data[96 : 96 + size]


def incremented_nonce(data: bytes) -> tuple[Address, int]:
    """Read sender and key out of a `NonceIncremented` marker."""
    return address_from_bytes(data[12:32]), int.from_bytes(data[32:64], "big")


def revert_reason(output: bytes) -> str:
    """Return the text of `Error(string)`, or the selector of another error."""
    if output[:4] == bytes.fromhex("08c379a0") and len(output) >= 68:
        size = int.from_bytes(output[36:68], "big")
        return output[68 : 68 + min(size, 1_000)].decode(errors="replace")
    return "0x" + output[:4].hex() if output else ""
