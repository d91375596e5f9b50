"""
Errors as JSON-RPC spells them, with the codes of the Wallet API and of ERC-4337 bundlers.

Every error carries a machine-readable `reason` in its `data`.

Source: Wallet API specification §1.1; ERC-7769 for the bundler's codes.
"""

from __future__ import annotations

from typing import Any, Final

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
UNKNOWN_METHOD: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL: Final = -32603
PRECHECK: Final = -32000
REJECTED: Final = -32500
REJECTED_BY_PAYMASTER: Final = -32501
OUT_OF_TIME: Final = -32503
TOO_MANY: Final = -32505
BAD_SIGNATURE: Final = -32507
EXECUTION_REVERTED: Final = -32521
CALL_REVERTED: Final = 3
UNKNOWN_CALLS: Final = 5730


class RpcError(Exception):
    """The answer is an error: `code` decides, `message` is for people, `data` for programs."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def as_json(self) -> dict[str, Any]:
        """Return the `error` member of an answer."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return error


def refused(code: int, reason: str, message: str, **data: Any) -> RpcError:
    """Return an error whose data names its reason."""
    return RpcError(code, message, {"reason": reason, **data})


def invalid(what: str) -> RpcError:
    """Return the error for parameters that do not have the shape of the specification."""
    return refused(INVALID_PARAMS, "InvalidParams", what)
