"""
Reading `sessions`: which key, how long, what it may do, what the runner lets it do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal, cast

from runner.errors import Mark
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.permissions import Permission
from runner.frozen import frozen
from runner.policy.books import Books
from runner.policy.codes import Code
from runner.policy.faults import Moot, Refusal, did_you_mean, shown
from runner.policy.language import LIMITS
from runner.policy.model import Derive, Limits, Money, RollingLimit, Session, SmartAccount
from runner.policy.nodes import Mapping as MapNode
from runner.policy.nodes import Node, Scalar, is_sound
from runner.policy.permissions import PermissionsReader
from runner.policy.reader import Reader
from runner.policy.record import Declared, Record
from runner.policy.scalars import (
    as_percent,
    choice,
    parse_duration,
    parse_name,
    parse_percentage,
    parse_zone,
)

_ONE_DAY = timedelta(days=1)
_ENDLESS = (
    *("0", "endless", "forever", "inf", "infinite", "infinity", "never", "no", "none", "permanent"),
    *("unlimited", "-1", "∞"),
)
_LONGEST_LEAD = Decimal("0.8")  # of the lifetime (R2)
_NOBODY = ("none", "nobody", "no one")
_ANYBODY = ("any", "all", "anyone", "everyone", "*")
_REFUSALS = ("false", "no", "off", "never", "0", "n")
_NO_REASONS = ("true", "yes", "on", "ok", "1", "y", "n/a", "na", "none", "null", "tbd", "todo")


@frozen
class Accounts:
    """The accounts of a policy, and those that it declares."""

    by_name: Mapping[str, SmartAccount]
    declared: Declared


class SessionReader:
    """Reads one session of a policy."""

    def __init__(self, record: Record, policy: str, accounts: Accounts, books: Books) -> None:
        self.record = record
        self.reader = record.reader
        self.policy = policy
        self.accounts = accounts
        self.books = books
        self.account = record.read("account", self._account, "")
        known = accounts.by_name.get(self.account)
        self.chain = known.chain or None if known is not None else None

    def read(self, name: str, zone: str) -> Session:
        """Read it; `zone` is where its days and months count if it names none."""
        record = self.record
        lifetime = record.read("lifetime", _parse_lifetime, _ONE_DAY)
        accept_risk = record.read("accept_risk", _parse_reason, None)
        permissions, marks = self._permissions(risk="accept_risk" in record)
        return Session(
            name=name,
            policy=self.policy,
            account=self.account,
            lifetime=lifetime,
            renew_before=self._renew_before(lifetime),
            permissions=permissions,
            margin=record.read("margin", parse_percentage, Decimal("0.1")),
            receivers=self._receivers(),
            limits=read_limits(record, self.books, self.chain, zone),
            max_exposure=self._max_exposure(),
            accept_risk=accept_risk,
            on_no_grant=cast(
                "Literal['hold', 'skip', 'fail']", record.read("on_no_grant", _no_grant, "hold")
            ),
            owner_lead=self._owner_lead(lifetime),
            renew=cast("Literal['auto', 'off']", record.read("renew", _renew, "auto")),
            previous_names=read_names(record, "previous_names"),
            mark=record.mark,
            permission_marks=marks,
            lifetime_mark=None if (node := record.get("lifetime")) is None else node.mark,
        )

    def _account(self, text: str) -> str:
        if text in self.accounts.by_name:
            return text
        if self.accounts.declared.may_hold(text):
            raise Moot
        hint = did_you_mean(text, self.accounts.by_name, "accounts")
        raise Refusal(Code.UNKNOWN_ACCOUNT, f"there is no account {shown(text)}", hint)

    def _renew_before(self, lifetime: timedelta) -> timedelta | Decimal | None:
        node = self.record.get("renew_before")
        if node is None:
            return None
        lead = self.reader.read(node, _parse_lead, None)
        if lead is None:
            return None
        share = lead if isinstance(lead, Decimal) else _share(lead, lifetime)
        if "lifetime" in self.record and share > _LONGEST_LEAD:
            what = "renewal would begin before a fifth of the lifetime is over"
            hint = "at most 80% of `lifetime`; 33% is usual"
            self.reader.fault(Code.RENEWED_TOO_EARLY, what, node, hint)
        return lead

    def _owner_lead(self, lifetime: timedelta) -> timedelta | None:
        lead = self.record.read("owner_lead", parse_duration, None)
        if lead is not None and "lifetime" in self.record and lead >= lifetime:
            what = "the owner would be asked for the next grant before this one begins"
            hint = "write less than `lifetime`; a sixth of it is usual"
            self.reader.fault(Code.RENEWED_TOO_EARLY, what, self.record.fields["owner_lead"], hint)
        return lead

    def _permissions(
        self, *, risk: bool
    ) -> tuple[tuple[Permission, ...] | Derive, tuple[Mark, ...]]:
        node = self.record.get("permissions")
        if node is None:
            return Derive.DERIVE, ()
        if isinstance(node, Scalar):
            self.reader.read(node, _parse_derive, "derive")
            return Derive.DERIVE, ()
        sequence = self.reader.sequence(node)
        if sequence is None:
            return Derive.DERIVE, ()
        permissions = PermissionsReader(self.reader, self.books, self.chain)
        return permissions.read(
            sequence, risk_accepted=risk or not self.record.lacks("accept_risk")
        )

    def _receivers(self) -> tuple[Address, ...] | None:
        node = self.record.get("receivers")
        if node is None:
            return None
        if isinstance(node, Scalar) and node.text in _NOBODY:
            what = f"`receivers: {node.text}` would let nobody be paid"
            self.reader.fault(Code.WRONG_TYPE, what, node, "name them, or delete the key for any")
            return None
        if isinstance(node, Scalar) and node.text in _ANYBODY:
            self.reader.read(node, _parse_any, "any")
            return None
        sequence = self.reader.sequence(node)
        if sequence is None:
            return None
        if not sequence.items:
            what = "the list of receivers is empty: nobody could be paid"
            self.reader.fault(Code.EMPTY, what, node, "name them, or delete the key for any")
            return None
        chain, books = self.chain, self.books
        found: dict[Address, None] = {}
        for item in sequence:
            nobody: tuple[Address, ...] = (ZERO_ADDRESS,)
            who = self.reader.read(item, lambda text: books.receivers(text, chain), nobody)
            found.update(dict.fromkeys(who or nobody))
        # After a fault what is paid cannot be checked against half a list.
        return None if ZERO_ADDRESS in found else tuple(found)

    def _max_exposure(self) -> tuple[Money, ...] | None:
        node = self.record.get("max_exposure")
        return None if node is None else self.books.moneys(node, self.chain, single=True)


def read_limits(record: Record, books: Books, chain: int | None, zone: str) -> Limits:
    """Read `limits` of a session or schedule; `zone` holds if they name none."""
    node = record.get("limits")
    limits = None if node is None else record.reader.record(node, LIMITS)
    if limits is None or node is None:
        return _unlimited(zone)
    if not limits.mapping.entries:
        what = "`limits` bounds nothing"
        record.reader.fault(Code.EMPTY, what, node, "add `per_day: [… usdc]`, or delete the key")

    def moneys(key: str) -> tuple[Money, ...]:
        amounts = limits.get(key)
        return () if amounts is None else books.moneys(amounts, chain)

    return Limits(
        per_run=moneys("per_run"),
        per_day=moneys("per_day"),
        per_week=moneys("per_week"),
        per_month=moneys("per_month"),
        per_lifetime=moneys("per_lifetime"),
        rolling=_rolling(limits, books, chain),
        timezone=limits.read("timezone", parse_zone, zone),
    )


@lru_cache(maxsize=512)
def _unlimited(zone: str) -> Limits:
    """One for all schedules that write no limits."""
    return Limits(timezone=zone)


def has_sound_limits(record: Record) -> bool:
    """Tell whether `limits` could be read: what they lack is not there."""
    node = record.get("limits")
    if node is None:
        return record.lacks("limits")
    known = isinstance(node, MapNode) and node.entries.keys() <= LIMITS.keys.keys()
    return known and is_sound(node)


def _rolling(limits: Record, books: Books, chain: int | None) -> tuple[RollingLimit, ...]:
    reader = limits.reader
    found: dict[timedelta, RollingLimit] = {}
    for text, key, value in reader.named(limits.get("rolling"), names=False):
        length = reader.read(key, parse_duration, None)
        amounts = books.moneys(value, chain)
        if length in found:
            what = f"{shown(text)} is as long as another window of this list"
            reader.fault(Code.DUPLICATE_KEY, what, key, "keep one of them")
        elif length is not None:
            found[length] = RollingLimit(length, amounts)
    return tuple(found.values())


def read_names(record: Record, key: str) -> tuple[str, ...]:
    """Read a list of names."""
    node = record.get(key)
    sequence = None if node is None else record.reader.sequence(node)
    if sequence is None:
        return ()
    return tuple(
        name for item in sequence if (name := record.reader.read(item, parse_name, "")) != ""
    )


def check_previous_names(reader: Reader, section: Node | None, kind: str) -> None:
    """Refuse former names that are in use, or claimed by two."""
    if not isinstance(section, MapNode):
        return
    claimed: dict[str, str] = {}
    for owner, (_, node) in section.entries.items():
        if not isinstance(node, MapNode) or node.broken or "previous_names" not in node.entries:
            continue
        names = node.entries["previous_names"][1]
        for item in getattr(names, "items", ()):
            if not isinstance(item, Scalar):
                continue
            rival = item.text if item.text in section.entries else claimed.get(item.text)
            if rival is not None:
                what = f"{shown(item.text)} is the name of a {kind} now"
                if rival != item.text:
                    what = f"{shown(item.text)} is a former name of `{rival}` already"
                hint = "one history belongs to one name; delete it here"
                reader.fault(Code.PREVIOUS_NAME_IN_USE, what, item, hint)
            claimed.setdefault(item.text, owner)


def _share(lead: timedelta, lifetime: timedelta) -> Decimal:
    return Decimal(int(lead.total_seconds())) / Decimal(int(lifetime.total_seconds()))


def _parse_lifetime(text: str) -> timedelta:
    if text.casefold() in _ENDLESS:
        what = "a grant that never ends is refused for payments"
        raise Refusal(Code.ENDLESS, what, "write a duration, as 45d; it is renewed in time")
    return parse_duration(text)


def _parse_lead(text: str) -> timedelta | Decimal:
    share = _share_meant(text)
    if share is not None:
        what = f"{shown(text)} is neither a duration nor a percentage"
        code = Code.NOT_A_DURATION if text.isdigit() else Code.NOT_A_PERCENTAGE
        raise Refusal(code, what, f"write {share}")
    if not text.endswith("%"):
        return parse_duration(text)
    fraction = parse_percentage(text)
    if not fraction:
        what = "a grant renewed at its end is renewed too late"
        raise Refusal(Code.OUT_OF_RANGE, what, "33% is usual; at most 80%")
    return fraction


def _share_meant(text: str) -> str | None:
    """Return how a share of the lifetime is written here that was written otherwise."""
    if re.fullmatch(r"0?\.[0-9]{1,6}", text):
        return f"{as_percent(text)}%"
    if match := re.fullmatch(r"([0-9]{1,2})\s*(?:percent|pct|per cent)", text.casefold()):
        return f"{match[1]}%"
    if re.fullmatch(r"[0-9]{1,2}", text) and text.strip("0"):
        return f"{text}% for a share of the lifetime, {text}h or {text}d for a duration"
    return None


def _parse_derive(text: str) -> str:
    if text != "derive":
        hint = "write `permissions: derive`, or a list, as [erc20-token-transfer: 100 usdc]"
        if text == "root":
            hint = "write `permissions: [root]`; it needs `accept_risk` as well"
        raise Refusal(Code.BAD_PERMISSION, f"{shown(text)} is not a set of permissions", hint)
    return text


def _parse_any(text: str) -> str:
    if text != "any":
        what = f"{shown(text)} is no list of receivers"
        raise Refusal(Code.NOT_A_CHOICE, what, "write `receivers: any`, or name them")
    return text


def _parse_reason(text: str) -> str:
    word = text.strip().casefold()
    if word in _REFUSALS:
        what = f"{shown(text)} accepts the risk all the same: what counts is that the key is there"
        raise Refusal(Code.NO_VALUE, what, "delete the key, or say why the risk is taken")
    if word in _NO_REASONS or not any(map(str.isalnum, word)):
        what = f"{shown(text)} is no reason"
        raise Refusal(Code.NO_VALUE, what, "say why: it is shown to whoever signs the grant")
    return text


def _no_grant(text: str) -> str:
    return choice(text, ("hold", "skip", "fail"))


def _renew(text: str) -> str:
    # YAML 1.1 reads a bare `off` as false, and people write it either way.
    return choice("off" if text in ("no", "false") else text, ("auto", "off"))
