"""
What a plan is made against: the ledger as far as it matters here, and the wallets' margins.

Values only. Commands read them from the database and from runner.yaml.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from runner.ethereum.address import Address
from runner.ethereum.permissions import Permission
from runner.frozen import frozen
from runner.planning.renewal import Margins
from runner.policy.model import Policy

ON_THE_WAY = frozenset({"requested", "owner_signed", "activating"})
"""States of a generation that is being obtained."""

MAY_SIGN = ON_THE_WAY | {"active", "draining", "retired", "stopping", "foreign"}
"""States in which a generation's key may still be able to sign, until its end (R11, R14)."""


SCHEDULE, SESSION = "schedule", "session"


@frozen
class Identities:
    """What the ledger knows: by uid as first applied, today's name; both are `policy/name`."""

    schedules: Mapping[str, str] = field(default_factory=dict)
    sessions: Mapping[str, str] = field(default_factory=dict)

    def of(self, kind: str) -> Mapping[str, str]:
        """Those of schedules or of sessions."""
        return self.schedules if kind == SCHEDULE else self.sessions


@frozen
class GrantFact:
    """
    One generation of a session. `taken` is what runs have spent of it, or may yet spend, in base
    units by token address or `native`.
    """

    session: str
    generation: int
    state: str
    chain: int
    account: Address
    wallet: str
    permissions: tuple[Permission, ...]
    requested_at: datetime
    expires_at: datetime
    next_renewal_at: datetime | None
    entity_id: int | None = None
    taken: Mapping[str, int] = field(default_factory=dict)

    def may_sign(self, now: datetime) -> bool:
        """Whether a thief of its key could still use it."""
        return self.state in MAY_SIGN and self.expires_at > now

    def serves(self, now: datetime) -> bool:
        """Whether runs are made under it."""
        return self.state == "active" and self.expires_at > now


@frozen
class ScheduleFact:
    """
    A schedule as first applied (T5, T10). `state` is active, completed or removed; `last_paid` is
    the due time of its last success; `paid` what counts towards its `until_total`, by token.
    """

    uid: str
    session: str
    trigger: str
    anchor: datetime
    state: str
    runs: int = 0
    paused_reason: str | None = None
    last_paid: datetime | None = None
    paid: Mapping[str, int] = field(default_factory=dict)


@frozen
class Facts:
    """
    The ledger at one moment; empty where there is none yet.

    Attributes:
        exists: Whether there is a ledger.
        revision: Of its schema; None without one.
        applied: The policies in force, by name, as they were when they were applied.
        known: What was ever applied, and what it is called today; None: nothing was renamed.
    """

    exists: bool = False
    revision: int | None = None
    grants: tuple[GrantFact, ...] = ()
    schedules: Mapping[str, ScheduleFact] = field(default_factory=dict)
    applied: Mapping[str, Policy] = field(default_factory=dict)
    known: Identities | None = None

    @property
    def identities(self) -> Identities:
        """What was ever applied, by uid, and what it is called today."""
        if self.known is not None:
            return self.known
        sessions = {row.session for row in self.schedules.values()}
        sessions |= {one.session for one in self.grants}
        return Identities({uid: uid for uid in self.schedules}, {uid: uid for uid in sessions})

    @property
    def serial(self) -> str:
        """
        A digest of what a plan depends on: it stays the same while payments go on, and changes
        with every grant and every change of a schedule.
        """
        rows = [
            [one.session, one.generation, one.state, one.expires_at.isoformat()]
            for one in self.grants
        ]
        rows += [[one.uid, one.session, one.trigger, one.state] for one in self.schedules.values()]
        text = json.dumps(sorted(rows, key=str), separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def is_over(self, session: str) -> bool:
        """T9: all schedules of a session are completed, so nobody asks for its next grant."""
        states = [
            one.state
            for one in self.schedules.values()
            if one.session == session and one.state != "removed"
        ]
        return bool(states) and all(state == "completed" for state in states)

    def of(self, session: str) -> list[GrantFact]:
        """The generations of a session, oldest first."""
        mine = (one for one in self.grants if one.session == session)
        return sorted(mine, key=lambda one: one.generation)


@frozen
class WalletFact:
    """
    A wallet profile as far as plans look at it.

    Attributes:
        where: What it is, in a few words and without any key.
        evidence: Chains with an endpoint of their own (X12); None: all of them.
    """

    margins: Margins
    sandbox: bool
    where: str = ""
    evidence: frozenset[int] | None = frozenset()

    def independent(self, chain: int) -> bool:
        """Whether inclusions are proved by somebody else than the service."""
        return self.sandbox or self.evidence is None or chain in self.evidence
