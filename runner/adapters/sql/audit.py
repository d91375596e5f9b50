"""
Does the ledger tell one whole story? Chains of events, its own laws, and the calendar.

Nothing here is repaired: each finding names the rule, the row, and what is wrong with it.

Source: SEMANTICS S1, S2, X1, X3, M6, B3, H9.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from runner.adapters.sql import tables as t
from runner.adapters.sql.store import event_message
from runner.adapters.vault import Vault
from runner.errors import EncodingError
from runner.ethereum.address import Address
from runner.ethereum.nonce import decode_nonce
from runner.frozen import frozen
from runner.records import OperationKind, OperationStatus, RunKind
from runner.scheduling.occurrence import CLOSED, Reason, State, is_running, nonce_key, run_id
from runner.scheduling.triggers import Timetable

_MOST = 1_000_000
"""Slots of one schedule that are compared with its rows; more would take minutes."""


@frozen
class Flaw:
    """Something that cannot be so: by which rule, on which row, and what it is."""

    rule: str
    subject: str
    detail: str


@frozen
class Head:
    """The newest event of a chain: who has it elsewhere knows later that nothing was cut off."""

    incarnation: str
    seq: int
    at: datetime
    mac: str


# ── the chains of events (H9) ─────────────────────────────────────────────────────────────────


def chains(connection: Connection, vault: Vault) -> tuple[list[Head], list[Flaw]]:
    """
    Recompute every chain by its HMAC.

    Returns:
        The head of each chain, oldest first, and every place where one breaks. A chain begins
        with the head that was there before it, so one that was cut off is missed by the next.
    """
    heads: list[Head] = []
    flaws: list[Flaw] = []
    began: dict[str, str] = {}
    keys = event_keys(connection, vault)
    order = select(t.incarnations.c.id).order_by(t.incarnations.c.started_at)
    for incarnation in connection.scalars(order).all():
        head, flaw, found = _chain(connection, keys, incarnation)
        if flaw is not None:
            flaws.append(flaw)
        if head is not None:
            heads.append(head)
        began |= found
    known = {head.incarnation: head.mac for head in heads}
    macs = {row.mac.hex() for row in connection.execute(select(t.events.c.mac))}
    for incarnation, mac in began.items():
        if incarnation not in known or mac not in macs:
            detail = f"the chain after it began at {mac[:16]}…, which is not there"
            flaws.append(Flaw("H9", incarnation, detail))
    return heads, flaws


def event_keys(connection: Connection, vault: Vault) -> list[bytes]:
    """The key of today's events, and those of keys that were in force before (see rekey.py)."""
    rows = connection.execute(
        select(t.meta.c.key, t.meta.c.value).where(t.meta.c.key.startswith(EVENT_KEY))
    )
    earlier = [
        vault.open(bytes.fromhex(row.value), table="meta", column="value", row=row.key)
        for row in rows
    ]
    return [vault.event_key, *earlier]


EVENT_KEY = "event_key:"
"""Rows of `meta`: the key by which the events of an earlier secret key are checked, sealed."""


def _chain(
    connection: Connection, keys: Sequence[bytes], incarnation: str
) -> tuple[Head | None, Flaw | None, dict[str, str]]:
    query = select(t.events).where(t.events.c.incarnation == incarnation).order_by(t.events.c.seq)
    head: Head | None = None
    began: dict[str, str] = {}
    mac, key = b"", None
    for number, row in enumerate(connection.execute(query), 1):
        if row.seq != number:
            return head, Flaw("H9", f"{incarnation}:{number}", "this event is missing"), began
        message = event_message(incarnation, row.seq, row.at, row.kind, row.subject, row.data)
        if key is None:
            fits = (one for one in keys if Vault.mac(one, mac + message) == row.mac)
            key = next(fits, keys[0])
            began = _heads_found(row)
        mac = Vault.mac(key, mac + message)
        if mac != row.mac:
            flaw = Flaw("H9", f"{incarnation}:{number}", f"`{row.kind}` is not as it was written")
            return head, flaw, began
        head = Head(incarnation, row.seq, row.at, mac.hex())
    if head is None:
        return None, Flaw("H9", incarnation, "it has no events at all"), began
    return head, None, began


def _heads_found(row: Row[Any]) -> dict[str, str]:
    found = json.loads(row.data).get("heads", {})
    return found if isinstance(found, dict) else {}


# ── its own laws ──────────────────────────────────────────────────────────────────────────────


def laws(connection: Connection) -> list[Flaw]:
    """Fences, ends of runs, attempts, budgets: what every ledger of ours keeps."""
    runs = {row.id: row for row in connection.execute(_runs())}
    operations: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(select(t.operations)):
        operations[row.run].append(row)
    return [
        *_fences(connection, runs, operations),
        *_ends(runs, operations),
        *_attempts(connection, runs),
        *_budgets(connection),
    ]


def _runs() -> Any:
    return select(t.runs, t.occurrences.c.slot).join_from(
        t.runs, t.occurrences, t.runs.c.occurrence == t.occurrences.c.id, isouter=True
    )


def _fences(
    connection: Connection, runs: Mapping[str, Any], operations: Mapping[str, list[Any]]
) -> Iterator[Flaw]:
    fences = {
        row.run: (row.chain, row.sender, row.nonce) for row in connection.execute(select(t.fences))
    }
    for run, signed in operations.items():
        if run not in runs:
            yield Flaw("X1", run, "operations of a run that is not there")
            continue
        if {(one.chain, one.sender, one.nonce) for one in signed} != {fences.get(run)}:
            yield Flaw("X1", run, "its operations do not all stand on its one fence")
        if runs[run].kind != RunKind.PAYMENT.value:
            continue
        one, nonce = signed[0], decode_nonce(signed[0].nonce)
        if nonce.parallel != _key(one, run) or nonce.sequence != 0:
            yield Flaw("S2", run, "its nonce is not the one that follows from its slot")
    for run in fences.keys() - operations.keys():
        yield Flaw("X1", run, "a fence without a signed operation")
    for row in runs.values():
        pending = {State.SIGNED, State.SENT, State.UNKNOWN, State.INCLUDED, State.SUCCESS}
        if State(row.state) in pending and row.id not in operations:
            yield Flaw("X5", row.id, f"it is {row.state}, and nothing is signed")


def _key(operation: Any, run: str) -> int | None:
    try:
        return nonce_key(operation.chain, Address(operation.sender), bytes.fromhex(run[2:]))
    except (EncodingError, ValueError):
        return None


def _ends(runs: Mapping[str, Any], operations: Mapping[str, list[Any]]) -> Iterator[Flaw]:
    won = {OperationStatus.SUCCESS.value, OperationStatus.REVERTED.value}
    for row in runs.values():
        state, reason = State(row.state), Reason(row.reason) if row.reason else None
        if (row.closed_at is not None) != (state in CLOSED):
            yield Flaw("X13", row.id, f"it is {state}, and its end says otherwise")
        if bool(row.running) != is_running(state, reason):
            yield Flaw("M7", row.id, f"it is {state}, and counts as running: {row.running}")
        winners = [one for one in operations.get(row.id, ()) if one.status in won]
        if len(winners) > 1:
            yield Flaw("X1", row.id, f"{len(winners)} operations of one fence were included")
        if row.kind != RunKind.PAYMENT.value:
            continue
        wanted = _winner(state, reason)
        found = {(one.kind, one.status) for one in winners}
        if wanted is not None and found != wanted:
            yield Flaw("X12", row.id, f"it is {state}, its operations say {sorted(found)}")


def _winner(state: State, reason: Reason | None) -> set[tuple[str, str]] | None:
    paid = OperationKind.PAYMENT.value
    if state is State.SUCCESS:
        return {(paid, OperationStatus.SUCCESS.value)}
    if state is State.REVERTED:
        return {(paid, OperationStatus.REVERTED.value)}
    if state is State.NOT_INCLUDED and reason is not Reason.BURNED:
        return set()
    return None


def _attempts(connection: Connection, runs: Mapping[str, Any]) -> Iterator[Flaw]:
    by_part: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for row in runs.values():
        if row.kind != RunKind.PAYMENT.value:
            continue
        identity = run_id(row.schedule, row.slot or "?", part=row.part, attempt=row.attempt)
        if row.id != "0x" + identity.hex():
            yield Flaw("S1", row.id, "its id is not that of its schedule, slot and attempt")
        by_part[row.occurrence, row.part].append(row)
    for tries in by_part.values():
        tries.sort(key=lambda row: row.attempt)
        if [row.attempt for row in tries] != list(range(1, len(tries) + 1)):
            yield Flaw("S4", tries[0].id, "an attempt of its slot is missing")
        open_ = [row.id for row in tries[:-1] if State(row.state) not in CLOSED]
        if open_:
            yield Flaw("S4", open_[0], "tried again before it was closed")
        paid = [row for row in tries if row.state == State.SUCCESS.value]
        if len(paid) > 1:
            yield Flaw("S1", paid[1].id, f"slot {paid[0].slot} of {paid[0].schedule} is paid twice")
    claimed = (
        select(t.occurrences)
        .join(t.runs, t.runs.c.occurrence == t.occurrences.c.id, isouter=True)
        .where(t.occurrences.c.decision == State.CLAIMED.value, t.runs.c.id.is_(None))
    )
    for row in connection.execute(claimed):
        yield Flaw("S3", f"{row.schedule} {row.slot}", "claimed, and it has no run")


def _budgets(connection: Connection) -> Iterator[Flaw]:
    """B3: what budgets hold is what runs have reserved and spent, history before them aside."""
    sums: Counter[tuple[str, str, str, str]] = Counter()
    for row in connection.execute(select(t.reservations)):
        sums[row.budget, row.period, row.token, row.state] += row.amount
    for row in connection.execute(select(t.budgets)):
        place = (row.budget, row.period, row.token)
        if row.reserved != sums[(*place, "reserved")]:
            detail = f"{row.reserved} reserved, the runs say {sums[(*place, 'reserved')]}"
            yield Flaw("B3", " ".join(place), detail)
        if row.spent < sums[(*place, "spent")]:
            detail = f"{row.spent} spent, the runs say {sums[(*place, 'spent')]}"
            yield Flaw("B3", " ".join(place), detail)


# ── the calendar (M6) ─────────────────────────────────────────────────────────────────────────


def anchors(connection: Connection) -> dict[str, datetime]:
    """From when on each schedule of the ledger counts."""
    query = select(t.schedules.c.uid, t.schedules.c.anchor)
    return {row.uid: row.anchor for row in connection.execute(query)}


def calendar(
    connection: Connection, tables: Mapping[str, tuple[str, Timetable]]
) -> tuple[int, list[Flaw]]:
    """
    Every slot up to the last decided has one row, or a place in one range row.

    Args:
        tables: By uid, the trigger's text and its timetable from the policies in force. A schedule
            whose trigger has changed since is looked at from that change on, one that is gone not
            at all: nobody knows its calendar.

    Returns:
        How many slots were looked at, and what is wrong.
    """
    looked, flaws = 0, []
    for row in connection.execute(select(t.schedules)):
        if row.uid not in tables or tables[row.uid][0] != row.trigger:
            continue
        count, found = _compare(connection, row, tables[row.uid][1])
        looked += count
        flaws += found
    return looked, flaws


def _compare(connection: Connection, schedule: Any, table: Timetable) -> tuple[int, list[Flaw]]:
    o = t.occurrences
    until = schedule.decided_until
    if schedule.state == "completed":  # nothing is decided after its end (T9)
        newest = func.max(func.coalesce(o.c.last_due_at, o.c.due_at))
        last = connection.scalar(select(newest).where(o.c.schedule == schedule.uid))
        until = schedule.anchor if last is None else min(last, until)
    rows = connection.execute(select(o).where(o.c.schedule == schedule.uid)).all()
    single = {row.slot for row in rows if row.last_slot is None}
    ranges = [row for row in rows if row.last_slot is not None]
    inside: Counter[int] = Counter()
    flaws, count = [], 0
    for slot in table.slots(schedule.anchor):
        if slot.due_at > until or count >= _MOST:
            break
        count += 1
        within = [r for r in ranges if r.due_at <= slot.due_at <= r.last_due_at]
        # A range has the slots that nobody decided alone: it may be laid around others.
        if slot.text not in single and not within:
            flaws.append(Flaw("M6", f"{schedule.uid} {slot.text}", "nobody decided this slot"))
        elif slot.text not in single:
            inside[within[0].id] += 1
    for row in ranges:
        told_count = row._mapping["count"]  # a row is a tuple, whose `count` is another thing
        if row.due_at > schedule.anchor and inside[row.id] != told_count:
            told = f"a range of {told_count} slots, the calendar has {inside[row.id]} there"
            flaws.append(Flaw("M6", f"{schedule.uid} {row.slot}", told))
    return count, flaws
