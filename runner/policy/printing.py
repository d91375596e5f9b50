"""
Policy → YAML: everything resolved, nothing left to a default, books and tables taken in.

What is printed reads as the same policy again. `origins` adds where each value comes from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any

from runner.ethereum.address import Address
from runner.ethereum.permissions import (
    AccountFunctions,
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    GasLimit,
    NativeTokenTransfer,
    Permission,
    Root,
)
from runner.ethereum.units import format_units
from runner.policy.calls import CALL_KEYS
from runner.policy.model import (
    Approve,
    Asset,
    At,
    BalanceRequirement,
    Blackout,
    Cron,
    DateRule,
    Dates,
    DayMatch,
    Derive,
    Every,
    Invoke,
    LastBusinessDay,
    Limits,
    Money,
    NativeGas,
    NthWeekday,
    Overlap,
    Pay,
    Policy,
    PolicyCall,
    RecurringBlackout,
    Requirement,
    Schedule,
    Session,
    SmartAccount,
    Sweep,
    Token,
    TopUp,
)
from runner.policy.nodes import NULLS
from runner.policy.scalars import CHAIN_NAMES

Tree = dict[str, Any]
"""Keys to text, lists and further trees, in the order of the file."""

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/%-]*(?: [A-Za-z0-9._/%-]+)*")
_UNITS = (("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
_MONTHS = 12
_BLOCK_LEVELS = 3  # of maps below each other before they are written between braces
_OCCASION = {"session", "trigger", "calls", "name", "policy", "first_name", "mark", "trigger_mark"}
_terms_of = attrgetter(*(one.name for one in fields(Schedule) if one.name not in _OCCASION))
_COLUMN = 44  # where comments begin, if the line is shorter


def print_policy(policy: Policy, *, origins: bool = False) -> str:
    """
    Return a policy as a file.

    Args:
        origins: Whether to say beside each key of accounts, sessions and schedules where its
            value is written.
    """
    told = _origins(policy) if origins else {}
    lines = _block(_sections(policy), (), told)
    lines += _schedules(policy, told) if policy.schedules else ["schedules: {}"]
    return "\n".join(lines) + "\n"


def _schedules(policy: Policy, told: Mapping[tuple[str, ...], str]) -> Iterator[str]:
    """The lines of the schedules; those of many have all in common but when, and what they call."""
    known: dict[tuple[int, ...], list[str]] = {}
    yield "schedules:"
    for name, schedule in policy.schedules.items():
        path = ("schedules", name)
        yield f"  {_scalar(name)}:"
        yield from _block(_occasion(schedule), path, told)
        # The policy holds all of them meanwhile, so what is the same is the same value.
        terms = tuple(map(id, _terms_of(schedule)))
        lines = None if told else known.get(terms)
        if lines is None:
            lines = known[terms] = _block(_terms(schedule), path, told)
        yield from lines


# ── model → tree ──────────────────────────────────────────────────────────────────────────────


def policy_tree(policy: Policy) -> Tree:
    """The policy as keys and values, all of them as text: what `print_policy` lays out."""
    schedules = {name: _occasion(one) | _terms(one) for name, one in policy.schedules.items()}
    return _sections(policy) | {"schedules": schedules}


def _sections(policy: Policy) -> Tree:
    """All but the schedules."""
    return {
        "version": "1",
        "name": policy.name,
        **_given("description", policy.description, str),
        "tokens": {name: _token(token) for name, token in policy.tokens.items()},
        "contacts": dict(policy.contacts),
        "groups": {name: list(members) for name, members in policy.groups.items()},
        "accounts": {name: _account(each) for name, each in policy.accounts.items()},
        "sessions": {name: _session(each, policy) for name, each in policy.sessions.items()},
    }


def _given(key: str, value: Any, text: Callable[[Any], Any]) -> Tree:
    return {} if value is None else {key: text(value)}


def _chain(number: int) -> str:
    return CHAIN_NAMES.get(number, str(number))


def _token(token: Token) -> Tree:
    by_chain = {_chain(chain): address for chain, address in token.by_chain.items()}
    return {"decimals": str(token.decimals), "address": token.address or by_chain}


def _account(account: SmartAccount) -> Tree:
    gas = "native" if isinstance(account.gas, NativeGas) else {"sponsor": account.gas.policy}
    return {
        "owner": account.owner,
        "chain": _chain(account.chain),
        "wallet": account.wallet,
        "type": account.type.value,
        "gas": gas,
        **_given("max_fee", account.max_fee, _coin),
        **_given("max_fee_per_day", account.max_fee_per_day, _coin),
        **_given("address", account.address, str),
        "salt": str(account.salt),
    }


def _session(session: Session, policy: Policy) -> Tree:
    derived = isinstance(session.permissions, Derive)
    return {
        "account": session.account,
        "lifetime": _duration(session.lifetime),
        **_given("renew_before", session.renew_before, _lead),
        "permissions": "derive" if derived else _permissions(session, policy),
        "margin": _percentage(session.margin),
        "receivers": "any" if session.receivers is None else list(session.receivers),
        "limits": _limits(session.limits),
        **_given("max_exposure", session.max_exposure, _moneys),
        **_given("accept_risk", session.accept_risk, str),
        "on_no_grant": session.on_no_grant,
        **_given("owner_lead", session.owner_lead, _duration),
        "renew": session.renew,
        "previous_names": list(session.previous_names),
    }


def _permissions(session: Session, policy: Policy) -> list[Any]:
    chain = policy.accounts[session.account].chain
    assets = {
        address: Asset(token.name, address, token.decimals)
        for token in policy.tokens.values()
        if (address := token.on(chain)) is not None
    }
    given = () if isinstance(session.permissions, Derive) else session.permissions
    return [_permission(each, assets) for each in given]


def _permission(permission: Permission, assets: Mapping[Address, Asset]) -> Any:
    match permission:
        case Root():
            return permission.kind
        case Erc20TokenTransfer(address, allowance):
            value: Any = _amount(assets[address], allowance)
        case NativeTokenTransfer(allowance) | GasLimit(allowance):
            value = _coin(allowance)
        case ContractAccess(address):
            value = address
        case FunctionsOnContract(address, functions):
            value = {"contract": address, "functions": _selectors(functions)}
        case AccountFunctions(functions) | FunctionsOnAllContracts(functions):
            value = _selectors(functions)
    return {permission.kind: value}


def _selectors(functions: Sequence[bytes]) -> list[str]:
    return [f"0x{selector.hex()}" for selector in functions]


def _limits(limits: Limits) -> Tree:
    periods = ("per_run", "per_day", "per_week", "per_month", "per_lifetime")
    amounts = {key: _moneys(getattr(limits, key)) for key in periods if getattr(limits, key)}
    rolling = {_duration(each.window): _moneys(each.amounts) for each in limits.rolling}
    return {**amounts, **({"rolling": rolling} if rolling else {}), "timezone": limits.timezone}


def _occasion(schedule: Schedule) -> Tree:
    return {
        "session": schedule.session,
        **_trigger(schedule),
        "calls": [_call(call) for call in schedule.calls],
    }


def _terms(schedule: Schedule) -> Tree:
    """All else that it says."""
    return {
        **_given("start_at", schedule.start_at, _instant),
        **_given("end_at", schedule.end_at, _instant),
        **_given("max_runs", schedule.max_runs, str),
        **_given("until_total", schedule.until_total or None, _moneys),
        "jitter": _duration(schedule.jitter),
        "catch_up": schedule.catch_up.value,
        **_given("catch_up_window", schedule.catch_up_window, _duration),
        "catch_up_rate": _rate(schedule.catch_up_rate),
        "start_grace": _duration(schedule.start_grace),
        "overlap": _overlap(schedule.overlap),
        **_given("run_deadline", schedule.run_deadline, _duration),
        "retry_on_revert": str(schedule.retry_on_revert),
        "pause_after_failures": str(schedule.pause_after_failures),
        "on_budget": schedule.on_budget,
        **_given("approve_above", schedule.approve_above or None, _moneys),
        "approval_lead": _duration(schedule.approval_lead),
        **_given("new_receiver_above", schedule.new_receiver_above, _moneys),
        **_given("require", [_requirement(each) for each in schedule.require] or None, list),
        **_given("blackout", [_blackout(each) for each in schedule.blackout] or None, list),
        "limits": _limits(schedule.limits),
        "suspend": "true" if schedule.suspend else "false",
        **_given("late_after", schedule.late_after, _duration),
        **_given("max_time_since_success", schedule.max_time_since_success, _duration),
        **_given("max_runtime", schedule.max_runtime, _duration),
        **_given("ping", schedule.ping, str),
        "previous_names": list(schedule.previous_names),
    }


def _trigger(schedule: Schedule) -> Tree:
    match schedule.trigger:
        case Cron() as cron:
            return {
                "cron": cron.expression,
                "timezone": cron.timezone,
                **_given("day_match", cron.day_match, DayMatch),
                "dst_gap": cron.gap.value,
                "dst_fold": cron.fold.value,
            }
        case Dates() as dates:
            listed = [wall.isoformat() for wall in dates.listed]
            return {
                "dates": [*listed, *(_date_rule(rule) for rule in dates.rules)],
                "timezone": dates.timezone,
                "dst_gap": dates.gap.value,
                "dst_fold": dates.fold.value,
            }
        case Every(period, anchor):
            return {"every": _duration(period), **_given("anchor", anchor, _instant)}
        case At(instant):
            return {"at": _instant(instant)}


def _date_rule(rule: DateRule) -> Tree:
    rest: Tree = {"time": rule.time.isoformat()}
    if len(rule.months) < _MONTHS:
        rest["months"] = [str(month) for month in rule.months]
    match rule:
        case LastBusinessDay():
            return {"last_business_day": rest}
        case NthWeekday(weekday, nth):
            which = "last" if nth < 0 else str(nth)
            return {"nth_weekday": {"weekday": str(weekday), "nth": which, **rest}}
    return {"nearest_weekday": {"day": str(rule.day), **rest}}


def _call(call: PolicyCall) -> Tree:
    notes = {**_given("memo", call.memo, str), **_given("ref", call.ref, str)}
    match call:
        case Pay():
            inner: Tree = {"to": call.to_name, "amount": _amount(call.asset, call.amount)}
            return {"pay": inner | notes}
        case Approve():
            inner = {"spender": call.spender_name, "amount": _amount(call.asset, call.amount)}
            return {"approve": inner | notes}
        case TopUp():
            inner = {
                "to": call.to_name,
                "below": _amount(call.asset, call.below),
                "up_to": _amount(call.asset, call.up_to),
                "max": _amount(call.asset, call.most),
            }
            return {"top_up": inner | notes}
        case Sweep():
            inner = {
                "token": call.asset.name,
                "keep": _amount(call.asset, call.keep),
                "to": call.to_name,
                "max": _amount(call.asset, call.most),
            }
            return {"sweep": inner | notes}
        case Invoke():
            inner = {
                "contract": call.contract_name,
                "function": call.function,
                "args": _argument(call.args),
                "value": _coin(call.value),
            }
            return {"call": inner | notes}
    inner = {"to": call.to_name, "data": f"0x{call.data.hex()}", "value": _coin(call.value)}
    return {"raw": inner | notes}


def _argument(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_argument(each) for each in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        # Not by digits: 64 of them would look like a private key.
        return hex(value) if value > 0 else str(value)
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)


def _requirement(requirement: Requirement) -> Tree:
    if isinstance(requirement, BalanceRequirement):
        at_least = {"at_least": _amount(requirement.at_least.asset, requirement.at_least.amount)}
        return {"balance": {**_given("of", requirement.of_name, str), **at_least}}
    tests = {test.value: _argument(value) for test, value in requirement.tests}
    inner = {"function": requirement.function, "name": str(requirement.position)}
    return {"argument": inner | tests}


def _blackout(blackout: Blackout) -> Tree:
    if isinstance(blackout, RecurringBlackout):
        cron = blackout.cron
        span = {
            "cron": cron.expression,
            "for": _duration(blackout.lasts),
            "timezone": cron.timezone,
        }
    else:
        begin, end = _instant(blackout.begin), _instant(blackout.end)
        span = {"from": begin, "until": end, "timezone": "UTC"}
    return {**span, "action": blackout.action}


# ── values ────────────────────────────────────────────────────────────────────────────────────


def _amount(asset: Asset, amount: int) -> str:
    return _with_unit(amount, asset.decimals, asset.name)


@lru_cache(maxsize=4096)
def _with_unit(amount: int, decimals: int, unit: str) -> str:
    return f"{format_units(amount, decimals)} {unit}"


def _coin(amount: int) -> str:
    return f"{format_units(amount, 18)} native"


def _moneys(moneys: Sequence[Money]) -> list[str]:
    return [_amount(money.asset, money.amount) for money in moneys]


@lru_cache(maxsize=1024)
def _duration(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    if not seconds:
        return "0"
    return next(f"{seconds // size}{unit}" for unit, size in _UNITS if seconds % size == 0)


def _lead(lead: timedelta | Decimal) -> str:
    return _percentage(lead) if isinstance(lead, Decimal) else _duration(lead)


def _percentage(fraction: Decimal) -> str:
    return f"{(fraction * 100).normalize():f}%"


@lru_cache(maxsize=1024)
def _rate(pace: timedelta) -> str:
    """A rate whose period, shared evenly, is this pace."""
    micro = timedelta(microseconds=1)
    for unit, size in (("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)):
        period = timedelta(seconds=size)
        count = round(period / pace)
        if count and period / count == pace:
            return f"{count}/{unit}"
    return f"{timedelta(days=1) // max(pace, micro)}/d"


def _overlap(overlap: Overlap) -> str:
    return f"{overlap.kind.value}({overlap.most})" if overlap.most else overlap.kind.value


def _instant(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


# ── tree → text ───────────────────────────────────────────────────────────────────────────────


def _block(tree: Tree, path: tuple[str, ...], told: Mapping[tuple[str, ...], str]) -> list[str]:
    indent = "  " * len(path)
    folds = len(path) + 1 < _BLOCK_LEVELS
    lines: list[str] = []
    for key, value in tree.items():
        line = f"{indent}{_scalar(key)}:"
        below: Iterable[str] = ()
        if folds and isinstance(value, dict) and value:
            below = _block(value, (*path, key), told)
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            below = (f"{indent}  - {_item(item)}" for item in value)
        else:
            line = f"{line} {print_value(value)}"
        lines.append(_commented(line, told.get((*path, key))) if told else line)
        lines += below
    return lines


def _item(item: Any) -> str:
    if isinstance(item, dict) and len(item) == 1:
        return print_value(item)[1:-1]
    return print_value(item)


def print_value(value: Any) -> str:
    """A part of a policy's tree on one line, as YAML."""
    if type(value) is str:
        return _scalar(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(k)}: {print_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(print_value, value)) + "]"
    return _scalar(str(value))


@lru_cache(maxsize=4096)
def _scalar(text: str) -> str:
    """Return a text as YAML: plain where nothing could be misread, else between quotes."""
    if _PLAIN.fullmatch(text) and text not in NULLS:
        return text
    # A literal `${` has no spelling of its own; a variable that falls back to `$` stands in.
    return '"' + "".join(map(_escaped, text.replace("${", "${DOLLAR:-$}{"))) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _commented(line: str, comment: str | None) -> str:
    return line if comment is None else f"{line:<{_COLUMN}}  # {comment}"


def _origins(policy: Policy) -> dict[tuple[str, ...], str]:
    """Say of each key of accounts, sessions and schedules where its value is written."""
    found: dict[tuple[str, ...], str] = {}
    sections: Mapping[str, Mapping[str, Any]] = {
        "accounts": policy.accounts,
        "sessions": policy.sessions,
        "schedules": policy.schedules,
    }
    tree = policy_tree(policy)
    for section, named in sections.items():
        for name in named:
            for key in tree[section][name]:
                # What is printed as `calls` may have been written in a short form.
                keys = CALL_KEYS if key == "calls" else (key,)
                marks = (policy.written.get(f"{section}.{name}.{each}") for each in keys)
                mark = next((each for each in marks if each is not None), None)
                found[section, name, key] = "default" if mark is None else str(mark)
    for section in ("tokens", "contacts", "groups"):
        for name in tree[section]:
            mark = policy.written.get(f"{section}.{name}")
            if mark is not None:
                found[section, name] = str(mark)
    return found
