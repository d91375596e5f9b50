"""
Events in words, for the people at a terminal: time, what, and the few facts that matter.

    09:41:10  paid      25 usdc → alice          payroll/salaries    block 1203, 1.1 s
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from runner.ethereum.units import format_units

_COLOURS = {
    "warning": "\x1b[33m",
    "error": "\x1b[31m",
    "critical": "\x1b[1;31m",
    "paid": "\x1b[32m",
}
_NOTHING = "no transfers"
_RESET = "\x1b[0m"
_DIM = "\x1b[2m"

Event = Mapping[str, Any]


def sentence(event: Event, *, colour: bool) -> str:
    """One event as one line, or two when there is something to do."""
    level, name = event["severity"], event["event"]
    verb, text = _WORDS.get(name, _anything)(event)
    stamp = f"{event['at'].astimezone():%H:%M:%S}"
    hint = event.get("hint")
    findings = event.get("findings") or ()
    extra = [f"          {finding}" for finding in findings]
    extra += [f"          hint: {hint}"] if hint else []
    if colour:
        tint = _COLOURS.get(level, _COLOURS.get(verb, ""))
        head = f"{_DIM}{stamp}{_RESET}  {tint}{verb:<9}{_RESET if tint else ''} {text}"
    else:
        head = f"{stamp}  {verb:<9} {text}"
    return "\n".join([head, *extra])


def moved(lines: Iterable[Any]) -> str:
    """`25 usdc → alice, 3 usdc → bob`; long batches are summed up."""
    wanted = [line for line in lines if line.kind != "approve"]
    if not wanted:
        return _NOTHING
    shown = [
        f"{format_units(line.amount, line.decimals)} {line.symbol} → {line.receiver_name}"
        for line in wanted[:3]
    ]
    more = f" and {len(wanted) - 3} more" if len(wanted) > 3 else ""
    return ", ".join(shown) + more


def _clock(moment: datetime | None) -> str:
    if moment is None:
        return "—"
    local = moment.astimezone()
    today = datetime.now(local.tzinfo).date() == local.date()
    return f"{local:%H:%M:%S}" if today else f"{local:%Y-%m-%d %H:%M}"


def _where(event: Event) -> str:
    attempt = event.get("attempt", 1)
    again = f" (attempt {attempt})" if attempt and attempt > 1 else ""
    return f"{event.get('schedule', '')}{again}"


def _paid(event: Event) -> tuple[str, str]:
    what = moved(event.get("transfers") or ())
    end = f"block {event['block']}, {event['took_seconds']:.1f} s"
    if event.get("reason"):
        return "paid?", f"{what:<34} {_where(event)}  {end}: NOT as asked ({event['reason']})"
    if what == _NOTHING:
        return "called", f"{what:<34} {_where(event):<28} {end}"
    return "paid", f"{what:<34} {_where(event):<28} {end}"


def _failed(event: Event) -> tuple[str, str]:
    state = event["event"].removeprefix("run.")
    reason = f" ({event['reason']})" if event.get("reason") else ""
    detail = f": {event['detail']}" if event.get("detail") else ""
    what = moved(event.get("transfers") or ())
    return state.replace(
        "_", " "
    ), f"{_where(event)} {event.get('slot', '')}{reason}{detail} — {what}"


def _held(event: Event) -> tuple[str, str]:
    until = event.get("waits_until")
    wait = f"; waits until {_clock(until)}" if until else ""
    return "held", f"{_where(event)} ({event['reason']}): {event['detail']}{wait}"


def _delayed(event: Event) -> tuple[str, str]:
    return "delayed", f"{_where(event)}: {event['detail']}"


def _due(event: Event) -> tuple[str, str]:
    return "due", f"{moved(event.get('transfers') or ()):<34} {_where(event)}"


def _decided(event: Event) -> tuple[str, str]:
    count = event.get("count", 1)
    many = f" × {count}" if count > 1 else ""
    return str(event["decision"]), f"{event['schedule']} {event['slot']}{many} ({event['reason']})"


def _grant(event: Event) -> tuple[str, str]:
    verb = "renewed" if event["event"] == "grant.renewed" else "granted"
    until, renews = _clock(event["expires_at"]), _clock(event["next_renewal_at"])
    return verb, (
        f"session {event['session']} generation {event['generation']}, "
        f"good until {until}, renews at {renews}"
    )


def _grant_failed(event: Event) -> tuple[str, str]:
    again = _clock(event["next_attempt_at"])
    return "grant", f"session {event['session']}: {event['detail']}; next try {again}"


def _grant_ended(event: Event) -> tuple[str, str]:
    return "grant", (
        f"session {event['session']} generation {event['generation']} {event['state']}, "
        "its key is destroyed"
    )


def _ready(event: Event) -> tuple[str, str]:
    counts = ", ".join(
        _plural(event[f"{what}s"], what) for what in ("schedule", "session", "account")
    )
    return "ready", f"{counts}; ledger {event['store']}"


def _wallet(event: Event) -> tuple[str, str]:
    kind = "sandbox" if event["sandbox"] else "wallet"
    return kind, f"{event['wallet']} on chain {event['chain_id']} at {event['url']}"


def _account(event: Event) -> tuple[str, str]:
    return "account", f"{event['account']} is {event['address']}"


def _recovered(event: Event) -> tuple[str, str]:
    return "recovery", f"{event['runs']} open runs taken over from the ledger"


def _stopping(event: Event) -> tuple[str, str]:
    return "stopping", f"nothing more is claimed; {_plural(event['signed'], 'signed run')} awaited"


def _summary(event: Event) -> tuple[str, str]:
    return "done", (
        f"{_plural(event['paid'], 'run')} paid, {_plural(event['renewals'], 'renewal')}, "
        f"{event['failed']} failed, {event['open']} left open, in {event['seconds']:.0f} s"
    )


def _web(event: Event) -> tuple[str, str]:
    if event["event"] == "http.ready":
        may = "" if event["changes"] else "; it only shows: without `http.token` nothing is changed"
        return "web", f"{event['url']}{may}"
    return "web", str(event["detail"])


def _secret(event: Event) -> tuple[str, str]:
    if event["event"] == "secret.renewed":
        return "secret", f"{event['where']} was read anew, and is in use"
    return "secret", f"{event['where']}: {event['detail']}"


def _plural(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _anything(event: Event) -> tuple[str, str]:
    hidden = {"at", "severity", "event", "hint", "findings"}
    facts = [f"{k}={v}" for k, v in event.items() if k not in hidden and v is not None]
    kind, _, what = event["event"].partition(".")
    return kind, " ".join([what, *facts])


_WORDS: dict[str, Callable[[Event], tuple[str, str]]] = {
    "run.success": _paid,
    "run.reverted": _failed,
    "run.not_included": _failed,
    "run.missed": _failed,
    "run.skipped": _failed,
    "run.superseded": _failed,
    "run.held": _held,
    "run.delayed": _delayed,
    "run.due": _due,
    "occurrence.decided": _decided,
    "grant.active": _grant,
    "grant.renewed": _grant,
    "grant.failed": _grant_failed,
    "grant.ended": _grant_ended,
    "daemon.ready": _ready,
    "daemon.recovered": _recovered,
    "daemon.stopping": _stopping,
    "daemon.summary": _summary,
    "wallet.ready": _wallet,
    "account.ready": _account,
    "secret.renewed": _secret,
    "secret.refused": _secret,
    "http.ready": _web,
    "http.unavailable": _web,
}
