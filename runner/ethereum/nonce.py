"""
The nonce of a user operation as Modular Account v2 reads it.

    nonce = key (192 bit) << 64 | sequence (64 bit)
    key   = parallel (152 bit) << 40 | entity id (32 bit) << 8 | options (8 bit)

Operations with different keys are independent; within one key the sequence counts from 0.

Source: ERC-4337, "Semi-abstracted Nonce Support"; mav2.md §4.
"""

from __future__ import annotations

from typing import Final

from runner.errors import EncodingError
from runner.frozen import frozen

OPTION_GLOBAL: Final = 1
"""The validation is global: not bound to a list of account functions."""

OPTION_DEFERRED: Final = 2
"""The signature carries a deferred action, performed before validation."""

OPTION_DIRECT: Final = 4
"""Direct-call validation; no session uses it."""

_WIDTHS = {"parallel": 152, "entity_id": 32, "options": 8, "sequence": 64}


@frozen
class Nonce:
    """
    The four parts of a nonce.

    Raises:
        EncodingError: A part is wider than its field.
    """

    parallel: int
    entity_id: int
    options: int
    sequence: int

    def __post_init__(self) -> None:
        wide = self.parallel >> 152 or self.entity_id >> 32
        if not (wide or self.options >> 8 or self.sequence >> 64):
            return
        for name, bits in _WIDTHS.items():
            part = getattr(self, name)
            if part < 0 or part.bit_length() > bits:
                raise EncodingError(f"nonce: {name} is not a uint{bits}")

    @property
    def key192(self) -> int:
        """The key that `EntryPoint.getNonce(address,uint192)` takes."""
        return self.parallel << 40 | self.entity_id << 8 | self.options

    @property
    def value(self) -> int:
        """The uint256 that stands in the operation."""
        return self.key192 << 64 | self.sequence


def decode_nonce(value: int) -> Nonce:
    """
    Split a nonce into its parts.

    Raises:
        EncodingError: Not a uint256.
    """
    if value < 0 or value.bit_length() > 256:
        raise EncodingError("nonce is not a uint256")
    return Nonce(
        parallel=value >> 104,
        entity_id=value >> 72 & 0xFFFFFFFF,
        options=value >> 64 & 0xFF,
        sequence=value & 0xFFFFFFFFFFFFFFFF,
    )
