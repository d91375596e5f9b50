"""
What the schedules of a session ask of permissions that are written out, judged as the chain would.

A run's spending is read off the judge: all allowances at their largest go in, what is missing
afterwards was spent. So whatever counts on chain counts here, raw calldata too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from runner.ethereum.address import Address, address_from_bytes
from runner.ethereum.calls import Call
from runner.ethereum.hashing import keccak256
from runner.frozen import frozen
from runner.guard.intent import NATIVE, encode_all, is_computed
from runner.guard.scope import (
    Allowances,
    Installed,
    Judgement,
    Outcome,
    initial_allowances,
    installed,
    judge,
)
from runner.planning.demand import strand_of
from runner.planning.derive import Demand, computed_needs
from runner.planning.windows import Strand, Worst, worst
from runner.policy.model import Derive, Policy, Schedule, Session
from runner.scheduling.lateness import LARGEST_WINDOW

UNKNOWN_ACCOUNT = address_from_bytes(keccak256(b"an account whose address is not known")[-20:])
"""Stands in where the owner's key, and so the account's address, is not at hand."""

_ENDLESS = 2**256 - 1


@frozen
class Refused:
    """
    A call that the permissions refuse however much is left, and the rule that decides. `alike`
    counts further calls of the batch with the same target and function.
    """

    index: int
    reason: str
    alike: int


@frozen
class Use:
    """
    One schedule under written permissions: what is refused, else what a run spends by its fixed
    calls. What computed ones spend is bounded by limits, not by the number of runs.
    """

    schedule: Schedule
    intent: tuple[Call, ...]
    strand: Strand
    refused: tuple[Refused, ...]
    native: int
    tokens: dict[Address, int]


@dataclass(frozen=True)
class Needs:
    """A session whose permissions are written out, with all uses of it."""

    session: Session
    sealed: Installed
    uses: tuple[Use, ...]

    @cached_property
    def strands(self) -> list[Strand]:
        """The runs of all its schedules."""
        return [use.strand for use in self.uses]

    @cached_property
    def _computed(self) -> dict[str, int]:
        demands = [Demand(use.schedule, use.intent, use.strand) for use in self.uses]
        return computed_needs(self.session, demands) if self.uses else {}

    def computed(self, token: Address | None) -> int:
        """The most that computed calls send of a token in one window, None for the coin (R26)."""
        return self._computed.get(token or NATIVE, 0)

    def taken(self, token: Address | None) -> list[int]:
        """What the fixed calls of one run of each schedule take of a token."""
        if token is None:
            return [use.native for use in self.uses]
        return [use.tokens.get(token, 0) for use in self.uses]

    def at_most(self, token: Address | None) -> int:
        """What a grant never exceeds: the worst of each schedule, added up."""
        each = zip(self.strands, self.taken(token), strict=True)
        return sum(one.runs * weight for one, weight in each) + self.computed(token)

    def worst(self, token: Address | None) -> Worst:
        """The most of a token that one grant may have to carry (R25)."""
        found = worst(self.strands, self.session.lifetime, self.taken(token))
        return Worst(found.total + self.computed(token), found.begins_at)

    @property
    def runs_at_most(self) -> int:
        """The runs that a grant never exceeds."""
        return sum(one.runs for one in self.strands)

    def most_runs(self) -> Worst:
        """The most runs that one grant may have to carry."""
        return worst(self.strands, self.session.lifetime, [1] * len(self.uses))


def needs_of(policy: Policy, *, now: datetime) -> dict[str, Needs]:
    """
    By name, the needs of the sessions whose permissions are written out.

    What is derived covers its schedules by construction, so nothing is computed for it.
    """
    start = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    start -= LARGEST_WINDOW
    found = {}
    for session in policy.sessions.values():
        if isinstance(session.permissions, Derive):
            continue
        account = policy.accounts[session.account].address or UNKNOWN_ACCOUNT
        sealed = installed(session.permissions)
        endless = _endless(initial_allowances(session.permissions))
        uses = tuple(
            _use(
                one,
                sealed,
                endless,
                account=account,
                strand=strand_of(one, session.lifetime, start),
            )
            for one in policy.schedules.values()
            if one.session == session.name
        )
        found[session.name] = Needs(session, sealed, uses)
    return found


def _endless(allowances: Allowances) -> Allowances:
    """The same limits, each at its largest."""
    native = None if allowances.native is None else _ENDLESS
    return Allowances(native, allowances.gas, dict.fromkeys(allowances.erc20, _ENDLESS))


def _use(
    schedule: Schedule, sealed: Installed, endless: Allowances, *, account: Address, strand: Strand
) -> Use:
    intent = encode_all(schedule.calls)
    left = list(enumerate(intent))
    refused: list[Refused] = []

    def judge_at(calls: Sequence[Call]) -> Judgement:
        return judge(
            sealed,
            calls,
            account=account,
            allowances=endless,
            now=0,
            max_gas_cost=0,
            sponsored=True,
        )

    while True:
        calls = [call for _, call in left]
        judgement = judge_at(calls)
        if judgement.outcome is Outcome.ACCEPTED or not calls:
            break
        culprit = calls[judgement.call_index or 0]
        alike = [index for index, call in left if _shape(call) == _shape(culprit)]
        first = left[judgement.call_index or 0][0]
        refused.append(Refused(first, judgement.reason or "refused", len(alike) - 1))
        left = [each for each in left if each[0] not in alike]
    fixed = [call for index, call in left if not is_computed(schedule.calls[index])]
    if len(fixed) < len(left):
        judgement = judge_at(fixed)
    after = judgement.allowances
    spent = {token: _ENDLESS - rest for token, rest in after.erc20.items() if rest != _ENDLESS}
    native = 0 if after.native is None else _ENDLESS - after.native
    return Use(schedule, intent, strand, tuple(refused), native, spent)


def _shape(call: Call) -> tuple[Address, bytes]:
    return call.to, call.data[:4]
