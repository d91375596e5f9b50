"""A backup is restored, and nothing that was paid since is paid again."""

import json
import time

import pytest
from support.house import (
    kill,
    reconcile,
    rpc,
    served_house,
    wait_for,
)

pytestmark = pytest.mark.timeout(240)

POLICY = """\
version: 1
name: demo
chain: base-sepolia
wallet: sandbox
tokens:
  usdc: {decimals: 6, address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e"}
contacts:
  alice: "0x00000000000000000000000000000000000a11ce"
  bob: "0x0000000000000000000000000000000000000b0b"
accounts:
  treasury: {owner: treasury-owner, gas: sponsor}
sessions:
  pocket: {account: treasury, lifetime: 20s, limits: {per_day: [100000 usdc]}}
schedules:
  alice: {session: pocket, every: 2s, pay: {alice: 1.5 usdc}}
  bob: {session: pocket, every: 3s, pay: {bob: 0.001 native}}
"""


@pytest.fixture
def served(tmp_path):
    with served_house(tmp_path, policy=POLICY) as opened:
        yield opened


def payments(url):
    return len([op for op in rpc(url, "sandbox_getOps") if op["calls"]])


def test_x18_h5_what_was_paid_since_the_backup_is_found_on_the_chain(served):
    """
    A backup of a running daemon, payments under a later grant, kill -9, the backup restored: each
    payment of the time between is written down, none is made again, and the schedules go on.
    """
    house, url = served
    daemon = house.start("up")
    wait_for(lambda: payments(url) > 3, what="payments")
    copied = house.run("db", "backup", "copy.db")
    assert copied.returncode == 0, copied.stderr
    before = payments(url)
    wait_for(lambda: payments(url) > before + 12, seconds=60, what="payments after the backup")
    held = house.run("db", "restore", "copy.db")
    kill(daemon)
    after = payments(url)

    restored = house.run("db", "restore", "copy.db")
    assert held.returncode == 1
    assert restored.returncode == 0, restored.stderr
    time.sleep(3)
    daemon = house.start("up", "--for", "14s")
    assert daemon.wait(timeout=120) == 0, house.logs()

    counts = reconcile(house, url)
    events = {event["event"]: event for event in house.events()}
    verified = house.run("db", "verify", "--json")
    adopted = events["ledger.reconciled"]["adopted"]
    rows = house.json("runs", "list", "--limit", "10000")
    assert 5 <= adopted <= after
    assert counts["open"] == 0
    assert counts["paid"] > after
    assert json.loads(verified.stdout)["flaws"] == []
    assert not [row for row in rows if row["state"] == "held"]
    assert not [event for event in house.events() if event["event"] == "run.fault"]
