"""What may stand below `defaults`: any key of sessions and schedules, save what names one."""

from __future__ import annotations

from dataclasses import replace

from runner.policy.language.level import Level
from runner.policy.language.schedules import SCHEDULE
from runner.policy.language.sessions import SESSION

DEFAULTS = Level(
    "defaults",
    "`defaults`",
    {
        name: replace(key, required=False)
        for name, key in (SESSION.keys | SCHEDULE.keys).items()
        if name != "previous_names"
    },
    required=(),
)
"""The keys of both; none of them is required here."""
