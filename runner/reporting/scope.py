"""`scope explain`: what each session's key can do at worst, for people and for scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from runner.ethereum.address import ZERO_ADDRESS
from runner.guard.intent import NATIVE
from runner.planning.explained import Explained
from runner.planning.limits import Enforcer
from runner.planning.naming import Names, length_of
from runner.planning.risk import Loss, Reach
from runner.policy.scalars import CHAIN_NAMES
from runner.reporting.plan_json import limits_as_json, permissions_as_json
from runner.reporting.plan_words import by_enforcer, loss_how, risk_amount
from runner.reporting.text import Cell, Look, Row, Tone, clean, table, wrapped

_INDENT = "  "


def as_text(explained: Sequence[Explained], look: Look) -> Iterator[str]:
    """One block a session."""
    for one in explained:
        yield from _session(one, look)


def _session(one: Explained, look: Look) -> Iterator[str]:
    chain = CHAIN_NAMES.get(one.account.chain, str(one.account.chain))
    yield look.tint(clean(one.session.uid), Tone.STRONG)
    yield from _line(
        f"account {one.account.name} on {chain}, grants of {length_of(one.session.lifetime)}, "
        f"permissions {'derived' if one.derived else 'written'}",
        look,
    )
    if one.fault is not None:
        yield from _told("error", one.fault, Tone.BAD, look)
        yield ""
        return
    names = Names(one.policy)
    yield ""
    yield from _losses(one, names, look)
    yield from _limits(one, look)
    for trap in one.exposure.traps:
        yield from _told("trap", trap.what, Tone.BAD, look)
    for permission, what in one.excess:
        yield from _told("spare", f"{names.permission(permission)} {what}", Tone.WARN, look)
    if one.exposure.traps or one.excess:
        yield ""


def _losses(one: Explained, names: Names, look: Look) -> Iterator[str]:
    rows: list[Row] = []
    for loss in one.exposure.losses:
        asset = names.asset(loss.token)
        amount = risk_amount(asset, loss.amount)
        both = "ALL" if loss.amount is None else risk_amount(asset, 2 * loss.amount)
        tone = Tone.BAD if loss.amount is None else Tone.PLAIN
        rows.append([asset.name, Cell(amount, tone), Cell(both, tone), loss_how(loss, names)])
    said = "A thief could take, by one key or by the two that overlap at a renewal:"
    yield from _line(said, look)
    inner = look if look.width is None else replace(look, width=look.width - 2 * len(_INDENT))
    header = ["ASSET", "ONE KEY", "TWO KEYS", "HOW"]
    for line in table(header, rows, inner, flexible=(3, 0), right=(1, 2)):
        yield f"{_INDENT * 2}{line}"
    for reach in one.exposure.reaches:
        told = f"and whatever {_where(reach, names)} lets the account do{_by(reach, names)}"
        yield from _item(told, look)
    yield ""


def _where(reach: Reach, names: Names) -> str:
    return "any contract" if reach.target == ZERO_ADDRESS else names.of(reach.target)


def _by(reach: Reach, names: Names) -> str:
    if reach.functions is None:
        return ""
    return " by " + ", ".join(map(names.function, reach.functions))


def _limits(one: Explained, look: Look) -> Iterator[str]:
    for enforcer, limits in by_enforcer(one.limits).items():
        chain = enforcer is Enforcer.CHAIN
        if limits:
            who = "The chain keeps, against a thief too:" if chain else "The runner alone keeps:"
            yield f"{_INDENT}{look.tint(who, Tone.PLAIN if chain else Tone.DIM)}"
        for limit in limits:
            yield from _item(f"{limit.rule}: {limit.value}", look)
    yield ""


def _line(text: str, look: Look) -> Iterator[str]:
    first, *rest = wrapped(text, look, indent=_INDENT, taken=len(_INDENT))
    yield f"{_INDENT}{first}"
    yield from rest


def _item(text: str, look: Look) -> Iterator[str]:
    first, *rest = wrapped(text, look, indent=_INDENT * 3, taken=2 * len(_INDENT))
    yield f"{_INDENT * 2}{first}"
    yield from rest


def _told(word: str, text: str, tone: Tone, look: Look) -> Iterator[str]:
    first, *rest = wrapped(text, look, indent=_INDENT * 2, taken=len(_INDENT) + len(word) + 2)
    yield f"{_INDENT}{look.tint(f'{word}:', tone)} {first}"
    yield from rest


# ── for scripts ───────────────────────────────────────────────────────────────────────────────


def as_json(explained: Sequence[Explained]) -> list[dict[str, Any]]:
    """
    One object a session. Amounts are base units as decimal strings, `all` where nothing bounds
    them; `to` is empty where it can go to anyone.
    """
    return [_as_json(one) for one in explained]


def _as_json(one: Explained) -> dict[str, Any]:
    return {
        "session": one.session.uid,
        "account": f"{one.policy.name}/{one.account.name}",
        "chain": one.account.chain,
        "wallet": one.account.wallet,
        "lifetime_seconds": int(one.session.lifetime.total_seconds()),
        "derived": one.derived,
        "fault": one.fault,
        "permissions": permissions_as_json(one.permissions),
        "losses": [_loss(loss, Names(one.policy)) for loss in one.exposure.losses],
        "reaches": [
            {
                "target": None if reach.target == ZERO_ADDRESS else reach.target,
                "functions": None
                if reach.functions is None
                else ["0x" + each.hex() for each in reach.functions],
            }
            for reach in one.exposure.reaches
        ],
        "limits": limits_as_json(one.limits),
        "traps": [{"id": trap.id, "what": trap.what} for trap in one.exposure.traps],
        "unused": [
            {"permission": permissions_as_json([permission])[0], "what": what}
            for permission, what in one.excess
        ],
    }


def _loss(loss: Loss, names: Names) -> dict[str, Any]:
    asset = names.asset(loss.token)
    return {
        "token": loss.token or NATIVE,
        "symbol": asset.name,
        "decimals": asset.decimals,
        "amount": "all" if loss.amount is None else str(loss.amount),
        "way": loss.way.value,
        "by": loss.by,
        "to": list(loss.to),
    }
