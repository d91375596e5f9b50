"""
Keys and words that the language has and the engine does not execute yet: refused by name.

A key that were read and not obeyed would be a guardrail that is not there. Whoever teaches the
engine one of them deletes its line here.
"""

from __future__ import annotations

KEYS: frozenset[tuple[str, str]] = frozenset(
    {
        ("policy", "include"),
        ("session", "max_exposure"),
        ("session", "owner_lead"),
        ("limits", "rolling"),
        ("limits", "per_lifetime"),
        ("schedule", "dates"),
        ("schedule", "pay_each"),
        ("schedule", "top_up"),
        ("schedule", "sweep"),
        ("schedule", "until_total"),
        ("schedule", "catch_up_rate"),
        ("schedule", "blackout"),
        ("schedule", "require"),
        ("schedule", "approve_above"),
        ("schedule", "approval_lead"),
        ("schedule", "new_receiver_above"),
        ("schedule", "late_after"),
        ("schedule", "max_time_since_success"),
        ("schedule", "max_runtime"),
        ("schedule", "ping"),
        ("item", "pay_each"),
        ("item", "top_up"),
        ("item", "sweep"),
        ("call", "abi"),
        ("config", "alerts"),
        ("config", "organisation"),
        ("signer", "command"),
        ("signer", "manual"),
    }
)
"""By the level they stand on (see `language.py`)."""

WORDS: frozenset[tuple[str, str, str]] = frozenset({("account", "type", "eip7702")})
"""Values that a key does not take yet."""
