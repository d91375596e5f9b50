"""The rules of an organisation, with the real daemon: no policy gets beyond them."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from support.house import POLICY, House, balance, reconcile, sandbox_on, wait_for

pytestmark = pytest.mark.timeout(180)

USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
ALICE = "0x00000000000000000000000000000000000A11cE"
WHY = ("--reason", "checked by phone")
HEAD = POLICY.partition("schedules:")[0].replace("45s", "10m")
CONFIG = "policies: policies/\nwallets: {sandbox: {embedded: true}}\norganisation: rules.yaml\n"
TOKENS = f"tokens: {{usd: {{decimals: 6, address: {USDC}}}}}\n"


def house_of(folder, schedules, rules):
    owner = "signers: {treasury-owner: {private_key_for_sandbox_only: '0x" + "11" * 32 + "'}}\n"
    house = House(folder, policy=HEAD + schedules, config=CONFIG + owner)
    (folder / "rules.yaml").write_text("version: 1\n" + TOKENS + rules)
    return house


def rows(house, schedule):
    return [row for row in house.json("runs", "list") if row["schedule"] == f"demo/{schedule}"]


def approve(house, run, author):
    """As another person of this machine."""
    return subprocess.run(
        [sys.executable, "-m", "runner", "runs", "approve", run, *WHY, "--yes", "--json"],
        cwd=house.folder,
        env=os.environ | {"SUDO_USER": author},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be several persons by sudo")
def test_b9_two_persons_approve_what_the_organisation_names(tmp_path):
    """
    One of them twice is one; nothing is signed before the second has said yes.
    """
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=8)
    schedules = (
        "schedules:\n"
        f"  big: {{session: pocket, at: {due:%Y-%m-%dT%H:%M:%SZ}, pay: {{alice: 100 usdc}}}}\n"
    )
    house = house_of(tmp_path, schedules, "approve_above: [100 usd]\napprovers: 2\n")
    try:
        daemon = house.start("up", "--for", "100s")
        wait_for((tmp_path / ".runner" / "ledger.db").exists, what="the ledger")
        (run,) = wait_for(
            lambda: [one for one in rows(house, "big") if one["state"] == "held"], what="the hold"
        )
        first = approve(house, run["id"], "ann")
        twice = approve(house, run["id"], "ann")
        between = rows(house, "big")[0]["state"]
        second = approve(house, run["id"], "ben")
        wait_for(lambda: rows(house, "big")[0]["state"] == "success", what="the payment")
        daemon.terminate()
        assert daemon.wait(timeout=60) == 0, house.logs()

        url = sandbox_on(house, ".runner/sandbox.json")
        assert (first.returncode, json.loads(first.stdout)["missing"]) == (0, 1)
        assert twice.returncode == 1
        assert "ann has approved" in twice.stderr
        assert between == "held"
        assert (second.returncode, json.loads(second.stdout)["runs"]) == (0, [run["id"]])
        assert balance(url, USDC, ALICE) == 100_000_000
        reconcile(house, url)
    finally:
        house.stop()


def test_b2_the_policies_of_an_organisation_share_its_budgets(tmp_path):
    """
    Two policies, each with limits of its own; together they stay within the organisation's.
    """
    pays = "schedules:\n  often: {session: pocket, every: 2s, pay: {alice: 2 usdc}}\n"
    house = house_of(tmp_path, pays, "limits: {per_lifetime: [10 usd]}\n")
    other = (
        (HEAD + pays)
        .replace("name: demo", "name: other")
        .replace("treasury-owner,", "treasury-owner, salt: 7,")
    )
    (tmp_path / "policies" / "other.yaml").write_text(other)
    try:
        daemon = house.start("up", "--for", "40s")
        wait_for((tmp_path / ".runner" / "ledger.db").exists, what="the ledger")

        def refused():
            found = house.json("runs", "list")
            return {
                one["schedule"]
                for one in found
                if (one["state"], one["reason"]) == ("skipped", "budget")
            }

        wait_for(lambda: refused() == {"demo/often", "other/often"}, what="the refusals")
        daemon.terminate()
        assert daemon.wait(timeout=60) == 0, house.logs()

        url = sandbox_on(house, ".runner/sandbox.json")
        paid = [one for one in house.json("runs", "list") if one["state"] == "success"]
        assert balance(url, USDC, ALICE) == 10_000_000
        assert len(paid) == 5
        assert {one["schedule"] for one in paid} == {"demo/often", "other/often"}
        reconcile(house, url)
    finally:
        house.stop()


def test_a_policy_beyond_the_rules_is_refused_before_anything_is_made(tmp_path):
    schedules = "schedules:\n  often: {session: pocket, every: 2s, pay: {alice: 2 usdc}}\n"
    house = house_of(tmp_path, schedules, "limits: {per_run: [1 usd]}\nmax_lifetime: 1m\n")
    try:
        answer = house.run("up", "--for", "5s")
        checked = house.run("validate", "--json")

        faults = [one for one in json.loads(checked.stdout) if one["code"] == "P140"]
        assert answer.returncode == 2
        assert len(faults) == 2
        assert "rules.yaml" in faults[0]["hint"]
        assert not (tmp_path / ".runner").exists()
    finally:
        house.stop()


def test_rules_that_change_bind_at_once(tmp_path):
    """
    Narrower ones are kept from the next payment on; a policy beyond them stays as it was, and
    that is told.
    """
    schedules = "schedules:\n  often: {session: pocket, every: 1s, pay: {alice: 2 usdc}}\n"
    house = house_of(tmp_path, schedules, "limits: {per_lifetime: [1000 usd]}\n")
    rules = tmp_path / "rules.yaml"
    wide = rules.read_text()
    try:
        daemon = house.start("up", "--for", "60s")
        wait_for(lambda: told(house, "run.success"), what="a payment")
        rules.write_text(wide.replace("1000", "4"))
        wait_for(lambda: told(house, "policies.reloaded"), what="the rules")
        wait_for(
            lambda: any(one["reason"] == "budget" for one in rows(house, "often")), what="a refusal"
        )
        rules.write_text(wide + "max_lifetime: 1m\n")
        (refused, *_) = wait_for(lambda: told(house, "policies.refused"), what="the refusal")
        daemon.terminate()
        assert daemon.wait(timeout=60) == 0, house.logs()

        url = sandbox_on(house, ".runner/sandbox.json")
        assert any("P140" in one or "may live" in one for one in refused["findings"])
        assert balance(url, USDC, ALICE) < 1_000_000_000
        reconcile(house, url)
    finally:
        house.stop()


def told(house, event):
    return [one for one in house.events() if one["event"] == event]
