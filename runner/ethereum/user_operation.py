"""
User operations: fields, packing and hash, as their EntryPoint computes them.

Whatever stands in an operation is covered by its hash; an operation with a field that the hash
would leave out (paymaster data without a paymaster, say) cannot be built.

Source: ERC-4337; EntryPoint v0.7 `UserOperationLib`, EntryPoint v0.6 `UserOperationLib`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from runner.errors import EncodingError
from runner.ethereum.address import Address, address_bytes, address_from_bytes
from runner.ethereum.hashing import EMPTY, keccak256
from runner.ethereum.words import address_word, uint_word
from runner.frozen import frozen

ENTRY_POINT_V07: Final = Address("0x0000000071727De22E5E9d8BAf0edAc6f37da032")
"""EntryPoint v0.7, the same on every chain."""

ENTRY_POINT_V06: Final = Address("0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789")
"""EntryPoint v0.6, the same on every chain."""

USER_OPERATION_EVENT_TOPIC: Final = bytes.fromhex(
    "49628fd1471006c1482da88028e9ce4dbb080b815c9b0344d39e5a8e6ec1419f"
)
"""First topic of `UserOperationEvent(bytes32,address,address,uint256,bool,uint256,uint256)`."""

REVERT_REASON_TOPIC: Final = bytes.fromhex(
    "1c4fada7374c0a9ee8841fc38afe82932dc0f8e69012e927f061a8bae611a201"
)
"""First topic of `UserOperationRevertReason(bytes32,address,uint256,bytes)`."""

_WIDTHS = {
    "nonce": 256,
    "call_gas_limit": 128,
    "verification_gas_limit": 128,
    "pre_verification_gas": 256,
    "max_fee_per_gas": 128,
    "max_priority_fee_per_gas": 128,
    "paymaster_verification_gas_limit": 128,
    "paymaster_post_op_gas_limit": 128,
}
_WIDTHS_V06 = {
    "nonce": 256,
    "call_gas_limit": 256,
    "verification_gas_limit": 256,
    "pre_verification_gas": 256,
    "max_fee_per_gas": 256,
    "max_priority_fee_per_gas": 256,
}


@frozen
class UserOperation:
    """
    An unsigned operation of EntryPoint v0.7. Gas limits in gas units, fees in wei per gas.

    Raises:
        EncodingError: A gas field is not a uint128 (`pre_verification_gas` and `nonce`: uint256),
            or there are factory or paymaster fields without a factory or paymaster.
    """

    sender: Address
    nonce: int
    call_data: bytes
    call_gas_limit: int
    verification_gas_limit: int
    pre_verification_gas: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    factory: Address | None = None
    factory_data: bytes = b""
    paymaster: Address | None = None
    paymaster_verification_gas_limit: int = 0
    paymaster_post_op_gas_limit: int = 0
    paymaster_data: bytes = b""

    def __post_init__(self) -> None:
        # All of one width at once: a number below zero, or too wide, leaves something of the sum
        # of all bits.
        if (self.nonce | self.pre_verification_gas) >> 256 or (
            self.call_gas_limit
            | self.verification_gas_limit
            | self.max_fee_per_gas
            | self.max_priority_fee_per_gas
            | self.paymaster_verification_gas_limit
            | self.paymaster_post_op_gas_limit
        ) >> 128:
            _check(self, _WIDTHS)
        if self.factory is None and self.factory_data:
            raise EncodingError("factory_data without a factory")
        if self.paymaster is None and (
            self.paymaster_data
            or self.paymaster_verification_gas_limit
            or self.paymaster_post_op_gas_limit
        ):
            raise EncodingError("paymaster fields without a paymaster")

    @property
    def init_code(self) -> bytes:
        """Factory and its calldata; empty for an account that exists."""
        return b"" if self.factory is None else address_bytes(self.factory) + self.factory_data

    @property
    def paymaster_and_data(self) -> bytes:
        """Paymaster, its two gas limits and its data; empty for an unsponsored operation."""
        if self.paymaster is None:
            return b""
        return (
            address_bytes(self.paymaster)
            + self.paymaster_verification_gas_limit.to_bytes(16, "big")
            + self.paymaster_post_op_gas_limit.to_bytes(16, "big")
            + self.paymaster_data
        )

    @property
    def account_gas_limits(self) -> bytes:
        """The two gas limits of the account in one word: verification, then call."""
        return self.verification_gas_limit.to_bytes(16, "big") + self.call_gas_limit.to_bytes(
            16, "big"
        )

    @property
    def gas_fees(self) -> bytes:
        """The two fees in one word: priority fee, then the most per gas."""
        return self.max_priority_fee_per_gas.to_bytes(16, "big") + self.max_fee_per_gas.to_bytes(
            16, "big"
        )

    @property
    def max_cost(self) -> int:
        """The most that this operation can cost whoever pays its gas, in wei."""
        gas = (
            self.pre_verification_gas
            + self.verification_gas_limit
            + self.call_gas_limit
            + self.paymaster_verification_gas_limit
            + self.paymaster_post_op_gas_limit
        )
        return gas * self.max_fee_per_gas


def unpack_user_operation(
    *,
    sender: Address,
    nonce: int,
    init_code: bytes,
    call_data: bytes,
    account_gas_limits: bytes,
    pre_verification_gas: int,
    gas_fees: bytes,
    paymaster_and_data: bytes,
) -> UserOperation:
    """
    Return a v0.7 operation from the form in which its EntryPoint takes it.

    Raises:
        EncodingError: A word has not 32 bytes, or a packed field ends inside one of its parts.

    Source: ERC-4337, `PackedUserOperation`.
    """
    if len(account_gas_limits) != 32 or len(gas_fees) != 32:
        raise EncodingError("account_gas_limits and gas_fees have 32 bytes")
    if 0 < len(init_code) < 20:
        raise EncodingError("init_code is empty or begins with a factory of 20 bytes")
    if 0 < len(paymaster_and_data) < 52:
        raise EncodingError("paymaster_and_data is empty or begins with 20 + 16 + 16 bytes")
    sponsored = bool(paymaster_and_data)
    return UserOperation(
        sender=sender,
        nonce=nonce,
        call_data=call_data,
        call_gas_limit=int.from_bytes(account_gas_limits[16:], "big"),
        verification_gas_limit=int.from_bytes(account_gas_limits[:16], "big"),
        pre_verification_gas=pre_verification_gas,
        max_fee_per_gas=int.from_bytes(gas_fees[16:], "big"),
        max_priority_fee_per_gas=int.from_bytes(gas_fees[:16], "big"),
        factory=address_from_bytes(init_code[:20]) if init_code else None,
        factory_data=init_code[20:],
        paymaster=address_from_bytes(paymaster_and_data[:20]) if sponsored else None,
        paymaster_verification_gas_limit=int.from_bytes(paymaster_and_data[20:36], "big"),
        paymaster_post_op_gas_limit=int.from_bytes(paymaster_and_data[36:52], "big"),
        paymaster_data=paymaster_and_data[52:],
    )


@frozen
class UserOperationV06:
    """
    An unsigned operation of EntryPoint v0.6. Gas limits in gas units, fees in wei per gas.

    Raises:
        EncodingError: A number is not a uint256.
    """

    sender: Address
    nonce: int
    call_data: bytes
    call_gas_limit: int
    verification_gas_limit: int
    pre_verification_gas: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    init_code: bytes = b""
    paymaster_and_data: bytes = b""

    def __post_init__(self) -> None:
        _check(self, _WIDTHS_V06)

    @property
    def max_cost(self) -> int:
        """
        The most that this operation can cost whoever pays its gas, in wei.

        Source: EntryPoint v0.6 counts the verification gas three times when a paymaster pays.
        """
        verifications = 3 if self.paymaster_and_data else 1
        gas = (
            self.pre_verification_gas
            + self.verification_gas_limit * verifications
            + self.call_gas_limit
        )
        return gas * self.max_fee_per_gas


def user_operation_hash(
    op: UserOperation, chain_id: int, entry_point: Address = ENTRY_POINT_V07
) -> bytes:
    """
    Return the 32-byte hash of a v0.7 operation: what its key signs and its event names.

    Raises:
        EncodingError: `chain_id` is not a uint256.
    """
    inner = keccak256(
        address_word(op.sender)
        + op.nonce.to_bytes(32, "big")
        + (EMPTY if op.factory is None else keccak256(op.init_code))
        + keccak256(op.call_data)
        + op.account_gas_limits
        + op.pre_verification_gas.to_bytes(32, "big")
        + op.gas_fees
        + (EMPTY if op.paymaster is None else keccak256(op.paymaster_and_data))
    )
    return _bound_hash(inner, chain_id, entry_point)


def user_operation_hash_v06(
    op: UserOperationV06, chain_id: int, entry_point: Address = ENTRY_POINT_V06
) -> bytes:
    """
    Return the 32-byte hash of a v0.6 operation.

    Raises:
        EncodingError: `chain_id` is not a uint256.
    """
    inner = keccak256(
        address_word(op.sender)
        + op.nonce.to_bytes(32, "big")
        + keccak256(op.init_code)
        + keccak256(op.call_data)
        + op.call_gas_limit.to_bytes(32, "big")
        + op.verification_gas_limit.to_bytes(32, "big")
        + op.pre_verification_gas.to_bytes(32, "big")
        + op.max_fee_per_gas.to_bytes(32, "big")
        + op.max_priority_fee_per_gas.to_bytes(32, "big")
        + keccak256(op.paymaster_and_data)
    )
    return _bound_hash(inner, chain_id, entry_point)


def call_id(chain_id: int, user_op_hash: bytes) -> bytes:
    """
    Return the 64-byte id under which the Wallet API knows a same-chain operation.

    Raises:
        EncodingError: `chain_id` is not a uint256, or the hash is not 32 bytes long.

    Source: Wallet API specification §9: chain id as a word, then the operation's hash.
    """
    if len(user_op_hash) != 32:
        raise EncodingError(f"a user operation hash has 32 bytes, not {len(user_op_hash)}")
    return uint_word(chain_id, what="chain id") + user_op_hash


def _bound_hash(inner: bytes, chain_id: int, entry_point: Address) -> bytes:
    return keccak256(inner + _bound(chain_id, entry_point))


@lru_cache(maxsize=64)
def _bound(chain_id: int, entry_point: Address) -> bytes:
    return address_word(entry_point) + uint_word(chain_id, what="chain id")


def _check(op: UserOperation | UserOperationV06, widths: dict[str, int]) -> None:
    for name, bits in widths.items():
        number = getattr(op, name)
        if number < 0 or number.bit_length() > bits:
            raise EncodingError(f"{name} is not a uint{bits}")
