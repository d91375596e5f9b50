"""
Policies as they are remembered once applied, so that a plan can say what an edit changes.

What is kept is the resolved file, without what may hold a secret: a ping's URL often does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runner.errors import PolicyErrors
from runner.policy.fingerprint import fingerprint
from runner.policy.model import Policy
from runner.policy.parse import parse_policy
from runner.policy.printing import print_policy
from runner.scheduling.cron import check_cron


class Papers:
    """What the ledger keeps of policies: of each its digest, of one that is new to it the text."""

    def digests(self, policies: Sequence[Policy]) -> dict[str, str]:
        """By the name of each policy, whether it is the one that was applied."""
        return {policy.name: fingerprint(policy) for policy in policies}

    def records(self, policies: Sequence[Policy]) -> dict[str, str]:
        """By the name of each policy, the text to keep."""
        return {policy.name: record_of(policy) for policy in policies}


def record_of(policy: Policy) -> str:
    """The text to keep."""
    return print_policy(without_secrets(policy))


def read_record(text: str, name: str) -> Policy | None:
    """
    The policy of a kept text; None if this program does not understand it any more.
    """
    try:
        return parse_policy(text, f"{name} as applied", environment={}, check_cron=check_cron)
    except PolicyErrors:
        return None


def without_secrets(policy: Policy) -> Policy:
    """The policy as far as it is remembered."""
    schedules = {
        name: one if one.ping is None else replace(one, ping=None)
        for name, one in policy.schedules.items()
    }
    return replace(policy, schedules=schedules)
