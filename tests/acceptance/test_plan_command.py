"""`runner plan` and `runner scope explain`, as a reviewer meets them."""

import json
import re

import pytest

from runner.reporting.text import columns

BROAD = """\
version: 1
name: broad
chain: base-sepolia
wallet: sandbox
tokens:
  usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}
contacts:
  alice: 0x00000000000000000000000000000000000a11ce
  vault: 0x00000000000000000000000000000000000000fa
accounts: {treasury: {owner: treasury-owner, gas: sponsor}}
sessions:
  open:
    account: treasury
    lifetime: 30d
    receivers: [alice]
    permissions:
      - erc20-token-transfer: 60 usdc
      - contract-access: alice
      - functions-on-contract: {contract: vault, functions: ["deposit(uint256)"]}
schedules:
  pay: {session: open, every: 10d, pay: {alice: 10 usdc}}
"""


def listing(folder):
    return sorted(str(path) for path in folder.rglob("*"))


def test_without_a_ledger_everything_is_new_and_nothing_is_made(house, runner):
    """
    No ledger, no secret, no network: the plan is there all the same, and the folder as before.
    """
    before = listing(house)

    answer = runner("plan")

    assert answer.code == 0
    assert answer.err == ""
    assert "no ledger yet" in answer.out
    assert "+ payroll/key" in answer.out
    assert answer.out.splitlines()[-1] == (
        "Plan: 1 session to grant, 3 schedules to add, 1 owner signature."
    )
    assert listing(house) == before


def test_check_exits_3_where_there_are_differences(house, runner):
    assert runner("plan", "--check").code == 3
    assert runner("plan", "--check", "--json").json["changes"] is True


def test_the_forms_say_the_same(house, runner):
    """
    Text, markdown and JSON are three views of one plan.
    """
    text, markdown = runner("plan").out, runner("plan", "--markdown").out
    made = runner("plan", "--json").json

    assert [one["schedule"] for one in made["schedules"]] == [
        "payroll/salaries",
        "payroll/hosting",
        "payroll/once",
    ]
    for form in (text, markdown):
        assert all(one["schedule"] in form for one in made["schedules"])
    assert "| alice |" in markdown
    assert markdown.count("<details>") == markdown.count("</details>") == 4
    assert made["signatures"] == 1
    assert runner("plan", "--format", "markdown").out.split("\n")[:3] == markdown.split("\n")[:3]


def test_what_scripts_are_promised(house, runner):
    """
    Members by name; amounts as text; times in UTC.
    """
    made = runner("plan", "--json", "--horizon", "30d").json

    assert set(made) >= {
        *("at", "until", "ledger", "changes", "signatures", "accounts", "sessions", "schedules"),
        *("notes", "payments", "needs", "grants", "exposure", "limits", "clock_changes"),
        *("without_own_evidence", "tzdata"),
    }
    (session,) = made["sessions"]
    assert (session["action"], session["permissions_before"]) == ("create", None)
    assert session["permissions_after"][1]["type"] == "erc20-token-transfer"
    (exposed,) = made["exposure"]
    assert (exposed["before"], exposed["symbol"]) == ("0", "usdc")
    assert exposed["after"] == session["permissions_after"][1]["allowance"]
    assert {one["enforced_by"] for one in made["limits"][0]["limits"]} == {"chain", "runner"}
    assert all(isinstance(one["amount"], str) for one in made["payments"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", made["until"])


def test_a_saved_plan_says_what_it_was_made_on(house, runner):
    """
    Fingerprints, ledger and settings, and the whole plan; no secret of runner.yaml.
    """
    answer = runner("plan", "--out", "plan.json")
    document = json.loads((house / "plan.json").read_text())

    assert answer.code == 0
    assert "Saved to plan.json." in answer.err
    assert document["format"] == 1
    assert set(document["basis"]["policies"]) == {"payroll"}
    assert document["basis"]["revision"] is None
    assert document["plan"]["changes"] is True
    assert "very-secret-path" not in (house / "plan.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--horizon", "90"], "or 90w"),
        (["--horizon", "0d"], "not a duration"),
        (["--horizon", "11000d"], "ten years|hundred"),
        (["--json", "--markdown"], "two formats"),
        (["--out", "."], "directory"),
    ],
)
def test_bad_usage_is_told(house, runner, arguments, said):
    answer = runner("plan", *arguments)

    assert answer.code == 2
    assert re.search(said, answer.err)


def test_a_policy_that_could_not_be_kept_is_no_plan(house, runner):
    """
    Coverage is an error in validate, next, plan alike.
    """
    short = BROAD.replace("60 usdc", "30 usdc")
    (house / "policies" / "payroll.yaml").write_text(short)

    for command in ("validate", "next", "plan"):
        answer = runner(command)
        assert answer.code == 2
        assert "error[P112]" in answer.err
        assert "may have to pay 40 usdc" in answer.err


def test_against_a_ledger(ledger, runner):
    """
    The ledger's grant allows a token alone; what it knows of schedules differs from the policy.
    """
    made = runner("plan", "--json").json

    (session,) = made["sessions"]
    assert (session["session"], session["action"]) == ("payroll/key", "narrow")
    assert {one["schedule"]: one["action"] for one in made["schedules"]} == {
        "payroll/salaries": "change",
        "payroll/hosting": "change",
        "payroll/once": "create",
    }
    assert runner("plan", "--check").code == 3


@pytest.fixture
def terminal(monkeypatch):
    """
    Makes standard output a terminal so many columns wide, without colour.
    """

    def wide(width):
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)

    return wide


@pytest.mark.parametrize("width", [60, 80, 140])
@pytest.mark.parametrize("command", [["plan"], ["scope", "explain", "policies"]])
def test_text_fits_the_terminal(ledger, house, runner, terminal, width, command):
    """
    Nothing is wider than the terminal; tables give way, sentences wrap.
    """
    (house / "policies" / "broad.yaml").write_text(BROAD)
    terminal(width)

    lines = runner(*command).out.splitlines()

    assert len(lines) > 20
    assert [line for line in lines if columns(line) > width] == []


# ── scope explain ─────────────────────────────────────────────────────────────────────────────


def test_explain_says_the_worst(house, runner):
    """
    Losses, who keeps each limit, traps, and what nothing uses.
    """
    (house / "policies" / "broad.yaml").write_text(BROAD)

    answer = runner("scope", "explain", "policies/broad.yaml")
    (told,) = runner("scope", "explain", "policies/broad.yaml", "--json").json

    assert answer.code == 0
    assert "trap: without native-token-transfer" in answer.out
    assert {trap["id"] for trap in told["traps"]} == {"unlimited-value", "unlimited-gas"}
    assert {(one["symbol"], one["amount"], one["way"]) for one in told["losses"]} == {
        ("usdc", "60000000", "token"),
        ("native", "all", "value"),
        ("native", "all", "gas"),
    }
    assert [one["permission"]["type"] for one in told["unused"]] == [
        "contract-access",
        "functions-on-contract",
    ]
    kept = {one["rule"]: one["enforced_by"] for one in told["limits"]}
    assert kept["erc20-token-transfer"] == "chain"
    assert kept["receivers"] == "runner"
    assert told["reaches"][1]["functions"] == ["0xb6b55f25"]


def test_explain_of_derived_permissions(house, runner):
    """
    The least that the schedules need: nothing unused, no traps.
    """
    (told,) = runner("scope", "explain", "policies", "--json").json

    assert told["derived"]
    assert told["traps"] == told["unused"] == []


def test_explain_needs_no_ledger_and_leaves_none(house, runner):
    before = listing(house)

    assert runner("scope", "explain", "policies").code == 0
    assert listing(house) == before
    assert not (house / ".runner").exists()


def test_explain_of_a_session_for_nothing(house, runner):
    """
    Nothing can be derived for it: that is said, and the others are explained.
    """
    spare = BROAD.replace("schedules:", "  spare: {account: treasury, lifetime: 1d}\nschedules:")
    (house / "policies" / "broad.yaml").write_text(spare)

    told = runner("scope", "explain", "policies/broad.yaml", "--json").json

    assert [one["fault"] is None for one in told] == [True, False]
    assert "error: session broad/spare" in runner("scope", "explain", "policies/broad.yaml").out


def test_a_ledger_that_is_just_being_made_is_none_yet(house, runner):
    (house / ".runner").mkdir(exist_ok=True)
    (house / ".runner/ledger.db").touch()

    answer = runner("plan", "--json")

    assert answer.code == 0, answer.err
    assert answer.json["ledger"] is False


def test_a_path_is_planned_in_place_of_the_configured_policies(house, runner):
    (house / "other.yaml").write_text(BROAD)

    answer = runner("plan", "other.yaml", "--json")

    assert [one["session"] for one in answer.json["sessions"]] == ["broad/open"]


def test_what_the_daemon_does_not_run_is_not_saved(house, runner):
    (house / "other.yaml").write_text(BROAD)

    answer = runner("plan", "other.yaml", "--out", "plan.json")

    assert answer.code == 2
    assert "runner.yaml" in answer.err
    assert not (house / "plan.json").exists()
