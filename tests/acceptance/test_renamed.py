"""T10 as an operator sees it: the new name everywhere, the history with it."""

import asyncio
import os
from datetime import UTC, datetime

import pytest

from runner.adapters.sql.ledger import SqlLedger
from runner.adapters.sql.store import SqlStore
from runner.adapters.vault import Vault
from runner.planning.renames import Named
from runner.records import ScheduleSeed

WHY = ("--reason", "audit")
NAMED = (
    Named("schedule", "payroll/salaries", "payroll/wages"),
    Named("session", "payroll/key", "payroll/purse"),
)


@pytest.fixture
def renamed(house, ledger):
    """The filled ledger after `salaries` became `wages`, and `key` became `purse`."""
    settings = house / "runner.yaml"
    settings.write_text(settings.read_text() + "secret_key: {file: secret.key}\n")
    (house / "secret.key").write_text(bytes(range(32)).hex() + "\n")
    (house / "secret.key").chmod(0o600)
    policy = house / "policies" / "payroll.yaml"
    text = policy.read_text().replace("session: key", "session: purse")
    text = text.replace("{key: {account", "{purse: {previous_names: [key], account")
    text = text.replace("salaries:\n    {", "wages:\n    {previous_names: [salaries], ")
    policy.write_text(text)
    asyncio.run(install(ledger))
    return policy


async def install(path):
    vault = Vault(bytes(range(32)), entropy=os.urandom)
    store = SqlStore.open(f"sqlite:///{path}", vault, now=datetime.now(UTC), create=False)
    seeds = [
        ScheduleSeed(f"payroll/{n}", "payroll/key", "every 1h", "r1")
        for n in ("salaries", "hosting")
    ]
    await SqlLedger(store, vault).install_schedules(seeds, named=NAMED, now=datetime.now(UTC))
    await store.close(now=datetime.now(UTC))


@pytest.mark.parametrize(
    "command",
    [
        ("runs", "list", "--json"),
        ("runs", "show", "payroll/wages@2026-01-05T09:00:00", "--json"),
        ("schedules", "list", "--json"),
        ("grants", "list", "--json"),
        ("grants", "show", "payroll/purse", "--json"),
        ("report", "--json"),
        ("status", "--json"),
        ("why", "payroll/wages", "--at", "2026-01-05T09:00", "--json"),
        ("calendar", "--from", "2026-01-01", "--json"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_t10_reads_say_todays_name(runner, renamed, command):
    """
    Rows that were written under the former name included; its events are found by the new one.
    """
    answer = runner(*command)

    assert answer.code == 0, answer.err
    said = answer.out.replace("activation:payroll/key#1", "").replace('"was": "payroll/key"', "")
    assert "payroll/wages" in said or "payroll/purse" in said
    assert "payroll/salaries" not in said
    assert "payroll/key" not in said


def test_t10_the_plan_of_what_is_applied_has_no_move(runner, renamed):
    """
    Once it is in force, `previous_names` plans nothing more.
    """
    rows = runner("plan", "--json").json["schedules"]

    assert "payroll/salaries" not in {one["schedule"] for one in rows}
    assert {one["was"] for one in rows} == {None}


def test_t10_verbs_take_the_new_name_and_correct_the_old(runner, renamed):
    """
    A pause by the new name holds; the former one is told what it is called, and nothing is done.
    """
    paused = runner("schedules", "pause", "payroll/wages", *WHY)
    former = runner("schedules", "pause", "payroll/salaries", *WHY)
    grants = runner("grants", "renew", "payroll/key", *WHY)
    skipped = runner("schedules", "skip", "payroll/salaries", "--next", *WHY)
    resumed = runner("schedules", "resume", "payroll/wages", *WHY, "--json")

    assert paused.code == 0, paused.err
    for answer in (former, skipped):
        assert answer.code == 2
        assert "payroll/salaries is called payroll/wages now" in answer.err
        assert "did you mean `payroll/wages`" in answer.err
    assert "payroll/key is called payroll/purse now" in grants.err
    assert resumed.json["target"] == "payroll/wages"


def test_t10_a_name_that_was_used_is_refused_for_another_history(runner, renamed):
    """
    A new schedule with the former name would take the old one's slots for its own.
    """
    text = renamed.read_text().replace("previous_names: [salaries], ", "")
    once = "  once: {session: purse, at: 2027-05-01T00:00Z, pay: {alice: 1 usdc}}"
    assert once in text
    renamed.write_text(text.replace(once, once.replace("once:", "salaries:")))

    answer = runner("plan")

    assert answer.code == 2
    assert "`salaries` cannot have this name" in answer.err
    assert "policies/payroll.yaml" in answer.err
