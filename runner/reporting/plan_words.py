"""
The words of a plan, shared by its text and its markdown: which symbol, which sentence, which sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from runner.ethereum.permissions import Permission
from runner.frozen import frozen
from runner.planning.diff import Action, ScheduleChange, SessionChange
from runner.planning.limits import Enforcer, Limit
from runner.planning.naming import Names
from runner.planning.outlook import Payment, Renewals
from runner.planning.plan import AtRisk, Plan
from runner.planning.risk import Loss, Way
from runner.planning.trees import KeyChange
from runner.policy.model import Asset
from runner.reporting.text import NOTHING, Tone, amount, plural, span, stamp

ADD, CHANGE, REMOVE = "+", "~", "−"

SYMBOLS = {
    Action.CREATE: ADD,
    Action.RETIRE: REMOVE,
}
TONES = {ADD: Tone.GOOD, CHANGE: Tone.WARN, REMOVE: Tone.BAD}

_DOING = {
    Action.CREATE: "grant",
    Action.RENEW: "grant anew",
    Action.WIDEN: "widen",
    Action.NARROW: "narrow",
    Action.REPLACE: "move",
    Action.CHANGE: "change",
    Action.RETIRE: "retire",
}


@frozen
class Detail:
    """One line below a change."""

    symbol: str
    text: str

    @property
    def tone(self) -> Tone:
        return TONES.get(self.symbol, Tone.PLAIN)


class Lexicon:
    """Names by policy: a plan speaks of several, and of some that are no longer there."""

    def __init__(self, names: Mapping[str, Names]) -> None:
        self._names = names

    def of(self, uid: str) -> Names | None:
        """Of the policy in `policy/name`."""
        return self._names.get(uid.partition("/")[0])

    def permission(self, uid: str, permission: Permission) -> str:
        """A permission as the policy would write it."""
        names = self.of(uid)
        return permission.kind if names is None else names.permission(permission)


def symbol_of(action: Action) -> str:
    """+ for what comes, − for what goes, ~ for what changes."""
    return SYMBOLS.get(action, CHANGE)


def session_line(change: SessionChange) -> str:
    """What happens to a session, why, and what it asks of people."""
    parts = [_DOING[change.action] + (f": {change.why}" if change.why else "")]
    if change.action is Action.CHANGE:
        parts = ["change: kept by the runner, no signature needed"]
    if change.was is not None:
        parts.insert(0, f"was {change.was}, and keeps its grants")
    if change.action is Action.RETIRE and change.grant is not None:
        parts.append(f"its key could sign until {stamp(change.grant.expires_at)}")
    if change.action is Action.NARROW and change.at is not None:
        parts.append(f"on {stamp(change.at)}")
    if change.signatures:
        parts.append(plural(change.signatures, "owner signature"))
    return "; ".join(parts)


def session_details(change: SessionChange, lexicon: Lexicon) -> Iterator[Detail]:
    """Permissions and keys that differ."""
    if change.action is not Action.RETIRE:
        before = change.before if change.action is not Action.CREATE else None
        yield from _permissions(change.uid, before or (), change.after, lexicon)
    yield from key_details(change.keys)


def _permissions(
    uid: str,
    before: Sequence[Permission],
    after: Sequence[Permission] | None,
    lexicon: Lexicon,
) -> Iterator[Detail]:
    if after is None:
        return
    old, new = ({_about(one): one for one in several} for several in (before, after))
    names = lexicon.of(uid)
    for about, one in new.items():
        text = lexicon.permission(uid, one)
        if about not in old:
            yield Detail(ADD, text)
        elif old[about] != one and names is not None:
            yield Detail(CHANGE, f"{one.kind}: {names.value(old[about])} → {names.value(one)}")
    for about, one in old.items():
        if about not in new:
            yield Detail(REMOVE, lexicon.permission(uid, one))


def _about(permission: Permission) -> tuple[str, str]:
    return permission.kind, getattr(permission, "address", "")


def key_details(keys: Iterable[KeyChange]) -> Iterator[Detail]:
    """Keys with their old and new values."""
    for key in keys:
        about = f"  ({key.about})" if key.about else ""
        if key.before is None:
            yield Detail(ADD, f"{key.path}: {key.after}{about}")
        elif key.after is None:
            yield Detail(REMOVE, f"{key.path}: {key.before}{about}")
        else:
            yield Detail(CHANGE, f"{key.path}: {key.before} → {key.after}{about}")


def schedule_line(change: ScheduleChange) -> str:
    """What happens to a schedule."""
    if change.action is Action.RETIRE:
        return "no slot of it is decided any more"
    first = "" if change.first is None else f"first slot {stamp(change.first)}"
    if first and change.floating:
        first += " if applied now: it counts from then"
    if change.action is Action.CREATE:
        return first or "it does not fire: suspended, or over"
    if change.was is not None:
        return f"was {change.was}, " + (first or "and keeps its place")
    return first


def near_line(change: ScheduleChange) -> str | None:
    """X9, as an error-level line."""
    near = change.near
    if near is None:
        return None
    return (
        f"it was last paid for {stamp(near.last_paid)}; its new trigger fires on "
        f"{stamp(near.first)}, {span(near.first - near.last_paid)} later: that may pay the same "
        "thing twice (X9)"
    )


def summary(plan: Plan) -> str:
    """One line that says it all."""
    if not plan.changes:
        ledger = "the ledger" if plan.exists else "an empty ledger"
        return f"No changes. The policies and {ledger} agree."
    actions = [one.action for one in plan.difference.sessions]
    granting = (Action.CREATE, Action.RENEW, Action.REPLACE)
    parts = [
        *_counted(
            "session",
            ("to grant", sum(one in granting for one in actions)),
            ("to widen", actions.count(Action.WIDEN)),
            ("to narrow", actions.count(Action.NARROW)),
            ("to change", actions.count(Action.CHANGE)),
            ("to retire", actions.count(Action.RETIRE)),
        )
    ]
    done = [one.action for one in plan.difference.schedules]
    parts += _counted(
        "schedule",
        ("to add", done.count(Action.CREATE)),
        ("to change", done.count(Action.CHANGE)),
        ("to remove", done.count(Action.RETIRE)),
    )
    parts += _counted("account", ("to change", len(plan.difference.accounts)))
    if plan.signatures:
        parts.append(plural(plan.signatures, "owner signature"))
    return f"Plan: {', '.join(parts)}."


def _counted(noun: str, *counts: tuple[str, int]) -> list[str]:
    """The noun with the first count, the others bare: `1 session to grant, 2 to retire`."""
    told: list[str] = []
    for what, count in counts:
        if count:
            told.append(f"{count if told else plural(count, noun)} {what}")
    return told


# ── amounts ───────────────────────────────────────────────────────────────────────────────────


def payment_amount(one: Payment) -> str:
    """`up to` where part of it is computed."""
    text = amount(one.amount, one.line.decimals, one.line.symbol)
    return f"up to {text}" if one.at_most else text


def risk_amount(asset: Asset, value: int | None) -> str:
    """An amount, or everything."""
    return "ALL" if value is None else amount(value, asset.decimals, asset.name)


def risk_tone(one: AtRisk) -> Tone:
    """Red where nothing bounds it, yellow where it grows."""
    if one.after is None:
        return Tone.BAD
    grows = one.before is not None and one.after > one.before
    return Tone.WARN if grows else Tone.PLAIN


def renewal_dates(one: Renewals, at: datetime) -> tuple[str, str]:
    """When the next grant is asked for, and the one after it."""
    soon = len(one.dates) > 1 and one.dates[1] - one.dates[0] < timedelta(days=2)
    days = [stamp(each) if soon else stamp(each)[: len("2026-12-01")] for each in one.dates]
    about = "" if one.exact else "~"
    if days and one.dates[0] <= at:
        days[0] = "at once"
    told = [day if day == "at once" else about + day for day in days] + [NOTHING, NOTHING]
    return told[0], told[1]


def loss_how(loss: Loss, names: Names) -> str:
    """How an asset is taken."""
    if loss.way is Way.TOKEN:
        return "transfer or approve, to anyone"
    if loss.way is Way.GAS:
        return "burned as gas"
    if loss.way is Way.VALUE:
        to = ", ".join(names.of(one) for one in loss.to[:3])
        more = f" and {len(loss.to) - 3} more" if len(loss.to) > 3 else ""
        return f"sent with calls, to {to}{more}" if to else "sent with calls, to anyone"
    return "in any way"


def by_enforcer(limits: Sequence[Limit]) -> dict[Enforcer, list[Limit]]:
    """The chain's limits, then the runner's."""
    return {each: [one for one in limits if one.enforcer is each] for each in Enforcer}
