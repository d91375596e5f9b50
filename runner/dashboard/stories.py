"""One run, and one session, in full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from markupsafe import Markup

from runner.adapters.sql import measures, reading
from runner.dashboard import plots, shown, views
from runner.dashboard.source import Patience
from runner.dashboard.views import Missing, Web
from runner.ethereum.units import format_units
from runner.frozen import frozen
from runner.guard.intent import TransferLine
from runner.records import LIVING_GRANTS
from runner.reporting.health import over_sessions, session_status
from runner.reporting.lists import is_short
from runner.reporting.story import Names, describe, functions_of, permission_text, told
from runner.reporting.text import amount, away, span, stamp
from runner.reporting.views import AskedView, Entry, EventView, GrantView, OperationView, RunView
from runner.reporting.words import CONDITIONS, checked, meaning

_COIN_DECIMALS = 18


@frozen
class Moved:
    """A line of what a run moves."""

    amount: str
    name: str
    address: str | None
    note: str


@frozen
class Step:
    """A line of a timeline."""

    at: datetime
    kind: str
    text: str
    tone: str


@frozen
class Signed:
    """An operation in words."""

    status: str
    title: str
    facts: list[tuple[str, str | Markup]]


@frozen
class Burn:
    """An allowance from the beginning of a grant to its end."""

    name: str
    text: str
    plot: Markup


def run_page(web: Web, name: str) -> dict[str, Any]:
    """
    From the slot to the block.

    Raises:
        Missing: there is no such run.
    """
    entry, timeline = views.run(web, name)
    now, run = web.source.now(), entry.newest
    names = Names(() if run is None else run.lines, functions_of(web.source.policies()))
    sandbox = _is_sandbox(web, entry)
    return {
        "title": f"{entry.schedule or 'grant'} {stamp(entry.due_at)}",
        "entry": entry,
        "asked": _asked(web, entry),
        "said": meaning(entry.state, entry.reason),
        "facts": list(_run_facts(entry, now)),
        "moved": [] if run is None else [_moved(line) for line in run.lines],
        "calls": [] if run is None else [describe(call, names) for call in run.intent or ()],
        "operations": [_signed(run, one, sandbox=sandbox) for run, one in entry.operations],
        "checks": [
            (f"{event.kind.rpartition('.')[2]}, {stamp(event.at, seconds=True)}", rules)
            for event in timeline
            if (rules := checked(str(event.data.get("checked") or "")))
        ],
        "refusals": [event.data for event in timeline if event.data.get("findings")][-1:],
        "timeline": [_step(event) for event in timeline],
    }


def _asked(web: Web, entry: Entry) -> AskedView | None:
    """What a person is asked about it now."""
    if entry.occurrence is None or not (entry.newest is None or entry.newest.open):
        return None
    with web.source.ledger() as c:
        return reading.asked(c, (entry.occurrence.schedule, entry.occurrence.slot))


def _is_sandbox(web: Web, entry: Entry) -> bool:
    session = None if entry.newest is None else entry.newest.session
    for policy in web.source.policies():
        for one in policy.sessions.values():
            if one.uid == session:
                wallet = web.source.settings.wallets.get(policy.accounts[one.account].wallet)
                return wallet is None or wallet.is_sandbox
    return True


def _run_facts(entry: Entry, now: datetime) -> Iterator[tuple[str, str]]:
    run, row = entry.newest, entry.occurrence
    yield "id", entry.id
    if row is not None:
        yield "slot", row.slot
        if row.count > 1:
            yield "slots", f"{row.count:,}, the last one due {stamp(row.last_due_at)}"
        if row.by_slot:
            yield "instead", row.by_slot
    yield "due", f"{stamp(entry.due_at, seconds=True)} ({away(entry.due_at, now)})"
    if run is None:
        return
    served = f", generation {run.generation}" if run.generation is not None else ""
    yield "session", f"{run.session}{served}"
    yield "attempt", str(run.attempt)
    if run.open and run.deadline_at is not None:
        yield "deadline", f"{stamp(run.deadline_at)} ({away(run.deadline_at, now)})"
    if run.state == "held" and run.expires_at is not None:
        yield "waits until", f"{stamp(run.expires_at)} ({away(run.expires_at, now)})"
    if run.closed_at is not None:
        took = f"{span(run.closed_at - run.claimed_at)} after its claim"
        yield "closed", f"{stamp(run.closed_at, seconds=True)}, {took}"


def _moved(line: TransferLine) -> Moved:
    notes = [line.memo, line.ref]
    if line.kind == "approve":
        notes.insert(0, "an approval: moves nothing by itself")
    elif line.kind == "observed":
        notes.insert(0, "seen in the receipt, not asked for")
    return Moved(
        amount(line.amount, line.decimals, line.symbol),
        line.receiver_name,
        None if line.receiver_name == line.receiver else str(line.receiver),
        ", ".join(note for note in notes if note),
    )


def _signed(run: RunView, one: OperationView, *, sandbox: bool) -> Signed:
    kind = "" if one.kind == "payment" else f"{one.kind}, "
    facts: list[tuple[str, str | Markup]] = [
        ("operation", one.hash),
        ("call id", one.call_id),
        ("sender", f"{one.sender} on chain {one.chain}"),
        ("nonce", hex(one.nonce)),
    ]
    if one.block_number is not None:
        facts.append(("block", f"{one.block_number:,}, {stamp(one.block_at, seconds=True)}"))
    if one.transaction_hash is not None:
        link = shown.explorer(one.chain, one.transaction_hash, sandbox=sandbox)
        facts.append(("transaction", link))
    payer = "sponsored" if one.sponsored else "paid by the account"
    cost = one.max_cost if one.gas_cost is None else one.gas_cost
    most = "at most " if one.gas_cost is None else ""
    facts.append(("fee", f"{most}{format_units(cost, _COIN_DECIMALS)} of the coin, {payer}"))
    if one.detail:
        facts.append(("detail", one.detail))
    title = f"{kind}attempt {run.attempt}, signed {stamp(one.signed_at, seconds=True)}"
    return Signed(one.status, title, facts)


def _step(event: EventView) -> Step:
    return Step(event.at, event.kind, told(event.data), shown.tone(event.kind.partition(".")[2]))


# ── a session ─────────────────────────────────────────────────────────────────────────────────


def grant_page(web: Web, uid: str, patience: Patience) -> dict[str, Any]:
    """
    A session's condition, its newest generation in full, and all generations.

    Raises:
        Missing: no policy names it, and it never had a grant.
    """
    now = web.source.now()
    known = {one.uid for policy in web.source.policies() for one in policy.sessions.values()}
    with web.source.ledger() as c:
        grants = reading.grants(c, uid)
        over = over_sessions(reading.states(c))
    if not grants and uid not in known:
        raise Missing(f"there is no session {uid[:120]}")
    status = session_status(uid, grants, now, over=uid in over)
    newest = status.grant or (grants[-1] if grants else None)
    tokens = shown.tokens_of(web.source.policies())
    uses = (patience.of(web.sums.uses) or {}).get(uid, ())
    spent = patience.of(web.sums.burnt(uid))
    return {
        "title": uid,
        "uid": uid,
        "status": status,
        "said": CONDITIONS[status.condition],
        "shown": newest,
        "facts": [] if newest is None else list(_grant_facts(newest, now)),
        "permissions": [] if newest is None else [permission_text(p) for p in newest.permissions],
        "burns": []
        if status.grant is None or spent is None
        else [_burn(status.grant, use, spent, tokens, now) for use in uses],
        "generations": list(reversed(grants))[:50],
        "living": [f"#{one.generation}" for one in grants if one.state in LIVING_GRANTS],
        "short": any(is_short(one) for one in grants),
    }


def _grant_facts(one: GrantView, now: datetime) -> Iterator[tuple[str, str]]:
    short = is_short(one)
    yield "state", one.state
    yield "ends", f"{stamp(one.expires_at, seconds=short)} ({away(one.expires_at, now)})"
    if one.next_renewal_at is not None:
        renewal = one.next_renewal_at
        yield "renews", f"{stamp(renewal, seconds=short)} ({away(renewal, now)})"
    yield "account", f"{one.account} on chain {one.chain}, wallet {one.wallet}"
    yield "session key", one.key_address
    if one.entity_id is not None:
        yield "entity", str(one.entity_id)
    if one.session_id is not None:
        yield "session id", one.session_id


def _burn(
    grant: GrantView,
    use: measures.Use,
    spent: Sequence[tuple[datetime, str, int]],
    tokens: Mapping[str, tuple[str, int]],
    now: datetime,
) -> Burn:
    life = max((grant.expires_at - grant.requested_at).total_seconds(), 1.0)
    left, points = use.limit, [plots.Point(0.0, 1.0)]
    for at, token, moved in spent:
        if token == use.token and at >= grant.requested_at:
            left -= moved
            share = (at - grant.requested_at).total_seconds() / life
            points.append(plots.Point(share, max(left, 0) / max(use.limit, 1)))
    today = (now - grant.requested_at).total_seconds() / life
    points.append(plots.Point(min(today, 1.0), points[-1].y))
    name = tokens.get(use.token, (use.token, 0))[0]
    share = use.left / max(use.limit, 1)
    left_now, limit = (shown.units(one, use.token, tokens) for one in (use.left, use.limit))
    text = f"{left_now} of {limit} left"
    label = f"Allowance of {name}: {share:.0%} left, {min(today, 1.0):.0%} of its time is over"
    return Burn(name, text, plots.line(points, label=label, even=True, now=today))
