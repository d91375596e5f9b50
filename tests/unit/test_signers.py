"""Signers take what the guard approved, for the right key and the right kind of chain."""

import os
from types import SimpleNamespace

import pytest
from eth_account import Account

from runner.adapters.signers.local import (
    LocalSigner,
    SessionKeys,
    parse_private_key,
    read_keystore,
    throw_away_signer,
)
from runner.errors import SignerError, StoreError
from runner.ethereum.address import Address
from runner.ethereum.authorization import Authorization
from runner.ethereum.signature import recover_address
from runner.guard.verdict import Subject, _approve

SECRET = bytes.fromhex("46" * 32)
DIGEST = bytes(range(32))
OTHER = Address("0x00000000000000000000000000000000000A11cE")


def approval(signer, *, sandbox=True):
    subject = Subject("delegation", 1, OTHER, Authorization(1, OTHER, 0))
    return _approve(
        digest=DIGEST, signer=signer, sandbox=sandbox, meaning="a test", subject=subject
    )


async def test_a_signature_recovers_to_the_signer_and_agrees_with_another_library():
    """
    65 bytes, v 27 or 28, low s, deterministic: the same as eth-account makes.
    """
    signer = LocalSigner(SECRET, name="owner", sandbox_only=True)

    signature = await signer.sign(approval(signer.address))

    assert recover_address(DIGEST, signature) == signer.address
    assert signer.address == Account.from_key(SECRET).address
    assert signature == bytes(Account.unsafe_sign_hash(DIGEST, SECRET).signature)


@pytest.mark.parametrize(
    ("sandbox_only", "sandbox"), [(True, False), (False, True)], ids=["play key", "real key"]
)
async def test_g3_sandbox_keys_and_real_keys_do_not_mix(sandbox_only, sandbox):
    """
    A sandbox key never signs for a real chain, and a real key never for a sandbox.
    """
    signer = LocalSigner(SECRET, name="owner", sandbox_only=sandbox_only)

    with pytest.raises(SignerError, match="only"):
        await signer.sign(approval(signer.address, sandbox=sandbox))


async def test_an_approval_for_another_key_is_refused():
    """
    A signer signs as itself alone, and only what the guard approved.
    """
    signer = LocalSigner(SECRET, name="owner", sandbox_only=None)

    with pytest.raises(SignerError, match="the approval is for"):
        await signer.sign(approval(OTHER))
    with pytest.raises(SignerError, match="only what the guard approved"):
        await signer.sign(DIGEST)


def test_no_repr_and_no_error_shows_a_key():
    """
    What is not a key is not repeated, and what is one is not shown.
    """
    signer = LocalSigner(SECRET, name="owner", sandbox_only=True)

    assert SECRET.hex() not in repr(signer)
    for text in ("46" * 31, "0x" + "zz" * 32, "legal winner thank year wave sausage"):
        with pytest.raises(SignerError) as caught:
            parse_private_key(text, name="owner")
        assert text not in str(caught.value)
    with pytest.raises(SignerError, match="secp256k1"):
        LocalSigner(bytes(32), name="owner", sandbox_only=True)


def test_throw_away_keys_follow_from_the_name():
    """
    The same name gives the same key, another name another.
    """
    assert throw_away_signer("a").address == throw_away_signer("a").address
    assert throw_away_signer("a").address != throw_away_signer("b").address


def test_session_keys_are_fresh_and_valid():
    """
    Draws that are no scalar of the curve are drawn again.
    """
    draws = iter([bytes(32), b"\xff" * 32, SECRET])
    keys = SessionKeys(lambda grant: SECRET, entropy=lambda size: next(draws))

    secret, address = keys.new_session_key()

    assert secret == SECRET
    assert address == Account.from_key(SECRET).address
    fresh = SessionKeys(lambda grant: SECRET, entropy=os.urandom)
    assert fresh.new_session_key() != fresh.new_session_key()


def test_a_session_key_is_opened_once_and_gives_way_to_the_next_generation():
    """
    One key of a session is at hand; a destroyed one is asked of the ledger, which says so.
    """
    opened = []

    def open_key(grant):
        if grant.key_sealed is None:
            raise StoreError("destroyed")
        opened.append(grant.id)
        return grant.id.to_bytes(32, "big")

    def grant(identity, session="p/s", sealed=b"sealed"):
        return SimpleNamespace(id=identity, session=session, generation=1, key_sealed=sealed)

    keys = SessionKeys(open_key, entropy=os.urandom)
    first = keys.session_signer(grant(1))

    assert keys.session_signer(grant(1)) is first
    assert keys.session_signer(grant(7, "p/other")).address != first.address
    assert keys.session_signer(grant(2)).address != first.address
    assert keys.session_signer(grant(1)).address == first.address
    assert opened == [1, 7, 2, 1]
    with pytest.raises(StoreError, match="destroyed"):
        keys.session_signer(grant(1, sealed=None))


async def test_a_keystore_opens_with_its_password_alone():
    """
    Web3 Secret Storage v3 by eth-account; a wrong password says so and shows nothing.
    """
    import json

    document = json.dumps(Account.encrypt(SECRET, "right", iterations=2))

    assert await read_keystore(document, "right", name="owner") == SECRET
    with pytest.raises(SignerError, match="does not open") as caught:
        await read_keystore(document, "wrong", name="owner")
    assert "wrong" not in str(caught.value)
