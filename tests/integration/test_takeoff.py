"""A person signs uninstalls too (G7): the operation out as a file, the signature back."""

import copy
import json
import signal

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from support.house import POLICY, House, reconcile, rpc, served_house, wait_for

from runner.adapters.signers.local import LocalSigner

pytestmark = pytest.mark.timeout(240)

KEY = bytes([0x11]) * 32
OWNER = LocalSigner(KEY, name="owner", sandbox_only=True).address
DEVICE = (
    f"policies: policies/\nsigners: {{device: {{private_key_for_sandbox_only: '0x{KEY.hex()}'}}}}\n"
)


@pytest.fixture
def served(tmp_path):
    """A daemon whose grant a person has signed, payments under way; the device; the paper."""
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    away.mkdir()
    policy = POLICY.replace("lifetime: 45s", "lifetime: 10m, renew: off")
    owner = f"manual: '{OWNER}', sandbox_only: true"
    with served_house(home, policy=policy, owner=owner) as (house, url):
        device, paper = House(away, config=DEVICE), tmp_path / "paper.json"
        house.start("up")
        wait_for(lambda: state(house) == "requested", what="the request")
        done(house.run("grants", "request", "demo/pocket", "--out", str(paper)))
        done(device.run("grants", "sign", str(paper), "--signer", "device"))
        done(house.run("grants", "sign", str(paper)))
        wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 2, what="payments")
        paper.unlink()
        yield house, url, device, paper


def done(answer):
    assert answer.returncode == 0, answer.stderr


def state(house):
    answer = house.run("grants", "list", "--json")
    rows = json.loads(answer.stdout) if answer.returncode == 0 else []
    return next((g["state"] for g in rows if g["session_id"]), None)


def told(house, event):
    return [one for one in house.events() if one["event"] == event]


def revoke(house, paper):
    done(house.run("grants", "revoke", "demo/pocket", "--no-wait", "--reason", "moving house"))
    wait_for(lambda: told(house, "grant.revocation_asked"), what="the word to the owner")
    done(house.run("grants", "request", "demo/pocket#1", "--out", str(paper)))
    return json.loads(paper.read_text())


def test_g7_an_uninstall_goes_out_as_a_file_and_comes_back_signed(served):
    """
    The daemon says once what the owner has to do; the device recomputes all of it and signs; it is
    sent, included and proved. The daemon may have been started anew meanwhile.
    """
    house, url, device, paper = served
    shown = revoke(house, paper)
    house.processes[1].send_signal(signal.SIGTERM)
    assert house.processes[1].wait(timeout=70) == 0, house.logs()
    away = house.run("grants", "sign", str(paper), "--signature", "0x" + "11" * 65)
    house.start("up")
    wait_for(lambda: len(told(house, "daemon.armed")) == 2, what="the next daemon")

    done(device.run("grants", "sign", str(paper), "--signer", "device"))
    back = house.run("grants", "sign", str(paper))
    done(back)
    wait_for(lambda: state(house) == "revoked", what="the proof")
    again = house.run("grants", "sign", str(paper))
    house.processes[-1].send_signal(signal.SIGTERM)
    assert house.processes[-1].wait(timeout=70) == 0, house.logs()

    assert shown["please"].startswith("Take session key ")
    assert (shown["owner"], shown["chain"], shown["kind"]) == (OWNER, 84532, "uninstall")
    assert "uninstallValidation" in json.dumps(shown["calls"])
    assert shown["fee"].endswith("sponsored")
    (asked, *_) = told(house, "grant.revocation_asked")
    assert asked["level"] == "critical"
    assert "grants request demo/pocket#1" in asked["hint"]
    assert away.returncode == 2
    by_owner = [op for op in rpc(url, "sandbox_getOps") if not op["entityId"]]
    assert [op["calls"][0]["data"][:10] for op in by_owner] == ["0xb6b1ccfe"]
    assert again.returncode == 1
    assert "is revoked" in again.stderr
    assert not told(house, "grant.revocation_failed")
    assert reconcile(house, url)["open"] == 0


def test_g7_a_wallet_signs_its_hash_and_nobody_elses_signature_counts(served):
    """
    `personal_sign` of what the file says, by a library that shares no code with ours; the key of
    somebody else, and another hash, are refused with both addresses.
    """
    house, url, _, paper = served
    shown = revoke(house, paper)
    message = encode_defunct(hexstr=shown["sign"]["data"]["raw"])
    other = Account.sign_message(message, bytes([0x22]) * 32).signature
    elsewhere = Account.sign_message(encode_defunct(text="hello"), KEY).signature
    good = Account.sign_message(message, KEY).signature

    stranger = house.run("grants", "sign", str(paper), "--signature", "0x" + bytes(other).hex())
    wrong = house.run("grants", "sign", str(paper), "--signature", "0x" + bytes(elsewhere).hex())
    before = state(house)
    done(house.run("grants", "sign", str(paper), "--signature", "0x" + bytes(good).hex()))
    wait_for(lambda: state(house) == "revoked", what="the proof")

    assert (stranger.returncode, wrong.returncode, before) == (2, 2, "stopping")
    assert f"the owner is {OWNER}" in stranger.stderr
    assert Account.from_key(bytes([0x22]) * 32).address in stranger.stderr
    assert len([op for op in rpc(url, "sandbox_getOps") if not op["entityId"]]) == 1


TAMPERS = {
    "another entity": (("fields", "entity_id"), 2),
    "less to clean": (("fields", "permissions"), []),
    "void instead": (("kind",), "void"),
    "another account": (("account",), "0x0000000000000000000000000000000000000b0b"),
    "another owner": (("owner",), "0x0000000000000000000000000000000000000b0b"),
    "another chain": (("chain",), 1),
    "another salt": (("fields", "salt"), "7"),
    "a low fee": (("fields", "max_fee"), "1"),
    "other words": (("please",), "Nothing to see"),
    "another hash": (("request_hash",), "0x" + "00" * 32),
    "other calls shown": (("calls",), {}),
    "another call": (("fields", "answer", "data", "callData"), "0x8dd7712f34fcd5be"),
    "another sender": (("fields", "answer", "data", "sender"), "0x" + "0b" * 20),
    "another nonce": (("fields", "answer", "data", "nonce"), "0x1"),
    "a factory": (("fields", "answer", "data", "factory"), "0x" + "0b" * 20),
    "a sponsor less": (("fields", "sponsored"), False),
    "a hash of its own": (
        ("fields", "answer", "signatureRequest", "data", "raw"),
        "0x" + "11" * 32,
    ),
}


def test_g7_a_file_that_was_changed_on_its_way_is_signed_by_nobody(served):
    """
    Neither the device nor the daemon's machine takes any of these; the honest one still works.
    """
    house, url, device, paper = served
    honest = revoke(house, paper)
    for name, (path, value) in TAMPERS.items():
        changed = copy.deepcopy(honest)
        place = changed
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        paper.write_text(json.dumps(changed))
        signed = device.run("grants", "sign", str(paper), "--signer", "device")
        assert signed.returncode in (2, 4), (name, signed.stdout, signed.stderr)
        assert "signature" not in json.loads(paper.read_text()), name
    assert not [op for op in rpc(url, "sandbox_getOps") if not op["entityId"]]

    paper.write_text(json.dumps(honest))
    done(device.run("grants", "sign", str(paper), "--signer", "device"))
    done(house.run("grants", "sign", str(paper)))
    wait_for(lambda: state(house) == "revoked", what="the proof")


def test_what_the_owner_does_alone_is_seen_on_the_chain(served):
    """
    The signed operation goes out past the daemon, as from the owner's own wallet.
    """
    house, url, device, paper = served
    shown = revoke(house, paper)
    early = house.run("grants", "request", "demo/purse#1", "--out", str(paper) + ".2")
    done(device.run("grants", "sign", str(paper), "--signer", "device"))
    signed = json.loads(paper.read_text())["signature"]
    answer = {k: v for k, v in shown["fields"]["answer"].items() if k != "signatureRequest"}
    sent = {**answer, "signature": {"type": "secp256k1", "data": signed}}
    rpc(url, "wallet_sendPreparedCalls", sent)
    wait_for(lambda: state(house) == "revoked", what="the chain's word", seconds=40)

    assert early.returncode == 2
    assert not told(house, "grant.revocation_failed")
