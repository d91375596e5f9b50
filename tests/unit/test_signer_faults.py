"""Every signer, every way to fail: a clear error, no signature, and whether it is tried again."""

from __future__ import annotations

import json
import sys
from datetime import timedelta

import pytest
from eth_account import Account

from runner.adapters.signers.local import LocalSigner
from runner.adapters.signers.opening import open_signer
from runner.errors import RunnerError, SignatureNeeded
from runner.ethereum.address import Address
from runner.ethereum.authorization import Authorization
from runner.guard.verdict import Subject, _approve
from runner.planning.renewal import Ladder, ladder_of
from runner.settings import EnvRef, FileRef, Secret, SignerSpec

SECRET = "46" * 32
OWNER = LocalSigner(bytes.fromhex(SECRET), name="x", sandbox_only=None).address
OTHER = Address("0x00000000000000000000000000000000000A11cE")
KINDS = ("env", "file", "keystore", "command", "manual", "sandbox")
LATER, SELDOM = Ladder.TRANSPORT, Ladder.REFUSED

LOCKED = {
    "env": ({"KEY": ""}, "which is not set"),
    "file": ("gone", "No such file"),
    "keystore": ("password", "does not open"),
    "command": ("echo the device is locked >&2; exit 1", "the device is locked"),
}
"""A key that is there, and cannot be used now: how it is locked, and what is said."""


def approval(*, signer=OWNER, sandbox=False):
    subject = Subject("delegation", 1, OTHER, Authorization(1, OTHER, 0))
    return _approve(
        digest=bytes(range(32)), signer=signer, sandbox=sandbox, meaning="a test", subject=subject
    )


def spec_of(kind, folder, *, program=None, key=SECRET, password="right", gone=False):
    """What runner.yaml says, its files laid down."""
    for name, text in (("key", key), ("password", password)):
        (folder / name).write_text(text + "\n")
        (folder / name).chmod(0o600)
    if gone:
        (folder / "key").unlink()
    if kind == "env":
        return SignerSpec(source=EnvRef("KEY"))
    if kind == "file":
        return SignerSpec(source=FileRef(folder / "key"))
    if kind == "keystore":
        store = folder / "store.json"
        store.write_text(json.dumps(Account.encrypt(bytes.fromhex(key), "right", iterations=2)))
        return SignerSpec(keystore=store, password=FileRef(folder / "password"))
    if kind == "command":
        words = ("/bin/sh", "-c", program or "exit 0")
        return SignerSpec(command=words, address=OWNER, timeout=timedelta(seconds=0.5))
    if kind == "manual":
        return SignerSpec(manual=OWNER)
    return SignerSpec(private_key=Secret("0x" + key), sandbox_only=True)


async def signing(kind, spec, environment=None, **how):
    """Open the signer and let it sign: what came of it."""
    how = {"sandbox": kind == "sandbox", **how}
    try:
        signer = await open_signer("boss", spec, environment or {"KEY": SECRET})
        await signer.sign(approval(**how))
    except RunnerError as error:
        return error
    return None


def check(error, words, ladder):
    assert error is not None, "it was signed"
    assert words in error.what
    assert "boss" in error.what or "the approval" in error.what
    assert SECRET not in f"{error} {error.hint}"
    assert ladder_of(error) is ladder


@pytest.mark.parametrize("kind", KINDS)
async def test_wrong_signer(kind, tmp_path):
    """
    An approval for somebody else is taken by none.
    """
    error = await signing(kind, spec_of(kind, tmp_path), signer=OTHER)

    check(error, f"the approval is for {OTHER}", SELDOM)


@pytest.mark.parametrize("kind", KINDS)
async def test_g3_wrong_chain(kind, tmp_path):
    """
    Real keys sign for no sandbox, play keys for nothing else.
    """
    error = await signing(kind, spec_of(kind, tmp_path), sandbox=kind != "sandbox")

    check(error, "sandboxes only" if kind == "sandbox" else "real chains only", SELDOM)


@pytest.mark.parametrize("kind", LOCKED)
async def test_locked_key(kind, tmp_path):
    """
    What is missing or shut may be there again in a moment, save a password that is wrong.
    """
    how, words = LOCKED[kind]
    spec = spec_of(
        kind,
        tmp_path,
        program=how if kind == "command" else None,
        password="wrong" if kind == "keystore" else "right",
        gone=kind == "file",
    )
    error = await signing(kind, spec, how if kind == "env" else None)

    check(error, words, SELDOM if kind == "keystore" else LATER)


@pytest.mark.parametrize("kind", ["env", "file"])
async def test_what_is_no_key(kind, tmp_path):
    error = await signing(kind, spec_of(kind, tmp_path, key="46" * 31), {"KEY": "46" * 31})

    check(error, "64 hex digits", SELDOM)


@pytest.mark.parametrize(
    ("program", "words", "ladder"),
    [
        ("sleep 30", "gave no answer in 0.5 s", LATER),
        ("exit 3", "failed with status 3", LATER),
        ("kill -9 $$", "ended by signal 9", LATER),
        ("exit 77", "refused to sign", SELDOM),
        ("echo 0x12", "printed no signature", SELDOM),
        (f"echo 0x{'11' * 64}1b", "boss", SELDOM),
    ],
)
async def test_a_slow_or_failing_command(program, words, ladder, tmp_path):
    check(await signing("command", spec_of("command", tmp_path, program=program)), words, ladder)


async def test_a_person_is_asked_and_nothing_is_signed_here(tmp_path):
    error = await signing("manual", spec_of("manual", tmp_path))

    assert isinstance(error, SignatureNeeded)
    assert "grants request" in error.hint


@pytest.mark.parametrize("kind", ["env", "file", "keystore", "sandbox"])
async def test_each_of_them_signs_when_nothing_is_wrong(kind, tmp_path):
    assert await signing(kind, spec_of(kind, tmp_path)) is None


async def test_so_does_a_program(tmp_path):
    script = (
        "import json,sys;from coincurve import PrivateKey as K;"
        "a=json.load(sys.stdin);"
        f"s=K(bytes.fromhex('{SECRET}')).sign_recoverable(bytes.fromhex(a['digest'][2:]),hasher=None);"
        "print('0x'+s[:64].hex()+format(27+s[64],'02x'))"
    )
    spec = SignerSpec(
        command=(sys.executable, "-c", script), address=OWNER, timeout=timedelta(seconds=30)
    )

    assert await signing("command", spec) is None
