"""Commands that teach the language: `explain` of keys, `schema`."""

import pytest

from runner.policy.catalogue.lookup import all_keys
from runner.policy.language import LEVELS
from runner.policy.schema import SCHEMAS


@pytest.mark.parametrize("asked", all_keys(), ids=lambda asked: asked.name)
def test_every_key_is_explained(runner, asked):
    """
    By its name, its type, what it does, and an example; the same for scripts.
    """
    told = runner("explain", asked.name)
    data = runner("explain", asked.name, "--json").json

    assert told.code == 0
    assert told.out.startswith(f"{asked.name}\n")
    assert asked.key.about.split()[0] in told.out
    assert f"  type         {asked.key.type}" in told.out
    assert data["key"] == asked.name
    assert (data["type"], data["default"]) == (asked.key.type, asked.key.default)
    assert data["example"].splitlines()[0] in told.out
    assert max(map(len, told.out.splitlines())) <= 100


def test_a_key_says_who_enforces_it_and_which_codes_speak_of_it(runner):
    """
    A permission is kept by the chain, a limit by the runner.
    """
    permission = runner("explain", "session.permissions.erc20-token-transfer")
    limit = runner("explain", "limits.per_day", "--json").json
    lifetime = runner("explain", "sessions.lifetime").out

    assert "enforced by  the chain" in permission.out
    assert limit["enforced_by"].startswith("the runner")
    assert limit["paths"] == ["sessions.NAME.limits.per_day", "schedules.NAME.limits.per_day"]
    assert "unit         s, m, h, d, w" in lifetime
    assert "default      none: it must be written" in lifetime
    assert "P096  a grant that never ends" in lifetime


def test_a_key_of_several_levels_is_told_for_each_or_listed(runner):
    """
    Three are told one after the other, five are listed.
    """
    both = runner("explain", "limits", "--json").json
    many = runner("explain", "to")

    names = ["session.limits", "schedule.limits", "organisation.limits", None]
    assert [each.get("key") for each in both] == names
    assert both[-1]["level"] == "limits"
    assert many.out.startswith("several levels have a key `to`")
    assert "  top_up.to" in many.out


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_lists_its_keys(runner, level):
    """
    By its name, in one word.
    """
    told = runner("explain", level.replace(" ", "-")).out

    assert all(f"  {key} " in told for key in LEVELS[level].keys)


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("session.lifetme", "did you mean `session.lifetime`?"),
        ("catchup", "did you mean `catch_up`?"),
        ("account.lifetime", "did you mean `session.lifetime`?"),
        ("P999", "list codes: runner explain"),
    ],
)
def test_what_is_not_known_is_refused_with_a_hint(runner, asked, hint):
    """
    Exit code 2, nothing on stdout.
    """
    told = runner("explain", asked)

    assert (told.code, told.out) == (2, "")
    assert hint in told.err


def test_without_argument_it_says_how_to_ask(runner):
    """
    The codes on stdout, the word about keys beside them.
    """
    told = runner("explain")

    assert told.out.startswith("P001  ")
    assert "runner explain session.lifetime" in told.err
    assert runner("explain", "--json").json[0] == {
        "code": "P001",
        "title": "the file cannot be read",
    }


def test_a_code_names_its_keys(runner):
    """
    And the keys name the code.
    """
    assert runner("explain", "P096", "--json").json["keys"] == ["session.lifetime"]
    assert runner("explain", "[P096]").out.endswith("keys: session.lifetime\n")


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_schemas_are_printed(runner, kind):
    """
    That of policies, if none is named.
    """
    assert runner("schema", kind).json == SCHEMAS[kind]()
    assert runner("schema").json["title"] == "policy of runner"
    assert runner("schema", "payroll").code == 2
