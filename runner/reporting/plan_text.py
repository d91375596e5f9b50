"""`plan` as people read it on a terminal: what would change first, then what it costs and risks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from runner.planning.limits import Enforcer
from runner.planning.outlook import Need
from runner.planning.plan import Plan
from runner.reporting.plan_words import (
    TONES,
    Detail,
    Lexicon,
    by_enforcer,
    key_details,
    near_line,
    payment_amount,
    renewal_dates,
    risk_amount,
    risk_tone,
    schedule_line,
    session_details,
    session_line,
    summary,
    symbol_of,
)
from runner.reporting.text import (
    NOTHING,
    Cell,
    Look,
    Row,
    Tone,
    amount,
    clean,
    plural,
    span,
    stamp,
    table,
    wrapped,
)

_INDENT = "  "
_MOST_PAYMENTS = 20
_MOST_CLOCKS = 12


def as_text(plan: Plan, look: Look, lexicon: Lexicon) -> list[str]:
    """The whole plan; the summary comes last, where the eye is."""
    lines = [*_changes(plan, look, lexicon), *_notes(plan, look)]
    lines += [*_payments(plan, look), *_needs(plan, look), *_grants(plan, look)]
    lines += [*_risk(plan, look), *_limits(plan, look), *_clocks(plan, look), *_blind(plan, look)]
    tone = Tone.STRONG if plan.changes else Tone.GOOD
    return [*lines, *(look.tint(line, tone) for line in wrapped(summary(plan), look))]


def _title(text: str, look: Look) -> str:
    return look.tint(text, Tone.STRONG)


# ── changes ───────────────────────────────────────────────────────────────────────────────────


def _changes(plan: Plan, look: Look, lexicon: Lexicon) -> Iterator[str]:
    found = plan.difference
    if found.accounts:
        yield _title("Accounts", look)
        for account in found.accounts:
            yield from _head("~", account.uid, "", look)
            yield from _details(key_details(account.keys), look)
        yield ""
    if found.sessions:
        yield _title("Sessions", look)
        for session in found.sessions:
            yield from _head(symbol_of(session.action), session.uid, session_line(session), look)
            if session.stops:
                said = "payments of this session stop until the owner has signed (R13)"
                yield from _alert("warning", said, Tone.WARN, look)
            yield from _details(session_details(session, lexicon), look)
        yield ""
    if found.schedules:
        yield _title("Schedules", look)
        for schedule in found.schedules:
            line = schedule_line(schedule)
            yield from _head(symbol_of(schedule.action), schedule.uid, line, look)
            yield from _details(key_details(schedule.keys), look)
            near = near_line(schedule)
            if near is not None:
                yield from _alert("error", near, Tone.BAD, look)
        yield ""


def _head(symbol: str, uid: str, line: str, look: Look) -> Iterator[str]:
    first = f"{_INDENT}{look.tint(symbol, TONES[symbol])} {look.tint(clean(uid), Tone.STRONG)}"
    if not line:
        yield first
        return
    taken = len(_INDENT) + 2 + len(uid) + 2
    told = wrapped(line, look, indent=_INDENT * 3, taken=taken)
    yield f"{first}  {told[0]}".rstrip()
    yield from told[1:]


def _details(details: Iterator[Detail], look: Look) -> Iterator[str]:
    for one in details:
        told = wrapped(one.text, look, indent=_INDENT * 4, taken=len(_INDENT) * 3 + 2)
        yield f"{_INDENT * 3}{look.tint(one.symbol, one.tone)} {told[0]}"
        yield from told[1:]


def _alert(word: str, text: str, tone: Tone, look: Look) -> Iterator[str]:
    head = f"{_INDENT * 3}{word}: "
    told = wrapped(text, look, indent=_INDENT * 4, taken=len(head))
    yield f"{_INDENT * 3}{look.tint(f'{word}:', tone)} {told[0]}"
    yield from told[1:]


def _notes(plan: Plan, look: Look) -> Iterator[str]:
    for note in plan.difference.notes:
        yield from wrapped(f"note: {note.subject} {note.what}", look, indent=_INDENT)
    if plan.difference.notes:
        yield ""


# ── what it costs ─────────────────────────────────────────────────────────────────────────────


def _table(
    title: str,
    header: Sequence[str],
    rows: Sequence[Row],
    look: Look,
    *,
    flexible: Sequence[int] = (),
    right: Sequence[int] = (),
) -> Iterator[str]:
    if not rows:
        return
    inner = look if look.width is None else replace(look, width=look.width - len(_INDENT))
    yield _title(title, look)
    for line in table(header, rows, inner, flexible=flexible, right=right):
        yield f"{_INDENT}{line}"
    yield ""


def _ahead(plan: Plan) -> str:
    return f"until {stamp(plan.outlook.until)[:10]} ({span(plan.horizon)})"


def _payments(plan: Plan, look: Look) -> Iterator[str]:
    paid = sorted(plan.outlook.payments, key=lambda one: (one.policy, one.line.symbol, -one.amount))
    rows: list[Row] = [
        [
            one.line.receiver_name,
            payment_amount(one),
            str(one.count),
            "approval" if one.line.kind == "approve" else "",
            Cell(one.policy, Tone.DIM),
        ]
        for one in paid[:_MOST_PAYMENTS]
    ]
    header = ["RECEIVER", "AMOUNT", "TIMES", "", "POLICY"]
    if not any(row[3] for row in rows):
        header, rows = [*header[:3], header[4]], [[*row[:3], row[4]] for row in rows]
    yield from _table(
        f"Payments {_ahead(plan)}", header, rows, look, flexible=(0, len(header) - 1), right=(1, 2)
    )
    if len(paid) > _MOST_PAYMENTS:
        yield f"{_INDENT}and {len(paid) - _MOST_PAYMENTS} more receivers: see --json"
        yield ""


def _needs(plan: Plan, look: Look) -> Iterator[str]:
    rows: list[Row] = [
        [one.account, one.month, _total(one), _fees(one)] for one in plan.outlook.needs
    ]
    header = ["ACCOUNT", "MONTH", "NEEDS", "FEES OF IT, UP TO"]
    yield from _table("Funding", header, rows, look, flexible=(0, 2), right=(2, 3))


def _total(one: Need) -> str:
    return amount(one.payments + one.fees, one.decimals, one.symbol)


def _fees(one: Need) -> str:
    return amount(one.fees, one.decimals, one.symbol) if one.fees else NOTHING


def _grants(plan: Plan, look: Look) -> Iterator[str]:
    rows: list[Row] = [
        [
            one.session,
            *renewal_dates(one, plan.at),
            str(one.count),
            "sponsored" if one.sponsored else amount(one.fees, 18, "native"),
        ]
        for one in plan.outlook.renewals
    ]
    header = ["SESSION", "NEXT GRANT", "THEN", "TIMES", "FEES UP TO"]
    title = f"Grants {_ahead(plan)}: an owner signature each"
    yield from _table(title, header, rows, look, flexible=(0,), right=(3, 4))


# ── what it risks ─────────────────────────────────────────────────────────────────────────────


def _risk(plan: Plan, look: Look) -> Iterator[str]:
    rows: list[Row] = [
        [
            one.account,
            one.asset.name,
            risk_amount(one.asset, one.before) if one.keys_before else NOTHING,
            Cell(risk_amount(one.asset, one.after), risk_tone(one)),
            f"{one.keys_before} → {one.keys_after}",
        ]
        for one in plan.at_risk
    ]
    header = ["ACCOUNT", "ASSET", "NOW", "AFTER", "KEYS"]
    yield from _table(
        "At risk if all session keys that can sign were stolen",
        header,
        rows,
        look,
        flexible=(0, 2, 3),
        right=(2, 3),
    )


def _limits(plan: Plan, look: Look) -> Iterator[str]:
    # Where there was nothing before, all permissions stand above already.
    shown = {one.uid for one in plan.difference.sessions if one.after and not one.before}
    for one in plan.guarded:
        yield _title(f"Limits of {one.session}", look)
        for enforcer, limits in by_enforcer(one.limits).items():
            if not limits:
                continue
            who = "the chain" if enforcer is Enforcer.CHAIN else "the runner alone"
            told = "; ".join(f"{limit.rule}: {limit.value}" for limit in limits)
            if enforcer is Enforcer.CHAIN and one.session in shown:
                told = f"the permissions above, for {limits[0].value}"
            head = f"{_INDENT}{who}: "
            lines = wrapped(told, look, indent=_INDENT * 2, taken=len(head))
            yield f"{_INDENT}{look.tint(f'{who}:', Tone.DIM)} {lines[0]}"
            yield from lines[1:]
        for trap in one.traps:
            yield from _alert("warning", trap.what, Tone.WARN, look)
        yield ""


def _clocks(plan: Plan, look: Look) -> Iterator[str]:
    found = plan.outlook.clocks
    if not found:
        return
    yield _title(f"Clocks {_ahead(plan)} (zone data {plan.tzdata})", look)
    for one in found[:_MOST_CLOCKS]:
        about = one.zone if one.schedule is None else one.schedule
        told = f"{stamp(one.at)}  {about}: {one.what}"
        yield from (_INDENT + line for line in wrapped(told, look, indent=_INDENT * 2, taken=2))
    if len(found) > _MOST_CLOCKS:
        yield f"{_INDENT}and {len(found) - _MOST_CLOCKS} more: see --json"
    yield ""


def _blind(plan: Plan, look: Look) -> Iterator[str]:
    if not plan.blind:
        return
    where = ", ".join(f"{wallet} on chain {chain}" for wallet, chain in plan.blind)
    told = (
        f"note: {where}: no `rpc_url` of its own, so the service attests its own inclusions and "
        "nothing is tried again automatically (X12)"
    )
    yield from wrapped(told, look, indent=_INDENT)
    yield ""


def caption(plan: Plan, policies: int, store: str, look: Look) -> list[str]:
    """What the plan is about, for the lines above it."""
    ledger = store if plan.exists else f"no ledger yet ({store})"
    told = f"{plural(policies, 'policy', 'policies')} against {ledger} at {stamp(plan.at)}"
    return [*(look.tint(line, Tone.DIM) for line in wrapped(told, look)), ""]
