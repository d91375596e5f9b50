"""
What may still be spent, by token and period: which rows of which budgets a run charges (B2, X14).

Pure: it names the budget, the period and the amount; the ledger adds up and refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from runner.frozen import frozen
from runner.guard.intent import NATIVE, intent_of, is_computed
from runner.policy.model import Above, Limits, Money, Schedule, Session

LIFE: Final = "life"
"""The one period of budgets that never begin anew."""

_CHANGE = timedelta(hours=1)
"""What clocks gain where they go forward: a window may touch one period more for it."""

_KINDS = ("per_run", "per_day", "per_week", "per_month", "per_lifetime")
_amounts_of = attrgetter(*_KINDS)
_any_of = attrgetter(*_KINDS, "rolling")

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@frozen
class Reservation:
    """
    `amount` of `token` against one period of one budget, whose limit is `limit` (X14).

    Attributes:
        window: Of a rolling budget: its periods are instants, and no window of this length may
            hold more than the limit.
        ends: Once the budget is used up, its schedule is completed (T9).
    """

    budget: str
    period: str
    token: str
    amount: int
    limit: int
    window: timedelta | None = None
    ends: bool = False

    @property
    def name(self) -> str:
        """The limit as the policy calls it: `per_day`, `rolling 7d`, `until_total`."""
        return self.budget.rpartition(":")[2]


@frozen
class Budgets:
    """
    All that the runs of one schedule are charged to: the limits of its session, its own, what it
    may pay in all, and those of the organisation. `schedule` and `session` are uids.
    """

    schedule: str
    session: str
    limits: Limits
    session_limits: Limits
    until_total: tuple[Money, ...] = ()
    above: Above | None = None

    @classmethod
    def of(cls, schedule: Schedule, session: Session) -> Budgets:
        """Those that the policy writes."""
        return cls(
            schedule=schedule.uid,
            session=session.uid,
            limits=schedule.limits,
            session_limits=session.limits,
            until_total=schedule.until_total,
            above=session.above,
        )

    @property
    def own(self) -> str:
        """The scope of the schedule's own budgets: their names begin so."""
        return f"schedule:{self.schedule}"

    @property
    def shared(self) -> str:
        """The scope of the session's budgets."""
        return f"session:{self.session}"

    def reservations(
        self, sums: Mapping[str, int], *, due_at: datetime, slot: str
    ) -> tuple[Reservation, ...]:
        """
        What a run of a slot takes of each.

        Args:
            sums: Base units by token.
            due_at: The nominal time; a late run is charged to the period it was due in.
        """
        return tuple(
            Reservation(
                budget=budget.name,
                period=budget.period(due_at, f"{self.schedule}@{slot}"),
                token=token,
                amount=sums[token],
                limit=money.amount,
                window=budget.window,
                ends=budget.ends,
            )
            for budget in self._budgets()
            for money in budget.amounts
            if sums.get(token := money.asset.address or NATIVE)
        )

    def written(self) -> Iterator[tuple[str, Money]]:
        """All that bounds it, each by the name that the policy gives it."""
        for budget in self._budgets():
            for money in budget.amounts:
                yield budget.name.rpartition(":")[2], money

    def lasting(self) -> frozenset[tuple[str, str]]:
        """(budget, token) of all limits that add up over several runs."""
        return frozenset(
            (budget.name, money.asset.address or NATIVE)
            for budget in self._budgets()
            for money in budget.amounts
            if budget.kind != "per_run"
        )

    def _budgets(self) -> list[_Budget]:
        found: list[_Budget] = []
        if self.above is not None:
            found += _of_limits(self.above.scope, self.above.limits)
        if limits_anything(self.session_limits):
            found += _of_limits(self.shared, self.session_limits)
        if limits_anything(self.limits):
            found += _of_limits(self.own, self.limits)
        if self.until_total:
            found.append(_Budget(self.own, "until_total", self.until_total, ends=True))
        return found


@frozen
class _Budget:
    scope: str
    kind: str
    amounts: tuple[Money, ...]
    zone: str = "UTC"
    window: timedelta | None = None
    ends: bool = False

    @property
    def name(self) -> str:
        length = "" if self.window is None else f" {_length(self.window)}"
        return f"{self.scope}:{self.kind}{length}"

    def period(self, due_at: datetime, run: str) -> str:
        if self.kind == "per_run":
            return run
        return _PERIODS[self.kind](due_at.astimezone(ZoneInfo(self.zone)))


def limits_anything(limits: Limits) -> bool:
    """Whether there is an amount in them: most schedules write none, and are asked often."""
    return any(_any_of(limits))


def is_bounded(schedule: Schedule, session: Session) -> bool:
    """Whether runs of a schedule are charged to any budget."""
    return (
        bool(schedule.until_total)
        or session.above is not None
        or limits_anything(session.limits)
        or limits_anything(schedule.limits)
    )


def _of_limits(scope: str, limits: Limits) -> Iterator[_Budget]:
    for kind, amounts in zip(_KINDS, _amounts_of(limits), strict=True):
        if amounts:
            yield _Budget(scope, kind, amounts, limits.timezone)
    for rolling in limits.rolling:
        yield _Budget(scope, "rolling", rolling.amounts, window=rolling.window)


def _week(local: datetime) -> str:
    year, week, _ = local.isocalendar()
    return f"{year}-W{week:02}"


def format_instant(instant: datetime) -> str:
    """The period of a rolling budget: UTC to the second, so that texts sort as instants do."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def parse_instant(period: str) -> datetime:
    """The inverse of `format_instant`."""
    return datetime.fromisoformat(period)


_PERIODS: Final[Mapping[str, Callable[[datetime], str]]] = MappingProxyType(
    {
        "per_day": lambda local: local.date().isoformat(),
        "per_week": _week,
        "per_month": lambda local: f"{local:%Y-%m}",
        "per_lifetime": lambda _local: LIFE,
        "until_total": lambda _local: LIFE,
        "rolling": format_instant,
    }
)
"""The period in which a slot lies, as text."""


def _length(window: timedelta) -> str:
    days, rest = divmod(window, _DAY)
    return f"{days}d" if not rest else f"{window // _SECOND}s"


def busiest(taken: Mapping[datetime, int], at: datetime, window: timedelta) -> int:
    """
    The most that any window of this length which holds an instant has taken.

    A window includes its first instant and leaves out its last: two weekly payments do not
    meet in a window of seven days.
    """
    near = sorted((when, amount) for when, amount in taken.items() if abs(when - at) < window)
    most = total = behind = 0
    for when, amount in near:
        total += amount
        while when - near[behind][0] >= window:
            total -= near[behind][1]
            behind += 1
        most = max(most, total)
    return most


def most_runs(schedule: Schedule, *, paid: Mapping[str, int] = MappingProxyType({})) -> int | None:
    """
    How many runs may succeed before a schedule is over (T9); None where nothing ends it.

    What a computed call will send is not known, so it counts for nothing here.

    Args:
        paid: What was paid of each token already, in base units; `max_runs` does not look at it.
    """
    fixed = [call for call in schedule.calls if not is_computed(call)]
    sums = intent_of(fixed, {}).sums
    bounds = [] if schedule.max_runs is None else [schedule.max_runs]
    for money in schedule.until_total:
        token = money.asset.address or NATIVE
        if sums.get(token):
            bounds.append(max(money.amount - paid.get(token, 0), 0) // sums[token])
    return min(bounds, default=None)


def most_within(
    limits: Limits,
    token: str,
    *,
    window: timedelta,
    runs: int,
    total: tuple[Money, ...] = (),
) -> int | None:
    """
    The most of a token that limits let through in any closed window of this length (R26).

    Args:
        token: An address, or `native`.
        runs: How many runs such a window holds at most.
        total: What may be paid in all (T9).

    Returns:
        Base units; None where no limit names the token.
    """
    shift = timedelta() if ZoneInfo(limits.timezone).utcoffset(None) is not None else _CHANGE
    times = [
        (limits.per_run, runs),
        (limits.per_day, _touched(window + shift, _DAY)),
        (limits.per_week, _touched(window + shift, 7 * _DAY)),
        (limits.per_month, _months_touched(window + shift)),
        (limits.per_lifetime, 1),
        (total, 1),
        *((rolling.amounts, window // rolling.window + 1) for rolling in limits.rolling),
    ]
    bounds = [
        money.amount * count
        for amounts, count in times
        for money in amounts
        if (money.asset.address or NATIVE) == token
    ]
    return min(bounds, default=None)


def _touched(window: timedelta, period: timedelta) -> int:
    """How many periods that are laid end to end a closed window touches at most."""
    return -(-window // period) + 1


def _months_touched(window: timedelta) -> int:
    """The same for calendar months: the window begins with the last second of some month."""
    most = 0
    for number in range(48):  # four years: each length that a February has
        year, month = divmod(number, 12)
        begin = datetime(2023 + year, month + 1, 1, tzinfo=UTC) - _SECOND
        end = begin + window
        most = max(most, (end.year - begin.year) * 12 + end.month - begin.month + 1)
    return most
