"""
What a simulation or a forecast has found: every slot of a window and what becomes of it.

Plain values, made by the engine under virtual time or by arithmetic; all sums over them are
here. Amounts are base units, money of different accounts, chains and tokens is never added.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

from runner.frozen import frozen
from runner.guard.intent import NATIVE, TransferLine
from runner.reporting.totals import Total

MOVES_NOTHING = frozenset({"approve"})
"""Kinds of lines that count as spend (B7) and leave the balance as it is."""

FAILED = frozenset({"reverted", "not_included", "missed", "held"})
"""A slot in one of these was not paid, and nobody wanted that: exit code 5."""

_SHARED = ("skipped", "superseded")


@frozen
class Outcome:
    """
    What becomes of one slot, or of `count` like ones of one day.

    Attributes:
        account: `policy/account`.
        local_day: The day on the schedule's own wall clock.
        lines: What one slot moves, or would have.
        ended_at: When it was closed; None while it is open.
        fee: Wei that the account itself paid for one slot; 0 where someone sponsors it.
    """

    schedule: str
    session: str
    account: str
    slot: str
    due_at: datetime
    local_day: date
    state: str
    reason: str | None = None
    detail: str | None = None
    ended_at: datetime | None = None
    lines: tuple[TransferLine, ...] = ()
    generation: int | None = None
    fee: int = 0
    count: int = 1
    last_due_at: datetime | None = None
    user_op_hash: str = ""
    transaction_hash: str | None = None
    run: str = ""

    @property
    def paid(self) -> bool:
        """Whether its money moved."""
        return self.state == "success"

    @property
    def until(self) -> datetime:
        """When the last of its slots was due."""
        return self.last_due_at or self.due_at


@frozen
class Allowance:
    """What one generation may spend of one token, by the chain's own count."""

    token: str
    symbol: str
    decimals: int
    amount: int


@frozen
class GrantLife:
    """One generation of a session. `served_until`: replaced by the next, expired, or None."""

    session: str
    account: str
    generation: int
    state: str
    requested_at: datetime
    active_at: datetime | None
    served_until: datetime | None
    expires_at: datetime
    next_renewal_at: datetime | None
    allowances: tuple[Allowance, ...] = ()
    fee: int = 0


@frozen
class Payer:
    """An account on its chain."""

    chain: int
    address: str


@frozen
class Purse:
    """One asset of one account (`policy/account`), and what it held at the beginning."""

    account: str
    token: str
    symbol: str
    decimals: int
    opening: int


@frozen
class Trouble:
    """Something besides a slot that would go wrong: a grant refused, a schedule paused."""

    at: datetime
    subject: str
    what: str
    hint: str | None = None
    fatal: bool = True


@frozen
class Shortage:
    """The first slot that a purse does not cover: what it needs, and what is there (B11)."""

    outcome: Outcome
    needs: int
    holds: int

    @property
    def day(self) -> date:
        """When (UTC)."""
        return self.outcome.due_at.astimezone(UTC).date()


@frozen
class Course:
    """
    A purse over time.

    Attributes:
        points: What it holds after each day (UTC) on which something left it, ascending.
        shortages: Every slot of the window that it does not cover, in order.
        rests: Nothing leaves it in the second half of the window: its pace says nothing.
        lasts_until: Where it would run dry at the window's pace; None if it does before, or never.
    """

    purse: Purse
    closing: int
    points: tuple[tuple[date, int], ...]
    shortages: tuple[Shortage, ...]
    rests: bool
    lasts_until: date | None

    @property
    def shortage(self) -> Shortage | None:
        """Where it runs dry inside the window."""
        return self.shortages[0] if self.shortages else None


@dataclass(frozen=True)
class Foresight:
    """
    The result of `simulate` over [start, end).

    Attributes:
        executed: By the engine, with signatures; False: by arithmetic alone.
        outcomes: In the order in which they were due.
        seconds: What it took, by the machine's clock.
    """

    start: datetime
    end: datetime
    executed: bool
    outcomes: tuple[Outcome, ...] = field(repr=False)
    grants: tuple[GrantLife, ...] = field(repr=False)
    purses: tuple[Purse, ...]
    accounts: Mapping[str, Payer]
    troubles: tuple[Trouble, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @cached_property
    def counts(self) -> dict[str, int]:
        """Slots by what became of them: `failed` is what is neither paid, decided nor missed."""
        counts = dict.fromkeys(("success", "skipped", "missed", "failed"), 0)
        for one in self.outcomes:
            counts[_column(one.state)] += one.count
        return counts

    @property
    def total(self) -> int:
        """All slots of the window."""
        return sum(one.count for one in self.outcomes)

    @cached_property
    def failures(self) -> tuple[Outcome, ...]:
        """Every slot that fails."""
        return tuple(one for one in self.outcomes if one.state in FAILED)

    @cached_property
    def paid(self) -> tuple[Outcome, ...]:
        """Every slot that is paid."""
        return tuple(one for one in self.outcomes if one.paid)

    @cached_property
    def skips(self) -> tuple[Outcome, ...]:
        """Every slot that is decided against."""
        return tuple(one for one in self.outcomes if one.state in _SHARED)

    @property
    def fails(self) -> bool:
        """Whether anything is foreseen that nobody wants."""
        return bool(self.failures) or any(trouble.fatal for trouble in self.troubles)

    @property
    def renewals(self) -> int:
        """How many grants take over from another."""
        return sum(grant.generation > 1 and grant.active_at is not None for grant in self.grants)

    @cached_property
    def months(self) -> Mapping[str, tuple[Total, ...]]:
        """Totals per receiver, by month of the schedules' wall clocks."""
        found: dict[str, list[Outcome]] = defaultdict(list)
        for one in self.paid:
            found[f"{one.local_day:%Y-%m}"].append(one)
        return {month: self._totals(found[month]) for month in sorted(found)}

    @cached_property
    def totals(self) -> tuple[Total, ...]:
        """What was paid to whom; nothing is added over chains or tokens."""
        return self._totals(self.paid)

    def _totals(self, outcomes: Iterable[Outcome]) -> tuple[Total, ...]:
        found: dict[tuple[int, str, str], Total] = {}
        for one in outcomes:
            chain = self.accounts[one.account].chain
            for line in one.lines:
                if line.kind in MOVES_NOTHING:
                    continue
                key = (chain, line.token, line.receiver)
                before = found.get(key)
                found[key] = Total(
                    chain=chain,
                    token=line.token,
                    symbol=line.symbol if before is None else before.symbol,
                    decimals=line.decimals if before is None else before.decimals,
                    receiver=line.receiver,
                    receiver_name=line.receiver_name,
                    amount=line.amount * one.count + (before.amount if before else 0),
                    count=one.count + (before.count if before else 0),
                )
        return tuple(found[key] for key in sorted(found))

    @cached_property
    def _by_account(self) -> Mapping[str, list[Outcome]]:
        found: dict[str, list[Outcome]] = defaultdict(list)
        for one in self.outcomes:
            found[one.account].append(one)
        return found

    @cached_property
    def _by_grant(self) -> Mapping[tuple[str, int | None], list[Outcome]]:
        found: dict[tuple[str, int | None], list[Outcome]] = defaultdict(list)
        for one in self.paid:
            found[one.session, one.generation].append(one)
        return found

    @cached_property
    def courses(self) -> tuple[Course, ...]:
        """Every purse that something leaves, or should have left."""
        found = (self._course(purse) for purse in self.purses)
        return tuple(one for one in found if one.points or one.shortages)

    @cached_property
    def driest(self) -> Course | None:
        """The purse that runs dry first."""
        dry = [(one.shortage.outcome.due_at, one) for one in self.courses if one.shortage]
        return min(dry, key=lambda pair: pair[0])[1] if dry else None

    @cached_property
    def uncovered(self) -> Mapping[tuple[str, str], tuple[Purse, Shortage]]:
        """By schedule and slot: the purse that does not cover it."""
        return {
            (short.outcome.schedule, short.outcome.slot): (course.purse, short)
            for course in self.courses
            for short in course.shortages
        }

    def _course(self, purse: Purse) -> Course:
        balance, shortages = purse.opening, []
        points: dict[date, int] = {}
        for at, leaves, outcome in self._departures(purse):
            if outcome is not None and not outcome.paid:
                if leaves > balance:
                    shortages.append(Shortage(outcome, leaves, balance))
                continue
            balance -= leaves
            if leaves:
                points[at.astimezone(UTC).date()] = balance
        half = (self.start + (self.end - self.start) / 2).astimezone(UTC).date()
        rests = max(points, default=date.min) < half
        lasts = None
        if not shortages and not rests:
            lasts = self._lasts_until(purse.opening - balance, balance)
        course = tuple(sorted(points.items()))
        return Course(purse, balance, course, tuple(shortages), rests, lasts)

    def _departures(self, purse: Purse) -> list[tuple[datetime, int, Outcome | None]]:
        """What leaves a purse, and what failed slots would have taken, in order of time."""
        native = purse.token == NATIVE
        rows: list[tuple[datetime, int, Outcome | None]] = [
            (grant.active_at, grant.fee, None)
            for grant in self.grants
            if native and grant.account == purse.account and grant.active_at and grant.fee
        ]
        for one in self._by_account[purse.account]:
            if one.paid or one.state in FAILED:
                leaves = moved(one.lines, purse.token) + (one.fee if native else 0)
                if leaves:
                    rows.append((one.due_at, leaves * one.count if one.paid else leaves, one))
        return sorted(rows, key=lambda row: row[0])

    def _lasts_until(self, spent: int, left: int) -> date | None:
        if spent <= 0:
            return None
        days = (self.end - self.start) // timedelta(days=1) or 1
        further = left * days // spent
        if further > 100 * 366:
            return None
        return (self.end + timedelta(days=further)).date()

    def spent_of(self, grant: GrantLife, token: str) -> list[tuple[datetime, int]]:
        """What runs take of a generation's allowance: when, and how much in all by then."""
        taken, rows = 0, []
        for one in self._by_grant[grant.session, grant.generation]:
            amount = sum(line.amount for line in one.lines if line.token == token) * one.count
            if amount:
                taken += amount
                rows.append((one.due_at, taken))
        return rows

    def spent_in_all(self, grant: GrantLife, token: str) -> int:
        """What runs take of a generation's allowance by its end."""
        rows = self.spent_of(grant, token)
        return rows[-1][1] if rows else 0


def moved(lines: Sequence[TransferLine], token: str) -> int:
    """What lines take out of a purse."""
    counted = (line for line in lines if line.kind not in MOVES_NOTHING)
    return sum(line.amount for line in counted if line.token == token)


def _column(state: str) -> str:
    if state in _SHARED:
        return "skipped"
    return state if state in {"success", "missed"} else "failed"
