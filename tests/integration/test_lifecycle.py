"""A grant's life with the real daemon: states, keys, crashes between request and activation."""

import sqlite3
import time
from contextlib import closing
from itertools import pairwise

import pytest
from chaos.stage import Stage
from support.house import rpc, wait_for

pytestmark = pytest.mark.timeout(240)

HEAD = """\
version: 1
name: demo
chain: base-sepolia
wallet: sandbox
tokens:
  usdc: {decimals: 6, address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e"}
contacts: {alice: "0x00000000000000000000000000000000000a11ce"}
accounts: {first: {owner: treasury-owner, gas: sponsor}}
"""
SHORT = HEAD + (
    "sessions:\n"
    "  one: {account: first, lifetime: 12s}\n"
    "  two: {account: first, lifetime: 14s}\n"
    "  three: {account: first, lifetime: 16s}\n"
    "schedules:\n"
    "  a: {session: one, every: 2s, pay: {alice: 1 usdc}}\n"
    "  b: {session: two, every: 3s, pay: {alice: 1 usdc}}\n"
    "  c: {session: three, every: 4s, pay: {alice: 1 usdc}}\n"
)
LONG = HEAD + (
    "sessions: {one: {account: first, lifetime: 40s}}\n"
    "schedules:\n"
    "  a: {session: one, every: 2s, pay: {alice: 1 usdc}, catch_up_window: 10m}\n"
)


@pytest.fixture
def stage(tmp_path, request):
    opened = Stage(tmp_path, policy=request.param)
    yield opened
    opened.stop()


def rows(stage, query, *values):
    with closing(sqlite3.connect(f"file:{stage.ledger}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query, values)]


def finish(stage):
    stage.daemon.terminate()
    assert stage.daemon.wait(timeout=90) == 0, stage.logs()[-1].read_text()[-2000:]


@pytest.mark.parametrize("stage", [SHORT], indirect=True)
def test_r11_r15_x16_one_serves_each_has_its_own_key_and_requests_go_one_by_one(stage):
    """
    Three sessions of one account, renewed again and again beside each other.
    """
    stage.start()
    wait_for(
        lambda: stage.exists and len(rows(stage, "SELECT 1 FROM grants WHERE activated_at")) >= 9,
        seconds=90,
        what="generations",
    )
    finish(stage)
    grants = rows(stage, "SELECT * FROM grants ORDER BY id")
    runs = rows(
        stage,
        "SELECT r.*, o.signed_at FROM runs r JOIN operations o ON o.run = r.id"
        " WHERE r.kind = 'payment' AND o.kind = 'payment'",
    )
    by_id = {one["id"]: one for one in grants}
    begun = [one for one in grants if one["activated_at"] is not None]
    flights = sorted((one["requested_at"], one["activated_at"]) for one in begun)

    for session in ("one", "two", "three"):
        mine = [one for one in begun if one["session"] == f"demo/{session}"]
        for earlier, later in pairwise(mine):
            assert earlier["draining_at"] is not None
            assert earlier["draining_at"] <= later["activated_at"]
    assert len({one["key_address"] for one in grants}) == len(grants)
    ended = [
        one for one in grants if one["state"] in ("retired", "expired", "revoked", "abandoned")
    ]
    assert ended
    assert [one["id"] for one in ended if one["key_sealed"] is not None] == []
    assert [one for one in runs if by_id[one["grant_id"]]["activated_at"] > one["signed_at"]] == []
    for (_, active), (requested, _) in pairwise(flights):
        assert active <= requested, "a grant was asked for before the one before it was active"


@pytest.mark.parametrize("stage", [LONG], indirect=True)
def test_r16_what_is_frozen_under_a_grant_that_lapsed_is_prepared_anew(stage):
    """
    The daemon dies between freezing and signing, and comes back when that grant has ended.
    """
    stage.start(die="freeze.after:2")
    stage.daemon.wait(timeout=60)
    (frozen,) = rows(stage, "SELECT * FROM runs WHERE state = 'prepared'")
    rpc(stage.url, "sandbox_advance", {"seconds": 60})
    stage.start()
    wait_for(
        lambda: rows(stage, "SELECT 1 FROM runs WHERE id = ? AND state = 'success'", frozen["id"]),
        seconds=60,
        what="the payment",
    )
    finish(stage)
    (paid,) = rows(stage, "SELECT * FROM runs WHERE id = ?", frozen["id"])
    (old,) = rows(stage, "SELECT * FROM grants WHERE id = ?", frozen["grant_id"])
    (operation,) = rows(stage, "SELECT * FROM operations WHERE run = ?", frozen["id"])

    assert paid["grant_id"] > frozen["grant_id"]
    assert operation["signed_at"] > old["expires_at"]
    stage.check(at_rest=True)


@pytest.mark.parametrize(
    ("stage", "place", "state"),
    [
        (LONG, "request.after:1", "abandoned"),
        (LONG, "create_session.after:1", "abandoned"),
        (LONG, "owner_signed.after:1", "active"),
        (LONG, "activation.after:1", "active"),
        (LONG, "activate.before:1", "active"),
    ],
    indirect=["stage"],
)
def test_r21_a_crash_before_the_signature_costs_a_request_and_after_it_nothing(stage, place, state):
    """
    What nobody has signed can spend nothing and is given up; what the owner signed is resumed.
    """
    stage.start(die=place)
    stage.daemon.wait(timeout=60)
    (before,) = rows(stage, "SELECT * FROM grants")
    stage.start()
    wait_for(
        lambda: rows(stage, "SELECT 1 FROM runs WHERE kind = 'payment' AND state = 'success'"),
        seconds=60,
        what="a payment",
    )
    (after,) = rows(stage, "SELECT * FROM grants WHERE id = ?", before["id"])
    finish(stage)
    all_of_them = rows(stage, "SELECT * FROM grants WHERE requested_at <= ?", before["expires_at"])

    assert before["state"] in ("requested", "owner_signed", "activating")
    assert after["state"] == state
    assert after["key_address"] == before["key_address"]
    assert len(all_of_them) >= (2 if state == "abandoned" else 1)


@pytest.mark.parametrize("stage", [LONG], indirect=True)
def test_o3_resume_replays_nothing_unless_it_is_asked_to(stage):
    """
    Slots that were paused stay skipped; with --catch-up all those in question are paid, once each.
    """
    house = stage.house
    stage.start()
    wait_for(lambda: stage.exists and rows(stage, "SELECT 1 FROM runs WHERE state='success'"))
    for words in ((), ("--catch-up", "all", "--yes")):
        paused = house.run("schedules", "pause", "demo/a", "--reason", "a look")
        assert paused.returncode == 0, paused.stderr
        time.sleep(7)
        resumed = house.run("schedules", "resume", "demo/a", "--reason", "well", *words)
        assert resumed.returncode == 0, resumed.stderr
        time.sleep(8)
    finish(stage)
    skipped = rows(
        stage, "SELECT slot FROM occurrences WHERE decision = 'skipped' AND reason = 'paused'"
    )
    slots = [one["slot"] for one in rows(stage, "SELECT slot FROM occurrences ORDER BY due_at")]

    assert len(skipped) >= 2, "what the first pause skipped stays so"
    assert len(slots) == len(set(slots))
    late = rows(
        stage,
        "SELECT 1 FROM runs WHERE kind = 'payment' AND state = 'success'"
        " AND claimed_at > due_at + 4000000",
    )
    assert late, "what the second pause skipped was paid"
    stage.check(at_rest=True)
