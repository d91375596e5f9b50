"""What plans read from the ledger: policies as applied, grants, schedules."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from support.planning import ACCOUNT, NOW, POLICY, WALLETS, changed, parse

from runner.adapters.sql.ledger import SqlLedger
from runner.adapters.sql.store import SqlStore
from runner.adapters.vault import Vault
from runner.cli.standing import facts_of
from runner.planning.applied import record_of
from runner.planning.wanted import wanted_of
from runner.policy.fingerprint import fingerprint, trigger_text
from runner.records import NewGrant, ScheduleSeed
from runner.settings import FileRef, Settings

PINGED = ("pay: {bob:", "ping: 'https://hc.example/very-secret', pay: {bob:")


def seeds(policy):
    return [
        ScheduleSeed(
            uid=one.uid,
            session=f"{policy.name}/{one.session}",
            trigger=trigger_text(one),
            revision=fingerprint(policy),
            written=record_of(policy),
        )
        for one in policy.schedules.values()
    ]


async def grant(ledger, policy, now):
    """Obtain for each session what it wants, if its newest grant is another one."""
    for uid, wanted in wanted_of([policy], WALLETS, now=now).items():
        newest = (await ledger.grants(uid) or [None])[-1]
        if newest is not None and newest.permissions == wanted.permissions:
            continue
        new = NewGrant(
            session=uid,
            chain=wanted.account.chain,
            account=ACCOUNT,
            wallet=wanted.account.wallet,
            key_address=ACCOUNT,
            permissions=wanted.permissions,
            scope="0x01",
            requested_at=now,
            expires_at=now + wanted.session.lifetime,
            next_renewal_at=now + wanted.session.lifetime / 2,
        )
        made = await ledger.new_grant(new, b"k" * 32)
        made = await ledger.owner_signed(
            made, session_id=b"\x01" * 16, entity_id=made.id, nonce=7, context=b"c", now=now
        )
        await ledger.activation(made, now=now)
        (made,) = [one for one in await ledger.grants(uid) if one.id == made.id]
        await ledger.activate(made, now=now)


def apply(folder, *policies):
    """As `up` does it, one policy after the other; what plans read then."""

    async def work():
        path = folder / "ledger.db"
        vault = Vault(bytes(32), entropy=os.urandom)
        store = SqlStore.open(f"sqlite:///{path}", vault, now=NOW, create=True)
        ledger = SqlLedger(store, vault)
        for index, policy in enumerate(policies):
            now = NOW + timedelta(minutes=index)
            await ledger.install_schedules(seeds(policy), now=now)
            await grant(ledger, policy, now)
        await store.close(now=NOW)

    asyncio.run(work())
    return read(folder)


def read(folder):
    store = f"sqlite:///{folder / 'ledger.db'}"
    return facts_of(Settings(folder, store, FileRef(folder / "key"), {}))


def test_no_ledger_is_an_empty_one_and_none_is_made(tmp_path):
    facts = read(tmp_path)

    assert (facts.exists, facts.grants, facts.schedules) == (False, (), {})
    assert list(tmp_path.iterdir()) == []


def test_policies_are_kept_as_they_were_applied(tmp_path):
    """
    What is read back means the same, a ping's secret aside, which is not in the ledger at all.
    """
    policy = parse(POLICY, PINGED)

    facts = apply(tmp_path, policy)

    kept = facts.applied["payroll"]
    assert kept.schedules["weekly"].ping is None
    assert record_of(kept) == record_of(policy)
    assert all(b"very-secret" not in file.read_bytes() for file in tmp_path.iterdir())


def test_going_back_is_seen(tmp_path):
    """
    The policy in force is the last one applied, also where it was in force before.
    """
    one, other = parse(), parse(POLICY, ("20 usdc", "30 usdc"))

    facts = apply(tmp_path, one, other, one)

    assert record_of(facts.applied["payroll"]) == record_of(one)


EDITS = [
    ("2500 usdc", "2600 usdc"),
    ("1w", "5d"),
    ("0 9 1 * *", "0 9 L * *"),
    ("6000 usdc", "7000 usdc"),
    ("00000b0b", "00000b0c"),
    ("  weekly:", "  fortnightly:"),
    ("pay: {alice:", "suspend: true, pay: {alice:"),
    PINGED,
]
edited = st.sets(st.sampled_from(EDITS[:-1])).map(lambda edits: parse(POLICY, *sorted(edits)))


@settings(deadline=None, max_examples=15)
@given(st.lists(edited, min_size=1, max_size=3))
def test_what_the_ledger_holds_after_applying_is_no_difference(policies):
    """
    Whatever was applied after whatever, on the real ledger: the last one plans nothing.
    """
    with TemporaryDirectory() as folder:
        facts = apply(Path(folder), *policies)

        found = changed([policies[-1]], facts, now=NOW + timedelta(minutes=5))

    assert not found


def test_every_ping_is_left_out(tmp_path):
    """
    Changing one is no difference: it is not remembered.
    """
    facts = apply(tmp_path, parse(POLICY, PINGED))

    assert not changed([parse()], facts)
