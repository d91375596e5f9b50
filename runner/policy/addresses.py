"""
Literal addresses, and what to say about text that is none.
"""

from __future__ import annotations

import re

from runner.errors import EncodingError
from runner.ethereum.address import ZERO_ADDRESS, Address, parse_address
from runner.policy.codes import Code
from runner.policy.faults import Refusal, shown

_WITHIN = r"0x[0-9a-fA-F]{40}(?![0-9a-fA-F])"
_BARE = r"[0-9a-fA-F]{40}"


def looks_like_address(text: str) -> bool:
    """Tell whether an address is in a text, or would be with its `0x`."""
    return re.fullmatch(_BARE, text) is not None or re.search(_WITHIN, text) is not None


def address_hint(text: str) -> str:
    """Say how an address should be written that does not begin with `0x`."""
    if within := re.search(_WITHIN, text):
        return f"write the address alone: {within[0]}"
    if text.endswith(".eth"):
        return "names of ENS are not looked up; write the address"
    if re.fullmatch(_BARE, text):
        return f"an address begins with 0x: 0x{text}"
    return "an address is 0x and 40 hex digits"


def read_address(text: str) -> Address:
    """
    Read a literal address; not the zero address.

    Raises:
        Refusal: It is none, its checksum is wrong, or it is nobody's.
    """
    try:
        address = parse_address(text)
    except EncodingError as error:
        what, hint = error.what, error.hint
        code = Code.WRONG_CHECKSUM if "checksum" in what else Code.NOT_AN_ADDRESS
        if code is Code.NOT_AN_ADDRESS:
            what = f"{shown(text)} is not an address"
            if text.startswith("0X"):
                hint = "write the x small: 0x"
            elif not text.startswith("0x"):
                hint = address_hint(text)
            elif odd := re.search(r"[^0-9a-fA-F]", text[2:]):
                hint = f"{shown(odd[0])} is no hex digit: they are 0 to 9 and a to f"
            elif len(text) != 42:
                hint = f"an address has 40 hex digits after 0x, this has {len(text) - 2}"
        raise Refusal(code, what, hint) from None
    if address == ZERO_ADDRESS:
        what = "the zero address belongs to nobody"
        raise Refusal(Code.ZERO_ADDRESS, what, "what is sent there is lost; write the address")
    return address
