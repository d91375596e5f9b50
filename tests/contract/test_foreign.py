"""What was found on an account, in SQLite and in memory alike (X18, X19)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.book import Book

from runner.adapters.memory.ledger import MemoryLedger
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.permissions import Root
from runner.records import GrantState, NewGrant

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
FOUND = NewGrant(
    session="p/treasury/foreign",
    chain=84532,
    account=Address("0x00000000000000000000000000000000000A11cE"),
    wallet="sandbox",
    key_address=ZERO_ADDRESS,
    permissions=(Root(),),
    scope="",
    requested_at=NOW,
    expires_at=datetime(9999, 12, 31, tzinfo=UTC),
    next_renewal_at=NOW,
)


@pytest.fixture(params=["sqlite", "memory"])
async def either(request, tmp_path):
    if request.param == "memory":
        yield MemoryLedger()
        return
    book = await Book.open(tmp_path / "ledger.db")
    yield book.ledger
    await book.close()


async def test_x19_a_stranger_is_kept_by_its_entity_and_once(either):
    """
    Its generation is the entity: so a person can name it, and a second look changes nothing.
    """
    first = await either.adopt_foreign(FOUND, 3)
    again = await either.adopt_foreign(replace(FOUND, requested_at=LATER), 3)

    (kept,) = await either.grants()
    assert (kept.id, kept.generation, kept.entity_id) == (first.id, 3, 3)
    assert (kept.state, kept.next_renewal_at, kept.key_sealed) == (GrantState.FOREIGN, None, None)
    assert (kept.permissions, kept.requested_at) == ((Root(),), NOW)
    assert again == kept


async def test_x19_a_stranger_that_was_taken_off_and_is_back_can_be_taken_off_again(either):
    """
    The same row, open once more.
    """
    found = await either.adopt_foreign(FOUND, 3)
    found = await either.move_grant(found, GrantState.STOPPING, now=NOW)
    await either.move_grant(found, GrantState.REVOKED, detail="kept what it held", now=NOW)

    await either.adopt_foreign(FOUND, 3)

    (kept,) = await either.grants()
    assert (kept.state, kept.closed_at, kept.detail) == (GrantState.FOREIGN, None, None)
