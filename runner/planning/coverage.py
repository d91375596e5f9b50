"""
Is every call of every schedule covered by what its session may do, over every grant's lifetime?

Permissions that are written out are held against what the schedules ask: each call by the judge
of `guard/scope`, sums over the worst window (R25), gas by `max_fee` (R27). A session that derives
its permissions is covered by construction. Pure: the policy and the time go in, findings come out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from runner.errors import Mark
from runner.ethereum.abi import parse_function
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.erc20 import TOKEN_MOVES
from runner.ethereum.permissions import (
    Erc20TokenTransfer,
    FunctionsOnContract,
    GasLimit,
    NativeTokenTransfer,
    Permission,
)
from runner.guard.intent import encode, is_computed, transfer_lines, unlimited_approval
from runner.planning.demand import demands_of
from runner.planning.derive import Demand, gas_need, permissions_of, runs_within, with_margin
from runner.planning.naming import COIN, Names, amount_of, length_of
from runner.planning.needs import Needs, Refused, Use, needs_of
from runner.planning.renewal import Margins, least_lead, room
from runner.planning.windows import used_up_at
from runner.policy.codes import Code
from runner.policy.faults import Finding
from runner.policy.model import (
    Asset,
    Derive,
    Invoke,
    NativeGas,
    Pay,
    Policy,
    PolicyCall,
    Schedule,
    Session,
)
from runner.scheduling.lateness import run_deadline_default
from runner.scheduling.triggers import timetable

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)

_WORDS = {
    "AddressNotAllowed": "none names {target}",
    "SelectorNotAllowed": "the one for {target} does not list this function",
    "NoSelectorSpecified": "the one for {target} lists functions, and this call names none",
    "ValidationFunctionMissing": "they open functions of the account alone, and no calls",
    "InvalidCalldataLength": "a token under a limit takes `transfer` and `approve` alone",
    "SelfCallRecursionDepthExceeded": "the account would call itself",
}
"""By the rule that decides. Any other is told by its name."""

_GETS = {
    "approve": "may take tokens by this call",
    "transfer": "gets tokens by this call",
    "value": "gets coins by this call",
}
"""By the kind of a movement inside a call."""

_LIMITED = "a token under a limit takes `transfer` and `approve` alone"


def coverage(
    policy: Policy,
    *,
    now: datetime,
    margins: Mapping[str, Margins],
    needs: Mapping[str, Needs] | None = None,
) -> Iterator[Finding]:
    """
    Say where grants would not carry what the policy asks of them.

    Args:
        now: Aware.
        margins: How slow the world may be, by wallet; what is not named is not judged by it.
        needs: What `needs_of` finds, for a caller who has it already.
    """
    needs = needs_of(policy, now=now) if needs is None else needs
    for session in policy.sessions.values():
        uses = [one for one in policy.schedules.values() if one.session == session.name]
        need = needs.get(session.name)
        if need is not None:
            for use in need.uses:
                yield from _calls(policy, need, use, now)
            yield from _allowances(policy, need, now)
        for schedule in uses:
            yield from _movements(policy, session, schedule)
        if uses:
            yield from _lifetime(
                session, uses, margins.get(policy.accounts[session.account].wallet)
            )
            yield from _not_renewed(session, uses, now)
            yield from _exposure(session, uses, now)


# ── movements ─────────────────────────────────────────────────────────────────────────────────


def _movements(policy: Policy, session: Session, schedule: Schedule) -> Iterator[Finding]:
    """
    B4, B7: whoever a call sends coins or tokens to, or lets take them, is one of the receivers,
    and nothing is approved without a bound.

    What `pay`, `top_up` and `sweep` name is looked at where they are read; here is what stands in
    other calls: spenders, coins sent along, transfers and approvals inside calldata.
    """
    for call in schedule.calls:
        if isinstance(call, Pay) or is_computed(call):
            continue
        encoded = _encoded(call)
        if unlimited_approval((encoded,)) is not None:
            what = "this call approves without limit, which the guard refuses"
            hint = "approve what the spender needs; the full amount counts as spent (B7)"
            yield Finding(Code.UNLIMITED_APPROVAL, what, call.mark, hint, "error")
        for line in transfer_lines((call,), (encoded,), {}):
            if session.receivers is None or line.receiver in session.receivers:
                continue
            who = Names(policy).of(line.receiver)
            what = f"`{who}` {_GETS[line.kind]}, and is not among the session's receivers"
            hint = "add it to `receivers` of the session, or call from another session"
            yield Finding(Code.NOT_A_RECEIVER, what, call.mark, hint, "error")


def _encoded(call: PolicyCall) -> Call:
    """A call; its arguments too where they may move something: to encode them is dear."""
    if isinstance(call, Invoke):
        selector = parse_function(call.function).selector
        if selector not in TOKEN_MOVES:
            return Call(call.contract, call.value, selector)
    return encode(call)


# ── calls ─────────────────────────────────────────────────────────────────────────────────────


def _calls(policy: Policy, need: Needs, use: Use, now: datetime) -> Iterator[Finding]:
    for refused in use.refused:
        call = use.schedule.calls[refused.index]
        what = f"no permission of session `{need.session.name}` covers this call"
        if refused.alike:
            what += f" and {refused.alike} more like it"
        what += f" of `{use.schedule.name}`: {_why(policy, need, use, refused)}"
        since = now - use.strand.back if use.strand.settled else now
        first = timetable(use.schedule, anchor=now).next_firing_after(since)
        if first is not None:
            what += f"; first refused on {first.due_at:%Y-%m-%d}"
        hint = _remedy(policy, need, use.intent[refused.index].to)
        yield Finding(Code.NOT_COVERED, what, call.mark, hint, "error")


def _why(policy: Policy, need: Needs, use: Use, refused: Refused) -> str:
    target = use.intent[refused.index].to
    limited = need.sealed.spending.entries.get(target)
    if refused.reason == "SelectorNotAllowed" and limited is not None and limited.limited:
        return _LIMITED
    words = _WORDS.get(refused.reason, "the chain would answer {reason}")
    return words.format(target=f"`{Names(policy).of(target)}`", reason=refused.reason)


def _remedy(policy: Policy, need: Needs, target: Address) -> str:
    """What to write, taken from what `derive` would ask for."""
    session = need.session
    demands = [Demand(use.schedule, use.intent, use.strand) for use in need.uses]
    asked = replace(session, permissions=Derive.DERIVE)
    derived = permissions_of(asked, demands, sponsored=True, max_fee=0)
    wanted = next((each for each in derived if getattr(each, "address", None) == target), None)
    if wanted is None or target == policy.accounts[session.account].address:
        return "call another contract: what an account does to itself stays with its owner"
    there = next(
        (each for each in _written(session) if getattr(each, "address", None) == target), None
    )
    if isinstance(there, FunctionsOnContract) and isinstance(wanted, FunctionsOnContract):
        listed = dict.fromkeys((*there.functions, *wanted.functions))
        wanted = replace(wanted, functions=tuple(listed))
    text = Names(policy).permission(wanted)
    if there is None:
        return f"add `- {text}`, or write `permissions: derive`"
    return f"make it `- {text}`, or write `permissions: derive`"


# ── allowances ────────────────────────────────────────────────────────────────────────────────


def _allowances(policy: Policy, need: Needs, now: datetime) -> Iterator[Finding]:
    account = policy.accounts[need.session.account]
    pays = isinstance(account.gas, NativeGas)
    names = Names(policy)
    for permission, mark in zip(_written(need.session), need.session.permission_marks, strict=True):
        match permission:
            case Erc20TokenTransfer(token, allowance):
                yield from _allowance(need, permission, names.asset(token), allowance, mark, now)
            case NativeTokenTransfer(allowance):
                yield from _allowance(need, permission, COIN, allowance, mark, now)
            case GasLimit(limit) if pays and account.max_fee is not None:
                yield from _gas(need, limit, account.max_fee, mark, now)


def _allowance(
    need: Needs, permission: Permission, asset: Asset, allowance: int, mark: Mark, now: datetime
) -> Iterator[Finding]:
    session = need.session
    token = asset.address
    if need.at_most(token) <= allowance:
        return
    worst = need.worst(token)
    if worst.total <= allowance:
        return
    fixed = max(allowance - need.computed(token), 0)
    what = (
        f"{amount_of(asset, allowance)} do not last for a grant of {length_of(session.lifetime)}, "
        f"which may have to pay {amount_of(asset, worst.total)}"
        f"{_used_up(need, need.taken(token), fixed, worst.begins_at, now)}"
    )
    enough = amount_of(asset, with_margin(worst.total, session.margin))
    hint = f"write `{permission.kind}: {enough}` or `permissions: derive`, or shorten `lifetime`"
    yield Finding(Code.ALLOWANCE_TOO_SHORT, what, mark, hint, "error")


def _gas(need: Needs, limit: int, max_fee: int, mark: Mark, now: datetime) -> Iterator[Finding]:
    session = need.session
    if gas_need(need.runs_at_most, max_fee) <= limit:
        return
    worst = need.most_runs()
    wanted = gas_need(worst.total, max_fee)
    if wanted <= limit:
        return
    what = (
        f"a gas-limit of {amount_of(COIN, limit)} does not last for a grant of "
        f"{length_of(session.lifetime)}: {worst.total} runs, burns and the activation may cost "
        f"{amount_of(COIN, wanted)} by `max_fee`"
        f"{_used_up(need, [1] * len(need.uses), runs_within(limit, max_fee), worst.begins_at, now)}"
    )
    hint = f"write `gas-limit: {amount_of(COIN, wanted)}`, lower `max_fee`, or have gas sponsored"
    yield Finding(Code.GAS_TOO_SHORT, what, mark, hint, "error")


def _used_up(
    need: Needs, weights: Sequence[int], limit: int, worst: datetime | None, now: datetime
) -> str:
    """When that comes to pass: under a grant of now, else under the worst there is."""
    lifetime = need.session.lifetime
    strands = [replace(use.strand, table=timetable(use.schedule, anchor=now)) for use in need.uses]
    for begin, caught_up in ((now, False), (worst, True)):
        if begin is None:
            continue
        when = used_up_at(
            strands, weights, limit, begin=begin, lifetime=lifetime, caught_up=caught_up
        )
        if when is not None:
            by = [
                f"`{use.schedule.name}`"
                for use, strand, weight in zip(need.uses, strands, weights, strict=True)
                if weight and strand.table.count(when - _SECOND, when)
            ]
            of = "one of now" if begin is now else f"one of {begin:%Y-%m-%d}"
            return f"; {of} is used up on {when:%Y-%m-%d}" + (f" by {by[0]}" if by else "")
    return ""


# ── lifetimes ─────────────────────────────────────────────────────────────────────────────────


def _lifetime(
    session: Session, uses: Sequence[Schedule], margins: Margins | None
) -> Iterator[Finding]:
    """R2, R6: a grant has room for a run, and for the activation of the next one besides."""
    if margins is None:
        return
    least = _least(session, uses, margins)
    if least <= session.lifetime:
        return
    rooms = [
        room(one.run_deadline or run_deadline_default(session.lifetime), margins) for one in uses
    ]
    length, mark = length_of(session.lifetime), session.lifetime_mark or session.mark
    hint = f"at least `lifetime: {-(-least // _SECOND)}s`"
    if least > 2 * _MINUTE:
        hint = f"at least `lifetime: {-(-least // _MINUTE)}m`"
    if any(one.run_deadline for one in uses):
        hint += ", or a shorter `run_deadline`"
    if min(rooms) >= session.lifetime:
        what = (
            f"a grant of {length} is over before a run under it could end for certain: that takes "
            f"{length_of(min(rooms))} by this wallet's timing, so nothing is ever begun (R6)"
        )
    else:
        what = (
            f"grants of {length} leave gaps: the last part of each has no room for a run, and the "
            "next one is not active by then (R2)"
        )
    yield Finding(Code.TOO_SHORT_A_LIFE, what, mark, hint)


def _least(session: Session, uses: Sequence[Schedule], margins: Margins) -> timedelta:
    """The shortest lifetime of which a renewal takes four fifths at most."""
    lifetime = session.lifetime
    while True:
        needed = max(
            least_lead(room(one.run_deadline or run_deadline_default(lifetime), margins), margins)
            for one in uses
        )
        enough = needed * 5 / 4
        if enough <= lifetime:
            return lifetime
        lifetime = max(enough, lifetime + _SECOND)


def _not_renewed(session: Session, uses: Sequence[Schedule], now: datetime) -> Iterator[Finding]:
    if session.renew == "auto":
        return
    end = now + session.lifetime
    after = [timetable(one, anchor=now).next_firing_after(end) for one in uses]
    coming = [slot.due_at for slot in after if slot is not None]
    if coming:
        what = (
            "with `renew: off` nobody asks for the next grant: one of now ends on "
            f"{end:%Y-%m-%d}, and the slot of {min(coming):%Y-%m-%d} has none"
        )
        hint = "delete `renew: off`, lengthen `lifetime`, or end the schedules before"
        yield Finding(Code.NOT_RENEWED, what, session.lifetime_mark or session.mark, hint)


# ── exposure ──────────────────────────────────────────────────────────────────────────────────


def _exposure(session: Session, uses: Sequence[Schedule], now: datetime) -> Iterator[Finding]:
    """R14: at a renewal two generations live side by side, each with its allowance."""
    if session.max_exposure is None:
        return
    permissions = _written(session) or permissions_of(
        session, demands_of(session, uses, now=now), sponsored=True, max_fee=0
    )
    granted: dict[Address | None, int] = {}
    for each in permissions:
        match each:
            case Erc20TokenTransfer(token, allowance):
                granted[token] = allowance
            case NativeTokenTransfer(allowance):
                granted[None] = allowance
    for most in session.max_exposure:
        allowance = granted.get(most.asset.address, 0)
        amount, bound = amount_of(most.asset, allowance), amount_of(most.asset, most.amount)
        if allowance > most.amount:
            what = f"one grant allows {amount}, more than the {bound} of `max_exposure`"
            hint = f"write `max_exposure: {amount_of(most.asset, 2 * allowance)}`, or allow less"
            yield Finding(Code.EXPOSURE_TOO_SMALL, what, most.mark, hint, "error")
        elif 2 * allowance > most.amount:
            what = (
                f"two grants of {amount} do not fit into {bound}: at each renewal payments stop "
                "until the old grant is revoked (R13)"
            )
            hint = f"write `max_exposure: {amount_of(most.asset, 2 * allowance)}`, or allow less"
            yield Finding(Code.PAUSES_AT_RENEWAL, what, most.mark, hint)


def _written(session: Session) -> tuple[Permission, ...]:
    return () if isinstance(session.permissions, Derive) else session.permissions
