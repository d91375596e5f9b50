"""An example of a key, put into a small sound policy where such a key stands."""

from __future__ import annotations

import re
from pathlib import Path

from runner.policy.catalogue.examples import HOSTS

ALICE = "0x00000000000000000000000000000000000a11ce"
HEAD = {"version": "version: 1", "name": "name: payroll", "chain": "chain: base"}
HEAD["wallet"] = "wallet: sandbox"
NAMES = {
    "tokens": "tokens: {usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}}",
    "contacts": (
        f"contacts: {{alice: {ALICE}, bob: 0x0000000000000000000000000000000000000b0b, "
        "hosting: 0x0000000000000000000000000000000000000405, "
        "vault: 0x00000000000000000000000000000000000000fa}"
    ),
    "groups": "groups: {staff: [alice]}",
}
TOKEN = {"decimals": "decimals: 6", "address": f"address: {ALICE}"}
ACCOUNT = {"owner": "owner: treasury-owner"}
SESSION = {
    "account": "account: treasury",
    "lifetime": "lifetime: 45d",
    "limits": "limits: {per_day: [9000 usdc, 9 native]}",
}
SCHEDULE = {
    "session": "session: salaries",
    "timezone": "timezone: UTC",
    "every": "every: 1w",
    "pay": "pay: {alice: 10 usdc}",
}
TRIGGERS = ("cron", "every", "at", "dates")
CALLS = ("calls", "pay", "pay_each", "call", "approve", "raw", "top_up", "sweep")
BESIDE = {
    "salaries.csv": "to,amount,memo,ref\nalice,2500,salary,A-1\nbob,2600.50,salary,B-1\n",
    "payments.csv": "wallet,net\nalice,2500\n",
    "vault.json": (
        '[{"type": "function", "name": "deposit", '
        '"inputs": [{"type": "uint256", "name": "amount"}]}]'
    ),
}


def place(level: str, example: str, folder: Path) -> Path:
    """
    Write a policy that holds the example, and what lies beside it.

    Returns:
        The file that holds the example itself.
    """
    host = HOSTS.get(level, level)
    parts = {
        "policy": HEAD | NAMES,
        "token": TOKEN,
        "account": ACCOUNT,
        "session": SESSION,
        "schedule": SCHEDULE,
    }
    for name, text in BESIDE.items():
        (folder / name).write_text(text)
    book = folder / "shared" / "books.yaml"
    book.parent.mkdir()
    if host == "book":
        book.write_text(_joined(_with({"contacts": NAMES["contacts"]}, example)))
        parts["policy"] = HEAD | {"include": "include: [shared/books.yaml]"}
        parts["schedule"] = SCHEDULE | {"pay": f"pay: {{{ALICE}: 1 native}}"}
        parts["session"] = {key: SESSION[key] for key in ("account", "lifetime")}
    else:
        book.write_text(f"contacts: {{carol: {ALICE}}}\n")
        host = host if host in parts else "schedule"
        parts[host] = _with(parts[host], example)
    policy = folder / "policy.yaml"
    policy.write_text(_policy(parts))
    return book if host == "book" else policy


def _policy(parts: dict[str, dict[str, str]]) -> str:
    whole = dict(parts["policy"])
    if parts["token"] != TOKEN:
        whole["tokens"] = _section("tokens", "usdc", parts["token"])
    whole.setdefault("accounts", _section("accounts", "treasury", parts["account"]))
    whole.setdefault("sessions", _section("sessions", "salaries", parts["session"]))
    whole.setdefault("schedules", _section("schedules", "hosting", parts["schedule"]))
    return _joined(whole)


def _with(base: dict[str, str], example: str) -> dict[str, str]:
    """Put an example into a map; keys that cannot stand beside it go."""
    keys = re.findall(r"^([a-z_]+):", example, re.MULTILINE)
    gone = set(keys)
    for group in (TRIGGERS, CALLS):
        if gone.intersection(group):
            gone.update(group)
    return {key: text for key, text in base.items() if key not in gone} | {keys[0]: example}


def _section(section: str, name: str, keys: dict[str, str]) -> str:
    lines = "".join(f"    {line}\n" for text in keys.values() for line in text.split("\n"))
    return f"{section}:\n  {name}:\n{lines}".rstrip()


def _joined(keys: dict[str, str]) -> str:
    return "\n".join(keys.values()) + "\n"
