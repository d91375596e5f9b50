"""
What the policy asked for, as the bytes that the chain will see, and as movements of value.

The intent of a run is encoded once, frozen when the run is prepared (X6), and never resolved
again within an attempt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeGuard

from runner.ethereum.abi import encode_call, parse_function
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.erc20 import encode_approve, encode_transfer, token_move
from runner.frozen import frozen
from runner.policy.model import (
    Approve,
    Asset,
    Invoke,
    Pay,
    PolicyCall,
    Raw,
    Sweep,
    TopUp,
)

NATIVE = "native"
"""The coin's name where a token's address would stand."""

_UNLIMITED = 1 << 255


@frozen
class TransferLine:
    """
    One movement of value that a frozen intent wants, or that its receipt showed.

    `token` is a checksummed address or `native`. `kind`: `pay` (asked for by name), `value` (coin
    sent along with a call), `transfer` (a token transfer inside a call or raw data), `approve`
    (counts as spend, moves nothing), `observed` (seen in the receipt only). `at_most` stands for a
    computed call whose amount is not known yet, and is never frozen.
    """

    token: str
    symbol: str
    decimals: int
    receiver: Address
    receiver_name: str
    amount: int
    kind: str = "pay"
    memo: str | None = None
    ref: str | None = None


@frozen
class Intent:
    """The exact calls that a run wants, and what they move."""

    calls: tuple[Call, ...]
    lines: tuple[TransferLine, ...]

    @property
    def receivers(self) -> tuple[Address, ...]:
        """Whom it sends value or tokens to, approvals included."""
        return tuple(dict.fromkeys(line.receiver for line in self.lines))

    @property
    def sums(self) -> dict[str, int]:
        """What it spends, by token."""
        return spent_by_token(self.lines)


def intent_of(calls: Sequence[PolicyCall], assets: Mapping[str, Asset]) -> Intent:
    """
    Encode a batch; computed calls stand for the most that they may send.

    Args:
        assets: By token address or `native`; a token that no policy declares shows base units.
    """
    encoded = encode_all(calls)
    return Intent(encoded, transfer_lines(calls, encoded, assets))


def spent_by_token(lines: Sequence[TransferLine]) -> dict[str, int]:
    """Sum per token; an approval counts in full (B7)."""
    sums: dict[str, int] = defaultdict(int)
    for line in lines:
        sums[line.token] += line.amount
    return dict(sums)


def is_computed(call: PolicyCall) -> TypeGuard[TopUp | Sweep]:
    """Whether a call's amount is known only when its run is prepared (G10)."""
    return isinstance(call, TopUp | Sweep)


def at_most(call: PolicyCall) -> Pay | Invoke | Approve | Raw:
    """A computed call as the payment of the most that it may send; any other as it is."""
    if isinstance(call, TopUp | Sweep):
        return Pay(call.to, call.to_name, call.asset, call.most, call.mark, call.memo, call.ref)
    return call


def encode(call: PolicyCall) -> Call:
    """
    A policy's call as target, value and data; a computed one as the most that it may send.

    Raises:
        EncodingError: the arguments do not fit the function's signature.
    """
    call = at_most(call)
    if isinstance(call, Pay):
        if call.asset.address is None:
            return Call(call.to, call.amount)
        return Call(call.asset.address, 0, encode_transfer(call.to, call.amount))
    if isinstance(call, Approve):
        if call.asset.address is None:
            raise AssertionError("the native coin knows no approve; the policy's parser refuses it")
        return Call(call.asset.address, 0, encode_approve(call.spender, call.amount))
    if isinstance(call, Invoke):
        return Call(
            call.contract, call.value, encode_call(parse_function(call.function), call.args)
        )
    return Call(call.to, call.value, call.data)


def encode_all(calls: Sequence[PolicyCall]) -> tuple[Call, ...]:
    """The intent of a batch."""
    return tuple(encode(call) for call in calls)


def transfer_lines(
    calls: Sequence[PolicyCall], intent: Sequence[Call], assets: Mapping[str, Asset]
) -> tuple[TransferLine, ...]:
    """
    What a batch moves, read from its bytes, named as the policy names it.

    Args:
        assets: By token address or `native`; a token that no policy declares shows base units.
    """
    lines: list[TransferLine] = []
    for call, encoded in zip(calls, intent, strict=True):
        known = at_most(call)
        kind = "at_most" if is_computed(call) else "pay"
        lines += _lines_of(encoded, _receiver_name(known), known, assets, kind)
    return tuple(lines)


def _lines_of(
    encoded: Call, name: str, call: PolicyCall, assets: Mapping[str, Asset], pays: str
) -> list[TransferLine]:
    notes = {"memo": call.memo, "ref": call.ref}
    asked = pays if isinstance(call, Pay) else ""
    lines = []
    if encoded.value:
        kind = asked or "value"
        lines.append(_line(NATIVE, assets, encoded.to, name, encoded.value, kind=kind, notes=notes))
    if (move := token_move(encoded.data)) is not None:
        named = asked or (move.kind == "approve" and isinstance(call, Approve))
        label = name if named else str(move.party)
        kind = asked or move.kind
        lines.append(
            _line(encoded.to, assets, move.party, label, move.amount, kind=kind, notes=notes)
        )
    return lines


def _line(
    token: str,
    assets: Mapping[str, Asset],
    receiver: Address,
    name: str,
    amount: int,
    *,
    kind: str,
    notes: Mapping[str, str | None],
) -> TransferLine:
    asset = assets.get(token)
    return TransferLine(
        token=token,
        symbol=asset.name if asset else token,
        decimals=asset.decimals if asset else 0,
        receiver=receiver,
        receiver_name=name,
        amount=amount,
        kind=kind,
        memo=notes["memo"],
        ref=notes["ref"],
    )


def _receiver_name(call: Pay | Invoke | Approve | Raw) -> str:
    if isinstance(call, Pay):
        return call.to_name
    if isinstance(call, Approve):
        return call.spender_name
    if isinstance(call, Invoke):
        return call.contract_name
    return call.to_name


def unlimited_approval(intent: Sequence[Call]) -> Call | None:
    """The first call that approves half of all there can be, or more (B7); else None."""
    for call in intent:
        move = token_move(call.data)
        if move is not None and move.kind == "approve" and move.amount >= _UNLIMITED:
            return call
    return None
