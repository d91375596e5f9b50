"""
Reading `schedules`: when, with which session, which calls, and what if something is in the way.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar

from runner.errors import EncodingError
from runner.frozen import frozen
from runner.policy.alike import pairs_of, said_of, terms_said
from runner.policy.call_kinds import KindsReader
from runner.policy.calls import CALL_KEYS, CallsReader
from runner.policy.codes import Code
from runner.policy.conditions import RequirementsReader, read_blackouts
from runner.policy.context import Defaults, Names
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
    Pay,
    PolicyCall,
    Requirement,
    Schedule,
    Session,
    Trigger,
)
from runner.policy.nodes import Node
from runner.policy.options import PLAIN, UNWRITTEN
from runner.policy.reader import Reader
from runner.policy.record import Record
from runner.policy.scalars import (
    choice,
    parse_duration,
    parse_instant,
    parse_zone,
)
from runner.policy.sessions import has_sound_limits, read_limits, read_names

Word = TypeVar("Word", bound=StrEnum)

TRIGGERS = ("cron", "every", "at", "dates")
"""Of these a schedule has exactly one."""

_APART = frozenset((*TRIGGERS, *CALL_KEYS))

_CRON_ONLY = ("day_match", "dst_gap", "dst_fold")


@frozen
class _Terms:
    """
    A schedule, but for its name, its trigger and its calls: members of `Schedule`.

    Attributes:
        anchor: Where a period counts from.
        session, chain, any_zone, gap, fold, day_match: What triggers and calls are read by.
    """

    fields: Mapping[str, Any]
    anchor: datetime | None
    session: Session | None
    chain: int | None
    any_zone: str | None
    gap: Gap
    fold: Fold
    day_match: DayMatch | None

    def anchored(self, trigger: Trigger) -> Trigger:
        """The trigger as it counts."""
        if isinstance(trigger, Every) and trigger.anchor != self.anchor:
            return replace(trigger, anchor=self.anchor)
        return trigger


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
        self.session: Session | None = None
        self.chain: int | None = None
        self.any_zone: str | None = None
        self.gap, self.fold = Gap.SHIFT, Fold.FIRST
        self.day_match: DayMatch | None = None

    def read(self, name: str) -> Schedule:
        alike, said = self.names.alike, terms_said(self.record, _APART)
        since, terms = alike.told, alike.get(said)
        if terms is not None:
            return self._as_before(name, said, terms)
        terms, schedule = self._anew(name)
        alike.keep(said, terms, since)
        return schedule

    def _as_before(self, name: str, said: Hashable, terms: _Terms) -> Schedule:
        """Read a schedule that says what another one said, but when, and what it calls."""
        fields = self.record.fields
        self.session, self.chain, self.any_zone = terms.session, terms.chain, terms.any_zone
        self.gap, self.fold, self.day_match = terms.gap, terms.fold, terms.day_match
        when = next(key for key in TRIGGERS if key in fields)
        at = said_of(fields[when])
        trigger = self.names.alike.once(
            None if at is None else (said, when, at), lambda: self._trigger_within(terms)
        )
        calls = self._paid_alike(said) or self._paid(said, terms.fields["limits"])
        return self._schedule(name, terms, trigger, calls, fields[when])

    def _trigger_within(self, terms: _Terms) -> Trigger:
        trigger, place = self._trigger()
        self._check_span(trigger, place, terms.fields["start_at"], terms.fields["end_at"])
        return terms.anchored(trigger)

    def _paid(self, said: Hashable, limits: Limits) -> tuple[PolicyCall, ...]:
        """Read the calls, and keep what pairs of a `pay` in its short form have come to."""
        alike = self.names.alike
        since, calls = alike.told, self._calls(limits)
        node = self.record.mapping.entries.get("pay")
        pairs = None if node is None else pairs_of(node[1])
        for (key, what), call in zip(pairs or (), calls, strict=False):
            if call.mark == key.mark:  # not one call of the long form
                alike.keep((said, what), call, since)
        return calls

    def _paid_alike(self, said: Hashable) -> tuple[PolicyCall, ...] | None:
        """What a `pay` in its short form pays, if all of it was read before on such terms."""
        node = self.record.mapping.entries.get("pay")
        pairs = None if node is None else pairs_of(node[1])
        found: list[PolicyCall] = []
        for key, what in pairs or ():
            pay = self.names.alike.get((said, what))
            if pay is None:
                return None
            found.append(Pay(pay.to, pay.to_name, pay.asset, pay.amount, key.mark))
        return tuple(found) or None

    def _read_first(self) -> None:
        """What everything else is read by."""
        record, names = self.record, self.names
        self.session = names.sessions.get(record.read("session", self._session, ""))
        chain = names.chains.get(self.session.account) if self.session is not None else None
        self.chain = chain or None
        zone = record.read("timezone", parse_zone, None)
        # A zone that could not be read has been reported; times are then read as if in UTC.
        self.any_zone = zone or ("UTC" if "timezone" in record else None)
        self.gap = self._word("dst_gap", Gap, Gap.SHIFT)
        self.fold = self._word("dst_fold", Fold, Fold.FIRST)
        if "day_match" in record:
            self.day_match = self._word("day_match", DayMatch, DayMatch.AND)

    def _anew(self, name: str) -> tuple[_Terms, Schedule]:
        record, fields = self.record, self.record.fields
        self._read_first()
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
        self._warn_no_effect()
        limits = read_limits(record, self.books, self.chain, self.any_zone or "UTC")
        # Of some twenty keys that are read for themselves, most schedules write two or three.
        plain = UNWRITTEN | {key: record.read(key, *PLAIN[key]) for key in fields if key in PLAIN}
        calls = self._calls(limits)
        rest: dict[str, Any] = {
            "policy": self.policy,
            "session": self.session.name if self.session is not None else "",
            "start_at": start_at,
            "end_at": end_at,
            "catch_up": catch_up,
            "limits": limits,
            "previous_names": read_names(record, "previous_names"),
            "until_total": self._amounts("until_total"),
            "approve_above": self._amounts("approve_above"),
            "new_receiver_above": self._amounts("new_receiver_above")
            if "new_receiver_above" in fields
            else None,
            "require": self._requirements(),
            "blackout": self._blackouts(),
            **plain,
        }
        ground = self.session, self.chain, self.any_zone, self.gap, self.fold, self.day_match
        terms = _Terms(rest, anchor or start_at, *ground)
        return terms, self._schedule(name, terms, trigger, calls, place)

    def _schedule(
        self,
        name: str,
        terms: _Terms,
        trigger: Trigger,
        calls: tuple[PolicyCall, ...],
        place: Node,
    ) -> Schedule:
        return Schedule(
            name=name,
            trigger=terms.anchored(trigger),
            calls=calls,
            mark=self.record.mark,
            trigger_mark=place.mark,
            **terms.fields,
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
