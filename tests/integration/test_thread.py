"""The main job, as a user runs it: `runner up` in a folder with policies."""

import signal
import sqlite3
import time
from itertools import pairwise

import pytest
from support.house import (
    House,
    balance,
    kill,
    reconcile,
    rpc,
    sandbox_on,
    served_house,
    wait_for,
)

USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
ALICE = "0x00000000000000000000000000000000000A11cE"

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def house(tmp_path):
    opened = House(tmp_path)
    yield opened
    opened.stop()


@pytest.fixture
def served(tmp_path):
    """A house whose wallet is a sandbox process of its own, so that only the daemon is killed."""
    with served_house(tmp_path) as opened:
        yield opened


def test_from_yaml_to_confirmed_payments_and_a_renewal(house):
    """
    `runner up --for 30s` pays, renews, ends by itself with 0, and ledger and chain agree.
    """
    daemon = house.start("up", "--for", "30s")
    assert daemon.wait(timeout=100) == 0, house.logs()

    summary = house.events()[-1]
    url = sandbox_on(house, ".runner/sandbox.json")
    counts = reconcile(house, url)
    grants = house.json("grants", "list")

    assert summary["event"] == "daemon.summary"
    assert summary["paid"] == counts["paid"] >= 15
    assert (summary["failed"], summary["open"], counts["open"]) == (0, 0, 0)
    assert summary["renewals"] >= 1
    assert {grant["state"] for grant in grants} == {"active", "draining"}
    (alice,) = [t for t in house.json("report")["totals"] if t["to"] == ALICE]
    assert int(alice["amount"]) == balance(url, USDC, ALICE) == 1_500_000 * alice["count"]


def test_x2_no_payment_carries_an_install(served):
    """
    Each grant is installed by an operation without calls, on a nonce key of its own.
    """
    house, url = served
    daemon = house.start("up", "--for", "8s")
    assert daemon.wait(timeout=60) == 0, house.logs()

    operations = rpc(url, "sandbox_getOps")
    nonces = [int(op["nonce"], 16) for op in operations]
    deferred = [bool((nonce >> 64) & 2) for nonce in nonces]

    assert operations[0]["calls"] == []
    assert [bool(op["calls"]) for op in operations] == [not flag for flag in deferred]
    assert len({nonce >> 64 for nonce in nonces}) == len(nonces)  # X1: a key for every run


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_h3_kill_9_at_odd_moments_pays_nothing_twice_and_loses_nothing(served, seed):
    """
    Killed again and again, the daemon goes on where the ledger says it was.
    """
    house, url = served
    for round_number in range(4):
        daemon = house.start("up")
        time.sleep(1.3 + ((seed * 7 + round_number * 13) % 17) * 0.23)
        kill(daemon)

    def paid():
        return [row["state"] for row in house.json("runs", "list")].count("success")

    before = paid()
    daemon = house.start("up")
    wait_for(lambda: paid() >= max(before + 3, 8), seconds=60, what="payments")
    daemon.terminate()
    assert daemon.wait(timeout=90) == 0, house.logs()

    counts = reconcile(house, url)
    rows = house.json("runs", "list", "--limit", "10000")
    alice = sorted(row["due_at"] for row in rows if row["schedule"] == "demo/alice")
    seconds = [int(text[17:19]) + 60 * int(text[14:16]) for text in alice]
    steps = {(after - before) % 3600 for before, after in pairwise(seconds)}

    assert counts["open"] == 0
    assert counts["paid"] >= 8
    assert steps == {2}, "a slot has no row"


def test_kill_9_of_daemon_and_embedded_sandbox_together(house):
    """
    The embedded chain is taken up where it was, with what was pending on it.
    """
    for seconds in (3.1, 4.3, 2.7):
        daemon = house.start("up")
        time.sleep(seconds)
        kill(daemon)
    daemon = house.start("up", "--for", "8s")
    assert daemon.wait(timeout=90) == 0, house.logs()

    counts = reconcile(house, sandbox_on(house, ".runner/sandbox.json"))

    assert counts["open"] == 0
    assert counts["paid"] >= 5


def test_sigterm_ends_cleanly_with_signed_runs_closed(served):
    """
    On SIGTERM nothing more is claimed, what is signed is awaited, and the exit code is 0.
    """
    house, url = served
    daemon = house.start("up")
    wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 3, what="payments")
    daemon.send_signal(signal.SIGTERM)

    assert daemon.wait(timeout=70) == 0
    assert reconcile(house, url)["open"] == 0
    assert house.events()[-1]["event"] == "daemon.summary"


def test_h1_a_second_daemon_is_refused(served):
    """
    Two daemons on one ledger: the second exits 1 and names the first.
    """
    house, url = served
    first = house.start("up")
    wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 1, what="payments")

    second = house.run("up", "--for", "5s")

    assert second.returncode == 1
    assert f"process {first.pid}" in second.stderr


def test_h4_lost_replies_and_broken_answers_pay_nothing_twice(served):
    """
    Replies that never come, garbage, and a reorganisation: the chain is asked, nothing is guessed.
    """
    house, url = served
    daemon = house.start("up")
    wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 2, what="payments")
    for fault in (
        {"kind": "drop_reply_after_accept", "method": "wallet_sendPreparedCalls", "count": 3},
        {"kind": "malformed_json", "probability": 0.4},
        {"kind": "timeout_before_accept", "method": "wallet_sendPreparedCalls", "count": 1},
        {"kind": "reorg", "depth": 2},
        {"kind": "lie_status", "status": 400},
    ):
        rpc(url, "sandbox_setFault", fault)
        time.sleep(2.5)
        rpc(url, "sandbox_clearFaults", {})
    time.sleep(6)
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=90) == 0, house.logs()

    counts = reconcile(house, url)
    assert counts["paid"] >= 5
    assert counts["open"] == 0
    assert not [event for event in house.events() if event["event"] == "run.fault"]


@pytest.mark.parametrize(
    ("method", "path", "value"),
    [
        ("wallet_prepareCalls", "data.sender", "0x0000000000000000000000000000000000000b0b"),
        ("wallet_prepareCalls", "data.maxFeePerGas", "0xffffffffffffff"),
        ("wallet_prepareCalls", "signatureRequest.data.raw", "0x" + "11" * 32),
        ("wallet_prepareCalls", "chainId", "0x1"),
        ("wallet_createSession", "signatureRequest.data.message.deadline", 4102444800),
        ("wallet_createSession", "signatureRequest.data.message.call", "0x1234"),
    ],
)
def test_a_lying_service_gets_no_signature(served, method, path, value):
    """
    What is not what the policy said is not signed: nothing is included, and a person is told.
    """
    house, url = served
    rpc(url, "sandbox_setFault", {"kind": "tamper", "method": method, "path": path, "value": value})
    daemon = house.start("up", "--for", "5s")
    assert daemon.wait(timeout=60) == 0, house.logs()

    told = [event for event in house.events() if event.get("level") == "critical"]
    with sqlite3.connect(house.folder / ".runner" / "ledger.db") as connection:
        signed = connection.execute("SELECT count(*) FROM operations").fetchone()
        contexts = connection.execute(
            "SELECT count(*) FROM grants WHERE context_sealed IS NOT NULL"
        ).fetchone()
    assert rpc(url, "sandbox_getOps") == []
    assert signed == (0,)
    assert method == "wallet_prepareCalls" or contexts == (0,)
    assert told, "nobody was told"
    assert told[0]["findings"]


def test_o10_a_schedule_is_paused_and_resumed_beside_the_daemon(served):
    """
    A pause holds for the next claim, its slots are skipped with their rows, and resuming goes on.
    """
    house, url = served
    daemon = house.start("up")
    wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 3, what="payments")
    begun = time.monotonic()
    paused = house.run("schedules", "pause", "demo/alice", "--reason", "audit")
    time.sleep(6)
    again = house.run("schedules", "pause", "demo/alice", "--reason", "audit")
    resumed = house.run("schedules", "resume", "demo/alice", "--reason", "audit done")
    most = (time.monotonic() - begun) / 2 + 1  # a slot each two seconds, however slow the commands
    paid = len(paid_to_alice(house))
    # One may have been held by the pause before it was signed, and go first.
    wait_for(lambda: len(paid_to_alice(house)) > paid + 1, what="payments after resuming")
    daemon.terminate()
    assert daemon.wait(timeout=90) == 0, house.logs()

    rows = [r for r in house.json("runs", "list") if r["schedule"] == "demo/alice"]
    told = [(row["state"], row["reason"]) for row in reversed(rows)]
    skipped = [index for index, one in enumerate(told) if one == ("skipped", "paused")]
    assert (paused.returncode, again.returncode, resumed.returncode) == (0, 2, 0)
    assert 2 <= len(skipped) <= most
    assert skipped == list(range(skipped[0], skipped[-1] + 1))
    assert ("success", None) in told[skipped[-1] :]
    reconcile(house, url)


def paid_to_alice(house):
    rows = house.json("runs", "list")
    return [r for r in rows if r["schedule"] == "demo/alice" and r["state"] == "success"]


def test_g1_another_account_of_the_owner_may_be_older(served):
    """
    A service answers an owner's oldest account whatever the salt: ours is asked for besides.
    """
    house, url = served
    owner = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
    rpc(url, "wallet_requestAccount", {"signerAddress": owner, "creationHint": {"salt": "0x7"}})

    daemon = house.start("up", "--for", "8s")
    assert daemon.wait(timeout=60) == 0, house.logs()

    assert reconcile(house, url)["paid"] > 0


def test_m1_no_claim_waits_for_a_chain_that_is_slow_to_answer(served):
    """
    Evidence may take its time: what falls due is decided in its second all the same.
    """
    house, url = served
    daemon = house.start("up", "--for", "44s")
    wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 3, what="payments")
    rpc(url, "sandbox_setFault", {"kind": "latency", "method": "eth_getLogs", "seconds": 5})
    assert daemon.wait(timeout=120) == 0, house.logs()

    with sqlite3.connect(house.folder / ".runner" / "ledger.db") as connection:
        late = [
            (decided - due) / 1e6
            for due, decided in connection.execute("SELECT due_at, decided_at FROM occurrences")
        ]
    assert len(late) > 25
    assert max(late) < 3


def test_no_secret_reaches_logs_or_ledger(served):
    """
    The owner's key is in no output and no file that the daemon wrote.
    """
    house, url = served
    daemon = house.start("up", "--for", "6s")
    assert daemon.wait(timeout=60) == 0, house.logs()

    written = b"".join(
        path.read_bytes()
        for path in house.folder.rglob("*")
        if path.name != "runner.yaml"
        if path.is_file()
    )
    with sqlite3.connect(house.folder / ".runner" / "ledger.db") as connection:
        keys = connection.execute("SELECT key_sealed, key_address FROM grants").fetchall()

    assert rpc(url, "sandbox_getOps")
    assert b"11" * 32 not in written
    assert bytes.fromhex("11" * 32) not in written
    assert all(len(sealed) == 4 + 12 + 32 + 16 for sealed, _ in keys)


@pytest.mark.parametrize(
    ("policy", "place", "words"),
    [
        ("schedules:\n  a: {session: nobody, every: 1h, pay: {b: 1 usdc}}\n", "", "nobody"),
        ("version: two\n", ":1:10", "version"),
        ("version: 1\nname: x\nschedule: {}\n", ":3:1", "schedule"),
    ],
)
def test_bad_input_starts_nothing(tmp_path, policy, place, words):
    """
    Faults have a place and a hint, the exit code is 2, and no file is made.
    """
    house = House(tmp_path, policy=policy)

    answer = house.run("up", "--for", "3s")

    assert answer.returncode == 2
    assert f"policies/demo.yaml{place}" in answer.stderr
    assert words in answer.stderr
    assert "hint" in answer.stderr
    assert not (tmp_path / ".runner").exists()


def test_a_missing_folder_of_policies(tmp_path):
    """
    Nothing to run is an error that says what to do.
    """
    house = House(tmp_path)
    (tmp_path / "policies" / "demo.yaml").unlink()
    (tmp_path / "policies").rmdir()

    answer = house.run("up", "--for", "3s")

    assert answer.returncode == 2
    assert "policies" in answer.stderr
    assert not (tmp_path / ".runner").exists()
