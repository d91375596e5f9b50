"""What the words mean by which the language's table says what a value is."""

from __future__ import annotations

import re

from runner.frozen import frozen
from runner.policy.codes import Code


@frozen
class Value:
    """
    One kind of plain value.

    Attributes:
        about: How it is written.
        unit: What its numbers count, if they count something.
        codes: What can be wrong with it, wherever it stands.
    """

    about: str
    unit: str | None = None
    codes: tuple[Code, ...] = ()


_AMOUNTS = (
    Code.NOT_AN_AMOUNT,
    Code.NO_UNIT,
    Code.UNKNOWN_UNIT,
    Code.TOO_FINE,
    Code.TOO_MUCH,
)
_ADDRESSES = (Code.NOT_AN_ADDRESS, Code.WRONG_CHECKSUM, Code.ZERO_ADDRESS)
_NUMBER = "digits, single `_` between them, perhaps a fraction and an exponent; no sign"

VALUES: dict[str, Value] = {
    "amount of the coin": Value(
        f"a number ({_NUMBER}), a space, and native, ether (where the coin is ether), gwei or "
        "wei; a plain 0 needs no unit",
        "native, ether, gwei, wei",
        (*_AMOUNTS, Code.WRONG_ASSET),
    ),
    "amount of a token": Value(
        f"a number ({_NUMBER}), a space, and the name of a declared token: 2500 usdc",
        "a token",
        (*_AMOUNTS, Code.WRONG_ASSET),
    ),
    "amount": Value(
        f"a number ({_NUMBER}), a space, and a unit: a declared token, native, ether, gwei or wei",
        "a token, native, ether, gwei, wei",
        _AMOUNTS,
    ),
    "number": Value(
        f"a number without unit ({_NUMBER}) counts whole units of the token named beside it"
    ),
    "duration": Value(
        "an integer above 0 and one of s m h d w: 90s, 45d; a day is 24 hours, months and years "
        "are no durations",
        "s, m, h, d, w",
        (Code.NOT_A_DURATION, Code.OUT_OF_RANGE),
    ),
    "percentage": Value(
        "digits and a percent sign, up to 1000%: 33%, 0.5%",
        "%",
        (Code.NOT_A_PERCENTAGE, Code.OUT_OF_RANGE),
    ),
    "rate": Value("how many in one s, m, h or d: 25/s, 1/m", "per s, m, h, d", (Code.BAD_RATE,)),
    "instant": Value(
        "a date and a time in whole seconds, with Z or an offset, or without one where a "
        "`timezone` completes it: 2026-12-01T09:00Z, 2026-12-01T09:00:00+01:00",
        None,
        (Code.NOT_AN_INSTANT, Code.NO_TIMEZONE, Code.NOT_ONE_INSTANT),
    ),
    "date": Value("a date, 2026-12-24", None, (Code.NOT_A_DATE,)),
    "time of day": Value('hours and minutes, perhaps seconds: "09:00"', None, (Code.NOT_A_TIME,)),
    "time zone": Value(
        "an IANA name, as Europe/Berlin, or UTC; an offset is none, since it knows no summer",
        None,
        (Code.UNKNOWN_TIMEZONE,),
    ),
    "cron": Value(
        "minute, hour, day of month, month, day of week, seconds perhaps first; lists, ranges, "
        "steps, names (MON, JAN), L (last day), LW (last day from Monday to Friday), FRI#2, 5L",
        None,
        (Code.BAD_CRON, Code.NEVER_FIRES, Code.STARTS_WITH_STAR, Code.STARTS_WITH_AT),
    ),
    "weekday": Value(
        "a name in English or its first three letters, or 0 to 7 as in cron (0 and 7 are Sunday)",
        None,
        (Code.NOT_A_CHOICE,),
    ),
    "integer": Value(
        "digits, single `_` between them: 12, 1_000, 1e3; `010` is ten",
        None,
        (Code.NOT_A_NUMBER, Code.OUT_OF_RANGE),
    ),
    "boolean": Value("true or false; yes, no, on, off too", None, (Code.NOT_A_BOOLEAN,)),
    "name": Value(
        "letters, digits, `-`, `_` and `.`, at most 63, a letter or digit first",
        None,
        (Code.BAD_NAME,),
    ),
    "address or name": Value(
        "0x and 40 hex digits, mixed case by the checksum of EIP-55; or the name of a contact, a "
        "token (its contract) or an account",
        None,
        (*_ADDRESSES, Code.UNKNOWN_CONTACT, Code.NOT_ONE_RECEIVER),
    ),
    "address": Value(
        "0x and 40 hex digits; mixed case must match the checksum of EIP-55, quotes are not needed",
        None,
        _ADDRESSES,
    ),
    "chain": Value(
        "mainnet, sepolia, base, base-sepolia, arbitrum, arbitrum-sepolia, optimism, "
        "optimism-sepolia, polygon, polygon-amoy, or any EIP-155 id",
        None,
        (Code.UNKNOWN_CHAIN,),
    ),
    "signature": Value(
        'a function as Solidity writes it, between quotes: "deposit(uint256 amount)"',
        None,
        (Code.NOT_A_SIGNATURE, Code.SIGNATURE_CUT),
    ),
    "argument": Value(
        "by the ABI type: integers as digits, hex or an amount (`40 usdc`); addresses as names "
        "too; true or false; bytes as 0x…; arrays and tuples as lists",
        None,
        (Code.BAD_ARGUMENT,),
    ),
    "parameter": Value("the name of a parameter, or its place from 0 on"),
    "hex data": Value("0x and an even number of hex digits", None, (Code.NOT_HEX,)),
    "path": Value(
        "relative to the file it stands in, with slashes; beside a policy it has the ending that "
        "its kind has",
    ),
    "URL of a ledger": Value("sqlite:/// and a path", None, (Code.BAD_STORE,)),
    "references or URLs": Value(
        "a URL as Apprise writes it, or {env: NAME} or {file: PATH} where one lies, since most of "
        "them hold a token",
        None,
        (Code.BAD_ROUTE, Code.BAD_REFERENCE),
    ),
    "reference": Value(
        "where a secret lies, never the secret: {env: NAME}, {file: PATH}, or {command: [PROGRAM, "
        "ARGUMENT]}",
        None,
        (Code.BAD_REFERENCE, Code.PLAIN_SECRET),
    ),
    "name of a variable": Value(
        "letters, digits and `_`; the variable is read when the secret is needed",
        None,
        (Code.BAD_REFERENCE,),
    ),
    "host and port": Value(
        "127.0.0.1:8080, or a host of IPv6 between brackets: [::1]:8080", None, (Code.BAD_BIND,)
    ),
    "private key": Value("64 hex digits, perhaps with 0x", None, (Code.BAD_REFERENCE,)),
    "list of words": Value("a program and its arguments, one by one; no shell reads them"),
    "true or false": Value("yes, no, on and off too", None, (Code.NOT_A_BOOLEAN,)),
    "URL": Value("http or https, a host, perhaps a port and a path", None, (Code.BAD_URL,)),
    "text": Value("any text; quote what holds `: ` or ` #`", None, (Code.COLON_IN_VALUE,)),
}
"""By the word; longer words come before those they contain."""

_PLURALS = {"addresses or names": "address or name", "addresses": "address", "dates": "date"}
_WORD = re.compile(
    r"\b(?:"
    + "|".join(
        sorted({*_PLURALS, *VALUES, *(f"{word}s" for word in VALUES)}, key=len, reverse=True)
    )
    + r")\b"
)


def values_in(words: str) -> dict[str, Value]:
    """The plain values of which a type is made: `duration or percentage` is made of two."""
    found = {}
    for match in _WORD.finditer(words):
        word = _PLURALS.get(match[0], match[0])
        word = word if word in VALUES else word.removesuffix("s")
        found[word] = VALUES[word]
    return found


def unit_of(words: str) -> str | None:
    """What the numbers of such a value count; None if they count nothing, or it has none."""
    units = [value.unit for value in values_in(words).values() if value.unit is not None]
    return "; ".join(dict.fromkeys(units)) or None
