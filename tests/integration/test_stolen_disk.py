"""
What lies on the disk and what is printed: known secrets are looked for in all of it.

A thief of the disk, of a backup, of the logs and of whatever any command shows finds no session
key, no context, no owner's key and no secret key; with the ledger alone nothing can be signed.
"""

import os
import sqlite3
from dataclasses import dataclass

import pytest
from support.house import POLICY, House, wait_for

from runner.adapters.signers.local import LocalSigner
from runner.adapters.sql.keeping import _SEALED
from runner.adapters.vault import Vault
from runner.errors import StoreError

pytestmark = pytest.mark.timeout(180)

OWNER = bytes.fromhex("11" * 31 + "22")
TOKEN = "dashboard-token-that-nobody-prints"
SHOWN = [
    ("status",),
    ("runs", "list", "--all"),
    ("grants", "list"),
    ("grants", "show", "demo/pocket"),
    ("schedules", "list"),
    ("report",),
    ("keys", "list"),
    ("plan",),
    ("db", "verify"),
    ("db", "export"),
    ("why", "alice", "--at", "2026-11-27T00:00:00Z"),
    ("validate", "--resolved"),
]
POLICIES = POLICY.replace("lifetime: 45s", "lifetime: 12s")


@dataclass
class Stolen:
    """A folder after its daemon has ended, and what must be found nowhere in it."""

    house: House
    secrets: dict[str, bytes]
    rows: dict[tuple[str, str], list[dict[str, object]]]
    vault: Vault


@pytest.fixture(scope="module")
def stolen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("disk")
    config = (
        "policies: policies/\nwallets: {sandbox: {embedded: true}}\n"
        "signers: {treasury-owner: {env: OWNER_KEY, sandbox_only: true}}\n"
        "http: {bind: 127.0.0.1:0, token: {env: HTTP_TOKEN}}\nlog: {format: json, level: debug}\n"
    )
    house = House(folder, policy=POLICIES, config=config)
    os.environ |= {"OWNER_KEY": "0x" + OWNER.hex(), "HTTP_TOKEN": TOKEN}
    try:
        daemon = house.start("up", "--for", "40s")
        wait_for(lambda: renewed(house), what="two generations", seconds=60)
        house.run("db", "backup", "copy.db")
        daemon.terminate()
        assert daemon.wait(timeout=70) == 0, house.logs()
        (folder / "shown").mkdir()
        for number, words in enumerate(SHOWN):
            for form in ((), ("--json",)):
                answer = house.run(*words, *form)
                text = answer.stdout + answer.stderr
                (folder / "shown" / f"{number}{''.join(form)}.txt").write_text(text)
        yield taken(house)
    finally:
        house.stop()
        del os.environ["OWNER_KEY"], os.environ["HTTP_TOKEN"]


def renewed(house):
    return any(one["event"] == "grant.renewed" for one in house.events())


def taken(house):
    secret = bytes.fromhex((house.folder / ".runner" / "secret.key").read_text().strip())
    vault = Vault(secret, entropy=os.urandom)
    rows = {}
    with sqlite3.connect(house.folder / ".runner" / "ledger.db") as connection:
        connection.row_factory = sqlite3.Row
        for table, sealed in _SEALED:
            query = f"SELECT * FROM {table} WHERE {sealed} IS NOT NULL"
            rows[table, sealed] = [dict(row) for row in connection.execute(query)]
    found = {"owner": OWNER, "secret key": secret, "http token": TOKEN.encode()}
    for (table, sealed), place in _SEALED.items():
        for row in rows[table, sealed]:
            column, identity = place(row)
            clear = vault.open(row[sealed], table=table, column=column, row=identity)
            found[f"{table}.{column} {identity}"] = clear
    return Stolen(house, found, rows, vault)


def forms(secret):
    """As it is, and as text: hex in either case."""
    return {secret, secret.hex().encode(), secret.hex().upper().encode()}


def test_there_are_secrets_to_look_for(stolen):
    kinds = {name.split()[0] for name in stolen.secrets}

    assert kinds == {
        "owner",
        "secret",
        "http",
        "grants.key",
        "grants.context",
        "operations.request",
    }
    assert all(len(secret) >= 32 for secret in stolen.secrets.values())


def test_no_secret_lies_on_the_disk_or_is_printed(stolen):
    """
    The ledger with its log, a backup, the daemon's output at its most talkative, every command.
    """
    place = stolen.house.folder
    files = [path for path in place.rglob("*") if path.is_file() and path.name != "secret.key"]
    leaks = [
        (name, str(path.relative_to(place)))
        for path in files
        for name, secret in stolen.secrets.items()
        if any(form in path.read_bytes() for form in forms(secret))
        # What was sent is public: the sandbox keeps what the chain has.
        if not (
            path.name.startswith("sandbox") and name.startswith(("operations", "grants.context"))
        )
    ]

    assert len(files) > 20
    assert leaks == []


def test_without_the_secret_key_nothing_opens(stolen):
    """
    Another key opens nothing; nor does the right one a value that was moved to another row.
    """
    other = Vault(bytes(32), entropy=os.urandom)
    for (table, sealed), place in _SEALED.items():
        (first, *_) = stolen.rows[table, sealed]
        column, identity = place(first)
        with pytest.raises(StoreError, match="was sealed by key"):
            other.open(first[sealed], table=table, column=column, row=identity)
        with pytest.raises(StoreError, match="changed or moved"):
            stolen.vault.open(first[sealed], table=table, column=column, row=identity + "0")


def test_with_it_a_thief_has_the_keys_of_living_sessions_alone(stolen):
    """
    Each key that opens is that of a grant which is not retired; the owner's is not among them.
    """
    opened = {}
    for row in stolen.rows["grants", "key_sealed"]:
        clear = stolen.secrets[f"grants.key {row['session']}#{row['generation']}"]
        opened[row["generation"]] = LocalSigner(clear, name="x", sandbox_only=None).address
        assert opened[row["generation"]] == row["key_address"]
        assert row["state"] not in ("retired", "revoked", "expired", "abandoned")

    assert opened
