"""A program signs: what it is told, what of its answer counts, and every way in which it fails."""

import asyncio
import json
import os
import sys
import time
from datetime import timedelta

import pytest

from runner.adapters.signers.command import CommandSigner
from runner.adapters.signers.local import LocalSigner
from runner.adapters.signers.opening import open_signer
from runner.errors import SignerError, SignerUnavailable
from runner.ethereum.address import Address
from runner.ethereum.authorization import Authorization
from runner.ethereum.modular_account import deferred_action, install_validation
from runner.ethereum.permissions import Erc20TokenTransfer, GasLimit
from runner.ethereum.signature import personal_sign_digest, recover_address
from runner.ethereum.typed_data import typed_data_digest
from runner.ethereum.user_operation import UserOperation, user_operation_hash
from runner.guard.verdict import Subject, _approve
from runner.planning.renewal import Ladder, ladder_of
from runner.settings import SignerSpec

SECRET = bytes.fromhex("46" * 32)
OWNER = LocalSigner(SECRET, name="x", sandbox_only=None).address
ACCOUNT = Address("0x1111111111111111111111111111111111111111")
USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
CHAIN = 84532
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

PREAMBLE = f"""#!{sys.executable}
import json, os, sys, time
from coincurve import PrivateKey
asked = json.load(sys.stdin)

def signature(digest=asked["digest"], key="{SECRET.hex()}", v=27):
    made = PrivateKey(bytes.fromhex(key)).sign_recoverable(
        bytes.fromhex(digest[2:]), hasher=None
    )
    return "0x" + made[:64].hex() + format(v + made[64], "02x")
"""


def grant() -> Subject:
    call = install_validation(
        (Erc20TokenTransfer(USDC, 5_000_000), GasLimit(0)),
        key=USDC,
        entity_id=1,
        expiry=1_800_000_000,
    )
    nonce = (1 << 8 | 2) << 64
    return Subject(
        "grant",
        CHAIN,
        ACCOUNT,
        deferred_action(
            chain_id=CHAIN, account=ACCOUNT, nonce=nonce, deadline=1_800_000_000, call=call
        ),
    )


def approval(subject=None, digest=None, *, signer=OWNER, sandbox=True):
    subject = subject or grant()
    return _approve(
        digest=digest or typed_data_digest(subject.content),
        signer=signer,
        sandbox=sandbox,
        meaning="a grant, for a test",
        subject=subject,
    )


@pytest.fixture
def program(tmp_path):
    """
    Make a signer of a program's text; it runs as a process of its own.
    """

    def make(text, *, preamble=PREAMBLE, mode=0o755, seconds=20.0, words=(), environment=None):
        path = tmp_path / "device"
        path.write_text(preamble + text)
        path.chmod(mode)
        return CommandSigner(
            (str(path), *words),
            OWNER,
            name="device",
            sandbox_only=True,
            timeout_seconds=seconds,
            environment=os.environ if environment is None else environment,
        )

    return make


async def test_a_program_signs_what_the_guard_approved(program):
    """
    Its signature is the one that a key of our own would have made.
    """
    approved = approval()

    signature = await program("print(signature())").sign(approved)

    assert signature == await LocalSigner(SECRET, name="x", sandbox_only=True).sign(approved)
    assert recover_address(approved.digest, signature) == OWNER


async def test_without_0x_and_with_a_line_end_it_is_the_same_signature(program):
    """
    The hex digits count.
    """
    signature = await program("print(); print(signature()[2:].upper())").sign(approval())

    assert len(signature) == 65


async def test_it_is_told_in_words_in_fields_and_by_the_digest_what_it_signs(program, tmp_path):
    """
    A grant with its scope decoded, and the EIP-712 data from which a device makes the digest.
    """
    keep = f"open({str(tmp_path / 'asked')!r}, 'w').write(json.dumps(asked))\nprint(signature())"
    approved = approval()

    await program(keep).sign(approved)

    asked = json.loads((tmp_path / "asked").read_text())
    assert asked["format"] == "runner/sign-request/v1"
    assert (asked["kind"], asked["what"]) == ("grant", "a grant, for a test")
    assert (asked["chain_id"], asked["account"], asked["signer"]) == (CHAIN, ACCOUNT, OWNER)
    assert asked["digest"] == "0x" + approved.digest.hex()
    installed = asked["details"]["grant"]["installation"]
    assert installed["permissions"][1]["allowance"] == "5000000"
    assert asked["sign"]["method"] == "eth_signTypedData_v4"
    from eth_account import Account
    from eth_account.messages import encode_typed_data

    device = Account.sign_message(encode_typed_data(full_message=asked["sign"]["data"]), SECRET)
    assert recover_address(approved.digest, bytes(device.signature)) == OWNER


async def test_of_an_operation_it_is_told_the_hash_and_the_calls(program, tmp_path):
    """
    `personal_sign` of `raw` is what counts; every field is there to make the hash again.
    """
    operation = UserOperation(ACCOUNT, 5 << 64, bytes.fromhex("b6b1ccfe"), 1, 2, 3, 4, 5)
    digest = user_operation_hash(operation, CHAIN)
    subject = Subject("uninstall", CHAIN, ACCOUNT, operation)
    keep = f"open({str(tmp_path / 'asked')!r}, 'w').write(json.dumps(asked))\nprint(signature())"

    await program(keep).sign(approval(subject, personal_sign_digest(digest)))

    asked = json.loads((tmp_path / "asked").read_text())
    assert asked["sign"] == {"method": "personal_sign", "data": {"raw": "0x" + digest.hex()}}
    fields = asked["details"]["operation"]
    assert fields["nonce"] == str(5 << 64)
    assert fields["call_data"] == "0xb6b1ccfe"
    assert len(fields) == len(UserOperation.__dataclass_fields__)


async def test_of_a_delegation_it_is_told_the_three_fields(program, tmp_path):
    """
    EIP-7702: chain, delegate and nonce make the digest.
    """
    authorization = Authorization(CHAIN, USDC, 7)
    subject = Subject("delegation", CHAIN, ACCOUNT, authorization)
    keep = f"open({str(tmp_path / 'asked')!r}, 'w').write(json.dumps(asked))\nprint(signature())"

    await program(keep).sign(approval(subject, authorization.digest))

    asked = json.loads((tmp_path / "asked").read_text())["sign"]
    assert asked["method"] == "eip7702_authorization"
    assert Authorization(*asked["data"].values()).digest == authorization.digest


async def test_it_sees_no_secret_of_this_process(program, tmp_path):
    """
    Of the environment it gets who and where it is; what else a program needs, its words say.
    """
    there = {"PATH": os.environ["PATH"], "HOME": "/root", "TREASURY_OWNER_KEY": "0x" + "ab" * 32}
    keep = f"open({str(tmp_path / 'env')!r}, 'w').write(json.dumps(dict(os.environ)))\n"
    signer = program(keep + "print(signature())", environment=there | {"RUNNER_HTTP_TOKEN": "t"})

    await signer.sign(approval())

    seen = json.loads((tmp_path / "env").read_text())
    assert seen["HOME"] == "/root"
    assert not {"TREASURY_OWNER_KEY", "RUNNER_HTTP_TOKEN"} & seen.keys()


async def test_no_shell_is_between(program, tmp_path):
    """
    What a shell would do with its words is not done.
    """
    trace = tmp_path / "trace"
    words = (f"; touch {trace}", f"$(touch {trace})", "*")
    keep = f"open({str(tmp_path / 'argv')!r}, 'w').write(json.dumps(sys.argv[1:]))\n"

    await program(keep + "print(signature())", words=words).sign(approval())

    assert json.loads((tmp_path / "argv").read_text()) == list(words)
    assert not trace.exists()


# ── what does not count ───────────────────────────────────────────────────────────────────────

HIGH_S = f"""
made = bytes.fromhex(signature()[2:])
s = {ORDER} - int.from_bytes(made[32:64], "big")
print("0x" + made[:32].hex() + format(s, "064x") + format(55 - made[64], "02x"))
"""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "printed no signature: nothing"),
        ("print('Device ready, press the button')", "printed no signature: 30 characters"),
        ("print(signature()[:-2])", "no signature: 130 characters"),
        ("print(signature() + '00')", "no signature: 134 characters"),
        ("print(signature()); print(signature())", "no signature"),
        ("print('0x' + 'zz' * 65)", "no signature: 132 characters"),
        ("print('0x' + '00' * 65)", "65 bytes, the last of them 27 or 28"),
        ("print('0x' + 'ff' * 64 + '1b')", "high s"),
        ("print('0x' + '00' * 64 + '1b')", "belongs to no key"),
        ("print(signature(v=0))", "the last of them 27 or 28"),
        (HIGH_S, "high s"),
        ("print('0' * 100_000)", "more than a signature"),
        ("while True: print('0' * 1000)", "more than a signature"),
        ("sys.stdout.buffer.write(bytes(range(256)))", "no signature"),
    ],
)
async def test_what_is_no_signature_is_refused(program, text, why):
    """
    Each says why, none repeats what was printed, and none is asked again in a hurry (R8).
    """
    with pytest.raises(SignerError, match=why) as caught:
        await program(text).sign(approval())

    assert ladder_of(caught.value) is Ladder.REFUSED
    assert "00000000" not in str(caught.value) + (caught.value.hint or "")


@pytest.mark.parametrize(
    "text",
    [
        f"print(signature(key='{'47' * 32}'))",
        "print(signature(digest='0x' + '01' * 32))",
    ],
    ids=["another key", "another digest"],
)
async def test_wrong_signer_a_signature_by_another_is_none(program, text):
    """
    By another key, or over something else: both recover to somebody who is not the owner.
    """
    with pytest.raises(SignerError, match=rf"signed as 0x.*, the owner is {OWNER}") as caught:
        await program(text).sign(approval())

    assert ladder_of(caught.value) is Ladder.REFUSED
    assert "nothing was sent" in str(caught.value)


@pytest.mark.parametrize("status", [1, 2, 126, 255])
async def test_a_failing_program_is_asked_again(program, status):
    """
    R7: a device that is not plugged in may be so the next minute.
    """
    text = f"print('no device on USB', file=sys.stderr); sys.exit({status})"

    with pytest.raises(SignerUnavailable, match=f"status {status}: no device on USB") as caught:
        await program(text).sign(approval())

    assert ladder_of(caught.value) is Ladder.TRANSPORT


async def test_a_signature_of_a_program_that_failed_does_not_count(program):
    """
    Its exit status is its last word.
    """
    with pytest.raises(SignerUnavailable, match="status 3"):
        await program("print(signature()); sys.stdout.flush(); sys.exit(3)").sign(approval())


async def test_a_program_that_was_killed_is_asked_again(program):
    """
    By what signal, for whoever looks for the cause.
    """
    with pytest.raises(SignerUnavailable, match="ended by signal 9"):
        await program("os.kill(os.getpid(), 9)").sign(approval())


async def test_status_77_says_no(program):
    """
    R8: somebody pressed the other button, and is not asked again at once.
    """
    text = "print('rejected on the device', file=sys.stderr); sys.exit(77)"

    with pytest.raises(SignerError, match="refused to sign: rejected on the device") as caught:
        await program(text).sign(approval())

    assert ladder_of(caught.value) is Ladder.REFUSED


async def test_a_slow_program_is_ended_with_all_it_started(program, tmp_path):
    """
    R7; nothing of it goes on, so it cannot sign for nobody later.
    """
    trace = tmp_path / "late"
    text = f"""
import subprocess
subprocess.Popen(["sh", "-c", "sleep 2; touch {trace}"])
time.sleep(2)
open({str(trace)!r}, "w")
"""
    began = time.monotonic()
    with pytest.raises(SignerUnavailable, match=r"no answer in 0\.7 s") as caught:
        await program(text, seconds=0.7).sign(approval())

    assert time.monotonic() - began < 1.9
    assert ladder_of(caught.value) is Ladder.TRANSPORT
    await asyncio.sleep(2)
    assert not trace.exists()


async def test_a_daemon_that_stops_ends_the_program(program, tmp_path):
    """
    Cancelled while somebody looks for the button.
    """
    trace = tmp_path / "late"
    signer = program(f"time.sleep(1.5); open({str(trace)!r}, 'w'); print(signature())")
    task = asyncio.create_task(signer.sign(approval()))
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await asyncio.sleep(1.5)
    assert not trace.exists()


async def test_a_program_need_not_read_what_it_is_told(program):
    """
    It may know the digest from elsewhere, or refuse before it reads.
    """
    signer = program(
        "import sys; sys.stdin.close(); sys.exit(77)", preamble=f"#!{sys.executable}\n"
    )
    with pytest.raises(SignerError, match="refused to sign"):
        await signer.sign(approval())


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"mode": 0o644}, "Permission denied"),
        ({"preamble": "no first line"}, "Exec format error"),
        ({"preamble": "#!/nowhere/at/all\n"}, "No such file or directory"),
    ],
)
async def test_a_program_that_cannot_be_run_says_so(program, how, why):
    """
    R8: only a person mends that; the program is looked for and not run by `doctor`.
    """
    with pytest.raises(SignerError, match=f"cannot be run: {why}") as caught:
        await program("", **how).sign(approval())

    assert ladder_of(caught.value) is Ladder.REFUSED
    assert "signers.device.command" in (caught.value.hint or "")


async def test_what_a_program_complains_of_is_shown_without_secrets(program):
    """
    A short line of it, for whoever reads the log; keys, tokens and control characters are not.
    """
    key, token = "ab" * 32, "Zz9" * 20
    said = f"\\x1b[31mbad pin, key {key} {token}"
    text = f"print('first', file=sys.stderr); sys.stderr.write('{said}'); sys.exit(1)"
    with pytest.raises(SignerUnavailable) as caught:
        await program(text).sign(approval())
    assert key not in str(caught.value)
    assert token not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert "bad pin" in str(caught.value)

    with pytest.raises(SignerUnavailable) as caught:
        await program("sys.stderr.write('x ' * 2_000_000); sys.exit(1)").sign(approval())
    assert len(str(caught.value)) < 400


# ── for whom, and on which chain ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("sandbox", [True, False])
async def test_g3_wrong_chain_no_program_is_run_for_the_other_kind(program, tmp_path, sandbox):
    """
    A device for play money is not asked about real money, nor the other way round.
    """
    trace = tmp_path / "asked"
    signer = program(f"open({str(trace)!r}, 'w')")
    signer._sandbox_only = not sandbox

    with pytest.raises(SignerError, match="only"):
        await signer.sign(approval(sandbox=sandbox))
    with pytest.raises(SignerError, match="the approval is for"):
        await signer.sign(approval(signer=USDC))
    with pytest.raises(SignerError, match="only what the guard approved"):
        await signer.sign(b"\x01" * 32)

    assert not trace.exists()


async def test_runner_yaml_makes_such_a_signer_and_runs_nothing(tmp_path):
    """
    A device that is away must not keep the daemon from starting (R20).
    """
    spec = SignerSpec(
        command=("no-such-device", "--slot", "1"), address=OWNER, timeout=timedelta(minutes=5)
    )

    signer = await open_signer("device", spec, {})

    assert isinstance(signer, CommandSigner)
    assert signer.address == OWNER
    assert signer.program is None
    assert "no-such-device" not in repr(signer)
