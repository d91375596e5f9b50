"""
The horizon ahead: who is paid how much, what each account needs, which grants come, where clocks
change. Pure arithmetic over timetables; millions of slots cost no more than one.

Amounts are those of slots that fire; budgets, pauses and failures may make them less. What a
computed call sends counts as the most that it may send.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from runner.ethereum.address import Address
from runner.frozen import frozen
from runner.guard.budget import most_runs
from runner.guard.intent import NATIVE, TransferLine, intent_of
from runner.planning.clocks import ClockChange, clock_changes
from runner.planning.facts import Facts, GrantFact, ScheduleFact
from runner.planning.renewal import renewal_at
from runner.planning.wanted import Wanted
from runner.policy.fingerprint import trigger_text
from runner.policy.model import Policy, Schedule
from runner.scheduling.triggers import Timetable, timetable

_MICROSECOND = timedelta(microseconds=1)
_SHOWN = 3
_COUNTED = 500  # grants that are followed one by one; beyond that their number is estimated


@frozen
class Runs:
    """How often one schedule fires in the horizon, and in each month of it (UTC)."""

    schedule: Schedule
    session: str
    account: str
    lines: tuple[TransferLine, ...]
    months: tuple[tuple[str, int], ...]
    first: datetime | None

    @property
    def count(self) -> int:
        """In the whole horizon."""
        return sum(count for _, count in self.months)


@frozen
class Payment:
    """What one receiver gets of one token in the horizon. `at_most`: part of it is computed."""

    policy: str
    line: TransferLine
    amount: int
    count: int
    at_most: bool


@frozen
class Need:
    """What an account needs of one token in one month. Fees are bounds (`max_fee`), coin alone."""

    account: str
    month: str
    token: str
    symbol: str
    decimals: int
    payments: int
    fees: int


@frozen
class Renewals:
    """
    The grants of one session in the horizon.

    Attributes:
        dates: When the first of them are asked for.
        months: How many in each month (UTC): so many owner signatures, so many activations.
        exact: False where the account's address is not known yet, and with it the jitter (R3), or
            where there are too many to follow.
        fees: Wei that the activations may cost; 0 where they are sponsored.
    """

    session: str
    dates: tuple[datetime, ...]
    months: tuple[tuple[str, int], ...]
    exact: bool
    fees: int
    sponsored: bool

    @property
    def count(self) -> int:
        """In the whole horizon."""
        return sum(count for _, count in self.months)


@frozen
class Outlook:
    """All of it."""

    until: datetime
    runs: tuple[Runs, ...]
    payments: tuple[Payment, ...]
    needs: tuple[Need, ...]
    renewals: tuple[Renewals, ...]
    clocks: tuple[ClockChange, ...]


def outlook(
    policies: Sequence[Policy],
    facts: Facts,
    wanted: Mapping[str, Wanted],
    granted_now: Mapping[str, bool],
    *,
    now: datetime,
    horizon: timedelta,
) -> Outlook:
    """
    Look ahead.

    Args:
        granted_now: By session uid, whether its next grant is asked for at once.
    """
    until = now + horizon
    runs = tuple(
        _runs(policy, schedule, facts, now, until)
        for policy in policies
        for schedule in policy.schedules.values()
    )
    renewals = tuple(
        _renewals(each, facts, granted_now.get(uid, False), now, until)
        for uid, each in wanted.items()
    )
    return Outlook(
        until=until,
        runs=runs,
        payments=tuple(_payments(runs)),
        needs=tuple(_needs(runs, renewals, wanted)),
        renewals=renewals,
        clocks=tuple(clock_changes(policies, now, until)),
    )


# ── payments ──────────────────────────────────────────────────────────────────────────────────


def _runs(policy: Policy, schedule: Schedule, facts: Facts, now: datetime, until: datetime) -> Runs:
    row = facts.schedules.get(schedule.uid)
    known = row is not None and row.state != "removed" and row.trigger == trigger_text(schedule)
    table = timetable(schedule, anchor=row.anchor if known and row is not None else now)
    left = _runs_left(schedule, row)
    months = [] if schedule.suspend else list(_by_month(table, now, until, left))
    first = table.next_firing_after(now) if months else None
    assets = {str(asset.address or NATIVE): asset for asset in policy.assets}
    return Runs(
        schedule=schedule,
        session=f"{policy.name}/{schedule.session}",
        account=f"{policy.name}/{policy.sessions[schedule.session].account}",
        lines=intent_of(schedule.calls, assets).lines,
        months=tuple(months),
        first=None if first is None else first.due_at,
    )


def _runs_left(schedule: Schedule, row: ScheduleFact | None) -> int | None:
    """How many runs there will still be; None where nothing ends them (T9)."""
    runs, paid = (0, {}) if row is None else (row.runs, row.paid)
    bounds = []
    if schedule.max_runs is not None:
        bounds.append(max(schedule.max_runs - runs, 0))
    if schedule.until_total:
        total = most_runs(replace(schedule, max_runs=None), paid=paid)
        bounds += [] if total is None else [total]
    return min(bounds, default=None)


def _by_month(
    table: Timetable, now: datetime, until: datetime, left: int | None
) -> Iterator[tuple[str, int]]:
    """Firings after now and before `until`, by their month."""
    begin, last = now, until - _MICROSECOND
    while begin < last:
        following = _following_month(begin)
        end = min(following - _MICROSECOND, last)
        count = table.count(begin, end)
        if left is not None:
            count = min(count, left)
            left -= count
        if count:
            yield f"{begin + _MICROSECOND:%Y-%m}", count
        begin = end


def _following_month(instant: datetime) -> datetime:
    day = (instant + _MICROSECOND).astimezone(UTC).replace(day=1, hour=0, minute=0, second=0)
    return (day.replace(microsecond=0) + timedelta(days=32)).replace(day=1)


def _payments(runs: Sequence[Runs]) -> Iterator[Payment]:
    sums: dict[tuple[str, str, Address, str], list[int]] = {}
    seen: dict[tuple[str, str, Address, str], TransferLine] = {}
    computed: dict[tuple[str, str, Address, str], bool] = defaultdict(bool)
    for one in runs:
        if not one.count:
            continue
        for line in one.lines:
            kind = "approve" if line.kind == "approve" else "pay"
            key = (one.schedule.policy, line.token, line.receiver, kind)
            seen.setdefault(key, line)
            total = sums.setdefault(key, [0, 0])
            total[0] += line.amount * one.count
            total[1] += one.count
            computed[key] |= line.kind == "at_most"
    for key, (amount, count) in sums.items():
        yield Payment(key[0], seen[key], amount, count, computed[key])


def _needs(
    runs: Sequence[Runs], renewals: Sequence[Renewals], wanted: Mapping[str, Wanted]
) -> Iterator[Need]:
    paid: dict[tuple[str, str, str], int] = defaultdict(int)
    fees: dict[tuple[str, str], int] = defaultdict(int)
    named: dict[str, tuple[str, int]] = {NATIVE: ("native", 18)}
    for one in runs:
        session = wanted[one.session]
        fee = 0 if session.sponsored else session.max_fee
        for month, count in one.months:
            fees[one.account, month] += fee * count
            for line in one.lines:
                if line.kind == "approve":
                    continue
                named.setdefault(line.token, (line.symbol, line.decimals))
                paid[one.account, month, line.token] += line.amount * count
    for each in renewals:
        session = wanted[each.session]
        account = f"{each.session.partition('/')[0]}/{session.session.account}"
        for month, count in each.months:
            fees[account, month] += 0 if each.sponsored else count * session.max_fee
    for account, month in fees:
        paid.setdefault((account, month, NATIVE), 0)
    for account, month, token in sorted(paid):
        fee = fees.get((account, month), 0) if token == NATIVE else 0
        amount = paid[account, month, token]
        if amount or fee:
            symbol, decimals = named[token]
            yield Need(account, month, token, symbol, decimals, amount, fee)


# ── grants ────────────────────────────────────────────────────────────────────────────────────


def _renewals(
    wanted: Wanted, facts: Facts, at_once: bool, now: datetime, until: datetime
) -> Renewals:
    grants = facts.of(wanted.uid)
    serving = next((one for one in reversed(grants) if one.serves(now)), None)
    address = wanted.address or next((one.account for one in reversed(grants)), None)
    fee = 0 if wanted.sponsored else wanted.max_fee
    over = facts.is_over(wanted.uid) and not at_once
    following = None if over else _next_grant(wanted, serving, at_once, now)
    generation = max((one.generation for one in grants), default=0) + 1
    dates: list[datetime] = []
    months: dict[str, int] = defaultdict(int)
    exact = address is not None or following is None
    while following is not None and following <= until:
        if len(dates) >= _COUNTED:
            exact = False
            _estimate(months, following, until, (dates[-1] - dates[0]) / (len(dates) - 1))
            break
        dates.append(following)
        months[f"{following:%Y-%m}"] += 1
        if wanted.session.renew == "off":
            break
        following = _renewed_after(wanted, address, following, generation)
        generation += 1
    return Renewals(
        session=wanted.uid,
        dates=tuple(dates[:_SHOWN]),
        months=tuple(sorted(months.items())),
        exact=exact,
        fees=fee * sum(months.values()),
        sponsored=wanted.sponsored,
    )


def _estimate(months: dict[str, int], begin: datetime, until: datetime, pace: timedelta) -> None:
    """Go on at the pace of those that were followed."""
    while begin < until:
        end = min(_following_month(begin), until)
        months[f"{begin:%Y-%m}"] += int((end - begin) / pace)
        begin = end


def _next_grant(
    wanted: Wanted, serving: GrantFact | None, at_once: bool, now: datetime
) -> datetime | None:
    if at_once or serving is None:
        return now
    if wanted.session.renew == "off" or serving.next_renewal_at is None:
        return None
    return max(serving.next_renewal_at, now)


def _renewed_after(
    wanted: Wanted, address: Address | None, issued_at: datetime, generation: int
) -> datetime:
    issued_at = issued_at.replace(microsecond=0)
    return renewal_at(
        issued_at=issued_at,
        expires_at=issued_at + wanted.session.lifetime,
        renew_before=wanted.session.renew_before,
        run_room=wanted.room,
        margins=wanted.margins,
        seed=f"{address}/{wanted.uid}/{generation}",
    )
