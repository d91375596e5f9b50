"""
Plain values of runner.yaml: the text of one scalar → URL, path, host and port, name of a variable.

Each reader takes text and raises `Refusal`. What may be a secret in the wrong place is not
repeated.
"""

from __future__ import annotations

import re
from datetime import time

from runner.policy.codes import Code
from runner.policy.dates import parse_time
from runner.policy.faults import Refusal, shown
from runner.policy.scalars import parse_rate, parse_zone
from runner.settings.model import Secret

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEX_KEY = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")
_BIND = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):(?P<port>[0-9]{1,5})")
_TARGET = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+|mailto:\S+")

_SQLITE = "sqlite:///"


def parse_variable(text: str) -> str:
    """Read the name of an environment variable."""
    # Not repeated: who confuses the name of a variable with its value writes the secret here.
    if not _VARIABLE.fullmatch(text):
        what = "this is not the name of an environment variable"
        raise Refusal(Code.BAD_REFERENCE, what, "write its name, as in {env: ALCHEMY_API_KEY}")
    return text


def parse_path(text: str) -> str:
    """Read a path, as it is written."""
    if "\0" in text or text.strip() != text:
        raise Refusal(Code.BAD_REFERENCE, f"{shown(text)} is not a path", "delete the blanks")
    return text


def parse_bind(text: str) -> tuple[str, int]:
    """Read a host and a port."""
    match = _BIND.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        what = f"{shown(text)} is not a host and a port"
        raise Refusal(Code.BAD_BIND, what, "write it like 127.0.0.1:8080 or [::1]:8080")
    return match["host"].strip("[]"), int(match["port"])


def parse_requests(text: str) -> float:
    """Read `25/s` as requests a second."""
    count, period = parse_rate(text)
    return count / period.total_seconds()


def parse_sandbox_key(text: str) -> Secret:
    """Read a private key of 64 hex digits."""
    if not _HEX_KEY.fullmatch(text):
        what = "this is not a private key of 64 hex digits"
        raise Refusal(Code.BAD_REFERENCE, what, "a key for play money, never one with funds")
    return Secret(text)


def parse_store(text: str) -> str:
    """Read the URL of a ledger as the path of its file."""
    hint = "write sqlite:/// and a path, as sqlite:///.runner/ledger.db"
    if text.startswith(("postgresql:", "postgres:", "postgresql+")):
        raise Refusal(Code.NOT_SUPPORTED_YET, "PostgreSQL is not supported yet", hint)
    path = text.removeprefix(_SQLITE)
    if not text.startswith(_SQLITE) or path in ("", ":memory:"):
        raise Refusal(Code.BAD_STORE, f"{shown(text)} is not the URL of a ledger", hint)
    return path


def parse_target(text: str) -> str:
    """Read the URL that an alert goes to."""
    if not _TARGET.fullmatch(text):
        what = "this is not a URL that alerts can go to"
        raise Refusal(Code.BAD_ROUTE, what, "write {env: NAME}, or a URL as mailto:ops@example.org")
    return text


def parse_digest(text: str) -> tuple[time, str]:
    """Read a time of day and the zone in which it is meant."""
    clock, _, zone = text.partition(" ")
    when = parse_time(clock)
    if not zone:
        what = f"{shown(text)} names no time zone"
        raise Refusal(Code.NO_TIMEZONE, what, f'write "{clock} Europe/Berlin"')
    return when, parse_zone(zone.strip())
