"""
Amounts as people write them elsewhere, and how they are written here.
"""

from __future__ import annotations

import re
from collections.abc import Collection

NUMBER = re.compile(r"[0-9]+(?:_[0-9]+)*(?:\.[0-9]+(?:_[0-9]+)*)?(?:[eE][+-]?[0-9]{1,3})?")
"""A number, as amounts have them."""

_GLUED = rf"({NUMBER.pattern})([A-Za-z].*)"
_THOUSANDS = r"[0-9]{1,3}(?:[,.'][0-9]{3})+"
_SIGNS = " $€£¥"
_QUOTES = "\u201c\u201d\u201e\u2018\u2019«»`\"'"
_SIGNS_AND_BLANKS = {0x2212: "-", 0xA0: " ", 0x202F: " ", 0x2009: " ", 0x3000: " ", 0xFF0E: "."}
_EVERYTHING = ("all", "any", "inf", "infinite", "infinity", "max", "maximum", "unlimited", "∞")


def amount_hint(text: str, unit: str, units: Collection[str]) -> str:
    """
    Say how an amount should be written.

    Args:
        unit: One for examples.
        units: All that there are.
    """
    if text.strip().casefold() in _EVERYTHING:
        return f"amounts are numbers: write what is needed, as 2500 {unit}"
    text = _plain(text).strip(_QUOTES)
    if re.match(r"0[xXbBoO]", text):
        return "amounts are decimal numbers"
    if re.match(r"\s*[-+]", text):
        return "amounts have no sign"
    if (short := re.fullmatch(r"([0-9]{1,6})\s?[kK](?:\s+(\S+))?", text)) is not None:
        return f"write {short[1]}_000 {short[2] or unit}"
    if text.strip() in units:
        return f"the number is missing: write it before the unit, as 10 {text.strip()}"
    words = re.split(r"[\s_]+(?=[A-Za-z])|(?<=[0-9.])(?=[A-Za-z])", text.strip(_SIGNS), maxsplit=1)
    number = re.sub(r"(?<=[0-9])[ '_](?=[0-9])", "_", words[0].strip(_SIGNS))
    better = _tidy(plain_number(number))
    rest = words[1] if len(words) > 1 else ""
    if NUMBER.fullmatch(better) and (rest in units or not rest):
        return f"write {better} {rest or unit}"
    if rest.split(" ")[0] in units and NUMBER.fullmatch(better):
        return f"write one amount, as {better} {rest.split(' ')[0]}"
    turned = text.split()
    if len(turned) == 2 and NUMBER.fullmatch(turned[1]):
        return f"the number comes first: {turned[1]} {turned[0]}"
    if (glued := re.fullmatch(_GLUED, text)) and glued[2] in units:
        return f"put a space before the unit: {glued[1]} {glued[2]}"
    return f"write it like 2500 {unit}, 1_000 {unit} or 0.5 {unit}"


def _plain(text: str) -> str:
    """Return a text with the digits, signs and blanks of ASCII for those of other scripts."""
    import unicodedata  # noqa: PLC0415 (only messages need it)

    if text.isascii():
        return text
    digits = (str(unicodedata.decimal(one, one)) for one in text)
    return "".join(digits).translate(_SIGNS_AND_BLANKS)


def plain_number(text: str) -> str:
    """Return a number that was written with commas, apostrophes or points as it is written here."""
    commas = text.count(",")
    if re.fullmatch(_THOUSANDS, text) and (commas or "'" in text or text.count(".") > 1):
        return re.sub("[,.']", "_", text)
    if commas == 1 and "." not in text.partition(",")[2]:  # a comma for the decimals: 1.000,50
        whole, _, fraction = text.partition(",")
        return f"{whole.replace('.', '_')}.{fraction}"
    return text.replace(",", "_")


def _tidy(number: str) -> str:
    """Return a number with digits on both sides of its point, and single underscores."""
    number = re.sub(r"_+", "_", number).strip("_")
    number = f"0{number}" if number.startswith(".") else number
    return number.removesuffix(".")
