"""
Occurrences: what a slot is called, which states a run goes through, and why.

A slot's text is half of an occurrence's identity; the other half is the schedule's uid. Both
halves are hashed into the run id and from there into the nonce key, so a slot that is computed
twice can be paid only once. Jitter, zone data and the order of decisions are no part of it.

Source: SEMANTICS section 1 (states, reasons, legal moves), S1, S2, X3, X8, X11, X13.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from runner.errors import EncodingError
from runner.ethereum.address import Address, address_bytes
from runner.ethereum.hashing import keccak256
from runner.frozen import frozen


class State(StrEnum):
    """How far a run has come, or what was decided about its slot."""

    CLAIMED = "claimed"
    HELD = "held"
    PREPARED = "prepared"
    SIGNED = "signed"
    SENT = "sent"
    INCLUDED = "included"
    UNKNOWN = "unknown"
    SUCCESS = "success"
    REVERTED = "reverted"
    NOT_INCLUDED = "not_included"
    SKIPPED = "skipped"
    MISSED = "missed"
    SUPERSEDED = "superseded"


class Reason(StrEnum):
    """Why a state was entered: a closed list. Which reason goes with which state: `REASONS`."""

    APPROVAL = "approval"
    NEW_RECEIVER = "new_receiver"
    NEAR_DUPLICATE = "near_duplicate"
    GUARD = "guard"
    GRANT = "grant"
    PREFLIGHT = "preflight"
    BUDGET = "budget"
    OVERLAP = "overlap"
    PAUSED = "paused"
    BLACKOUT = "blackout"
    RETRY = "retry"
    EVIDENCE = "evidence"
    DST_GAP = "dst_gap"
    DST_MERGED = "dst_merged"
    REMOVED = "removed"
    OPERATOR = "operator"
    NOTHING_TO_DO = "nothing_to_do"
    LATE = "late"
    DEADLINE = "deadline"
    CATCH_UP = "catch_up"
    EXPIRED = "expired"
    BURNED = "burned"
    UNINSTALLED = "uninstalled"
    PAID_DIFFERENTLY = "paid_differently"


OPEN: Final = frozenset(
    {
        State.CLAIMED,
        State.HELD,
        State.PREPARED,
        State.SIGNED,
        State.SENT,
        State.INCLUDED,
        State.UNKNOWN,
    }
)
"""States that still need work or watching."""

CLOSED: Final = frozenset(State) - OPEN
"""States that end a run or settle a slot."""

RUNNING: Final = OPEN
"""States that count for overlap (M7). held(overlap) is the exception: see `is_running`."""

UNSIGNED: Final = frozenset({State.CLAIMED, State.HELD, State.PREPARED})
"""Open states in which nothing of the attempt is signed; held(evidence) is the exception."""

PENDING: Final = frozenset({State.SIGNED, State.SENT, State.UNKNOWN, State.INCLUDED})
"""Open states behind the point of no return (X5): only evidence ends them."""

DECIDED_AGAINST: Final = frozenset({State.SKIPPED, State.MISSED, State.SUPERSEDED})
"""Closed states in which nothing was signed; an operator verb may reopen them (X11)."""

_HOLDS: Final = frozenset(
    {
        Reason.APPROVAL,
        Reason.NEW_RECEIVER,
        Reason.NEAR_DUPLICATE,
        Reason.GUARD,
        Reason.GRANT,
        Reason.PREFLIGHT,
        Reason.BUDGET,
        Reason.OVERLAP,
        Reason.PAUSED,
        Reason.BLACKOUT,
        Reason.RETRY,
        Reason.EVIDENCE,
    }
)
_SKIPS: Final = frozenset(
    {
        Reason.PAUSED,
        Reason.OVERLAP,
        Reason.BUDGET,
        Reason.BLACKOUT,
        Reason.GRANT,
        Reason.DST_GAP,
        Reason.DST_MERGED,
        Reason.REMOVED,
        Reason.OPERATOR,
        Reason.NOTHING_TO_DO,
    }
)
# A hold whose catch-up window ended is missed for the reason of the hold. Evidence is the
# exception: something is signed then, and only the chain may end it.
_MISSES: Final = (_HOLDS - {Reason.EVIDENCE}) | {Reason.LATE, Reason.DEADLINE, Reason.DST_GAP}
_DEATHS: Final = frozenset({Reason.EXPIRED, Reason.BURNED, Reason.UNINSTALLED})

REASONS: Final[Mapping[State, frozenset[Reason | None]]] = MappingProxyType(
    {
        **dict.fromkeys(OPEN - {State.HELD}, frozenset({None})),
        State.HELD: _HOLDS,
        State.SUCCESS: frozenset({None, Reason.PAID_DIFFERENTLY}),
        State.REVERTED: frozenset({None}),
        State.NOT_INCLUDED: _DEATHS,
        State.SKIPPED: _SKIPS,
        State.MISSED: _MISSES,
        State.SUPERSEDED: frozenset({Reason.CATCH_UP, Reason.OVERLAP}),
    }
)
"""The reasons that each state may carry; None where the state speaks for itself."""


def is_running(state: State, reason: Reason | None = None) -> bool:
    """Tell whether a run stands in the way of its schedule's next one (M7)."""
    return state in RUNNING and reason is not Reason.OVERLAP


@frozen
class Slot:
    """
    One firing of a schedule, or a wall time that does not fire and still gets its row.

    Attributes:
        text: The slot's name, half of its identity.
        due_at: The nominal instant, UTC.
        fire_at: `due_at` and the jitter; lateness counts from here.
        local: `due_at` as the schedule's zone shows it, RFC 3339 with offset.
        verdict: Why it does not fire (dst_gap, dst_merged); None: it fires.
        closes_as: The state that goes with a verdict: skipped, or missed under `dst_gap: fail`.
    """

    text: str
    due_at: datetime
    fire_at: datetime
    local: str
    verdict: Reason | None = None
    closes_as: State | None = None


# ── slot texts ────────────────────────────────────────────────────────────────────────────────


@frozen
class CalendarSlot:
    """A wall time, naive; `fold` 1 names the second firing of one wall time (X8)."""

    local: datetime
    fold: int = 0

    @property
    def text(self) -> str:
        return format_calendar_slot(self.local, self.fold)


@frozen
class InstantSlot:
    """A firing of `every` or `at`: the instant is its name."""

    instant: datetime

    @property
    def text(self) -> str:
        return format_instant_slot(self.instant)


@frozen
class ExtraSlot:
    """A payment added by an operator, named by the key given (O4)."""

    key: str

    @property
    def text(self) -> str:
        return format_extra_slot(self.key)


def format_calendar_slot(local: datetime, fold: int = 0) -> str:
    """Name a wall time: `2026-12-01T09:00:00#0`. `local` is naive, in whole seconds."""
    if local.tzinfo is not None or local.microsecond or fold not in (0, 1):
        raise EncodingError(f"{local!r} with fold {fold} is no wall-clock slot")
    return f"{local.isoformat()}#{fold}"


def format_instant_slot(instant: datetime) -> str:
    """Name an instant: `2026-12-01T00:00:00Z`. `instant` is aware, in whole seconds."""
    if instant.tzinfo is None or instant.microsecond:
        raise EncodingError(f"{instant!r} is no instant in whole seconds")
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


_KEY = re.compile(r"[!-~](?:[ -~]{0,198}[!-~])?")


def format_extra_slot(key: str) -> str:
    """Name an extra run: `extra:KEY`, the key 1 to 200 printable ASCII characters."""
    if _KEY.fullmatch(key) is None:
        raise EncodingError(
            "the key of an extra run is 1 to 200 printable ASCII characters, no space at its ends"
        )
    return f"extra:{key}"


_CALENDAR = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:#([01]))?", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


def parse_slot(text: str) -> CalendarSlot | InstantSlot | ExtraSlot:
    """
    Read a slot as an operator names it: `#0` and seconds may be left out, any offset will do.

    Raises:
        EncodingError: `text` names neither a wall time, nor an instant, nor an extra run.
    """
    if text.startswith("extra:"):
        slot = ExtraSlot(text.removeprefix("extra:"))
        format_extra_slot(slot.key)
        return slot
    try:
        if _INSTANT.fullmatch(text):
            return InstantSlot(datetime.fromisoformat(text).astimezone(UTC))
        if match := _CALENDAR.fullmatch(text):
            return CalendarSlot(datetime.fromisoformat(match[1]), int(match[2] or 0))
    except (ValueError, OverflowError) as error:
        raise EncodingError(f"slot `{text}`: {error}") from error
    raise EncodingError(
        f"`{text}` is no slot",
        hint="write 2026-12-01T09:00:00#0, 2026-12-01T00:00:00Z or extra:KEY",
    )


# ── identity on chain ─────────────────────────────────────────────────────────────────────────

_UINT32 = 1 << 32


def run_id(uid: str, slot: str, *, part: int = 0, attempt: int) -> bytes:
    """
    Name one attempt at one part of an occurrence, in 32 bytes.

    Args:
        uid: `policy/schedule` as first applied.
        slot: The slot's text.
        attempt: Counts from 1.

    Raises:
        EncodingError: a number out of range, or a NUL, which separates the texts.

    Source: SEMANTICS S1.
    """
    if not 0 <= part < _UINT32 or not 1 <= attempt < _UINT32:
        raise EncodingError(f"part {part}, attempt {attempt}: out of range")
    if not uid or not slot or "\0" in uid + slot:
        raise EncodingError("a uid and a slot are texts without NUL, and not empty")
    texts = uid.encode() + b"\0" + slot.encode() + b"\0"
    return keccak256(texts + part.to_bytes(4, "big") + attempt.to_bytes(4, "big"))


def nonce_key(chain_id: int, account: Address, run: bytes) -> int:
    """
    The 152-bit parallel part of the nonce that a run's operations carry.

    Raises:
        EncodingError: `run` has not 32 bytes, or the chain id is no uint256.

    Source: SEMANTICS S2.
    """
    if len(run) != 32 or not 0 < chain_id < 1 << 256:
        raise EncodingError("a nonce key needs a chain id and a run id of 32 bytes")
    digest = keccak256(
        b"runner/run/v1" + chain_id.to_bytes(32, "big") + address_bytes(account) + run
    )
    return int.from_bytes(digest[:19], "big")
