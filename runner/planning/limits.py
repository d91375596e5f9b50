"""
Who enforces what: limits that the chain holds against whoever has the key, and limits that hold
only as long as it is the runner that signs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

from runner.ethereum.permissions import Permission
from runner.frozen import frozen
from runner.planning.naming import COIN, Names, amount_of, length_of
from runner.policy.model import Limits, Money, Policy, Schedule, Session


class Enforcer(StrEnum):
    """Who refuses what goes beyond a limit."""

    CHAIN = "chain"
    RUNNER = "runner"


@frozen
class Limit:
    """A limit by the key that writes it, its value as it is written, and who enforces it."""

    rule: str
    value: str
    enforcer: Enforcer


def limits_of(
    policy: Policy, session: Session, permissions: Sequence[Permission]
) -> tuple[Limit, ...]:
    """All limits of one session: first those of the chain."""
    names = Names(policy)
    chain = [("lifetime", length_of(session.lifetime))]
    chain += [(one.kind, names.value(one) or "all") for one in permissions]
    runner = list(_of_session(policy, session, names))
    for schedule in policy.schedules.values():
        if schedule.session == session.name:
            runner += [(f"{schedule.name}.{rule}", text) for rule, text in _of_schedule(schedule)]
    return (
        *(Limit(rule, value, Enforcer.CHAIN) for rule, value in chain),
        *(Limit(rule, value, Enforcer.RUNNER) for rule, value in runner),
    )


def _of_session(policy: Policy, session: Session, names: Names) -> Iterator[tuple[str, str]]:
    if session.receivers is not None:
        yield "receivers", ", ".join(names.of(one) for one in session.receivers)
    yield from _budgets(session.limits)
    if session.max_exposure is not None:
        yield "max_exposure", _moneys(session.max_exposure)
    account = policy.accounts[session.account]
    for rule, fee in (("max_fee", account.max_fee), ("max_fee_per_day", account.max_fee_per_day)):
        if fee is not None:
            yield rule, amount_of(COIN, fee)


def _of_schedule(schedule: Schedule) -> Iterator[tuple[str, str]]:
    yield from _budgets(schedule.limits)
    if schedule.max_runs is not None:
        yield "max_runs", str(schedule.max_runs)
    for rule, moneys in (
        ("until_total", schedule.until_total),
        ("approve_above", schedule.approve_above),
        ("new_receiver_above", schedule.new_receiver_above or ()),
    ):
        if moneys:
            yield rule, _moneys(moneys)
    for rule, several in (("require", schedule.require), ("blackout", schedule.blackout)):
        if several:
            yield rule, f"{len(several)}"


def _budgets(limits: Limits) -> Iterator[tuple[str, str]]:
    for rule in ("per_run", "per_day", "per_week", "per_month", "per_lifetime"):
        moneys: tuple[Money, ...] = getattr(limits, rule)
        if moneys:
            yield f"limits.{rule}", _moneys(moneys)
    for each in limits.rolling:
        yield f"limits.rolling {length_of(each.window)}", _moneys(each.amounts)


def _moneys(moneys: Sequence[Money]) -> str:
    return ", ".join(amount_of(one.asset, one.amount) for one in moneys)
