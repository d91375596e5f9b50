"""
Keys of a schedule that are read for themselves: each says one thing, whatever the others say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from runner.policy.codes import Code
from runner.policy.faults import Refusal
from runner.policy.model import Overlap, OverlapKind
from runner.policy.scalars import (
    between,
    choice,
    parse_boolean,
    parse_duration,
    parse_duration_or_zero,
    parse_rate,
    parse_url,
)

_ONE_MINUTE = timedelta(minutes=1)
_ONE_DAY = timedelta(days=1)
_MOST_RUNS = 10**9


def _parse_pace(text: str) -> timedelta:
    count, period = parse_rate(text)
    return period / count


def _parse_overlap(text: str) -> Overlap:
    match = re.fullmatch(r"buffer_all\(\s*([0-9]{1,6})\s*\)", text)
    if match is not None:
        return Overlap(OverlapKind.BUFFER_ALL, between(1, 10_000)(match[1]))
    if text.startswith("buffer_all"):
        what = "`buffer_all` needs the most slots that may wait"
        raise Refusal(Code.NOT_A_CHOICE, what, "write buffer_all(10)")
    if text not in ("skip", "buffer_one", "allow"):
        choice(text, ("skip", "buffer_one", "buffer_all(10)", "allow"))
    return Overlap(OverlapKind(text))


def _parse_on_budget(text: str) -> str:
    return choice(text, ("skip", "hold"))


PLAIN: Mapping[str, tuple[Callable[[str], Any], Any]] = MappingProxyType(
    {
        "max_runs": (between(1, _MOST_RUNS), None),
        "jitter": (parse_duration_or_zero, timedelta(0)),
        "catch_up_window": (parse_duration, None),
        "catch_up_rate": (_parse_pace, _ONE_MINUTE),
        "start_grace": (parse_duration, _ONE_MINUTE),
        "overlap": (_parse_overlap, Overlap(OverlapKind.SKIP)),
        "run_deadline": (parse_duration, None),
        "retry_on_revert": (between(0, 3), 0),
        "pause_after_failures": (between(1, 1000), 3),
        "on_budget": (_parse_on_budget, "skip"),
        "suspend": (parse_boolean, False),
        "approval_lead": (parse_duration, _ONE_DAY),
        "late_after": (parse_duration, None),
        "max_time_since_success": (parse_duration, None),
        "max_runtime": (parse_duration, None),
        "ping": (parse_url, None),
    }
)
"""Keys that are read for themselves: how, and what holds where they are not written."""

UNWRITTEN = {key: default for key, (_, default) in PLAIN.items()}
"""What holds where none of them is written."""
