"""
Payments that a policy makes sure of itself that they fail: more in one run than its own limits let
through, or to the token's own address, out of which nothing comes back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from runner.guard.budget import Budgets
from runner.planning.naming import COIN, amount_of
from runner.policy.codes import Code
from runner.policy.faults import Finding
from runner.policy.model import Approve, Asset, Invoke, Pay, Policy, Raw, Schedule, Session


def over_limits(schedule: Schedule, session: Session) -> Iterator[Finding]:
    """Limits that are smaller than what each run of a schedule spends."""
    spends = _spends(schedule)
    told: set[Asset] = set()
    for name, money in Budgets.of(schedule, session).written():
        amount = spends.get(money.asset, 0)
        if amount > money.amount and money.asset not in told:
            told.add(money.asset)
            one = amount_of(money.asset, amount)
            what = f"each run of `{schedule.name}` spends {one}; `{name}` never lets that through"
            yield Finding(Code.NEVER_WITHIN_LIMITS, what, money.mark, f"write {one} or more")


def to_tokens(policy: Policy, schedule: Schedule) -> Iterator[Finding]:
    """Payments to the contract of a token."""
    tokens = {asset.address: asset.name for asset in policy.assets if asset.address is not None}
    for call in schedule.calls:
        if isinstance(call, Pay) and call.to in tokens:
            what = f"this is paid to the contract of `{tokens[call.to]}`, and lost there"
            yield Finding(Code.PAID_TO_A_TOKEN, what, call.mark, "name who is to have it")


def _spends(schedule: Schedule) -> Mapping[Asset, int]:
    """What its fixed calls spend in each run, as far as that is seen without encoding them."""
    spends: dict[Asset, int] = defaultdict(int)
    for call in schedule.calls:
        if isinstance(call, Pay | Approve):
            spends[call.asset] += call.amount
        elif isinstance(call, Invoke | Raw):
            spends[COIN] += call.value
    return spends
