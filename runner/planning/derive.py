"""
`permissions: derive`: the least that a session's schedules need over the worst window (R25, R27).

The worst window has the length of the lifetime plus the longest catch-up window: payments that a
dead daemon left behind are paid under the grant that finds them. Pure arithmetic over timetables.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal

from runner.errors import PlanError
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
from runner.guard.budget import most_within
from runner.guard.intent import NATIVE, is_computed
from runner.guard.scope import Outcome, initial_allowances, installed, judge
from runner.planning.windows import Strand, worst
from runner.policy.model import (
    Derive,
    Schedule,
    Session,
    SmartAccount,
)

_SPENDING = 4 + 2 * 32
"""Bytes that a token under a limit asks of `transfer` and `approve` at least (F8)."""

_BURNS = Decimal("0.1")
"""Share of runs whose fence may have to be burned: each burn costs gas too (R27)."""


_SANDBOX_MAX_FEE = 2 * 10**16
"""Wei, for chains whose coin has no default cap (G2): in a sandbox it is play money."""


@frozen
class Demand:
    """
    One schedule of a session: its encoded batch, and its runs along the time line. Of computed
    calls the batch has the most that they may send.
    """

    schedule: Schedule
    intent: tuple[Call, ...]
    strand: Strand

    @property
    def runs(self) -> int:
        """The most that one grant may have to carry of it."""
        return self.strand.runs

    @property
    def window(self) -> timedelta:
        """How long the window is that holds them."""
        return self.strand.window


def permissions_of(
    session: Session, demands: Sequence[Demand], *, sponsored: bool, max_fee: int
) -> tuple[Permission, ...]:
    """
    The permissions that a session asks for: as written, or derived.

    Args:
        max_fee: Wei, the most one operation may cost; what gas coverage is counted by (R27).

    Raises:
        PlanError: nothing can be derived, since no schedule uses the session, or no limit bounds a
            computed call.
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
    computed = computed_needs(session, demands)
    # What one run of each schedule takes, by token: the worst window is that of all together.
    tokens: dict[Address, list[int]] = defaultdict(lambda: [0] * len(demands))
    plain: dict[Address, None] = {}
    functions: dict[Address, dict[bytes, None]] = defaultdict(dict)
    spending: dict[Address, dict[bytes, None]] = defaultdict(dict)
    native = [0] * len(demands)
    for index, demand in enumerate(demands):
        for call, encoded in zip(demand.schedule.calls, demand.intent, strict=True):
            fixed = not is_computed(call)
            native[index] += encoded.value if fixed else 0
            spent = _spend(encoded.data)
            if spent is not None:
                tokens[encoded.to][index] += spent if fixed else 0
                spending[encoded.to][encoded.data[:4]] = None
            elif len(encoded.data) >= 4:
                functions[encoded.to][encoded.data[:4]] = None
            else:
                plain[encoded.to] = None
    for token in [t for t in tokens if t in functions]:
        # A token limit admits transfer and approve alone (F8): a schedule that calls more of it
        # needs the function list, and the runner's own limits are what bounds the amounts.
        del tokens[token]
        functions[token] |= spending[token]
    strands = [demand.strand for demand in demands]

    def most(token: str, weights: Sequence[int]) -> int:
        total = worst(strands, session.lifetime, weights).total + computed.get(token, 0)
        return with_margin(total, session.margin)

    derived: list[Permission] = [NativeTokenTransfer(most(NATIVE, native))]
    derived += [
        Erc20TokenTransfer(token, most(token, weights)) for token, weights in tokens.items()
    ]
    runs = worst(strands, session.lifetime, [1] * len(demands)).total
    derived.append(GasLimit(0 if sponsored else gas_need(runs, max_fee)))
    derived += [ContractAccess(address) for address in plain]
    derived += [
        FunctionsOnContract(address, tuple(selectors))
        for address, selectors in functions.items()
        if address not in plain
    ]
    return tuple(derived)


def _spend(data: bytes) -> int | None:
    """
    What calldata takes from a token's allowance, as the chain counts; None if it is not counted so.

    However it is written: raw calldata must not open a token that `pay` keeps under a limit.
    """
    if len(data) < _SPENDING or data[:4] not in (TRANSFER, APPROVE):
        return None
    return int.from_bytes(data[36:68], "big")


def computed_needs(session: Session, demands: Sequence[Demand]) -> dict[str, int]:
    """What computed calls need by token: the sum of their `max`, as far as limits allow (R26)."""
    needs: dict[str, int] = {}
    bounds: dict[str, int] = {}
    for demand in demands:
        schedule = demand.schedule
        most: dict[str, int] = defaultdict(int)
        for call in schedule.calls:
            if is_computed(call):
                most[call.asset.address or NATIVE] += call.most * demand.runs
        for token, amount in most.items():
            own = most_within(
                schedule.limits,
                token,
                window=demand.window,
                runs=demand.runs,
                total=schedule.until_total,
            )
            shared = most_within(
                session.limits,
                token,
                window=max(each.window for each in demands),
                runs=sum(each.runs for each in demands),
            )
            if own is None and shared is None:
                raise PlanError(
                    f"no limit bounds what schedule `{schedule.name}` computes",
                    where=schedule.mark,
                    hint="add `limits: {per_day: […]}`, or write the session's permissions out",
                )
            needs[token] = needs.get(token, 0) + (amount if own is None else min(amount, own))
            if shared is not None:
                bounds[token] = shared
    return {token: min(need, bounds.get(token, need)) for token, need in needs.items()}


def gas_need(runs: int, max_fee: int) -> int:
    """What so many runs may cost with their burns, and the activation before them (R27)."""
    burns = int((runs * _BURNS).to_integral_value(ROUND_CEILING))
    return (runs + 1 + burns) * max_fee


def runs_within(limit: int, max_fee: int) -> int:
    """How many runs a gas-limit carries for certain: `gas_need` the other way round."""
    return max(0, (limit // max_fee - 1) * 10 // 11)


def with_margin(amount: int, margin: Decimal) -> int:
    """An amount and its margin, in whole base units."""
    return amount + int((amount * margin).to_integral_value(ROUND_CEILING))


def max_fee_of(account: SmartAccount, *, sandbox: bool) -> int:
    """
    The most that one operation of an account may cost, in wei (G2).

    Raises:
        PlanError: neither the account nor its chain has a bound.
    """
    if account.max_fee is not None:
        return account.max_fee
    if sandbox:
        return _SANDBOX_MAX_FEE
    raise PlanError(
        f"account `{account.name}` on chain {account.chain} needs `max_fee`",
        where=account.mark,
        hint="write the most that one operation may cost, as `max_fee: 0.01 native`",
    )


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
