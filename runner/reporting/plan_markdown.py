"""`plan --markdown`: a comment for a pull request; what changes is open, the rest folds away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from runner.planning.plan import Plan
from runner.reporting.plan_words import (
    Detail,
    Lexicon,
    key_details,
    near_line,
    payment_amount,
    renewal_dates,
    risk_amount,
    schedule_line,
    session_details,
    session_line,
    summary,
    symbol_of,
)
from runner.reporting.text import NOTHING, amount, clean, span, stamp

_MOST = 200  # rows of one table: comments have a limit


def as_markdown(plan: Plan, lexicon: Lexicon, *, store: str) -> list[str]:
    """GitHub's flavour: tables, `diff` blocks for colour, details that fold."""
    ledger = f"`{_code(store)}`" if plan.exists else "no ledger yet"
    lines = ["## runner plan", "", f"**{_text(summary(plan))}**", ""]
    lines += [*_alerts(plan), *_changes(plan, lexicon), *_risk(plan)]
    lines += [*_payments(plan), *_funding(plan), *_limits(plan), *_clocks(plan)]
    lines += [f"<sub>Against {ledger} at {stamp(plan.at)}; zone data {plan.tzdata}.</sub>"]
    return lines


def _alerts(plan: Plan) -> Iterator[str]:
    found = plan.difference
    told = [
        f"> [!CAUTION]\n> `{_code(one.uid)}` {_text(line)}."
        for one in found.schedules
        if (line := near_line(one)) is not None
    ]
    told += [
        f"> [!WARNING]\n> Payments of `{_code(one.uid)}` stop until the owner has signed (R13)."
        for one in found.sessions
        if one.stops
    ]
    told += [
        f"> [!WARNING]\n> `{_code(one.session)}`: {_text(trap.what)}."
        for one in plan.guarded
        for trap in one.traps
    ]
    told += [
        f"> [!NOTE]\n> Wallet `{_code(wallet)}` on chain {chain} attests its own inclusions: "
        "nothing is tried again automatically (X12)."
        for wallet, chain in plan.blind
    ]
    for one in told:
        yield from (one, "")


def _changes(plan: Plan, lexicon: Lexicon) -> Iterator[str]:
    found = plan.difference
    lines: list[str] = []
    for account in found.accounts:
        lines += _block("~", f"account {account.uid}", "", key_details(account.keys))
    for session in found.sessions:
        details = session_details(session, lexicon)
        symbol = symbol_of(session.action)
        lines += _block(symbol, f"session {session.uid}", session_line(session), details)
    for schedule in found.schedules:
        symbol, line = symbol_of(schedule.action), schedule_line(schedule)
        lines += _block(symbol, f"schedule {schedule.uid}", line, key_details(schedule.keys))
    if lines:
        yield from ("```diff", *lines, "```", "")
    for note in found.notes:
        yield f"- `{_code(note.subject)}` {_text(note.what)}"
    if found.notes:
        yield ""


def _block(symbol: str, head: str, line: str, details: Iterable[Detail]) -> list[str]:
    """Lines of a `diff` block; it colours by the first character, ! for what changes."""
    told = [f"{_mark(symbol)} {clean(head)}" + (f": {clean(line)}" if line else "")]
    told += [f"{_mark(one.symbol)}     {clean(one.text)}" for one in details]
    return [one.replace("```", "'''") for one in told]


def _mark(symbol: str) -> str:
    return {"~": "!", "−": "-"}.get(symbol, symbol)


# ── tables ────────────────────────────────────────────────────────────────────────────────────


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> list[str]:
    ruler = ["---:" if index in right else "---" for index in range(len(header))]
    lines = [header, ruler, *([_text(cell) for cell in row] for row in rows[:_MOST])]
    told = [f"| {' | '.join(line)} |" for line in lines]
    if len(rows) > _MOST:
        told.append(f"\nand {len(rows) - _MOST} more")
    return told


def _folded(title: str, body: Sequence[str]) -> Iterator[str]:
    if body:
        yield from ("<details>", f"<summary>{_text(title)}</summary>", "", *body, "", "</details>")
        yield ""


def _risk(plan: Plan) -> Iterator[str]:
    rows = [
        [
            one.account,
            one.asset.name,
            risk_amount(one.asset, one.before) if one.keys_before else NOTHING,
            risk_amount(one.asset, one.after),
            f"{one.keys_before} → {one.keys_after}",
        ]
        for one in plan.at_risk
    ]
    if rows:
        yield from ("**At risk if all session keys that can sign were stolen**", "")
        yield from _table(["Account", "Asset", "Now", "After", "Keys"], rows, (2, 3))
        yield ""


def _payments(plan: Plan) -> Iterator[str]:
    paid = sorted(plan.outlook.payments, key=lambda one: (one.policy, one.line.symbol, -one.amount))
    rows = [
        [
            one.line.receiver_name + (" (approval)" if one.line.kind == "approve" else ""),
            payment_amount(one),
            str(one.count),
            one.policy,
        ]
        for one in paid
    ]
    body = _table(["Receiver", "Amount", "Times", "Policy"], rows, (1, 2)) if rows else []
    until = stamp(plan.outlook.until)[:10]
    yield from _folded(f"Payments until {until} ({span(plan.horizon)})", body)


def _funding(plan: Plan) -> Iterator[str]:
    rows = [
        [
            one.account,
            one.month,
            amount(one.payments + one.fees, one.decimals, one.symbol),
            amount(one.fees, one.decimals, one.symbol) if one.fees else NOTHING,
        ]
        for one in plan.outlook.needs
    ]
    header = ["Account", "Month", "Needs", "Fees of it, up to"]
    yield from _folded("Funding", _table(header, rows, (2, 3)) if rows else [])
    grants = [
        [
            one.session,
            *renewal_dates(one, plan.at),
            str(one.count),
            "sponsored" if one.sponsored else amount(one.fees, 18, "native"),
        ]
        for one in plan.outlook.renewals
    ]
    header = ["Session", "Next grant", "Then", "Owner signatures", "Fees, up to"]
    yield from _folded("Grants and renewals", _table(header, grants, (3, 4)) if grants else [])


def _limits(plan: Plan) -> Iterator[str]:
    rows = [
        [one.session, limit.rule, limit.value, limit.enforcer.value]
        for one in plan.guarded
        for limit in one.limits
    ]
    header = ["Session", "Limit", "Value", "Enforced by"]
    yield from _folded("Who enforces which limit", _table(header, rows, ()) if rows else [])


def _clocks(plan: Plan) -> Iterator[str]:
    rows = [[stamp(one.at), one.schedule or one.zone, one.what] for one in plan.outlook.clocks]
    header = ["When", "What", "Effect"]
    yield from _folded("Changes of clocks", _table(header, rows, ()) if rows else [])


def _text(text: str) -> str:
    """Text that cannot become markup, a mention, or another cell."""
    flat = clean(text)
    for character in "\\`*_[]<>|#":
        flat = flat.replace(character, f"\\{character}")
    return flat.replace("@", "@\N{ZERO WIDTH SPACE}")


def _code(text: str) -> str:
    return clean(text).replace("`", "'")
