"""
Plain values: the text of one scalar → duration, number, instant, zone, name.

Each reader takes text and raises `Refusal` with the code, what is wrong, and how to mend it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from typing import NoReturn
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from runner.errors import EncodingError
from runner.ethereum.units import parse_units
from runner.policy.codes import Code
from runner.policy.faults import Refusal, brief, did_you_mean, listed, meant, shown
from runner.policy.model import Fold, Gap

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"([0-9]+(?:_[0-9]+)*)([smhdw])")
_LONGEST = timedelta(days=36_500)
_LONG_UNITS = {
    "s": ("s", "sec", "secs", "second", "seconds"),
    "m": ("min", "mins", "minute", "minutes"),
    "h": ("hr", "hrs", "hour", "hours"),
    "d": ("day", "days"),
    "w": ("week", "weeks"),
}
_CALENDAR = 'a day of the calendar is a cron: "0 9 1 * *" is the first of each month'
_PERIODS = {
    "hourly": "write 1h",
    "daily": "write 1d",
    "weekly": "write 1w",
    "fortnightly": "write 2w",
    "biweekly": "write 2w",
    "hour": "write 1h",
    "day": "write 1d",
    "week": "write 1w",
    **dict.fromkeys(("month", "monthly", "year", "yearly", "annually", "quarterly"), _CALENDAR),
    **dict.fromkeys(
        ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "weekdays"),
        'a weekday is a cron: "0 9 * * MON"',
    ),
}
_PERCENTAGE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s?%")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_INSTANT = re.compile(
    r"(?P<local>[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)"
    r"\s?(?P<offset>[Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)
YEARS = range(2000, 2200)
"""Of instants and dates: nothing is paid before or after them."""
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")
_NOT_ZONES = frozenset({"localtime", "posixrules", "Factory", "leapseconds"})


def parse_text(text: str) -> str:
    """Free text: taken as it is."""
    return text


def parse_duration(text: str) -> timedelta:
    """Read an integer and one of `s m h d w`, above 0; a day is 24 hours."""
    match = _DURATION.fullmatch(text)
    if match is None:
        _refuse_duration(text)
    seconds = int(match[1].replace("_", "").lstrip("0")[:20] or "0") * _UNITS[match[2]]
    if seconds == 0:
        raise Refusal(Code.OUT_OF_RANGE, f"{shown(text)} is no time at all", "write 1s or more")
    if seconds > _LONGEST.total_seconds():
        what = f"{shown(text)} is longer than a hundred years"
        raise Refusal(Code.OUT_OF_RANGE, what, "write what is meant; look at the unit")
    return timedelta(seconds=seconds)


def parse_duration_or_zero(text: str) -> timedelta:
    """Read a duration that may be `0` or `0s`."""
    return timedelta(0) if re.fullmatch(r"0[smhdw]?", text) else parse_duration(text)


def _refuse_duration(text: str) -> NoReturn:
    what = f"{shown(text)} is not a duration"
    hint = "write an integer and one of s m h d w: 90s, 15m, 12h, 45d, 2w"
    if re.fullmatch(r"[0-9_]*[1-9][0-9_]*", text):
        what = f"{shown(text)} has no unit of time"
        number = brief(text)
        hint = f"write {number}s, {number}m, {number}h, {number}d or {number}w"
    elif re.fullmatch(r"0+", text):
        what, hint = f"{shown(text)} is no time at all", "write 1s or more"
    elif re.match(r"[-+]", text):
        hint = f"durations have no sign: write {text.lstrip('+-')}"
    raise Refusal(Code.NOT_A_DURATION, what, _duration_meant(text) or hint)


def _duration_meant(text: str) -> str | None:
    """Return the hint for a duration in words, in several units or parts of one, or ISO 8601."""
    if text.casefold() in _PERIODS:
        return _PERIODS[text.casefold()]
    if match := re.fullmatch(r"(?i)P(?:([0-9]+)([DW])|T([0-9]+)([HMS]))", text):
        return f"write {match[1] or match[3]}{(match[2] or match[4]).lower()}"
    if match := re.fullmatch(r"([0-9]+)\s*([A-Za-z]+)", text):
        return _unit_meant(match[1], match[2])
    if re.fullmatch(r"(?:[0-9]+[smhdw]\s*){2,}", text):
        parts = re.findall(r"([0-9]+)([smhdw])", text)
        total = sum(int(number[:9]) * _UNITS[unit] for number, unit in parts)
        return f"write it in one unit: {_in_one_unit(total)}"
    if match := re.fullmatch(r"([0-9]{1,6})\.([0-9]{1,6})([smhdw])", text):
        seconds = Decimal(f"{match[1]}.{match[2]}") * _UNITS[match[3]]
        if seconds == seconds.to_integral_value():
            return f"write it as an integer: {_in_one_unit(int(seconds))}"
    return None


def _unit_meant(number: str, word: str) -> str | None:
    folded = word.lower()
    if word == "m":
        return f"write {number}m"
    if folded in ("m", "mo", "mon", "month", "months", "y", "year", "years"):
        return "months and years differ in length: write days, as 30d or 365d"
    for unit, words in _LONG_UNITS.items():
        if folded in words or folded == unit:
            return f"write {number}{unit}"
    return None


def _in_one_unit(seconds: int) -> str:
    unit = next(u for u in "wdhms" if seconds % _UNITS[u] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def parse_percentage(text: str) -> Decimal:
    """Read `10%` as 0.1."""
    match = _PERCENTAGE.fullmatch(text)
    if match is None or len(text) > 20:
        hint = "write digits and a percent sign, as 10%"
        if re.fullmatch(r"0?\.[0-9]{1,6}", text):
            hint = f"write {as_percent(text)}%"
        elif re.fullmatch(r"[0-9]{1,4}", text):
            hint = f"write {text}%"
        raise Refusal(Code.NOT_A_PERCENTAGE, f"{shown(text)} is not a percentage", hint)
    fraction = Decimal(match[1]) / 100
    if fraction > 10:
        what = f"{shown(text)} is more than 1000%"
        raise Refusal(Code.OUT_OF_RANGE, what, "write up to 1000%; 10% is usual")
    return fraction


def as_percent(fraction: str) -> str:
    """Return a fraction, `0.33`, in percent, without zeros at its end."""
    return format((Decimal(fraction) * 100).normalize(), "f")


def parse_count(text: str) -> int:
    """Read an integer from 0 on: `3`, `1_000`, `1e3`."""
    try:
        return parse_units(text, 0)
    except EncodingError:
        hint = "write it with digits, as 3"
        if re.fullmatch(r"[0-9]{1,3}(?:[,.' ][0-9]{3})+", text):
            hint = f"write {re.sub('[^0-9]', '_', text)}"
        raise Refusal(Code.NOT_A_NUMBER, f"{shown(text)} is not an integer", hint) from None


def between(low: int, high: int) -> Callable[[str], int]:
    """Return the reader of an integer within bounds, both included."""

    def parse(text: str) -> int:
        number = parse_count(text)
        if not low <= number <= high:
            what = f"{shown(text)} is not between {low} and {high}"
            raise Refusal(Code.OUT_OF_RANGE, what, f"write {low} to {high}")
        return number

    return parse


def parse_boolean(text: str) -> bool:
    """Read `true` or `false`, `yes` or `no`, `on` or `off`, in any case of letters."""
    lower = text.lower()
    if lower in ("true", "yes", "on"):
        return True
    if lower in ("false", "no", "off"):
        return False
    hint = "write true or false"
    raise Refusal(Code.NOT_A_BOOLEAN, f"{shown(text)} is neither true nor false", hint)


def parse_name(text: str) -> str:
    """Read a name: letters, digits, `-`, `_` and `.`, at most 63, a letter or digit first."""
    if _NAME.fullmatch(text):
        return text
    better = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:63]
    raise Refusal(
        Code.BAD_NAME,
        f"{shown(text)} is not a name",
        "letters, digits, `-`, `_` and `.`, at most 63, a letter or digit first"
        + (f": {better}" if better else ""),
    )


def choice(text: str, choices: tuple[str, ...]) -> str:
    """Read one of a few words."""
    if text in choices:
        return text
    close = meant(text, choices)
    hint = f"did you mean `{close}`?" if close else f"write one of {listed(choices)}"
    raise Refusal(Code.NOT_A_CHOICE, f"{shown(text)} is not one of {listed(choices)}", hint)


def parse_version(text: str) -> str:
    """Read the version of the language: there is one."""
    if text != "1":
        what = f"this program reads version 1 of the language, not {shown(text)}"
        raise Refusal(Code.BAD_VERSION, what, "write `version: 1`")
    return text


@lru_cache(maxsize=1024)
def parse_zone(text: str) -> str:
    """Read the IANA name of a time zone. Offsets are none: they know no summer."""
    hint = "write a name such as Europe/Berlin, or UTC"
    if not _ZONE.fullmatch(text) or text in _NOT_ZONES or re.search(r"(?:UTC|GMT)[+-]", text):
        if re.search(r"[0-9]", text):
            what = f"{shown(text)} is an offset, not a time zone"
            raise Refusal(Code.UNKNOWN_TIMEZONE, what, hint)
    else:
        try:
            ZoneInfo(text)
        except (KeyError, OSError, ValueError):  # what zoneinfo raises for a name or a folder
            pass
        else:
            return text
    what = f"there is no time zone {shown(text)}"
    if re.fullmatch(r"[A-Z]{2,5}", text):
        hint = f"abbreviations as {text} are no zones: {hint}"
        raise Refusal(Code.UNKNOWN_TIMEZONE, what, hint)
    full = _zone_meant(text)
    raise Refusal(Code.UNKNOWN_TIMEZONE, what, f"did you mean `{full}`?" if full else hint)


def _zone_meant(text: str) -> str | None:
    """Return the zone that was probably meant: by its name, or by its city alone."""
    if text.casefold() in ("utc", "z", "zulu", "gmt"):
        return "UTC"
    names = sorted(available_timezones() - _NOT_ZONES)
    areas = {name.partition("/")[0].casefold() for name in names if "/" in name}
    if text.casefold() in areas or text.casefold() in ("local", *map(str.casefold, _NOT_ZONES)):
        return None
    close = meant(text, names) or meant(text, (name.rpartition("/")[2] for name in names))
    return next((name for name in names if close and name.endswith(close)), None)


def parse_instant(text: str, zone: str | None, gap: Gap, fold: Fold) -> datetime:
    """
    Read a date and a time, whole seconds, with an offset or in a zone.

    Args:
        text: `2026-12-01T09:00Z`, `2026-12-01T09:00:00+01:00`, or without offset.
        zone: The IANA name that completes a time without offset, if there is one.
        gap: What becomes of a time that spring leaves out.
        fold: Which instant is meant when autumn shows the time twice.

    Returns:
        The instant, aware, in UTC.
    """
    hint = "write it like 2026-12-01T09:00Z or 2026-12-01T09:00:00+01:00"
    match = _INSTANT.fullmatch(text)
    if match is None:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            hint = f"a date has no instant; write {text}T00:00Z, or the time that is meant"
        elif re.search(r":[0-9]{2}\.[0-9]", text):
            hint = "instants are whole seconds: leave the fraction out"
        elif zoned := re.fullmatch(r"(.+?)\s?\[?([A-Z][A-Za-z_]+/[A-Za-z_/]+)\]?", text):
            hint = f"write {zoned[1]}, and `timezone: {zoned[2]}`"
        elif short := re.fullmatch(r"([0-9-]{10}[Tt ][0-9:]{5,8}[+-][0-9]{2})", text):
            hint = f"write {short[1]}:00"
        elif basic := re.fullmatch(r"([0-9]{4})(\d\d)(\d\d)T(\d\d)(\d\d)(?:\d\d)?Z", text):
            hint = f"write {basic[1]}-{basic[2]}-{basic[3]}T{basic[4]}:{basic[5]}Z"
        elif re.fullmatch(r"[0-9]{13}", text):
            hint = f"write {datetime.fromtimestamp(int(text[:10]), UTC):%Y-%m-%dT%H:%M:%SZ}"
        elif re.fullmatch(r"[0-9]{9,10}", text):
            hint = f"write {datetime.fromtimestamp(int(text), UTC):%Y-%m-%dT%H:%M:%SZ}"
        raise Refusal(Code.NOT_AN_INSTANT, f"{shown(text)} is not a date with a time", hint)
    try:
        local = datetime.fromisoformat(match["local"].upper())
        offset = _offset(match["offset"])
    except ValueError as error:
        raise Refusal(Code.NOT_AN_INSTANT, f"{shown(text)}: {error}", hint) from None
    if local.year not in YEARS:
        what = f"{shown(text)} is not between 2000 and 2199"
        raise Refusal(Code.OUT_OF_RANGE, what, "look at the year")
    if offset is not None:
        return local.replace(tzinfo=offset).astimezone(UTC)
    if zone is None:
        what = f"{shown(text)} has neither offset nor time zone"
        raise Refusal(Code.NO_TIMEZONE, what, f"write {text}Z, an offset, or a `timezone`")
    return _in_zone(text, local, ZoneInfo(zone), gap, fold)


def _offset(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text in "Zz":
        return UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 23 or minutes > 59:
        raise ValueError("an offset is at most 23:59")
    delta = timedelta(hours=hours, minutes=minutes)
    return timezone(-delta if text[0] == "-" else delta)


def _in_zone(text: str, local: datetime, zone: ZoneInfo, gap: Gap, fold: Fold) -> datetime:
    """Apply rules T2 and T3 to one wall-clock time. Source: PEP 495."""
    first, second = (local.replace(tzinfo=zone, fold=n).astimezone(UTC) for n in (0, 1))
    if first > second and gap is not Gap.SHIFT:
        what = f"the clocks of {zone.key} leave out {shown(text)}"
        raise Refusal(Code.NOT_ONE_INSTANT, what, "write a time that exists, or dst_gap: shift")
    if first < second and fold is Fold.BOTH:
        what = f"the clocks of {zone.key} show {shown(text)} twice"
        raise Refusal(Code.NOT_ONE_INSTANT, what, "write it with an offset, or dst_fold: first")
    return second if first < second and fold is Fold.LAST else first


def parse_rate(text: str) -> tuple[int, timedelta]:
    """Read `25/s` or `1/m`: how many, in which time."""
    match = re.fullmatch(r"([0-9]{1,9})\s?/\s?([smhd])", text)
    if match is None or int(match[1]) == 0:
        raise Refusal(Code.BAD_RATE, f"{shown(text)} is not a rate", "write it like 25/s or 1/m")
    return int(match[1]), timedelta(seconds=_UNITS[match[2]])


def parse_url(text: str) -> str:
    """Read a URL of http or https."""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or re.search(r"\s", text):
        hint = "write it with its scheme, like https://example.org/path"
        raise Refusal(Code.BAD_URL, f"{shown(text)} is not a URL of http or https", hint)
    return text


def parse_hex(text: str) -> bytes:
    """Read bytes: `0x` and an even number of hex digits, perhaps none."""
    if not re.fullmatch(r"0x(?:[0-9a-fA-F]{2})*", text):
        hint = "write 0x and an even number of hex digits"
        if re.fullmatch(r"0x[0-9a-fA-F]+", text):
            hint = f"there are {len(text) - 2} digits, an odd number: two make a byte"
        raise Refusal(Code.NOT_HEX, f"{shown(text)} is not hex data", hint)
    return bytes.fromhex(text[2:])


CHAINS = {
    "mainnet": 1,
    "sepolia": 11155111,
    "base": 8453,
    "base-sepolia": 84532,
    "arbitrum": 42161,
    "arbitrum-sepolia": 421614,
    "optimism": 10,
    "optimism-sepolia": 11155420,
    "polygon": 137,
    "polygon-amoy": 80002,
}
"""Chains that have a name, by EIP-155 id."""

CHAIN_NAMES = {number: name for name, number in CHAINS.items()}
"""The names, by id."""

ETHER_CHAINS = frozenset(set(CHAINS.values()) - {137, 80002})
"""Chains known to have ether as their coin; on others it is called `native`."""


_OTHERWISE = {"ethereum": "mainnet", "eth": "mainnet", "matic": "polygon"}


def parse_chain(text: str) -> int:
    """Read the name of a chain, or an EIP-155 id."""
    if text in CHAINS:
        return CHAINS[text]
    if re.fullmatch(r"[0-9]+(?:_[0-9]+)*", text) and len(text) <= 24:
        number = int(text.replace("_", ""))
        if 0 < number < 2**64:
            return number
    hint = did_you_mean(text, CHAINS, "chains") + "; an EIP-155 id is taken as well"
    if re.fullmatch(r"0[xX][0-9a-fA-F]{1,16}", text):
        hint = f"ids of chains are decimal: write {int(text, 16)}"
    short = re.sub(r"eip155:|[ _-](?:mainnet|one)$", "", text.lower())
    short = _OTHERWISE.get(short, short)
    if short != text.lower() and (short in CHAINS or short.isdecimal()):
        hint = f"write {short}"
    raise Refusal(Code.UNKNOWN_CHAIN, f"there is no chain {shown(text)}", hint)


def default_max_fee(chain: int) -> int | None:
    """Return the default bound on one operation's fee, in wei; None where it must be written."""
    if chain in (1, 11155111):
        return 2 * 10**16
    return 2 * 10**15 if chain in ETHER_CHAINS else None
