"""
Policies × ledger → what would change. Pure; when it has been carried out, nothing is left of it.

Differences come from an edit: a session that is new, may do more or less, is no longer used; a
schedule that is new, changed or gone. What follows from time alone (the renewal of a grant that
still serves) is the daemon's daily work and no difference; a session that has no grant to serve
it is one, since somebody has to sign.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from runner.ethereum.permissions import (
    Permission,
)
from runner.frozen import frozen
from runner.planning.applied import without_secrets
from runner.planning.demand import is_settled
from runner.planning.facts import ON_THE_WAY, SCHEDULE, SESSION, Facts, GrantFact, ScheduleFact
from runner.planning.near import NearDuplicate, near_duplicate
from runner.planning.renames import moved, relabelled
from runner.planning.trees import KeyChange, changes
from runner.planning.wanted import Wanted
from runner.planning.widening import targets, widens
from runner.policy.fingerprint import trigger_text
from runner.policy.model import AccountType, Policy, Schedule, Session, SmartAccount
from runner.policy.printing import Tree, policy_tree
from runner.scheduling.triggers import timetable


class Action(StrEnum):
    """What happens to a session, a schedule or an account."""

    CREATE = "create"
    RENEW = "renew"
    WIDEN = "widen"
    NARROW = "narrow"
    REPLACE = "replace"
    CHANGE = "change"
    RETIRE = "retire"


@frozen
class SessionChange:
    """
    A session whose grants or keys change.

    Attributes:
        grant: The generation in service, or the last one.
        before, after: Permissions of that generation, and those wanted.
        at: When it takes effect; None: at once.
        signatures: How often the owner has to sign for it now.
        stops: Payments of the session stop until the owner has signed (R13).
        was: Its former name (T10).
    """

    uid: str
    action: Action
    keys: tuple[KeyChange, ...] = ()
    grant: GrantFact | None = None
    before: tuple[Permission, ...] | None = None
    after: tuple[Permission, ...] | None = None
    at: datetime | None = None
    signatures: int = 0
    stops: bool = False
    why: str = ""
    was: str | None = None


@frozen
class ScheduleChange:
    """
    A schedule that is new, changed or gone.

    `first` is its first slot where it is seeded anew (T10); `floating` where that counts from the
    moment of applying (T5). `was` is its former name.
    """

    uid: str
    action: Action
    session: str
    keys: tuple[KeyChange, ...] = ()
    first: datetime | None = None
    floating: bool = False
    near: NearDuplicate | None = None
    was: str | None = None


@frozen
class AccountChange:
    """Keys of an account that differ from those applied."""

    uid: str
    keys: tuple[KeyChange, ...]


@frozen
class Note:
    """Something under way that no edit asks for, and that is good to know."""

    subject: str
    what: str


@frozen
class Difference:
    """All that would change, and what is under way anyhow."""

    accounts: tuple[AccountChange, ...]
    sessions: tuple[SessionChange, ...]
    schedules: tuple[ScheduleChange, ...]
    notes: tuple[Note, ...]

    def __bool__(self) -> bool:
        return bool(self.accounts or self.sessions or self.schedules)


def difference(
    policies: Sequence[Policy],
    facts: Facts,
    wanted: Mapping[str, Wanted],
    *,
    now: datetime,
) -> Difference:
    """
    Lay policies over the ledger.

    Args:
        wanted: By uid, what `wanted_of` makes of each session.
    """
    moves = moved(policies, facts.identities)
    comparison = _Comparison(policies, relabelled(facts, moves), wanted, moves, now)
    schedules = tuple(comparison.schedules())
    sessions = tuple(comparison.sessions({one.session for one in schedules}))
    return Difference(tuple(comparison.accounts()), sessions, schedules, tuple(comparison.notes))


class _Comparison:
    """Policies and ledger side by side."""

    def __init__(
        self,
        policies: Sequence[Policy],
        facts: Facts,
        wanted: Mapping[str, Wanted],
        moves: Mapping[str, Mapping[str, str]],
        now: datetime,
    ) -> None:
        self.policies = policies
        self.moves = moves
        self.facts = facts
        self.wanted = wanted
        self.now = now
        self.notes: list[Note] = []
        self.trees = {one.name: policy_tree(without_secrets(one)) for one in policies}
        self.old_trees = {name: policy_tree(one) for name, one in facts.applied.items()}

    # ── accounts ──────────────────────────────────────────────────────────────────────────────

    def accounts(self) -> Iterator[AccountChange]:
        for policy in self.policies:
            old = self._old(policy.name, "accounts")
            for name, tree in self.trees[policy.name]["accounts"].items():
                keys = changes(old[name], tree) if name in old else ()
                if keys:
                    yield AccountChange(f"{policy.name}/{name}", keys)

    def _old(self, policy: str, section: str) -> Tree:
        found: Tree = self.old_trees.get(policy, {}).get(section, {})
        return found

    # ── sessions ──────────────────────────────────────────────────────────────────────────────

    def sessions(self, touched: set[str]) -> Iterator[SessionChange]:
        """`touched` are sessions of which a schedule changes."""
        there = set()
        for policy in self.policies:
            for session in policy.sessions.values():
                there.add(session.uid)
                change = self._session(policy, session, session.uid in touched)
                was = self.moves[SESSION].get(session.uid)
                if was is not None:  # its grants go on under the new name (T10)
                    change = change or SessionChange(session.uid, Action.CHANGE)
                    change = replace(change, keys=_but_names(change.keys), was=was)
                if change is not None:
                    yield change
        yield from self._retired(there)

    def _session(self, policy: Policy, session: Session, touched: bool) -> SessionChange | None:
        wanted = self.wanted[session.uid]
        keys = self._session_keys(policy, session)
        grants = self.facts.of(session.uid)
        stays = not self._moves(policy, session)
        here = [one for one in grants if stays and wanted.is_place_of(one)]
        serving = next((one for one in reversed(here) if one.serves(self.now)), None)
        if serving is None and self.facts.is_over(session.uid) and not touched:
            said = "needs no grant: all of its schedules are completed"
            self.notes.append(Note(session.uid, said))
            return SessionChange(session.uid, Action.CHANGE, keys) if keys else None
        if serving is None:
            return self._without_grant(session, wanted, keys, grants, here)
        before, after = serving.permissions, wanted.permissions
        removed = targets(before) - targets(after)
        if widens(before, after):
            return SessionChange(
                session.uid,
                Action.WIDEN,
                keys,
                serving,
                before,
                after,
                signatures=2 if removed else 1,
                stops=bool(removed),
                why="it may do more: granted anew at once",
            )
        narrower = set(before) != set(after)
        if narrower and not (keys or touched):
            at = f" on {serving.next_renewal_at:%Y-%m-%d}" if serving.next_renewal_at else ""
            self.notes.append(Note(session.uid, f"may do less from its next grant{at} on"))
            return None
        if narrower:
            return SessionChange(
                session.uid,
                Action.NARROW,
                keys,
                serving,
                before,
                after,
                at=None if removed else serving.next_renewal_at,
                signatures=2 if removed else 0,
                stops=bool(removed),
                why="it may do less"
                + (": the old grant is revoked first" if removed else " from its next grant on"),
            )
        return SessionChange(session.uid, Action.CHANGE, keys, serving) if keys else None

    def _moves(self, policy: Policy, session: Session) -> bool:
        """Whether its account's address follows from something else than when it was applied."""
        old = self.facts.applied.get(policy.name)
        before = None if old is None else old.sessions.get(session.name)
        if old is None or before is None:
            return False
        return _origin(old.accounts[before.account]) != _origin(policy.accounts[session.account])

    def _without_grant(
        self,
        session: Session,
        wanted: Wanted,
        keys: tuple[KeyChange, ...],
        grants: Sequence[GrantFact],
        here: Sequence[GrantFact],
    ) -> SessionChange | None:
        coming = [one for one in here if one.state in ON_THE_WAY and one.expires_at > self.now]
        if coming and set(coming[-1].permissions) == set(wanted.permissions):
            newest = coming[-1]
            said = f"generation {newest.generation} is on its way ({newest.state})"
            self.notes.append(Note(session.uid, said))
            return SessionChange(session.uid, Action.CHANGE, keys) if keys else None
        last = grants[-1] if grants else None
        served = [one for one in grants if one.serves(self.now)]
        if last is None:
            action, why = Action.CREATE, "it has no grant yet"
        elif served and not here:
            action, why = Action.REPLACE, "it moves to another account, chain or wallet"
        else:
            action, why = Action.RENEW, _ended(last)
        if action is not Action.RENEW and wanted.account.type is AccountType.EIP7702:
            command = f"runner grants request {session.uid} --delegate"
            said = f"the owner's address has to delegate first, if it has not: {command}"
            self.notes.append(Note(session.uid, said))
        return SessionChange(
            session.uid,
            action,
            keys,
            last,
            after=wanted.permissions,
            signatures=1,
            why=why,
        )

    def _session_keys(self, policy: Policy, session: Session) -> tuple[KeyChange, ...]:
        old = self._old(policy.name, "sessions").get(session.name)
        if old is None:
            return ()
        return changes(old, self.trees[policy.name]["sessions"][session.name])

    def _retired(self, there: set[str]) -> Iterator[SessionChange]:
        known = {one.uid for old in self.facts.applied.values() for one in old.sessions.values()}
        # Where nobody wrote down what was applied, schedules in force name their sessions.
        known |= {one.session for one in self.facts.schedules.values() if one.state != "removed"}
        for uid in sorted(known - there):
            grants = [one for one in self.facts.of(uid) if one.may_sign(self.now)]
            last = max(grants, key=lambda one: one.expires_at, default=None)
            yield SessionChange(
                uid,
                Action.RETIRE,
                grant=last,
                before=None if last is None else last.permissions,
                why="no policy names it any more",
            )
        for grant in self.facts.grants:
            if grant.session not in there | known and grant.may_sign(self.now):
                said = (
                    f"is no longer used; generation {grant.generation} could sign until "
                    f"{grant.expires_at:%Y-%m-%d %H:%MZ}"
                )
                self.notes.append(Note(grant.session, said))

    # ── schedules ─────────────────────────────────────────────────────────────────────────────

    def schedules(self) -> Iterator[ScheduleChange]:
        taken = set()
        for policy in self.policies:
            for schedule in policy.schedules.values():
                row, was = self._row(schedule)
                taken.add(row.uid if row is not None else schedule.uid)
                change = self._schedule(policy, schedule, row, was)
                if change is not None:
                    yield change
        for uid, row in sorted(self.facts.schedules.items()):
            if uid not in taken and row.state != "removed":
                yield ScheduleChange(uid, Action.RETIRE, row.session)

    def _row(self, schedule: Schedule) -> tuple[ScheduleFact | None, str | None]:
        """What the ledger has of a schedule, and its former name, if it is renamed (T10)."""
        row = self.facts.schedules.get(schedule.uid)
        if row is None or row.state == "removed":
            return None, None
        return row, self.moves[SCHEDULE].get(schedule.uid)

    def _schedule(
        self, policy: Policy, schedule: Schedule, row: ScheduleFact | None, was: str | None
    ) -> ScheduleChange | None:
        session = f"{schedule.policy}/{schedule.session}"
        fresh = timetable(schedule, anchor=self.now)
        coming = fresh.next_firing_after(self.now)
        first = None if coming is None or schedule.suspend else coming.due_at
        floating = not is_settled(schedule)
        if row is None:
            return ScheduleChange(
                schedule.uid, Action.CREATE, session, first=first, floating=floating
            )
        old = self._applied(row.uid)
        keys = list(self._schedule_keys(policy, schedule, row.uid.partition("/")[2], old))
        moved = row.trigger != trigger_text(schedule)
        if moved and not keys:
            keys.append(KeyChange("trigger", row.trigger, trigger_text(schedule)))
        if row.session != session and not any(key.path == "session" for key in keys):
            keys.append(KeyChange("session", row.session.partition("/")[2], schedule.session))
        if not keys and was is None:
            return None
        if was is not None:
            keys = list(_but_names(keys))
        return ScheduleChange(
            schedule.uid,
            Action.CHANGE,
            session,
            tuple(keys),
            first if moved else None,
            moved and floating,
            near_duplicate(fresh, old, row, now=self.now) if moved else None,
            was,
        )

    def _applied(self, uid: str) -> Schedule | None:
        name, _, schedule = uid.partition("/")
        old = self.facts.applied.get(name)
        return None if old is None else old.schedules.get(schedule)

    def _schedule_keys(
        self, policy: Policy, schedule: Schedule, former: str, old: Schedule | None
    ) -> Iterator[KeyChange]:
        before = self._old(policy.name, "schedules").get(former)
        if before is None or old is None:
            return
        yield from changes(before, self.trees[policy.name]["schedules"][schedule.name])
        for section in ("contacts", "tokens"):
            earlier, now = self._old(policy.name, section), self.trees[policy.name][section]
            for name in earlier.keys() & now.keys() & _names_in(schedule):
                yield from changes(
                    {f"{section}.{name}": earlier[name]}, {f"{section}.{name}": now[name]}
                )


def _but_names(keys: Iterable[KeyChange]) -> tuple[KeyChange, ...]:
    """Without the key that says what `was` says."""
    return tuple(key for key in keys if key.path != "previous_names")


def _names_in(schedule: Schedule) -> set[str]:
    """The names that its calls use: contacts, contracts, tokens."""
    found: set[str] = set()
    for call in schedule.calls:
        for attribute in ("to_name", "spender_name", "contract_name"):
            found.add(getattr(call, attribute, ""))
        asset = getattr(call, "asset", None)
        if asset is not None:
            found.add(asset.name)
    return found


def _origin(account: SmartAccount) -> tuple[AccountType, str, int]:
    """What an address is computed from (G1)."""
    return account.type, account.owner, account.salt


def _ended(grant: GrantFact) -> str:
    if grant.state == "active":
        return f"its last grant ended on {grant.expires_at:%Y-%m-%d %H:%MZ}"
    return f"its last grant is {grant.state}"
