"""
Every recipe of examples/ is sound, small and explained.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from runner.planning.lint import lint
from runner.policy.model import Policy
from runner.policy.parse import load_policies, parse_policy
from runner.policy.printing import print_policy
from runner.reporting.forecast import upcoming
from runner.scheduling.cron import check_cron
from runner.settings import load_settings

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
