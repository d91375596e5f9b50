"""One whole story, for people: a run from its slot to its block; a session's grants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from runner.errors import EncodingError
from runner.ethereum.abi import Function, decode_call, parse_function
from runner.ethereum.calls import Call
from runner.ethereum.erc20 import decode_approve, decode_transfer
from runner.ethereum.units import format_units
from runner.frozen import frozen
from runner.guard.intent import NATIVE, TransferLine
from runner.policy.model import Invoke, Policy
from runner.reporting.health import session_status
from runner.reporting.lists import is_short
from runner.reporting.text import (
    NOTHING,
    Cell,
    Look,
    Row,
    Tone,
    amount,
    away,
    brief,
    clean,
    plural,
    span,
    stamp,
    state_cell,
    table,
    wrapped,
)
from runner.reporting.views import Entry, EventView, GrantView, OperationView, RunView
from runner.reporting.words import CONDITIONS, checked, label, meaning

_COIN_DECIMALS = 18
_HIDDEN = frozenset(
    {
        "reason",
        "detail",
        "attempt",
        "success",
        "count",
        "slot",
        "nonce",
        "chain",
        "transaction",
        "findings",
        "checked",
    }
)
"""Facts of events that the page shows in a better place, or in words."""


@frozen
class Names:
    """
    What addresses and selectors are called, for showing calls: nothing is decided by it.

    Attributes:
        functions: By contract and selector, from the policies in force.
    """

    lines: Sequence[TransferLine] = ()
    functions: Mapping[tuple[str, bytes], Function] | None = None

    def token(self, address: str) -> TransferLine | None:
        """A line that knows this token's symbol and decimals."""
        return next(
            (one for one in self.lines if one.token == address and one.kind != "observed"), None
        )

    def person(self, address: str) -> str:
        """The receiver's name with its address; the address alone if it has no name."""
        found = (one.receiver_name for one in self.lines if one.receiver == address)
        name = next((name for name in found if name != address), None)
        return f"{name} ({address})" if name else address


def functions_of(policies: Iterable[Policy]) -> dict[tuple[str, bytes], Function]:
    """The signatures that the policies in force know, for showing calls by name."""
    found: dict[tuple[str, bytes], Function] = {}
    for policy in policies:
        for spec in policy.schedules.values():
            for call in spec.calls:
                if isinstance(call, Invoke):
                    function = parse_function(call.function)
                    found[call.contract, function.selector] = function
    return found


# ── a run ─────────────────────────────────────────────────────────────────────────────────────


def run_story(
    entry: Entry,
    timeline: Sequence[EventView],
    look: Look,
    *,
    now: datetime,
    functions: Mapping[tuple[str, bytes], Function] | None = None,
) -> list[str]:
    """What it is and means, what it pays, its operations, and everything that happened."""
    lines = [*_head(entry, look, now)]
    run = entry.newest
    if run is not None:
        names = Names(run.lines, functions)
        if run.lines:
            lines += ["", *_title("Moves", look), *_moves(run.lines)]
        if run.intent:
            lines += ["", *_title("Calls", look)]
            lines += [
                f"  {number}. {clean(describe(call, names))}"
                for number, call in enumerate(run.intent, start=1)
            ]
        if entry.operations:
            lines += ["", *_title("Operations", look), *_operations(entry, look)]
    lines += _checks(timeline, look)
    lines += _refusals(timeline, look)
    if timeline:
        lines += ["", *_title("Timeline", look), *_timeline(timeline, look)]
    return lines


def _title(text: str, look: Look) -> Iterator[str]:
    yield look.tint(text.upper(), Tone.DIM)


def _head(entry: Entry, look: Look, now: datetime) -> Iterator[str]:
    run, row = entry.newest, entry.occurrence
    said = meaning(entry.state, entry.reason)
    tone = state_cell(entry.state).tone
    first, *rest = wrapped(f"{label(entry.state, entry.reason)}: it {said.what}", look)
    head, _, tail = first.partition(":")
    yield f"{look.tint(head, tone)}:{tail}"
    yield from rest
    if run is not None and run.detail:
        yield from wrapped(f"  {run.detail}", look, indent="  ")
    if said.todo:
        yield from _to_do(said.todo, look)
    yield ""
    pairs = [("id", entry.id)]
    if row is not None:
        pairs += [("schedule", row.schedule), ("slot", row.slot)]
        if row.count > 1:
            pairs.append(("slots", f"{row.count}, the last one due {stamp(row.last_due_at)}"))
        if row.by_slot:
            pairs.append(("instead", row.by_slot))
    pairs.append(("due", f"{stamp(entry.due_at, seconds=True)} ({away(entry.due_at, now)})"))
    if run is not None:
        served = f", generation {run.generation}" if run.generation is not None else ""
        pairs.append(("session", f"{run.session}{served}"))
        pairs.append(("attempt", str(run.attempt)))
        if run.open and run.deadline_at is not None:
            pairs.append(("deadline", f"{stamp(run.deadline_at)} ({away(run.deadline_at, now)})"))
        if run.state == "held" and run.expires_at is not None:
            pairs.append(("waits until", f"{stamp(run.expires_at)} ({away(run.expires_at, now)})"))
        if run.closed_at is not None:
            took = f"{span(run.closed_at - run.claimed_at)} after its claim"
            pairs.append(("closed", f"{stamp(run.closed_at, seconds=True)}, {took}"))
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        yield f"  {look.tint(name.ljust(width), Tone.DIM)}  {clean(value)}"


def _to_do(text: str, look: Look) -> Iterator[str]:
    first, *rest = wrapped(f"  to do: {text}", look, indent="  ")
    yield first.replace("to do:", look.tint("to do:", Tone.WARN), 1)
    yield from rest


def _moves(lines: Sequence[TransferLine]) -> Iterator[str]:
    for line in lines:
        notes = [line.memo, line.ref]
        if line.kind == "approve":
            notes.insert(0, "an approval: moves nothing by itself")
        elif line.kind == "observed":
            notes.insert(0, "seen in the receipt, not asked for")
        shown = ", ".join(note for note in notes if note)
        what = f"{amount(line.amount, line.decimals, line.symbol)} → {line.receiver_name}"
        address = "" if line.receiver_name == line.receiver else f"  {line.receiver}"
        yield clean(f"  {what}{address}" + (f"  ({shown})" if shown else ""))


def describe(call: Call, names: Names) -> str:
    """One call in words: a transfer, an approval, a known function, or target and selector."""
    coin = f" with {format_units(call.value, _COIN_DECIMALS)} of the coin" if call.value else ""
    if not call.data:
        line = names.token(NATIVE)
        symbol = line.symbol if line else "of the coin"
        return f"{format_units(call.value, _COIN_DECIMALS)} {symbol} → {names.person(call.to)}"
    if (moved := decode_transfer(call.data)) is not None:
        return f"transfer {_of(names, call.to, moved[1])} → {names.person(moved[0])}{coin}"
    if (allowed := decode_approve(call.data)) is not None:
        return f"approve {_of(names, call.to, allowed[1])} for {names.person(allowed[0])}{coin}"
    function = (names.functions or {}).get((call.to, call.data[:4]))
    if function is not None:
        try:
            arguments = decode_call(function, call.data)
        except EncodingError:
            pass  # shown by its selector below: the policy has changed since
        else:
            written = ", ".join(_argument(value) for value in arguments)
            name = function.signature.partition("(")[0]
            return f"{names.person(call.to)}.{name}({written}){coin}"
    size = plural(len(call.data), "byte")
    return f"{names.person(call.to)} selector 0x{call.data[:4].hex()}, {size}{coin}"


def _of(names: Names, token: str, base_units: int) -> str:
    known = names.token(token)
    if known is None:
        return f"{base_units} base units of {token}"
    return amount(base_units, known.decimals, known.symbol)


def _argument(value: Any) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return "(" + ", ".join(_argument(one) for one in value) + ")"
    return str(value)


def _operations(entry: Entry, look: Look) -> Iterator[str]:
    for run, one in entry.operations:
        state = look.tint(one.status, state_cell(one.status).tone)
        kind = "" if one.kind == "payment" else f"{one.kind}, "
        yield f"  {state}  {kind}attempt {run.attempt}, signed {stamp(one.signed_at, seconds=True)}"
        for name, value in _facts(run, one):
            yield f"    {look.tint(name.ljust(11), Tone.DIM)}  {clean(value)}"


def _facts(run: RunView, one: OperationView) -> Iterator[tuple[str, str]]:
    del run
    yield "operation", one.hash
    yield "call id", one.call_id
    yield "sender", f"{one.sender} on chain {one.chain}"
    yield "nonce", hex(one.nonce)
    if one.block_number is not None:
        yield "block", f"{one.block_number}, {stamp(one.block_at, seconds=True)}"
    if one.transaction_hash is not None:
        yield "transaction", one.transaction_hash
    payer = "sponsored" if one.sponsored else "paid by the account"
    if one.gas_cost is not None:
        yield "fee", f"{format_units(one.gas_cost, _COIN_DECIMALS)} of the coin, {payer}"
    else:
        yield "fee", f"at most {format_units(one.max_cost, _COIN_DECIMALS)} of the coin, {payer}"
    if one.detail:
        yield "detail", one.detail


def _checks(timeline: Sequence[EventView], look: Look) -> Iterator[str]:
    """What the guard looked at before each signature of this run: as it was recorded then."""
    for event in timeline:
        rules = checked(str(event.data.get("checked") or ""))
        if rules:
            yield from ("", *_title("Checked before it was signed", look))
            kind = event.kind.rpartition(".")[2]
            yield f"  {kind}, {stamp(event.at, seconds=True)}: {len(rules)} rules, all held"
            width = max(len(rule) for rule, _ in rules)
            for rule, said in rules:
                yield f"    {look.tint(clean(rule).ljust(width), Tone.DIM)}  {said}"


def _refusals(timeline: Sequence[EventView], look: Look) -> Iterator[str]:
    """What the guard refused last."""
    refused = [event for event in timeline if event.data.get("findings")]
    for event in refused[-1:]:
        yield from ("", *_title("Refused by the guard", look), *_refusal(event, look))


def _refusal(event: EventView, look: Look) -> Iterator[str]:
    """Field by field: what was asked, and what was offered for signature."""
    yield f"  {stamp(event.at, seconds=True)}  {clean(str(event.data.get('detail', '')))}"
    for finding in event.data["findings"]:
        yield f"  {look.tint(clean(str(finding['rule'])), Tone.BAD)}"
        for name in ("asked", "offered"):
            label = look.tint(name.ljust(7), Tone.DIM)
            yield f"    {label}  {clean(str(finding[name]))}"


def _timeline(timeline: Iterable[EventView], look: Look) -> list[str]:
    rows: list[Row] = [
        [stamp(one.at, seconds=True), Cell(one.kind, _event_tone(one.kind)), told(one.data)]
        for one in timeline
    ]
    lines = table(["", "", ""], rows, look, flexible=(2,))[1:]
    return [f"  {line}" for line in lines]


def _event_tone(kind: str) -> Tone:
    return state_cell(kind.partition(".")[2]).tone


def told(data: Mapping[str, Any]) -> str:
    """What an event says besides its kind."""
    words = [str(data[key]) for key in ("reason", "detail") if data.get(key)]
    if data.get("attempt", 1) != 1:
        words.append(f"attempt {data['attempt']}")
    if data.get("success") is False:
        words.append("reverted")
    words += [
        f"{key} {brief(str(value))}"
        for key, value in data.items()
        if key not in _HIDDEN and value not in (None, "", False)
    ]
    return ", ".join(words)


# ── a session ─────────────────────────────────────────────────────────────────────────────────


def session_story(
    uid: str,
    grants: Sequence[GrantView],
    timeline: Sequence[EventView],
    look: Look,
    *,
    now: datetime,
    over: bool = False,
) -> list[str]:
    """The condition of a session, its newest generation in full, and all generations."""
    status = session_status(uid, grants, now, over=over)
    said = CONDITIONS[status.condition]
    tone = Tone.GOOD if status.condition in {"Ready", "Renewing", "Over"} else Tone.BAD
    lines = [f"{uid}: {look.tint(status.condition, tone)}, {said.what}"]
    if said.todo:
        lines += _to_do(said.todo.replace("SESSION", uid), look)
    shown = status.grant or (grants[-1] if grants else None)
    if shown is not None:
        lines += ["", *_title(f"Generation {shown.generation}", look), *_grant(shown, look, now)]
        lines += [
            "",
            *_title("May", look),
            *(f"  {permission_text(one)}" for one in shown.permissions),
        ]
    if grants:
        short = any(is_short(one) for one in grants)
        rows: list[Row] = [
            [
                str(one.generation),
                state_cell(one.state),
                stamp(one.requested_at, seconds=short),
                stamp(one.activated_at, seconds=short),
                stamp(one.expires_at, seconds=short),
                one.detail or "",
            ]
            for one in reversed(grants)
        ]
        header = ["GEN", "STATE", "ASKED FOR", "ACTIVE SINCE", "ENDS", "DETAIL"]
        lines += ["", *table(header, rows, look, flexible=(5,), right=(0,))]
    lines += _refusals(timeline, look)
    if timeline:
        lines += ["", *_title("Timeline", look), *_timeline(timeline[-20:], look)]
    return lines


def _grant(one: GrantView, look: Look, now: datetime) -> Iterator[str]:
    renews, short = NOTHING, is_short(one)
    if one.next_renewal_at is not None:
        renews = f"{stamp(one.next_renewal_at, seconds=short)} ({away(one.next_renewal_at, now)})"
    pairs = [
        ("state", one.state),
        ("ends", f"{stamp(one.expires_at, seconds=short)} ({away(one.expires_at, now)})"),
        ("renews", renews),
        ("account", f"{one.account} on chain {one.chain}, wallet {one.wallet}"),
        ("session key", one.key_address),
        ("entity", NOTHING if one.entity_id is None else str(one.entity_id)),
        ("session id", one.session_id or NOTHING),
    ]
    for name, value in pairs:
        yield f"  {look.tint(name.ljust(11), Tone.DIM)}  {clean(value)}"


def permission_text(row: Mapping[str, Any]) -> str:
    """A permission of a grant, in a line."""
    rest = ", ".join(f"{key} {value}" for key, value in row.items() if key != "type")
    return clean(f"{row.get('type')}" + (f": {rest}" if rest else ""))
