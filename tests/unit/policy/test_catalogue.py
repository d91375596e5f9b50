"""Explanations are complete, and every example of theirs is a sound piece of a policy."""

from __future__ import annotations

import pytest
from support.placed import place

from runner.errors import PolicyErrors
from runner.policy.catalogue import CATALOGUE
from runner.policy.catalogue.examples import EXAMPLES, HOSTS
from runner.policy.catalogue.keys import BACKGROUND, ENFORCED
from runner.policy.catalogue.lookup import all_keys, close_to, find_keys, find_level
from runner.policy.codes import Code
from runner.policy.language import LEVELS
from runner.policy.language.config import CONFIG_LEVELS
from runner.policy.language.nesting import DEFAULTS, KEYS_OF_RULE, NESTED, places, slug
from runner.policy.language.organisation import ORGANISATION_LEVELS
from runner.policy.parse import load_policies
from runner.scheduling.cron import check_cron

KEYS = [(level.name, key) for level in LEVELS.values() for key in level.keys]
NAMES = {asked.name for asked in all_keys()}


def test_every_key_has_its_example():
    assert [(level, key) for level in EXAMPLES for key in EXAMPLES[level]] == KEYS


@pytest.mark.parametrize(("level", "key"), KEYS, ids=[f"{slug(lvl)}.{key}" for lvl, key in KEYS])
def test_every_example_is_sound_where_it_stands(tmp_path, level, key):
    example = EXAMPLES[level][key]
    place(level, example, tmp_path)

    (policy,) = load_policies([tmp_path / "policy.yaml"], environment={}, check_cron=check_cron)

    assert policy.name == "payroll"
    assert f"{key}:" in example or key == "root"


def test_an_example_that_is_not_sound_is_found_out(tmp_path):
    place("schedule", "every: 1 week", tmp_path)

    with pytest.raises(PolicyErrors):
        load_policies([tmp_path / "policy.yaml"], environment={}, check_cron=check_cron)


def test_texts_name_keys_that_there_are():
    named = {key for entry in CATALOGUE.values() for key in entry.keys}
    assert len(NAMES) == len(all_keys())

    assert named | set(BACKGROUND) | set(ENFORCED) <= NAMES
    assert set(HOSTS) <= set(LEVELS)


def test_permissions_and_limits_say_who_enforces_them():
    bounds = {f"{lvl}.{key}" for lvl in ("permissions", "limits") for key in LEVELS[lvl].keys}

    assert bounds - set(ENFORCED) == {"limits.timezone"}


def test_every_level_stands_somewhere():
    for level in [*LEVELS, *ORGANISATION_LEVELS, *CONFIG_LEVELS]:
        assert list(places(level)), level
    assert list(places("limits", "per_day")) == [
        "sessions.NAME.limits.per_day",
        "schedules.NAME.limits.per_day",
    ]


def test_nesting_names_levels_and_keys_that_there_are():
    levels = {**LEVELS, **ORGANISATION_LEVELS, **CONFIG_LEVELS, DEFAULTS.name: DEFAULTS}

    assert all(key in levels[level].keys for level, key in NESTED)
    assert all(below.level in levels for below in NESTED.values())
    assert set(KEYS_OF_RULE) == set(LEVELS["dates"].keys)


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("session.permissions.erc20-token-transfer", ["permissions.erc20-token-transfer"]),
        ("schedule.catch_up", ["schedule.catch_up"]),
        ("catch_up", ["schedule.catch_up"]),
        ("policy.tokens", ["policy.tokens"]),
        ("call.args", ["call.args"]),
        ("limits.rolling", ["limits.rolling"]),
        ("sessions.lifetime", ["session.lifetime"]),
        ("policy.sessions.salaries.lifetime", ["session.lifetime"]),
        ("schedules.hosting.calls[].pay.to", ["pay.to"]),
        ("schedules.hosting.pay.to", ["pay.to"]),
        ("defaults.timezone", ["schedule.timezone"]),
        ("defaults.limits.per_day", ["limits.per_day"]),
        ("account.gas.sponsor", ["gas.sponsor"]),
        ("schedule.dates.nth_weekday.nth", ["date-rule.nth"]),
        ("date-rule.nth", ["date-rule.nth"]),
        ("limits", ["session.limits", "schedule.limits", "organisation.limits"]),
        ("memo", ["item.memo", "columns.memo"]),
        ("pay.memo", ["pay.memo"]),
        ("http.bind", ["http.bind"]),
        ("config.http.bind", ["http.bind"]),
        ("wallets.alchemy.timing.finality.age", ["finality.age"]),
        ("config.signers.boss.password.file", ["reference.file"]),
        ("session.lifetme", []),
        ("salaries.lifetime", []),
        ("..", []),
        ("", []),
    ],
)
def test_keys_are_found_by_path_by_level_and_by_name(asked, names):
    assert [found.name for found in find_keys(asked)] == names


def test_every_key_is_found_by_each_of_its_paths():
    for asked in all_keys():
        for path in [asked.name, *asked.paths]:
            assert (asked.levels[0], asked.key) in [
                (level, found.key) for found in find_keys(path) for level in found.levels
            ] or "." not in path, path


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        ("- pay: {amount: 1 usdc}", "add `to: …`: Who is paid: one address or contact."),
        ("- sweep: {token: usdc, max: 1 usdc}", "add `to: …`: Who gets the rest."),
    ],
)
def test_a_missing_key_is_told_in_the_words_of_its_level(texts, call, hint):
    faults = texts.faults(texts.calls(call))

    assert hint in [fault.hint for fault in faults if fault.code == "P031"]


def test_levels_are_found_by_name():
    assert find_level("session") is LEVELS["session"]
    assert find_level("date-rule") is LEVELS["date rule"]
    assert find_level("nothing") is None


@pytest.mark.parametrize(
    ("asked", "close"),
    [
        ("catchup", "catch_up"),
        ("session.lifetme", "session.lifetime"),
        ("sessio", "session"),
        ("account.lifetime", "session.lifetime"),
        ("qqqq", None),
    ],
)
def test_what_was_probably_meant(asked, close):
    assert close_to(asked) == close


def test_codes_of_values_and_of_the_key_itself_speak_of_it():
    (lifetime,) = find_keys("session.lifetime")
    (overlap,) = find_keys("overlap")

    assert {Code.NOT_A_DURATION, Code.ENDLESS} <= set(lifetime.codes)
    assert overlap.codes == (Code.NOT_A_CHOICE,)
