"""
Reading `schedules`: when, with which session, which calls, and what if something is in the way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from runner.errors import EncodingError
from runner.frozen import frozen
from runner.policy.books import Books
from runner.policy.call_kinds import KindsReader
from runner.policy.calls import CALL_KEYS, CallsReader
from runner.policy.codes import Code
from runner.policy.conditions import RequirementsReader, read_blackouts
from runner.policy.dates import DatesReader
from runner.policy.faults import Moot, Refusal, did_you_mean, shown
from runner.policy.language import SCHEDULE
from runner.policy.model import (
    Asset,
    At,
    Blackout,
    CatchUp,
    Cron,
    DayMatch,
    Every,
    Fold,
    Gap,
    Limits,
    Money,
    Overlap,
    OverlapKind,
    PolicyCall,
    Requirement,
    Schedule,
    Session,
    Trigger,
)
from runner.policy.nodes import Node
from runner.policy.pay_each import Find
from runner.policy.reader import Reader
from runner.policy.record import Declared, Record
from runner.policy.scalars import (
    between,
    choice,
    parse_boolean,
    parse_duration,
    parse_duration_or_zero,
    parse_instant,
    parse_rate,
    parse_url,
    parse_zone,
)
from runner.policy.sessions import has_sound_limits, read_limits, read_names

Word = TypeVar("Word", bound=StrEnum)

TRIGGERS = ("cron", "every", "at", "dates")
"""Of these a schedule has exactly one."""

_ONE_MINUTE = timedelta(minutes=1)
_ONE_DAY = timedelta(days=1)
_MOST_RUNS = 10**9
_CRON_ONLY = ("day_match", "dst_gap", "dst_fold")


class CronFacts(Protocol):
    """What reading a cron expression tells."""

    @property
    def names_one_hour(self) -> bool: ...


CheckCron = Callable[[str, DayMatch | None], CronFacts]
"""Reads a cron expression; raises EncodingError if it is none, is ambiguous, or never fires."""


@frozen
class Defaults:
    """
    What `defaults` says, for schedules and sessions that do not write it themselves.

    Attributes:
        fields: Nodes by key.
        meant: Keys that misspelt ones were probably meant to be.
        whole: All of it could be read.
    """

    fields: Mapping[str, Node]
    zone: str | None
    meant: AbstractSet[str] = frozenset()
    whole: bool = True

    def __contains__(self, key: object) -> bool:
        """Tell whether a key has a default, or may have one."""
        return key in self.fields or key in self.meant or not self.whole


@frozen
class Names:
    """
    What the schedules of a policy may refer to: its sessions, the chain of each account, its
    books, files beside it; and how cron expressions are read.

    Attributes:
        declared: The names of sessions, whether they could be read or not.
        doubtful: Sessions whose limits could not be read.
    """

    policy: str
    sessions: Mapping[str, Session]
    declared: Declared
    doubtful: AbstractSet[str]
    chains: Mapping[str, int]
    books: Books
    find: Find
    check_cron: CheckCron


class ScheduleReader:
    """Reads one schedule of a policy."""

    def __init__(self, record: Record, names: Names, defaults: Defaults) -> None:
        """`record` holds its fields, defaults included."""
        self.record = record
        self.reader = record.reader
        self.policy = names.policy
        self.names = names
        self.books = names.books
        self.defaults = defaults
        self.session = names.sessions.get(record.read("session", self._session, ""))
        chain = names.chains.get(self.session.account) if self.session is not None else None
        self.chain = chain or None
        self.zone = record.read("timezone", parse_zone, None)
        # A zone that could not be read has been reported; times are then read as if in UTC.
        self.any_zone = self.zone or ("UTC" if "timezone" in record else None)
        self.gap = self._word("dst_gap", Gap, Gap.SHIFT)
        self.fold = self._word("dst_fold", Fold, Fold.FIRST)
        self.day_match = None
        if "day_match" in record:
            self.day_match = self._word("day_match", DayMatch, DayMatch.AND)

    def read(self, name: str) -> Schedule:
        record, fields = self.record, self.record.fields
        trigger, place = self._trigger()
        catch_up = self._word("catch_up", CatchUp, CatchUp.LATEST)
        if catch_up is CatchUp.ALL and record.lacks("catch_up_window"):
            at = record.get("catch_up") or record.place
            what = "`catch_up: all` needs a `catch_up_window`"
            hint = "add `catch_up_window: 24h`: how late a payment may still be made"
            self.reader.fault(Code.NO_WINDOW, what, at, hint)
        start_at, end_at = self._instant("start_at"), self._instant("end_at")
        anchor = self._instant("anchor")
        self._check_span(trigger, place, start_at, end_at)
        if isinstance(trigger, Every):
            trigger = replace(trigger, anchor=anchor or start_at)
        self._warn_no_effect()
        limits = read_limits(record, self.books, self.chain, self.any_zone or "UTC")
        # Of some twenty keys that are read for themselves, most schedules write two or three.
        plain = _UNWRITTEN | {
            key: record.read(key, *_PLAIN[key]) for key in fields if key in _PLAIN
        }
        return Schedule(
            name=name,
            policy=self.policy,
            session=self.session.name if self.session is not None else "",
            trigger=trigger,
            calls=self._calls(limits),
            start_at=start_at,
            end_at=end_at,
            catch_up=catch_up,
            limits=limits,
            previous_names=read_names(record, "previous_names"),
            mark=record.mark,
            trigger_mark=place.mark,
            until_total=self._amounts("until_total"),
            approve_above=self._amounts("approve_above"),
            new_receiver_above=self._amounts("new_receiver_above")
            if "new_receiver_above" in fields
            else None,
            require=self._requirements(),
            blackout=self._blackouts(),
            **plain,
        )

    def _amounts(self, key: str) -> tuple[Money, ...]:
        node = self.record.get(key)
        return () if node is None else self.books.moneys(node, self.chain, single=True)

    def _requirements(self) -> tuple[Requirement, ...]:
        node = self.record.get("require")
        reader = RequirementsReader(self.reader, self.books, self.chain)
        return () if node is None else reader.read(node)

    def _blackouts(self) -> tuple[Blackout, ...]:
        node = self.record.get("blackout")
        if node is None:
            return ()
        return read_blackouts(self.reader, node, self.any_zone, self._expression)

    def _session(self, text: str) -> str:
        if text in self.names.sessions:
            return text
        if self.names.declared.may_hold(text):
            raise Moot
        hint = did_you_mean(text, self.names.sessions, "sessions")
        raise Refusal(Code.UNKNOWN_SESSION, f"there is no session {shown(text)}", hint)

    def _word(self, key: str, words: type[Word], default: Word) -> Word:
        if key not in self.record.fields:
            return default

        def parse(text: str) -> Word:
            return words(choice(text, tuple(word.value for word in words)))

        return self.record.read(key, parse, default)

    def _instant(self, key: str) -> datetime | None:
        if key not in self.record.fields:
            return None

        def parse(text: str) -> datetime:
            return parse_instant(text, self.any_zone, self.gap, self.fold)

        return self.record.read(key, parse, None)

    def _trigger(self) -> tuple[Trigger, Node]:
        """Return the one trigger and the node of its value; after a fault, a stand-in."""
        record = self.record
        stand_in = Every(timedelta(days=1), None)
        own = [key for key in record.mapping.entries if key in TRIGGERS]
        present = own or [key for key in TRIGGERS if key in record]
        if len(own) > 1:
            second = record.mapping.entries[own[1]][0]
            what = f"a second trigger: the schedule has `{own[0]}` already"
            self.reader.fault(Code.TWO_TRIGGERS, what, second, "keep one of them")
        if not present and record.lacks(*TRIGGERS):
            what = "the schedule has no trigger"
            hint = 'add one of `cron: "0 9 1 * *"`, `every: 1w`, `at: 2026-12-01T09:00Z`'
            self.reader.fault(Code.NO_TRIGGER, what, record.place, hint)
        node = record.get(present[0]) if present else None
        if node is None:  # missing, or not supported yet: reported
            return stand_in, record.place
        match present[0]:
            case "cron":
                return self._cron(node), node
            case "every":
                return Every(self.reader.read(node, parse_duration, stand_in.period), None), node
            case "at":
                instant = self._instant("at")
                return (_at(instant) if instant is not None else stand_in), node
            case _:
                zone = self._needed_zone("dates need", node)
                return DatesReader(self.reader).read(node, zone, self.gap, self.fold), node

    def _cron(self, node: Node) -> Cron:
        expression = self._expression(node, self.day_match, warn=True)
        zone = self._needed_zone("a cron needs", node)
        return _cron(expression, zone, self.day_match, self.gap, self.fold)

    def _expression(
        self, node: Node, day_match: DayMatch | None = None, *, warn: bool = False
    ) -> str:
        def parse(text: str) -> str:
            expression = " ".join(text.split())
            try:
                facts = self.names.check_cron(expression, day_match)
            except EncodingError as error:
                raise Refusal(_cron_code(error.what), error.what, error.hint) from None
            if warn and facts.names_one_hour:
                what = "this cron follows elapsed time, yet names one hour"
                hint = "on the days the clocks change that hour may be left out, or come twice"
                self.reader.faults.warn(Code.CRON_EVERY_MINUTE_OF_ONE_HOUR, what, node, hint)
            return expression

        return self.reader.read(node, parse, "0 0 1 1 *")

    def _needed_zone(self, who_needs: str, node: Node) -> str:
        if self.record.lacks("timezone") and "timezone" not in self.defaults:
            what = f"{who_needs} a time zone"
            hint = "add `timezone: Europe/Berlin`, here or below `defaults`; UTC is one"
            self.reader.fault(Code.NO_TIMEZONE, what, node, hint)
        return self.any_zone or "UTC"

    def _check_span(
        self, trigger: Trigger, place: Node, start_at: datetime | None, end_at: datetime | None
    ) -> None:
        end = self.record.get("end_at")
        if start_at is not None and end_at is not None and end is not None and end_at <= start_at:
            what = "`end_at` is not after `start_at`: nothing would ever be paid"
            self.reader.fault(Code.END_BEFORE_START, what, end, "check both instants")
        if isinstance(trigger, At):
            early = start_at is not None and trigger.instant < start_at
            late = end_at is not None and trigger.instant > end_at
            if early or late:
                what = f"`at` lies {'before `start_at`' if early else 'after `end_at`'}"
                hint = "it would never fire; delete the bound"
                self.reader.fault(Code.NEVER_FIRES, what, place, hint)

    def _warn_no_effect(self) -> None:
        """Warn of keys, written in the schedule itself, that its trigger does not read."""
        entries = self.record.mapping.entries
        if "anchor" in entries and "every" not in self.record:
            what = "`anchor` has no effect without `every`"
            self.reader.faults.warn(Code.NO_EFFECT, what, entries["anchor"][0], "delete it")
        if "cron" in self.record:
            return
        for name in _CRON_ONLY:
            local = ("at" in self.record or "dates" in self.record) and name != "day_match"
            if name in entries and not local:
                what = f"`{name}` has no effect without `cron`"
                self.reader.faults.warn(Code.NO_EFFECT, what, entries[name][0], "delete it")

    def _calls(self, limits: Limits) -> tuple[PolicyCall, ...]:
        record = self.record
        own = [key for key in record.mapping.entries if key in CALL_KEYS]
        present = own or [key for key in CALL_KEYS if key in record]
        if len(own) > 1:
            second = record.mapping.entries[own[1]][0]
            what = f"a second form of calls: the schedule has `{own[0]}` already"
            self.reader.fault(Code.NOT_ONE_KIND, what, second, "put both into one list `calls`")
        if not present and record.lacks(*CALL_KEYS):
            what = "the schedule calls nothing"
            hint = "add `pay: {alice: 10 usdc}`, or a list `calls`"
            self.reader.fault(Code.NO_CALLS, what, record.place, hint)
        receivers = self.session.receivers if self.session is not None else None
        find = self.names.find
        kinds = KindsReader(
            self.reader, self.books, self.chain, receivers, lambda: self._daily(limits), find
        )
        reader = CallsReader(kinds)
        calls: list[PolicyCall] = []
        for key in present:
            node = record.get(key)
            if node is not None:
                calls.extend(reader.items(node) if key == "calls" else reader.one(key, node))
        return tuple(calls)

    def _daily(self, limits: Limits) -> AbstractSet[Asset] | None:
        """Return what a budget per day bounds; None if a fault keeps that from being known."""
        session = self.session
        if session is None or session.name in self.names.doubtful:
            return None
        if not has_sound_limits(self.record):
            return None
        return {money.asset for money in (*limits.per_day, *session.limits.per_day)}


def read_fields(reader: Reader, node: Node, defaults: Defaults) -> Record | None:
    """Return the fields of a schedule, completed by the defaults it does not override."""
    record = reader.record(node, SCHEDULE, defaults)
    if record is None:
        return None
    written = record.mapping.entries
    taken = set(written)
    for group in (TRIGGERS, CALL_KEYS):
        if any(key in written for key in group):
            taken.update(group)
    for key, value in defaults.fields.items():
        if key in SCHEDULE.keys and key not in taken:
            record.fields[key] = value
    return record


# Many schedules have one trigger in common: so they do in memory.
_at = lru_cache(maxsize=4096)(At)
_cron = lru_cache(maxsize=4096)(Cron)


def _cron_code(what: str) -> Code:
    if "never fires" in what:
        return Code.NEVER_FIRES
    return Code.NO_DAY_MATCH if "restricts the day" in what else Code.BAD_CRON


def _parse_pace(text: str) -> timedelta:
    count, period = parse_rate(text)
    return period / count


def _parse_overlap(text: str) -> Overlap:
    match = re.fullmatch(r"buffer_all\(\s*([0-9]{1,6})\s*\)", text)
    if match is not None:
        return Overlap(OverlapKind.BUFFER_ALL, between(1, 10_000)(match[1]))
    if text.startswith("buffer_all"):
        what = "`buffer_all` needs the most slots that may wait"
        raise Refusal(Code.NOT_A_CHOICE, what, "write buffer_all(10)")
    if text not in ("skip", "buffer_one", "allow"):
        choice(text, ("skip", "buffer_one", "buffer_all(10)", "allow"))
    return Overlap(OverlapKind(text))


def _parse_on_budget(text: str) -> str:
    return choice(text, ("skip", "hold"))


_PLAIN: Mapping[str, tuple[Callable[[str], Any], Any]] = MappingProxyType(
    {
        "max_runs": (between(1, _MOST_RUNS), None),
        "jitter": (parse_duration_or_zero, timedelta(0)),
        "catch_up_window": (parse_duration, None),
        "catch_up_rate": (_parse_pace, _ONE_MINUTE),
        "start_grace": (parse_duration, _ONE_MINUTE),
        "overlap": (_parse_overlap, Overlap(OverlapKind.SKIP)),
        "run_deadline": (parse_duration, None),
        "retry_on_revert": (between(0, 3), 0),
        "pause_after_failures": (between(1, 1000), 3),
        "on_budget": (_parse_on_budget, "skip"),
        "suspend": (parse_boolean, False),
        "approval_lead": (parse_duration, _ONE_DAY),
        "late_after": (parse_duration, None),
        "max_time_since_success": (parse_duration, None),
        "max_runtime": (parse_duration, None),
        "ping": (parse_url, None),
    }
)
"""Keys that are read for themselves: how, and what holds where they are not written."""

_UNWRITTEN = {key: default for key, (_, default) in _PLAIN.items()}
