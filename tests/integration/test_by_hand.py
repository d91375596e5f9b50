"""A person signs the grants, on another machine (R18): requests out, signatures back."""

import json
import signal
import time

import pytest
from support.house import (
    POLICY,
    House,
    reconcile,
    rpc,
    served_house,
    wait_for,
)

from runner.adapters.signers.local import LocalSigner

pytestmark = pytest.mark.timeout(180)

KEY = bytes([0x11]) * 32
OWNER = LocalSigner(KEY, name="owner", sandbox_only=True).address
AWAY = "signers: {device: {private_key_for_sandbox_only: '0x" + KEY.hex() + "'}}\n"


@pytest.fixture
def served(tmp_path):
    """The daemon's machine, which has no owner's key, and the sandbox beside it."""
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    away.mkdir()
    policy = POLICY.replace("lifetime: 45s", "lifetime: 5m, owner_lead: 140s")
    with served_house(
        home, policy=policy, owner=f"manual: '{OWNER}', sandbox_only: true"
    ) as opened:
        yield *opened, House(away, config="policies: policies/\n" + AWAY)


def requested(house, number):
    answer = house.run("grants", "list", "--json")
    rows = json.loads(answer.stdout) if answer.returncode == 0 else []  # no ledger yet
    return next((g for g in rows if g["generation"] == number and g["session_id"]), None)


def test_r18_request_out_signature_back_and_a_renewal_asked_for_in_time(served, tmp_path):
    """
    Nothing can be paid before; the device signs what it has recomputed; then payments run, and the
    next request comes `owner_lead` before the renewal, while the first grant still serves.
    """
    house, url, device = served
    daemon = house.start("up")
    wait_for(lambda: requested(house, 1), what="the request")
    paper = tmp_path / "request.json"

    written = house.run("grants", "request", "demo/pocket", "--out", str(paper))
    assert written.returncode == 0, written.stderr
    shown = json.loads(paper.read_text())
    signed = device.run("grants", "sign", str(paper), "--signer", "device")
    assert signed.returncode == 0, signed.stderr
    back = house.run("grants", "sign", str(paper))
    assert back.returncode == 0, back.stderr
    wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 3, what="payments")
    wait_for(lambda: requested(house, 2), what="the next request", seconds=60)

    first, second = requested(house, 1), requested(house, 2)
    needed = [
        e for e in house.events() if e["event"] == "grant.alert" and e["alert"].startswith("Owner")
    ]
    again = house.run("grants", "sign", str(paper))
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=70) == 0, house.logs()

    assert (shown["owner"], shown["chain"], shown["session"]) == (OWNER, 84532, "demo/pocket")
    assert shown["request_hash"].startswith("0x")
    assert {loss["way"] for loss in shown["exposure"]} == {"token", "value", "gas"}
    assert (first["state"], second["state"]) == ("active", "requested")
    assert needed[0]["level"] == "critical"  # nothing is paid before the first one
    assert again.returncode == 1
    assert "waits for no signature" in again.stderr
    assert reconcile(house, url)["open"] == 0


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("fields", "permissions", 0, "allowance"), "1" + "0" * 30),
        (("fields", "expiry"), 4102444800),
        (("account",), "0x0000000000000000000000000000000000000b0b"),
        (("exposure",), []),
        (("request_hash",), "0x" + "00" * 32),
        (("typed_data", "message", "deadline"), 1),
    ],
)
def test_g7_a_request_that_was_changed_on_its_way_is_not_signed(served, tmp_path, path, value):
    """
    Whatever people read and whatever is signed is recomputed from the same fields.
    """
    house, _, device = served
    house.start("up")
    wait_for(lambda: requested(house, 1), what="the request")
    paper = tmp_path / "request.json"
    house.run("grants", "request", "demo/pocket", "--out", str(paper))
    document = json.loads(paper.read_text())
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    paper.write_text(json.dumps(document))

    signed = device.run("grants", "sign", str(paper), "--signer", "device")
    wrong = house.run("grants", "sign", str(paper), "--signature", "0x" + "11" * 65)

    assert signed.returncode == 2
    assert "signature" not in json.loads(paper.read_text())
    assert wrong.returncode == 2
    time.sleep(0.5)
    assert requested(house, 1)["state"] == "requested"
