"""An owner whose key a program holds: the daemon has its grants signed, and its failures heard."""

import json
import signal
import sys

import pytest
from support.house import reconcile, rpc, served_house, wait_for

from runner.adapters.signers.local import LocalSigner

pytestmark = pytest.mark.timeout(120)

KEY = bytes([0x11]) * 32
OWNER = LocalSigner(KEY, name="owner", sandbox_only=True).address
DEVICE = f"""#!{sys.executable}
import json, pathlib, sys
from coincurve import PrivateKey
asked = json.load(sys.stdin)
log = pathlib.Path(sys.argv[1])
times = log.read_text().count("\\n") if log.exists() else 0
with log.open("a") as book:
    book.write(json.dumps([asked["kind"], asked["account"], asked["chain_id"]]) + "\\n")
if times < int(sys.argv[3]):
    sys.exit("the device is locked")
made = PrivateKey(bytes.fromhex(sys.argv[2])).sign_recoverable(
    bytes.fromhex(asked["digest"][2:]), hasher=None
)
print("0x" + made[:64].hex() + format(27 + made[64], "02x"))
"""


def house_of(folder, *, key=KEY, locked=0):
    device = folder / "device"
    device.write_text(DEVICE)
    device.chmod(0o755)
    owner = (
        f"command: [./device, '{folder / 'asked'}', '{key.hex()}', '{locked}'], "
        f"address: '{OWNER}', sandbox_only: true"
    )
    return served_house(folder, owner=owner)


def asked(folder):
    path = folder / "asked"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_program_signs_grants_and_uninstalls_and_is_asked_again_while_locked(tmp_path):
    """
    R7: the locked device is asked again within seconds; then payments run, and a revoke is signed
    by the same program. It is never asked about a payment.
    """
    with house_of(tmp_path, locked=1) as (house, url):
        daemon = house.start("up")
        wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 3, what="payments", seconds=60)
        failed = [event for event in house.events() if event["event"] == "grant.failed"]
        revoked = house.run("grants", "revoke", "demo/pocket", "--reason", "a test")
        wait_for(lambda: ["uninstall"] in [kinds[:1] for kinds in asked(tmp_path)], what="revoke")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=70) == 0, house.logs()

        assert [event["detail"] for event in failed] == [
            "the program of signer treasury-owner failed with status 1: the device is locked"
        ]
        assert revoked.returncode == 0, revoked.stderr
        kinds = [kind for kind, _, _ in asked(tmp_path)]
        assert kinds[:2] == ["grant", "grant"]
        assert set(kinds) == {"grant", "uninstall"}
        assert {chain for _, _, chain in asked(tmp_path)} == {84532}
        assert KEY.hex() not in house.logs()
        assert reconcile(house, url)["open"] == 0


def test_wrong_signer_of_a_program_stops_before_anything_is_sent(tmp_path):
    """
    R8: another key than the owner's is told once, with both addresses, and not asked in a hurry.
    """
    with house_of(tmp_path, key=bytes([0x12]) * 32) as (house, url):
        daemon = house.start("up")
        wait_for(
            lambda: [e for e in house.events() if e["event"] == "grant.failed"], what="the refusal"
        )
        (failed,) = [e for e in house.events() if e["event"] == "grant.failed"]
        other = LocalSigner(bytes([0x12]) * 32, name="x", sandbox_only=True).address
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=70) == 0, house.logs()

        assert f"signed as {other}, the owner is {OWNER}" in failed["detail"]
        assert rpc(url, "sandbox_getOps") == []
        assert len(asked(tmp_path)) == 1
