"""Session keys on an account that the ledger does not know (X18, X19)."""

import signal

import pytest
from support.house import POLICY, House, rpc, served_house, wait_for

pytestmark = pytest.mark.timeout(180)

NATIVE = POLICY.replace("gas: sponsor", "gas: native")
KEY = "11" * 32
TIMING = (
    "timing: {inclusion: 3s, skew: 1s, min_lead: 5s, clock: wallet, finality: {blocks: 1, age: 0s}}"
)


@pytest.fixture
def served(tmp_path):
    """A house that has paid on the sandbox, and so left its session key on the account."""
    home = tmp_path / "home"
    home.mkdir()
    with served_house(home, policy=NATIVE) as (house, url):
        daemon = house.start("up")
        wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 2, what="payments")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=70) == 0, house.logs()
        yield url


def grants(house):
    return {(one["session"], one["state"]) for one in house.json("grants", "list")}


def test_x19_a_fresh_ledger_stops_at_an_account_that_is_not_empty(served, tmp_path):
    """
    With real money `up` ends with 2 and says how to go on; adopted, the key is in the ledger and
    is taken off by a verb, after which nobody asks again. Nothing is paid before.
    """
    url = served.replace("127.0.0.1", "0.0.0.0")  # not this machine's own: counts as real money
    other = tmp_path / "other"
    other.mkdir()
    (other / "key").write_text(KEY)
    (other / "key").chmod(0o600)
    wallet = f"{{url: '{url}', {TIMING}}}"
    config = (
        f"policies: policies/\nwallets: {{sandbox: {wallet}}}\n"
        "signers: {treasury-owner: {file: key}}\n"
    )
    house = House(other, policy=NATIVE, config=config)
    before = len(rpc(served, "sandbox_getOps"))
    assert house.run("db", "init").returncode == 0

    refused = house.run("up", "--for", "5s")
    assert refused.returncode == 2, refused.stderr
    assert "account demo/treasury" in refused.stderr
    assert "entities 1" in refused.stderr
    assert "runner up --adopt" in refused.stderr
    assert "grants revoke demo/treasury/foreign#1 --foreign" in refused.stderr
    assert len(rpc(served, "sandbox_getOps")) == before
    assert house.json("grants", "list") == []

    daemon = house.start("up", "--adopt")
    try:
        wait_for(lambda: ("demo/pocket", "active") in grants(house), what="a grant of its own")
        assert ("demo/treasury/foreign", "foreign") in grants(house)
        (own,) = [g for g in house.json("grants", "list") if g["session"] == "demo/pocket"]
        assert own["entity_id"] == 2
        plain = house.run("grants", "revoke", "demo/treasury/foreign#1", "--reason", "a test")
        revoked = house.run(
            "grants", "revoke", "demo/treasury/foreign#1", "--foreign", "--reason", "a test"
        )
        assert revoked.returncode == 0, revoked.stdout + revoked.stderr
        assert ("demo/treasury/foreign", "revoked") in grants(house)
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=70) == 0, house.logs()
        assert plain.returncode == 1
        assert "say --foreign" in plain.stderr
        told = [one for one in house.events() if one["event"] == "account.foreign"]
        assert [one["entities"] for one in told] == [[1]]
        again = house.run("up", "--for", "3s")
        assert again.returncode == 0, again.stderr
    finally:
        house.stop()


def test_x19_on_a_sandbox_it_is_told_and_goes_on(served, tmp_path):
    """
    Play money: a warning, and payments.
    """
    other = tmp_path / "other"
    other.mkdir()
    config = (
        f"policies: policies/\nwallets: {{sandbox: {{url: '{served}'}}}}\n"
        f"signers: {{treasury-owner: {{private_key_for_sandbox_only: '0x{KEY}'}}}}\n"
    )
    house = House(other, policy=NATIVE, config=config)
    before = len(rpc(served, "sandbox_getOps"))

    daemon = house.start("up")
    try:
        wait_for(lambda: len(rpc(served, "sandbox_getOps")) > before + 2, what="payments")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=70) == 0, house.logs()
        (told,) = [one for one in house.events() if one["event"] == "account.foreign"]
        assert told["level"] == "warning"
        assert "--adopt" in told["hint"]
        assert {session for session, _ in grants(house)} == {"demo/pocket"}
    finally:
        house.stop()
