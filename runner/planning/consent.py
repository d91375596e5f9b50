"""
Which runs a person has to say yes to before anything is signed (B9, B10, X9).

Pure: from the policy, the frozen intent and what was paid before. An approval is bound to the
digest of the intent; another slot, attempt, amount or receiver has another digest (X6).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime

from runner.ethereum.address import Address, address_bytes
from runner.ethereum.calls import Call
from runner.ethereum.hashing import keccak256
from runner.ethereum.units import format_units
from runner.frozen import frozen
from runner.guard.intent import NATIVE, TransferLine, spent_by_token
from runner.policy.model import Above, Money, Schedule
from runner.scheduling.occurrence import Reason


@frozen
class Doubt:
    """Why so many persons are asked; `reason` is what the run is held for."""

    reason: Reason
    detail: str
    approvers: int = 1


@frozen
class History:
    """
    What was paid before, as far as it matters here.

    Attributes:
        anchored_at: When the schedule's trigger became what it is; None: it was never applied.
        last_paid: Due times of the newest paid slots of the schedule, the newest first, with the
            moments at which they were claimed; those an operator added are not among them.
        by_name: To which address each name of the policy was paid last.
        known: Addresses that were ever paid by the policy.
    """

    anchored_at: datetime | None
    last_paid: tuple[tuple[datetime, datetime], ...] = ()
    by_name: Mapping[str, Address] = field(default_factory=dict)
    known: frozenset[Address] = frozenset()

    @property
    def is_reseeded(self) -> bool:
        """Whether nothing was paid since the trigger became what it is, but something before."""
        return (
            self.anchored_at is not None
            and bool(self.last_paid)
            and self.last_paid[0][1] < self.anchored_at
        )

    def covers(self, lines: Iterable[TransferLine]) -> bool:
        """Whether nothing in here can raise a doubt about these lines, now or later."""
        same = all(self.by_name.get(line.receiver_name) == line.receiver for line in lines)
        return same and not self.is_reseeded


def intent_digest(schedule: str, slot: str, attempt: int, calls: Sequence[Call]) -> str:
    """What an approval is bound to: 32 bytes, 0x hex."""
    text = schedule.encode() + b"\0" + slot.encode() + b"\0" + attempt.to_bytes(4, "big")
    for call in calls:
        text += address_bytes(call.to) + call.value.to_bytes(32, "big")
        text += len(call.data).to_bytes(8, "big") + call.data
    return "0x" + keccak256(text).hex()


def doubts(
    schedule: Schedule,
    lines: Sequence[TransferLine],
    history: History,
    *,
    due_at: datetime,
    next_due: datetime | None,
    by_hand: bool,
    organisation: Above | None = None,
) -> tuple[Doubt, ...]:
    """
    All that asks for a person before this run is signed.

    Args:
        lines: What the frozen intent moves.
        next_due: The firing after this slot.
        by_hand: An operator has asked for this very slot: it is no near duplicate.
        organisation: What lies above the schedule's session.
    """
    found = list(above(schedule, lines, organisation))
    found += _receivers(schedule, lines, history)
    if not by_hand and (soon := too_soon(history, due_at=due_at, next_due=next_due)) is not None:
        found.append(Doubt(Reason.NEAR_DUPLICATE, soon))
    return tuple(found)


def above(
    schedule: Schedule, lines: Sequence[TransferLine], organisation: Above | None
) -> Iterator[Doubt]:
    """B9: from `approve_above` on, token by token; of the organisation's first."""
    if organisation is None and not schedule.approve_above:
        return
    sums = spent_by_token(lines)
    if organisation is not None:
        for bound in _reached(organisation.approve_above, sums):
            spent = _amount(sums[_token(bound)], bound)
            most = _amount(bound.amount, bound)
            detail = f"{spent} reaches approve_above of the organisation, {most}"
            if organisation.approvers > 1:
                detail += f": {organisation.approvers} persons have to approve"
            yield Doubt(Reason.APPROVAL, detail, organisation.approvers)
    for bound in _reached(schedule.approve_above, sums):
        spent, most = _amount(sums[_token(bound)], bound), _amount(bound.amount, bound)
        yield Doubt(Reason.APPROVAL, f"{spent} reaches approve_above, {most}")


def _reached(bounds: Iterable[Money], sums: Mapping[str, int]) -> Iterator[Money]:
    return (bound for bound in bounds if sums.get(_token(bound), 0) >= bound.amount)


def _receivers(
    schedule: Schedule, lines: Sequence[TransferLine], history: History
) -> Iterator[Doubt]:
    """B10: a name that was paid at another address, and one that was never paid."""
    bounds = schedule.new_receiver_above
    sums: dict[tuple[str, Address], list[TransferLine]] = {}
    for line in lines:
        sums.setdefault((line.receiver_name, line.receiver), []).append(line)
    for (name, address), mine in sums.items():
        before = history.by_name.get(name)
        if before == address or (before is None and address in history.known):
            continue
        asks = before is not None if bounds is None else _reaches(bounds, mine)
        if asks:
            what = f"was {before} when it was last paid" if before else "was never paid"
            yield Doubt(Reason.NEW_RECEIVER, f"{name} is {address}, and {what}")


def _reaches(bounds: Iterable[Money], lines: Sequence[TransferLine]) -> bool:
    """Whether one of these amounts is reached; a token without one always is."""
    least = {_token(one): one.amount for one in bounds}
    return any(spent >= least.get(token, 0) for token, spent in spent_by_token(lines).items())


def too_soon(history: History, *, due_at: datetime, next_due: datetime | None) -> str | None:
    """
    X9: the first slot of a changed trigger, closer to the last paid one than half a period.

    The old period is the distance of the last two paid slots, the new one that to the next.
    """
    if not history.is_reseeded or due_at <= history.last_paid[0][0]:
        return None
    last = history.last_paid[0][0]
    periods = [] if next_due is None else [next_due - due_at]
    periods += [last - before for before, _ in history.last_paid[1:2] if last > before]
    if not periods or due_at - last >= min(periods) / 2:
        return None
    return (
        f"the trigger was changed, and its first slot is {due_at - last} after the last paid one, "
        f"{last:%Y-%m-%d %H:%MZ}: less than half of {min(periods)}"
    )


def _token(money: Money) -> str:
    return money.asset.address or NATIVE


def _amount(base_units: int, like: Money) -> str:
    return f"{format_units(base_units, like.asset.decimals)} {like.asset.name}"
