"""
What left an account, held against what its run was to move.

Source: rules X22 and B8.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.erc20 import token_move
from runner.frozen import frozen
from runner.guard.intent import NATIVE, TransferLine

_PAYS = frozenset({"pay", "transfer"})


@frozen
class Outflow:
    """A token's `Transfer` event away from the account."""

    token: Address
    receiver: Address
    amount: int


@frozen
class Comparison:
    """
    What the logs show besides the payments (all that they show, if something does not fit), and
    in words what does not; empty if all does.
    """

    others: tuple[Outflow, ...]
    differences: tuple[str, ...]


def compare_movements(
    lines: Sequence[TransferLine], intent: Sequence[Call], outflows: Sequence[Outflow]
) -> Comparison:
    """
    Every token payment has its exact log (X22); what else left was approved, or asked of the token.

    A contract that is called may take what the run approves, and no more of any token (B8). What a
    token does when it is called by another function than `transfer` and `approve` is its own.
    """
    seen = list(outflows)
    missing = []
    for line in lines:
        if line.kind not in _PAYS or line.token == NATIVE:
            continue
        exact = Outflow(Address(line.token), line.receiver, line.amount)
        if exact in seen:
            seen.remove(exact)
        else:
            missing.append(f"{line.amount} of {line.token} to {line.receiver} have no Transfer log")
    differences = (*missing, *_unexplained(lines, intent, seen))
    # Where something is wrong, only what the logs show counts as paid, every line of it.
    return Comparison(tuple(outflows if differences else seen), differences)


def show_themselves(lines: Sequence[TransferLine], intent: Sequence[Call]) -> bool:
    """
    Whether logs in which nothing of these calls is missing are logs of these calls.

    An endpoint that does not know a block yet answers that there is no log in it. What a payment of
    a token leaves cannot be missed so; what another call has left can.
    """
    pays = any(line.kind in _PAYS and line.token != NATIVE for line in lines)
    return pays and all(_is_plain(call) for call in intent)


def _unexplained(
    lines: Sequence[TransferLine], intent: Sequence[Call], seen: Sequence[Outflow]
) -> list[str]:
    approved: Counter[str] = Counter()
    for line in lines:
        if line.kind == "approve":
            approved[line.token] += line.amount
    asked = {call.to for call in intent if not _is_plain(call)}
    left: Counter[str] = Counter()
    for outflow in seen:
        if outflow.token not in asked:
            left[outflow.token] += outflow.amount
    return [
        f"{amount} of {token} left besides, and {approved[token]} were approved"
        for token, amount in left.items()
        if amount > approved[token]
    ]


def _is_plain(call: Call) -> bool:
    """Whether a call says by itself what it moves, if it is one to a token."""
    return token_move(call.data) is not None
