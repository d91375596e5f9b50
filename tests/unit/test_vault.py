"""What is sealed opens in its place alone; the secret key is made whole or not at all."""

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.adapters.vault import Vault, parse_secret, read_or_create_secret
from runner.errors import StoreError

SECRET = bytes(range(32))
PLACE = {"table": "grants", "column": "key", "row": "p/s#1"}


@given(clear=st.binary(max_size=200), flip=st.integers(min_value=0), bit=st.integers(0, 7))
def test_h10_what_was_changed_does_not_open(clear, flip, bit):
    """
    Sealing and opening is the identity; any changed bit is noticed.
    """
    vault = Vault(SECRET, entropy=os.urandom)
    sealed = bytearray(vault.seal(clear, **PLACE))

    assert vault.open(bytes(sealed), **PLACE) == clear
    sealed[flip % len(sealed)] ^= 1 << bit
    with pytest.raises(StoreError):
        vault.open(bytes(sealed), **PLACE)


@pytest.mark.parametrize("other", [{"table": "x"}, {"column": "x"}, {"row": "p/s#2"}])
def test_h10_what_was_moved_does_not_open(other):
    """
    A value copied to another table, column or row is refused.
    """
    vault = Vault(SECRET, entropy=os.urandom)

    with pytest.raises(StoreError, match="changed or moved"):
        vault.open(vault.seal(b"clear", **PLACE), **{**PLACE, **other})


def test_another_key_is_named_and_nothing_is_shown():
    """
    The error tells which key is needed, and no repr shows one.
    """
    vault = Vault(SECRET, entropy=os.urandom)
    sealed = Vault(b"x" * 32, entropy=os.urandom).seal(b"clear", **PLACE)

    with pytest.raises(StoreError, match=r"was sealed by key [0-9a-f]{8}") as caught:
        vault.open(sealed, **PLACE)
    assert SECRET.hex() not in repr(vault) + str(caught.value)


def test_the_secret_key_is_made_once_and_kept_private(tmp_path):
    """
    Mode 0600, 64 hex digits, the same at the second start, no draft left over.
    """
    path = tmp_path / "new" / "secret.key"

    first = read_or_create_secret(path, create=True, entropy=os.urandom)
    second = read_or_create_secret(path, create=True, entropy=os.urandom)

    assert first == second == parse_secret(path.read_text(), origin="test")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["secret.key"]


def test_a_key_that_others_can_read_is_refused(tmp_path):
    """
    A secret open to others is an error that says how to mend it.
    """
    path = tmp_path / "secret.key"
    path.write_text(SECRET.hex())
    path.chmod(0o644)

    with pytest.raises(StoreError, match="open to others") as caught:
        read_or_create_secret(path, create=False, entropy=os.urandom)
    assert "chmod 600" in caught.value.hint


@pytest.mark.parametrize("text", ["", "12", "zz" * 32, "00" * 33])
def test_what_is_no_key_is_not_repeated(text):
    """
    The text of a bad key never reaches the error.
    """
    with pytest.raises(StoreError) as caught:
        parse_secret(text, origin="secret_key")
    assert text == "" or text not in str(caught.value)
