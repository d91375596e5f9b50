"""
Amounts: decimal text as people write it, and integers in base units as the chain counts.

No float and no rounding anywhere: an amount that the token cannot express is an error.
"""

from __future__ import annotations

import re

from runner.errors import EncodingError

MAX_UINT256 = 2**256 - 1
"""The largest amount a token or the native coin can count."""

_NUMBER = re.compile(
    r"(?P<whole>[0-9]+(?:_[0-9]+)*)"
    r"(?:\.(?P<fraction>[0-9]+(?:_[0-9]+)*))?"
    r"(?:[eE](?P<exponent>[+-]?[0-9]{1,3}))?"
)
_LONGEST = 200  # characters; 2**256 has 78 digits


def parse_units(text: str, decimals: int) -> int:
    """
    Read a decimal number as an amount of base units, exactly.

    Args:
        text: Digits with single `_` between them, perhaps a fraction and an exponent: `1_000`,
            `0.25`, `1e3`. No sign, no blanks.
        decimals: How many decimals one unit has: 18 for ether, 6 for USDC, 0 for wei.

    Returns:
        The amount in base units, 0 to 2**256 - 1.

    Raises:
        EncodingError: Not such a number, finer than one base unit, or too large.
    """
    match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise EncodingError(
            f"not an amount: {text[:80]!r}", hint="write it like 2500, 1_000, 0.25 or 1e3"
        )
    fraction = (match["fraction"] or "").replace("_", "")
    mantissa = int(match["whole"].replace("_", "") + fraction)
    shift = decimals + int(match["exponent"] or 0) - len(fraction)
    return _shifted(mantissa, shift, text, decimals)


def _shifted(mantissa: int, shift: int, text: str, decimals: int) -> int:
    if shift < 0:
        scale: int = 10**-shift
        amount, rest = divmod(mantissa, scale)
        if rest:
            raise EncodingError(
                f"{text} has more than {decimals} decimals",
                hint="amounts are never rounded; write what can be paid",
            )
        return amount
    amount = mantissa * int(10**shift)
    if amount > MAX_UINT256:
        raise EncodingError(f"{text} is more than 2**256 - 1 base units")
    return amount


def format_units(amount: int, decimals: int) -> str:
    """
    Write base units as the shortest decimal text: `1500000` with 6 decimals is `1.5`.

    A negative amount (a difference) gets a leading minus sign.
    """
    whole, rest = divmod(abs(amount), 10**decimals)
    sign = "-" if amount < 0 else ""
    if not rest:
        return f"{sign}{whole}"
    fraction = str(rest).rjust(decimals, "0").rstrip("0")
    return f"{sign}{whole}.{fraction}"
