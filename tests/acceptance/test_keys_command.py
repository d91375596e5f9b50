"""`runner keys`: as an operator uses it, and what it must never show."""

from __future__ import annotations

import io
import os
import sqlite3
import stat
from pathlib import Path

import pytest
from eth_account import Account

KEY = "0x" + "4c" * 32
PASSWORD = "correct horse"


@pytest.fixture
def passworded(monkeypatch):
    monkeypatch.setenv("KEYSTORE_PASSWORD", PASSWORD)


def test_a_new_key_is_in_a_keystore_alone(runner, passworded):
    answer = runner("keys", "new", "boss", "--password-env", "KEYSTORE_PASSWORD")

    secret = Account.decrypt(Path("boss.json").read_text(), PASSWORD)
    assert answer.code == 0
    assert Account.from_key(secret).address in answer.out
    assert secret.hex().removeprefix("0x") not in answer.out + answer.err
    assert stat.S_IMODE(Path("boss.json").stat().st_mode) == 0o600
    assert "boss: {keystore: boss.json, password: {env: KEYSTORE_PASSWORD}}" in answer.out


def test_a_key_is_never_written_over_another(runner, passworded):
    Path("boss.json").write_text("mine")

    answer = runner("keys", "new", "boss", "--password-env", "KEYSTORE_PASSWORD")

    assert (answer.code, Path("boss.json").read_text()) == (2, "mine")
    assert "cannot be made" in answer.err


def test_an_imported_key_signs_for_its_address(runner, passworded, monkeypatch):
    """
    From a pipe: an argument could be seen by others.
    """
    command = ("keys", "import", "boss", "--password-env", "KEYSTORE_PASSWORD")
    monkeypatch.setattr("sys.stdin", io.StringIO(KEY + "\n"))
    answer = runner(*command)
    Path("runner.yaml").write_text(
        "signers: {boss: {keystore: boss.json, password: {env: KEYSTORE_PASSWORD}}}\n"
    )
    listed = runner("keys", "list", "--json").json

    address = Account.from_key(KEY).address
    assert address in answer.out
    assert KEY[2:] not in answer.out + answer.err
    assert [(one["name"], one["kind"], one["address"]) for one in listed["owners"]] == [
        ("boss", "keystore", address)
    ]


@pytest.mark.parametrize("text", ["", "0x12\n", "zz" * 32 + "\n", "00" * 32 + "\n"])
def test_what_is_no_key_is_refused(runner, passworded, monkeypatch, text):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    answer = runner("keys", "import", "boss", "--password-env", "KEYSTORE_PASSWORD")

    assert answer.code == 1
    assert not Path("boss.json").exists()
    assert text.strip() in ("", "0x12") or text.strip() not in answer.err


def test_without_anybody_to_ask_a_password_is_named(runner):
    answer = runner("keys", "new", "boss")

    assert answer.code == 2
    assert "--password-env" in answer.err


def test_a_signer_that_does_not_open_is_listed_with_why(runner):
    Path("runner.yaml").write_text(
        "signers:\n  boss: {env: NO_SUCH}\n"
        "  chair: {manual: '0x00000000000000000000000000000000000a11ce'}\n"
    )

    boss, chair = runner("keys", "list", "--json").json["owners"]

    assert (boss["address"], "NO_SUCH" in boss["trouble"]) == (None, True)
    assert (chair["kind"], chair["trouble"]) == ("manual", None)


# ── rotate ────────────────────────────────────────────────────────────────────────────────────


def sealed_by() -> str:
    with sqlite3.connect(".runner/ledger.db") as connection:
        (found,) = connection.execute("SELECT value FROM meta WHERE key = 'key_id'").fetchone()
    return str(found)


@pytest.fixture
def ledger(runner):
    assert runner("db", "init").code == 0
    return Path(".runner/secret.key")


def test_a_ledger_goes_over_to_a_new_key_and_the_old_one_stays(runner, ledger):
    before, old = sealed_by(), ledger.read_text()

    answer = runner("keys", "rotate")

    assert (answer.code, sealed_by() != before) == (0, True)
    assert ledger.read_text() != old
    assert Path(f".runner/secret.key.{before}").read_text() == old
    assert runner("db", "verify").code == 0
    assert ledger.read_text().strip() not in answer.out


@pytest.mark.parametrize("step", ["drafted", "sealed", "linked"])
def test_a_rotation_that_was_cut_off_is_finished_by_another(runner, ledger, monkeypatch, step):
    """
    A crash after the new key was written, after the ledger was sealed, after the old was kept.
    """
    from runner.adapters.sql import keeping

    before = sealed_by()

    link = os.link

    def crash(*_args, **_named):
        raise KeyboardInterrupt

    def crash_when_kept(source, target):
        return crash() if str(target).endswith(before) else link(source, target)

    with monkeypatch.context() as patch:
        if step == "drafted":
            patch.setattr(keeping, "rekey", crash)
        elif step == "sealed":
            patch.setattr(os, "link", crash_when_kept)
        else:
            patch.setattr(Path, "replace", crash)
        runner("keys", "rotate")
    cut = sealed_by()
    answer = runner("keys", "rotate")

    assert (cut == before) is (step == "drafted")
    assert answer.code == 0, answer.err
    assert sealed_by() != before
    assert not Path(".runner/secret.key.new").exists()
    assert Path(f".runner/secret.key.{before}").exists()
    assert runner("db", "verify").code == 0


def test_a_key_from_a_variable_is_given_in_another(runner, ledger, monkeypatch):
    Path("runner.yaml").write_text(
        "secret_key: {env: SEAL}\nwallets: {sandbox: {embedded: true}}\n"
    )
    monkeypatch.setenv("SEAL", ledger.read_text().strip())
    monkeypatch.setenv("NEXT", "ab" * 32)

    unnamed = runner("keys", "rotate")
    answer = runner("keys", "rotate", "--new-env", "NEXT")
    again = runner("keys", "rotate", "--new-env", "NEXT")
    monkeypatch.setenv("SEAL", "ab" * 32)

    assert (unnamed.code, "--new-env" in unnamed.err) == (2, True)
    assert (answer.code, again.code) == (0, 0)
    assert runner("db", "verify").code == 0
    assert "ab" * 32 not in answer.out + answer.err
