"""What waits for owners who sign by hand (R18)."""

from __future__ import annotations

from sqlalchemy import Connection

from runner.adapters.sql import tables as t
from runner.adapters.sql.names import Names
from runner.adapters.sql.rows import grant_from
from runner.records import Grant, GrantState


def newest_unsigned(c: Connection, session: str) -> Grant | None:
    """The generation of a session that waits for its owner's signature, if there is one."""
    g = t.grants.c
    query = (
        t.grants.select()
        .where(
            g.session == Names(c).meant("session", session),
            g.state == GrantState.REQUESTED,
            g.nonce.is_not(None),
            g.session_id.is_not(None),
        )
        .order_by(g.generation.desc())
        .limit(1)
    )
    row = c.execute(query).first()
    return None if row is None else grant_from(row)


def generation(c: Connection, session: str, number: int) -> Grant | None:
    """One generation of a session."""
    g = t.grants.c
    named = g.session == Names(c).meant("session", session)
    row = c.execute(t.grants.select().where(named, g.generation == number)).first()
    return None if row is None else grant_from(row)


def is_known(c: Connection, key_address: str) -> bool:
    """Whether this ledger asked for a grant of this key: it was made here and nowhere else."""
    query = t.grants.select().where(t.grants.c.key_address == key_address).limit(1)
    return c.execute(query).first() is not None
