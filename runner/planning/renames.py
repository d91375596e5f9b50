"""
Which history a name of the policies stands for: that of a former name goes on (T10).

A schedule's uid is `policy/name` as it was first applied, and stays (S1): run ids and nonce keys
follow from it, so that no slot is ever paid under two names. What it is called today stands beside
it in the ledger. Sessions alike: generations, budgets and pauses stay with the uid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from runner.errors import UsageError
from runner.frozen import frozen
from runner.planning.facts import SCHEDULE, SESSION, Facts, Identities
from runner.policy.model import Policy, Schedule, Session

T = TypeVar("T", Schedule, Session)


@frozen
class Named:
    """What a uid is called by the policies in force."""

    kind: str
    uid: str
    name: str


def identified(policies: Sequence[Policy], known: Identities) -> tuple[Policy, ...]:
    """
    The policies, each schedule and session with the uid under which the ledger knows it.

    Raises:
        UsageError: two names claim one history, or one name two.
    """
    schedules = _uids(policies, SCHEDULE, known.schedules)
    sessions = _uids(policies, SESSION, known.sessions)
    return tuple(
        replace(
            policy,
            schedules={name: _with_uid(one, schedules) for name, one in policy.schedules.items()},
            sessions={name: _with_uid(one, sessions) for name, one in policy.sessions.items()},
        )
        for policy in policies
    )


def names_of(policies: Sequence[Policy]) -> tuple[Named, ...]:
    """What identified policies call everything."""
    return tuple(
        Named(kind, one.uid, title(one))
        for kind in (SCHEDULE, SESSION)
        for one in _all(policies, kind)
    )


def title(one: Schedule | Session) -> str:
    """Today's name."""
    return f"{one.policy}/{one.name}"


def moved(policies: Sequence[Policy], known: Identities) -> dict[str, dict[str, str]]:
    """By kind and today's name in the policies, the name that the ledger has for it, if another."""
    found: dict[str, dict[str, str]] = {SCHEDULE: {}, SESSION: {}}
    for one in names_of(identified(policies, known)):
        was = known.of(one.kind).get(one.uid, one.name)
        if was != one.name:
            found[one.kind][one.name] = was
    return found


def relabelled(facts: Facts, moves: Mapping[str, Mapping[str, str]]) -> Facts:
    """The ledger as it will be once the new names are in force; nothing else changes by them."""
    schedules = {was: name for name, was in moves[SCHEDULE].items()}
    sessions = {was: name for name, was in moves[SESSION].items()}
    if not schedules and not sessions:
        return facts
    rows = {
        schedules.get(uid, uid): replace(
            row,
            uid=schedules.get(uid, uid),
            session=sessions.get(row.session, row.session),
        )
        for uid, row in facts.schedules.items()
    }
    return replace(
        facts,
        grants=tuple(
            replace(one, session=sessions.get(one.session, one.session)) for one in facts.grants
        ),
        schedules=rows,
        applied={
            name: _called(policy, schedules, sessions) for name, policy in facts.applied.items()
        },
    )


# ── one kind at a time ────────────────────────────────────────────────────────────────────────


def _uids(policies: Sequence[Policy], kind: str, known: Mapping[str, str]) -> dict[str, str]:
    by_name = {name: uid for uid, name in known.items()}
    found: dict[str, str] = {}
    holders: dict[str, Schedule | Session] = {}
    for one in _all(policies, kind):
        own = title(one)
        uid = _uid(one, kind, known, by_name) if one.previous_names else by_name.get(own, own)
        if uid in holders:
            raise _taken(holders[uid], one, uid, kind)
        holders[uid] = one
        found[own] = uid
    return found


def _uid(
    one: Schedule | Session, kind: str, known: Mapping[str, str], by_name: Mapping[str, str]
) -> str:
    own = title(one)
    former = dict.fromkeys(
        uid
        for name in one.previous_names
        for uid in [by_name.get(f"{one.policy}/{name}", f"{one.policy}/{name}")]
        if uid in known
    )
    held = by_name.get(own)
    if held is not None:
        former.pop(held, None)
        if former:
            raise UsageError(
                f"{kind} `{one.name}` has a history of its own, and cannot take over that of "
                + ", ".join(f"`{known[uid]}`" for uid in former),
                where=one.mark,
                hint="delete `previous_names`: what was paid under each name stays with it",
            )
        return held
    if len(former) > 1:
        raise UsageError(
            f"{kind} `{one.name}` names two histories: "
            + " and ".join(f"`{known[uid]}`" for uid in former),
            where=one.mark,
            hint="one history goes on under one name; keep one in `previous_names`",
        )
    # A name that is free today and was the first of some history is that history's.
    return next(iter(former), own)


def _taken(
    first: Schedule | Session, second: Schedule | Session, uid: str, kind: str
) -> UsageError:
    newcomer, holder = (second, first) if title(second) == uid else (first, second)
    return UsageError(
        f"{kind} `{newcomer.name}` cannot have this name: what `{holder.name}` has paid and may "
        f"pay is recorded under {uid}, as it was called first",
        where=newcomer.mark,
        hint="choose a name that was never used",
    )


def _all(policies: Sequence[Policy], kind: str) -> Iterator[Schedule | Session]:
    for policy in policies:
        yield from (policy.schedules if kind == SCHEDULE else policy.sessions).values()


def _with_uid(one: T, uids: Mapping[str, str]) -> T:
    own = title(one)
    uid = uids[own]
    return one if uid == own else replace(one, first_name=uid.partition("/")[2])


def _called(policy: Policy, schedules: Mapping[str, str], sessions: Mapping[str, str]) -> Policy:
    """A policy as applied, with today's names."""

    def now(name: str, among: Mapping[str, str]) -> str:
        return among.get(f"{policy.name}/{name}", f"{policy.name}/{name}").partition("/")[2]

    return replace(
        policy,
        schedules={
            now(name, schedules): replace(
                one, name=now(name, schedules), session=now(one.session, sessions)
            )
            for name, one in policy.schedules.items()
        },
        sessions={
            now(name, sessions): replace(one, name=now(name, sessions))
            for name, one in policy.sessions.items()
        },
    )
