"""`runner simulate`, as a user runs it."""

import csv
import json
import re

import pytest
from support.house import House

pytestmark = pytest.mark.timeout(180)

POLICY = """\
version: 1
name: payroll
chain: base-sepolia
wallet: sandbox
tokens:
  usdc: {decimals: 6, address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e"}
contacts:
  alice: "0x00000000000000000000000000000000000a11ce"
accounts:
  treasury: {owner: treasury-owner, gas: sponsor}
sessions:
  key: {account: treasury, lifetime: 45d, limits: {per_month: [5000 usdc]}}
schedules:
  salary:
    session: key
    cron: "0 9 1 * *"
    timezone: Europe/Berlin
    pay: {alice: 2500 usdc}
"""
ALICE = "0x00000000000000000000000000000000000A11cE"
USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
YEAR = ("--from", "2026-12-01", "--days", "365")


@pytest.fixture
def house(tmp_path):
    return House(tmp_path, policy=POLICY)


def test_a_year_of_salaries_as_json(house):
    """
    The contract of DESIGN §4, and nothing but the policy is in the folder afterwards.
    """
    ran = house.run("simulate", *YEAR, "--json")
    answer = json.loads(ran.stdout)

    assert ran.returncode == 0, ran.stderr
    assert answer["occurrences"] == {"success": 12, "skipped": 0, "missed": 0, "failed": 0}
    assert answer["failures"] == []
    (total,) = answer["totals"]
    assert (total["token"], total["to"]) == (USDC, ALICE)
    assert (total["amount"], total["count"]) == (str(12 * 2500 * 10**6), 12)
    assert answer["grants"] == 1 + answer["renewals"]
    assert answer["mode"] == "executed"
    assert [one["due_at"] for one in answer["payments"]][:2] == [
        "2026-12-01T08:00:00Z",
        "2027-01-01T08:00:00Z",
    ]
    assert sorted(path.name for path in house.folder.iterdir()) == ["policies"]


def test_a_policy_that_runs_dry_exits_5_and_names_the_day(house):
    """
    In the first line, for people who read no further.
    """
    ran = house.run("simulate", *YEAR, "--balance", "usdc=6000")

    assert ran.returncode == 5
    assert ran.stdout.splitlines()[0] == (
        "payroll/treasury runs out of usdc on 1 February 2027: 3 of 12 occurrences fail."
    )
    assert "runs dry on 2027-02-01" in ran.stdout
    assert re.search(r"payroll/salary +skipped \(paused\) +7 ", ran.stdout)


def test_page_and_csv_are_written_where_they_are_asked_for(house):
    """
    The files say what the text says.
    """
    ran = house.run("simulate", *YEAR, "--html", "year.html", "--csv", "year.csv")
    page = (house.folder / "year.html").read_text(encoding="utf-8")
    with (house.folder / "year.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    assert ran.returncode == 0
    assert page.startswith("<!doctype html>")
    assert "30,000 usdc" in page
    assert len(rows) == 12
    assert {(row["state"], row["amount"], row["to_name"]) for row in rows} == {
        ("success", "2500", "alice")
    }


def test_no_secret_and_no_service_is_needed(house):
    """
    A configuration for a real wallet whose key and signer are not there: play money all the same.
    """
    (house.folder / "runner.yaml").write_text(
        "policies: policies/\n"
        "wallets:\n"
        "  sandbox:\n"
        "    url: https://wallet.invalid/v2\n"
        "    api_key: {env: NOT_SET}\n"
        "    gas_policies: {default: 11111111-2222-4333-8444-555555555555}\n"
        "signers: {treasury-owner: {keystore: missing.json, password: {file: missing.txt}}}\n"
    )
    ran = house.run("simulate", *YEAR)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("All is well: 12 occurrences, all of them paid.")


def test_paths_say_what_is_simulated(house):
    """
    A policy that stands elsewhere, instead of those of runner.yaml.
    """
    other = house.folder / "other.yaml"
    other.write_text(POLICY.replace("2500", "100").replace("payroll", "elsewhere"))
    ran = house.run("simulate", "other.yaml", *YEAR, "--json")

    assert [one["schedule"] for one in json.loads(ran.stdout)["payments"]] == (
        ["elsewhere/salary"] * 12
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--days", "0"], "--days"),
        (["--balance", "usdc"], "write usdc=10000"),
        (["--balance", "gold=5"], "the policies know no such token, only"),
        (["--balance", "petty-cash:usdc=5"], "there is no such account, only payroll/treasury"),
        (["--balance", "usdc=1.2345678"], "more than 6 decimals"),
        (["--from", "tomorrow"], "is not a time"),
        (["nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_what_cannot_be_meant_is_bad_usage(house, arguments, said):
    """
    Exit 2, and a word on how to mend it.
    """
    ran = house.run("simulate", *arguments)

    assert ran.returncode == 2
    assert said in ran.stderr
    assert ran.stdout == ""


def test_beyond_20000_it_is_a_forecast_that_says_so(house):
    """
    Six payments a minute for two days and a half are 21,600: nothing is signed, unless forced.
    """
    (house.folder / "policies" / "demo.yaml").write_text(
        POLICY.replace('cron: "0 9 1 * *"\n    timezone: Europe/Berlin', "every: 10s")
        .replace(", limits: {per_month: [5000 usdc]}", "")
        .replace("2500", "0.01")
    )
    ran = house.run("simulate", "--from", "2026-12-01", "--days", "3", "--json")
    answer = json.loads(ran.stdout)

    assert ran.returncode == 0
    assert answer["mode"] == "forecast"
    assert answer["occurrences"]["success"] == 3 * 8640 - 1
    assert answer["payments"] == []
    assert (
        "a forecast by arithmetic, nothing was signed"
        in house.run("simulate", "--from", "2026-12-01", "--days", "3").stdout
    )
