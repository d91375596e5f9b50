"""
Statements compiled once say what SQLAlchemy's own way says, in the transaction of whoever asks.
"""

import asyncio
import os
import sqlite3
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from runner.adapters.sql import tables as t
from runner.adapters.sql.prepared import Among, Prepared, given
from runner.adapters.sql.store import SqlStore, make_engine
from runner.adapters.vault import Vault

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
PINS = ["wallet", "chain", "paymaster", "pinned_at"]
NEW = Prepared(insert(t.pins), columns=PINS)
BY_KEY = select(t.pins).where(t.pins.c.wallet == given("its_wallet"))
LOOK = Prepared(BY_KEY)


@pytest.fixture
def connection():
    engine = make_engine("sqlite://")
    t.metadata.create_all(engine)
    with engine.connect() as opened, opened.begin():
        yield opened
    engine.dispose()


def pin(wallet, chain=1, at=NOW):
    return {"wallet": wallet, "chain": chain, "paymaster": "0x01", "pinned_at": at}


@settings(deadline=None)  # a database for each example
@drawn(
    name=st.text(max_size=9),
    chain=st.integers(0, 2**63 - 1),
    at=st.datetimes(timezones=st.just(UTC)),
    amount=st.integers(0, 2**256 - 1),
)
def test_reads_what_sqlalchemy_reads(name, chain, at, amount):
    engine = make_engine("sqlite://")
    t.metadata.create_all(engine)
    fences = Prepared(insert(t.fences), columns=[each.name for each in t.fences.columns])
    by_chain = select(t.fences).where(t.fences.c.nonce == given("its_nonce"))
    with engine.connect() as c, c.begin():
        NEW.run(c, **pin(name, chain, at))
        fences.run(c, chain=chain, sender="0x", nonce=amount, run="r", part=0, attempt=1)

        found = LOOK.all(c, its_wallet=name), Prepared(by_chain).first(c, its_nonce=amount)
        plain = (
            c.execute(select(t.pins)).all(),
            c.execute(select(t.fences).where(t.fences.c.nonce == amount)).one(),
        )
    engine.dispose()

    assert ([tuple(row) for row in found[0]], tuple(found[1])) == (plain[0], tuple(plain[1]))
    assert found[0][0]._fields == tuple(plain[0][0]._fields)


def test_a_value_that_is_missing_is_no_null(connection):
    with pytest.raises(KeyError):
        LOOK.all(connection)
    with pytest.raises(KeyError):
        NEW.run(connection, wallet="w", chain=1, paymaster="0x")


def test_tells_how_many_rows_were_changed(connection):
    assert NEW.run_many(connection, [pin("w", 1), pin("w", 2), pin("v", 3)]) == 3
    assert NEW.run_many(connection, []) == 0
    later = Prepared(
        update(t.pins).where(t.pins.c.wallet == given("its")).values(pinned_at=given("at"))
    )

    assert later.run(connection, its="w", at=NOW + timedelta(1)) == 2
    assert later.run(connection, its="x", at=NOW) == 0
    assert [row.pinned_at for row in LOOK.all(connection, its_wallet="w")] == [
        NOW + timedelta(1)
    ] * 2
    assert LOOK.first(connection, its_wallet="x") is None


def test_what_is_fixed_is_fixed_once(connection):
    """
    Values of the statement itself are bound as they were written, lists of them too.
    """
    NEW.run_many(connection, [pin("w", 1), pin("w", 2), pin("w", 3)])
    some = Prepared(select(t.pins.c.chain).where(t.pins.c.chain.in_([1, 3])).limit(2))

    assert [row.chain for row in some.all(connection)] == [1, 3]
    assert Prepared(select(t.pins.c.chain).order_by(-t.pins.c.chain)).scalar(connection) == 3


def test_many_rows_are_read_as_each_of_them(connection):
    """
    Columns at a time: an instant that many rows share is made once, and nothing is mixed up.
    """
    NEW.run_many(connection, [pin("w", n, NOW + timedelta(n % 3)) for n in range(9)])

    assert list(LOOK.many(connection, its_wallet="w")) == LOOK.all(connection, its_wallet="w")
    assert len({id(row.pinned_at) for row in LOOK.many(connection, its_wallet="w")}) == 3
    assert list(LOOK.many(connection, its_wallet="x")) == []


@pytest.mark.parametrize("count", [0, 1, 4, 5, 33, 500, 501, 1100])
def test_rows_of_any_number_of_keys(connection, count):
    NEW.run_many(connection, [pin(f"w{n}", n, NOW + timedelta(n)) for n in range(1200)])
    even = Among(select(t.pins).where(t.pins.c.chain % 2 == 0), t.pins.c.wallet)

    found = even.all(connection, [f"w{n}" for n in range(count)])

    assert sorted((row.chain, row.wallet, row.pinned_at) for row in found) == [
        (n, f"w{n}", NOW + timedelta(n)) for n in range(0, count, 2)
    ]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 31, 32, 33, 40, 100])
def test_many_rows_are_inserted_in_their_order(connection, count):
    """
    However many go to a statement; and all are counted.
    """
    rows = [pin(f"w{n:03}", n, NOW + timedelta(seconds=n)) for n in range(count)]

    assert NEW.run_many(connection, iter(rows)) == count

    found = connection.execute(select(t.pins).order_by(t.pins.c.wallet)).all()
    assert [row._mapping for row in found] == rows


def test_one_row_too_many_among_many_is_a_fault(connection):
    """
    The whole piece is undone by whoever wrote it.
    """
    rows = [pin(f"w{n}") for n in range(40)]

    with pytest.raises(IntegrityError):
        NEW.run_many(connection, [*rows, rows[3]])
    with pytest.raises(IntegrityError):
        NEW.run_many(connection, [*rows[:5], rows[3], *rows[5:]])


def test_a_fault_is_sqlalchemys_and_tells_no_values(connection):
    NEW.run(connection, **pin("secret"))
    for again in (
        lambda: NEW.run(connection, **pin("secret")),
        lambda: NEW.run_many(connection, [pin("secret")]),
    ):
        with pytest.raises(IntegrityError) as caught:
            again()
        assert "secret" not in str(caught.value)
        assert isinstance(caught.value.orig, sqlite3.IntegrityError)


@pytest.fixture
async def store(tmp_path):
    vault = Vault(bytes(range(32)), entropy=os.urandom)
    opened = SqlStore.open(f"sqlite:///{tmp_path / 'l.db'}", vault, now=NOW, create=True)
    opened.path = tmp_path / "l.db"
    yield opened
    await opened.close(now=NOW)


async def test_a_glance_sees_what_is_committed_and_nothing_else(store):
    def look(c):
        return [row.chain for row in LOOK.all(c, its_wallet="w")]

    assert await store.glance(look) == []
    await store.write(lambda tx: NEW.run(tx.connection, **pin("w", 1)))
    assert await store.glance(look) == [1]
    seen = []

    def work(tx):
        NEW.run(tx.connection, **pin("w", 2))
        seen.append(asyncio.run_coroutine_threadsafe(store.glance(look), loop).result(5))

    loop = asyncio.get_running_loop()
    await store.write(work)
    assert seen == [[1]]
    assert await store.glance(look) == [1, 2]


async def test_a_glance_at_what_is_locked_waits_elsewhere(store):
    """
    The loop waits for nobody: what it cannot see at once, a thread looks up.
    """
    here, seen = threading.get_ident(), []

    def look(c):
        seen.append(threading.get_ident() == here)
        if seen[-1]:
            raise OperationalError("SELECT", None, sqlite3.OperationalError("database is locked"))
        return LOOK.all(c, its_wallet="w")

    await store.write(lambda tx: NEW.run(tx.connection, **pin("w", 1)))

    assert [row.chain for row in await store.glance(look)] == [1]
    assert seen == [True, False]
