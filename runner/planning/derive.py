"""
`permissions: derive`: the least that a session's schedules need over the worst window (R25, R27).

The worst window has the length of the lifetime plus the longest catch-up window: payments that a
dead daemon left behind are paid under the grant that finds them. Pure arithmetic over timetables.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_CEILING, Decimal

from runner.errors import PlanError
from runner.ethereum.abi import parse_function
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.erc20 import APPROVE, TRANSFER
from runner.ethereum.hashing import keccak256
from runner.ethereum.permissions import (
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnContract,
    GasLimit,
    NativeTokenTransfer,
    Permission,
)
from runner.frozen import frozen
from runner.guard.intent import at_most
from runner.guard.scope import Outcome, initial_allowances, installed, judge
from runner.policy.model import Approve, Derive, Invoke, Pay, PolicyCall, Schedule, Session

_BURNS = Decimal("0.1")
"""Share of runs whose fence may have to be burned: each burn costs gas too (R27)."""


@frozen
class Demand:
    """One schedule of a session: its encoded batch, and how many runs the worst window holds."""

    schedule: Schedule
    intent: tuple[Call, ...]
    runs: int


def permissions_of(
    session: Session, demands: Sequence[Demand], *, sponsored: bool, max_fee: int
) -> tuple[Permission, ...]:
    """
    The permissions that a session asks for: as written, or derived.

    Args:
        max_fee: Wei, the most one operation may cost; what gas coverage is counted by (R27).

    Raises:
        PlanError: nothing can be derived, since no schedule uses the session.
    """
    if not isinstance(session.permissions, Derive):
        return session.permissions
    if not demands:
        raise PlanError(
            f"session {session.uid} has no schedule to derive its permissions from",
            where=session.mark,
            hint="let a schedule use it, write its permissions out, or remove it",
        )
    return _derive(session, demands, sponsored=sponsored, max_fee=max_fee)


def _derive(
    session: Session, demands: Sequence[Demand], *, sponsored: bool, max_fee: int
) -> tuple[Permission, ...]:
    tokens: dict[Address, int] = defaultdict(int)
    plain: dict[Address, None] = {}
    functions: dict[Address, dict[bytes, None]] = defaultdict(dict)
    native = 0
    for demand in demands:
        for call, encoded in zip(demand.schedule.calls, demand.intent, strict=True):
            native += encoded.value * demand.runs
            spent = _spend(call, encoded)
            if spent is not None:
                tokens[encoded.to] += spent * demand.runs
            elif len(encoded.data) >= 4:
                functions[encoded.to][encoded.data[:4]] = None
            else:
                plain[encoded.to] = None
    for token in [t for t in tokens if t in functions]:
        # A token limit admits transfer and approve alone (F8): a schedule that calls more of it
        # needs the function list, and the runner's own limits are what bounds the amounts.
        del tokens[token]
        functions[token] |= {TRANSFER: None, APPROVE: None}
    derived: list[Permission] = [NativeTokenTransfer(_with_margin(native, session.margin))]
    derived += [
        Erc20TokenTransfer(token, _with_margin(amount, session.margin))
        for token, amount in tokens.items()
    ]
    derived.append(GasLimit(0 if sponsored else _gas(demands, max_fee)))
    derived += [ContractAccess(address) for address in plain]
    derived += [
        FunctionsOnContract(address, tuple(selectors))
        for address, selectors in functions.items()
        if address not in plain
    ]
    return tuple(derived)


def _spend(call: PolicyCall, encoded: Call) -> int | None:
    """What a call takes from a token's allowance; None for calls that are not counted so."""
    call = at_most(call)
    if isinstance(call, Pay | Approve):
        return None if encoded.value or not encoded.data else call.amount
    if isinstance(call, Invoke) and parse_function(call.function).selector in {TRANSFER, APPROVE}:
        return int(call.args[1])
    return None


def _gas(demands: Sequence[Demand], max_fee: int) -> int:
    runs = sum(demand.runs for demand in demands)
    burns = int((runs * _BURNS).to_integral_value(ROUND_CEILING))
    return (runs + 1 + burns) * max_fee


def _with_margin(amount: int, margin: Decimal) -> int:
    return amount + int((amount * margin).to_integral_value(ROUND_CEILING))


def uncovered(
    account: Address, permissions: Sequence[Permission], demands: Iterable[Demand]
) -> list[tuple[Schedule, str]]:
    """Schedules whose single batch the permissions refuse outright, with the rule that decides."""
    sealed = installed(tuple(permissions))
    found = []
    for demand in demands:
        judgement = judge(
            sealed,
            demand.intent,
            account=account,
            allowances=initial_allowances(permissions),
            now=0,
            max_gas_cost=0,
            sponsored=True,
        )
        if judgement.outcome is not Outcome.ACCEPTED:
            found.append((demand.schedule, judgement.reason or "refused"))
    return found


def scope_digest(
    permissions: Sequence[Permission], text: Callable[[Sequence[Permission]], str]
) -> str:
    """A short name of a permission set: a grant of another one is out of date."""
    return "0x" + keccak256(text(permissions).encode())[:8].hex()
