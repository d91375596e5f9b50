"""How values are shown on pages: the filters of the templates, and the environment they live in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from runner.adapters.sql.measures import Use
from runner.dashboard import plots
from runner.ethereum.units import format_units
from runner.guard.intent import NATIVE
from runner.policy.model import Policy
from runner.reporting import text
from runner.reporting.views import Entry, GrantView, ScheduleView
from runner.reporting.words import CONDITIONS, label

FOLDER: Final = Path(__file__).parent
_LOW: Final = 0.2

_KINDS: Final = {
    text.Tone.GOOD: "good",
    text.Tone.BAD: "bad",
    text.Tone.WARN: "warn",
}
_WORDS: Final = {
    "critical": "bad",
    "warning": "warn",
    "Ready": "good",
    "Renewing": "good",
    "Expired": "bad",
    "Stopping": "bad",
    "RenewalOverdue": "warn",
    "paused": "warn",
    "suspended": "warn",
}

EXPLORERS: Final[Mapping[int, str]] = {
    1: "https://etherscan.io",
    11155111: "https://sepolia.etherscan.io",
    8453: "https://basescan.org",
    84532: "https://sepolia.basescan.org",
    42161: "https://arbiscan.io",
    421614: "https://sepolia.arbiscan.io",
    10: "https://optimistic.etherscan.io",
    11155420: "https://sepolia-optimism.etherscan.io",
    137: "https://polygonscan.com",
    80002: "https://amoy.polygonscan.com",
}
"""Where people look at a chain: links that a person may follow; nothing is asked of them."""


def tone(word: str) -> str:
    """The class of a state, a severity or a condition."""
    return _WORDS.get(word) or _KINDS.get(text.state_cell(word).tone, "")


def tokens_of(policies: Sequence[Policy]) -> dict[str, tuple[str, int]]:
    """Names and decimals of the tokens that the policies know, by address or `native`."""
    return {
        str(asset.address or NATIVE): (asset.name, asset.decimals)
        for policy in policies
        for asset in policy.assets
    }


def units(base_units: int, token: str, tokens: Mapping[str, tuple[str, int]]) -> str:
    """`16,002.5 usdc`; base units of a token that no policy knows."""
    known = tokens.get(token)
    if known is None:
        return f"{base_units:,} base units of {token}"
    return grouped(base_units, known[1], known[0])


def grouped(base_units: int, decimals: int, symbol: str) -> str:
    """`16,002.5 usdc`."""
    whole, point, fraction = format_units(base_units, decimals).partition(".")
    return f"{int(whole):,}{point}{fraction} {symbol}"


def lifetime(grant: GrantView, now: datetime) -> Markup:
    """How much of a grant's life is over."""
    life = (grant.expires_at - grant.requested_at).total_seconds()
    share = (now - grant.requested_at).total_seconds() / max(life, 1.0)
    label = f"{min(max(share, 0.0), 1.0):.0%} of its lifetime is over"
    return plots.meter(share, kind="coming", label=label)


def allowance(use: Use) -> Markup:
    """How much of an allowance is left."""
    share = use.left / use.limit if use.limit else 0.0
    kind = "low" if share < _LOW else "full"
    return plots.meter(share, kind=kind, label=f"{share:.0%} of the allowance is left")


def explorer(chain: int, transaction: str, *, sandbox: bool) -> Markup:
    """A transaction's hash, with a link to where people look at its chain."""
    base = None if sandbox else EXPLORERS.get(chain)
    if base is None:
        return Markup("<code>{}</code>").format(transaction)
    link = Markup('<a href="{}/tx/{}" rel="noreferrer noopener"><code>{}</code></a>')
    return link.format(base, transaction, transaction)


def schedule_state(one: ScheduleView) -> str:
    """As people call it: an active one that is paused is paused."""
    return "paused" if one.paused_reason is not None and one.state == "active" else one.state


def _label(one: Entry) -> str:
    return label(one.state, one.reason)


def _path(name: str) -> str:
    return quote(name, safe="/@:")


def _condition(name: str) -> str:
    return CONDITIONS[name].what


@cache
def environment() -> Environment:
    """Everything is escaped; what a template does not find is a fault."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "away": text.away,
        "brief": text.brief,
        "label": _label,
        "moves": text.moves,
        "path": _path,
        "rfc3339": text.rfc3339,
        "schedule_state": schedule_state,
        "stamp": text.stamp,
        "tone": tone,
        "units": units,
    }
    made.globals |= {
        "allowance": allowance,
        "condition_words": _condition,
        "lifetime": lifetime,
    }
    return made


def compile_templates() -> None:
    """All of them: else the first who asks for a page waits for its template."""
    for name in environment().list_templates():
        environment().get_template(name)


def render(template: str, **values: Any) -> str:
    """A page."""
    return environment().get_template(template).render(**values)
