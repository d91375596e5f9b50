"""
Computed calls: what `top_up` and `sweep` send, from balances read when the run is prepared (G10).

What other runs have under way may arrive or fail. So it counts wherever it makes an amount
smaller, and never where it would make one larger: rather too little, and the rest with the next
run, than twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from runner.ethereum.address import Address
from runner.frozen import frozen
from runner.guard.intent import NATIVE, TransferLine, intent_of, is_computed
from runner.policy.model import Pay, PolicyCall, Sweep, TopUp


@frozen
class Movement:
    """
    Value that an open run may still move: `amount` base units of a token's address or `native`.
    A fee and an approval have no receiver.
    """

    sender: Address
    receiver: Address | None
    token: str
    amount: int


def movement(sender: Address, line: TransferLine) -> Movement:
    """What one line takes from its sender; an approval brings nobody anything by itself (B7)."""
    receiver = None if line.kind == "approve" else line.receiver
    return Movement(sender, receiver, line.token, line.amount)


def looks_at(calls: Iterable[PolicyCall], account: Address) -> frozenset[tuple[Address, str]]:
    """The balances that decide what the computed ones among these calls send."""
    return frozenset(
        (call.to if isinstance(call, TopUp) else account, call.asset.address or NATIVE)
        for call in calls
        if is_computed(call)
    )


def resolve(
    calls: Sequence[PolicyCall],
    *,
    account: Address,
    held: Mapping[tuple[Address, str], int],
    moving: Iterable[Movement],
    fee: int,
) -> tuple[PolicyCall, ...]:
    """
    A batch with its computed calls as payments; those that need nothing are left out.

    A `top_up` sends min(up_to − balance, max) where the balance is below `below`. A `sweep` sends
    min(balance − keep, max) of what the batch's other calls, other runs and the fee leave.

    Args:
        account: Who pays.
        held: The balances of `looks_at`, all at one block.
        moving: What open runs may still move that these balances do not show.
        fee: Wei that this run's own operation may take from the account.
    """
    own: dict[str, int] = defaultdict(int)
    there: dict[tuple[Address, str], int] = defaultdict(int)
    for (holder, token), amount in held.items():
        there[holder, token] += amount
        if holder == account:
            own[token] += amount
    own[NATIVE] -= fee
    fixed = [call for call in calls if not is_computed(call)]
    batch = [movement(account, line) for line in intent_of(fixed, {}).lines]
    for one in (*moving, *batch):
        if one.sender == account:
            own[one.token] -= one.amount
        if one.receiver is not None:
            there[one.receiver, one.token] += one.amount
    amounts: dict[int, int] = {}
    # Top-ups first, wherever they stand: a sweep takes what is left after all others.
    for kind in (TopUp, Sweep):
        for index, call in enumerate(calls):
            if isinstance(call, kind):
                amount = _amount(call, own=own, there=there)
                token = call.asset.address or NATIVE
                own[token] -= amount
                there[call.to, token] += amount
                amounts[index] = amount
    return tuple(
        _payment(call, amounts[index]) if is_computed(call) else call
        for index, call in enumerate(calls)
        if amounts.get(index) != 0
    )


def _amount(
    call: TopUp | Sweep, *, own: Mapping[str, int], there: Mapping[tuple[Address, str], int]
) -> int:
    token = call.asset.address or NATIVE
    if isinstance(call, Sweep):
        return max(0, min(own[token] - call.keep, call.most))
    has = there[call.to, token]
    return min(call.up_to - has, call.most) if has < call.below else 0


def _payment(call: TopUp | Sweep, amount: int) -> Pay:
    return Pay(call.to, call.to_name, call.asset, amount, call.mark, call.memo, call.ref)


def sends_most(calls: Sequence[PolicyCall], lines: Iterable[TransferLine]) -> bool:
    """Whether a run that moved these lines sent all that one of its computed calls may (G10)."""
    fixed = [call for call in calls if not is_computed(call)]
    usual = Counter(_moved(line) for line in intent_of(fixed, {}).lines)
    seen = Counter(_moved(line) for line in lines) - usual
    return any(
        (call.asset.address or NATIVE, call.to, call.most) in seen
        for call in calls
        if isinstance(call, TopUp | Sweep)
    )


def _moved(line: TransferLine) -> tuple[str, Address, int]:
    return line.token, line.receiver, line.amount
