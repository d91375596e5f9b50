"""
Why an operation is not included, in the words of the EntryPoint.

Source: ERC-4337, EntryPoint v0.7 (the AA codes); Wallet API specification §1.1.
"""

from __future__ import annotations

from typing import Any

from runner.sandbox import rpc


class Refusal(Exception):
    """
    An operation that the chain or the bundler will not take.

    `code` is the JSON-RPC code, `reason` the shortest stable name of the cause, `aa` the
    EntryPoint's code.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        aa: str,
        *,
        call_index: int | None = None,
        revert_data: bytes | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.aa = aa
        self.call_index = call_index
        self.revert_data = revert_data

    def as_error(self) -> rpc.RpcError:
        """Return the answer to whoever handed the operation in."""
        details: dict[str, Any] = {"aa": self.aa} if self.aa else {}
        if self.call_index is not None:
            details["callIndex"] = self.call_index
        if self.revert_data is not None:
            details["revertData"] = "0x" + self.revert_data.hex()
        return rpc.refused(self.code, self.reason, self.message, **details)

    @classmethod
    def validation(cls, reason: str, call_index: int | None = None) -> Refusal:
        """The account's validation reverted."""
        message = f"validation reverted: [{reason}]: AA23 reverted"
        return cls(rpc.REJECTED, reason, message, "AA23", call_index=call_index)

    @classmethod
    def verification_gas(cls) -> Refusal:
        """The validation needs more gas than the operation gives it."""
        message = "validation reverted: AA26 over verificationGasLimit"
        return cls(rpc.REJECTED, "OverVerificationGasLimit", message, "AA26")

    @classmethod
    def factory(cls, what: str) -> Refusal:
        """The account exists already, or not yet."""
        return cls(rpc.REJECTED, what[:4], f"validation reverted: {what}", what[:4])

    @classmethod
    def funds(cls) -> Refusal:
        """The account cannot pay for the gas."""
        message = (
            "precheck failed: sender balance and deposit are below the maximal gas cost (AA21)"
        )
        return cls(rpc.PRECHECK, "InsufficientFunds", message, "AA21")

    @classmethod
    def paymaster_funds(cls) -> Refusal:
        """The paymaster's deposit does not cover the maximal gas cost."""
        message = "rejected by paymaster (AA31 paymaster deposit too low)"
        return cls(rpc.REJECTED_BY_PAYMASTER, "PaymasterDepositTooLow", message, "AA31")

    @classmethod
    def paymaster(cls, what: str) -> Refusal:
        """The paymaster's own validation reverts."""
        return cls(
            rpc.REJECTED_BY_PAYMASTER,
            "PaymasterReverted",
            f"rejected by paymaster ({what})",
            "AA33",
        )

    @classmethod
    def bundle(cls, what: str) -> Refusal:
        """The entry point reverted as a whole."""
        return cls(rpc.REJECTED, "BundleReverted", f"the bundle reverted: {what}", what[:4])

    @classmethod
    def nonce(cls) -> Refusal:
        """The nonce was used, or is not the next one."""
        message = "validation reverted: AA25 invalid account nonce"
        return cls(rpc.REJECTED, "InvalidNonce", message, "AA25")

    @classmethod
    def signature(cls) -> Refusal:
        """Another key signed."""
        message = "invalid account signature (AA24 signature error)"
        return cls(rpc.BAD_SIGNATURE, "InvalidSignature", message, "AA24")

    @classmethod
    def expired(cls) -> Refusal:
        """Outside of the key's validity."""
        message = "operation expired or about to expire (AA22 expired or not due)"
        return cls(rpc.OUT_OF_TIME, "Expired", message, "AA22")

    @classmethod
    def sponsorship_expired(cls) -> Refusal:
        """The paymaster's promise ended."""
        message = "sponsorship expired (AA32 paymaster expired or not due)"
        return cls(rpc.OUT_OF_TIME, "SponsorshipExpired", message, "AA32")

    @classmethod
    def authorization(cls) -> Refusal:
        """The EIP-7702 authorization is not for the EOA's current nonce."""
        message = "precheck failed: EIP-7702 authorization nonce mismatch"
        return cls(rpc.PRECHECK, "AuthorizationNonceMismatch", message, "7702")
