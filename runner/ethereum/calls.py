"""
A call as a wallet is asked to make it.

Source: EIP-5792, `wallet_sendCalls`.
"""

from __future__ import annotations

from runner.ethereum.address import Address
from runner.frozen import frozen


@frozen
class Call:
    """`value` is in wei; empty `data` sends the native coin alone."""

    to: Address
    value: int = 0
    data: bytes = b""
