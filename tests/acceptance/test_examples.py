"""
Every recipe of examples/ is sound, small, explained, and pays what it says.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from runner.cli.main import run
from runner.ethereum.units import format_units
from runner.planning.lint import lint
from runner.policy.model import Policy
from runner.policy.parse import load_policies, parse_policy
from runner.policy.printing import print_policy
from runner.reporting.forecast import upcoming
from runner.scheduling.cron import check_cron
from runner.settings import load_settings
from runner.simulation.simulate import simulate

EXAMPLES = Path("examples")
RECIPES = sorted(path for path in EXAMPLES.iterdir() if path.is_dir())
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
LINES = 5  # of explanation


def load(recipe: Path) -> Policy:
    file = recipe / "runner.yaml"
    settings = load_settings(file if file.exists() else None, {}, Path.cwd())
    (policy,) = load_policies(
        [recipe],
        environment={},
        settings=settings,
        check_cron=check_cron,
        lint=partial(lint, now=NOW),
    )
    return policy


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_it_is_sound_and_nothing_in_it_is_hardly_meant(recipe):
    warned = [fault for fault in load(recipe).warnings if fault.code != "P034"]

    assert warned == []


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_each_schedule_fires_within_a_year(recipe):
    for schedule in load(recipe).schedules.values():
        (slot,) = upcoming([schedule], start=NOW, now=NOW, count=1)

        assert slot.due_at < NOW + timedelta(days=366)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_its_readme_is_five_lines_at_most_and_begins_with_a_title(recipe):
    title, blank, *lines = (recipe / "README.md").read_text(encoding="utf-8").splitlines()

    assert re.fullmatch(r"# .{3,60}", title)
    assert blank == ""
    assert 2 <= len(lines) <= LINES
    assert all(line and len(line) <= 105 for line in lines)


def test_the_table_of_recipes_names_each_of_them():
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")

    assert re.findall(r"^\| \[([a-z-]+)\]\(\1\)", page, re.MULTILINE) != []
    assert set(re.findall(r"^\| \[([a-z-]+)\]\(\1\)", page, re.MULTILINE)) == {
        path.name for path in RECIPES
    }
    assert len(RECIPES) >= 10


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_what_is_resolved_reads_as_the_same_policy(recipe):
    policy = load(recipe)

    again = parse_policy(print_policy(policy), "p.yaml", environment={}, check_cron=check_cron)

    assert print_policy(again) == print_policy(policy)
    assert again.schedules.keys() == policy.schedules.keys()


# A hundred days of each: runs paid, slots that had nothing to do, and what was paid in all, in
# whole units by token. Counted by hand from the policy and a calendar.
HUNDRED_DAYS = {
    # Every hour: filled up once, then full.
    "gas-tank": (1, 2291, {"native": "0.5"}),
    # Tuesdays from 1 December to 2 March.
    "hosting-bill": (14, 0, {"usdc": "279.86"}),
    # Four ends of months, and the second Friday of December.
    "last-business-day": (5, 0, {"usdc": "15000"}),
    # Rent and archive, on four first days of a month.
    "own-wallet": (8, 0, {"usdc": "2660"}),
    # The second of January.
    "manual-owner": (1, 0, {"usdc": "9000"}),
    # Three first days, and a bonus.
    "payroll": (5, 0, {"usdc": "35102"}),
    "payroll-csv": (4, 0, {"usdc": "50402"}),
    "savings-vault": (14, 0, {}),
    "several-chains": (300, 0, {"usdc": "9000"}),
    "sponsored-gas": (14, 0, {"usdc": "2800"}),
    # Fourteen Mondays, and four first days of a month.
    "subscriptions": (18, 0, {"usdc": "372.6"}),
    # All of the faucet's coins but the float, in the first night.
    "sweep": (1, 99, {"usdc": "999500"}),
    "two-currencies": (15, 0, {"usdc": "21750", "dai": "9000"}),
    "vesting": (3, 0, {"usdc": "3000"}),
    # 71 weekdays less the 7 of the freeze, and 15 Fridays, of which none is left out.
    "year-end-freeze": (79, 7, {"usdc": "5607.6"}),
}

COMPUTED = {"gas-tank", "sweep"}
"""What these pay depends on balances."""


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_a_hundred_days_of_it(recipe, capsys):
    assert hundred_days(recipe, capsys)["mode"] == "executed"


def hundred_days(recipe, capsys):
    """Simulate them, and compare what came out with what was counted by hand."""
    paid, idle, sums = HUNDRED_DAYS[recipe.name]
    start = f"{NOW:%Y-%m-%dT%H:%MZ}"

    code = run(
        ["simulate", *_options(recipe), "--days", "100", "--from", start, "--json", str(recipe)]
    )

    found = json.loads(capsys.readouterr().out)
    assert code == 0
    assert found["occurrences"] == {"success": paid, "skipped": idle, "missed": 0, "failed": 0}
    assert found["failures"] == []
    assert _sums(load(recipe), found["totals"]) == sums
    return found


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_its_plan_is_all_new_and_announces_these_payments(recipe, capsys, monkeypatch, tmp_path):
    """
    What the plan says will be paid is what the simulation pays; computed calls at their most.
    """
    monkeypatch.setattr("runner.cli.plan.now", lambda: NOW)
    monkeypatch.setenv("RUNNER_STORE", f"sqlite:///{tmp_path}/ledger.db")
    policy = load(recipe)

    code = run(["plan", *_options(recipe), "--check", "--horizon", "100d", "--json", str(recipe)])

    found = json.loads(capsys.readouterr().out)
    assert code == 3
    assert found["ledger"] is False
    assert {one["action"] for one in (*found["sessions"], *found["schedules"])} == {"create"}
    assert len(found["sessions"]) == found["signatures"] == len(policy.sessions)
    assert len(found["schedules"]) == len(policy.schedules)
    assert list(tmp_path.iterdir()) == []
    if recipe.name not in COMPUTED:
        paid = [payment for payment in found["payments"] if payment["kind"] == "pay"]
        assert _sums(policy, paid) == HUNDRED_DAYS[recipe.name][2]
        assert not any(payment["at_most"] for payment in paid)
    else:
        (payment,) = found["payments"]
        runs, idle, _ = HUNDRED_DAYS[recipe.name]
        assert payment["at_most"]
        assert payment["count"] == runs + idle


@pytest.mark.parametrize("name", sorted(HUNDRED_DAYS.keys() - COMPUTED))
def test_arithmetic_foresees_the_same(name, capsys, monkeypatch):
    """
    Where nothing depends on balances, the forecast for large windows agrees with the engine.
    """
    arithmetic = partial(simulate, most_executed=0)
    monkeypatch.setattr("runner.simulation.simulate.simulate", arithmetic)

    assert hundred_days(EXAMPLES / name, capsys)["mode"] == "forecast"


def _options(recipe: Path) -> list[str]:
    settings = recipe / "runner.yaml"
    return ["--config", str(settings)] if settings.exists() else []


def _sums(policy: Policy, totals: list[dict[str, str]]) -> dict[str, str]:
    """Totals of all receivers, in whole units."""
    assets = {asset.address or "native": asset for asset in policy.assets}
    sums: dict[str, int] = defaultdict(int)
    decimals = {}
    for total in totals:
        asset = assets[total["token"]]
        sums[asset.name] += int(total["amount"])
        decimals[asset.name] = asset.decimals
    return {name: format_units(amount, decimals[name]) for name, amount in sums.items()}
