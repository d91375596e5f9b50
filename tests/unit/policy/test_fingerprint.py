"""A policy's fingerprint: the same for the same meaning, another for any other."""

import hashlib
import json
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from enum import Enum

from hypothesis import given, settings
from unit.policy.test_policy_printing import policies

from runner.errors import Mark
from runner.policy import model as m
from runner.policy.fingerprint import _plain, fingerprint

HOUSE = 'session: salaries\ncron: "0 9 1 * *"\ntimezone: UTC\npay: {alice: 1 usdc}'


PLACES = {
    *("mark", "trigger_mark", "permission_marks", "lifetime_mark"),
    *("warnings", "written", "file", "first_name"),
}


def plain(value):
    """The same slowly: a tree that `json` writes."""
    match value:
        case Enum():
            return plain(value.value)
        case Mark():
            return None
        case tuple() | list():
            return [plain(item) for item in value]
        case frozenset():
            return sorted(plain(item) for item in value)
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case bytes():
            return "0x" + value.hex()
        case datetime() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return str(value)
    if not is_dataclass(value):
        return value
    found = {"is": type(value).__name__}
    for one in fields(value):
        member = getattr(value, one.name)
        usual = member is None if one.default is MISSING else member == one.default
        if one.name not in PLACES and not usual:
            found[one.name] = plain(member)
    return found


@given(policies())
@settings(max_examples=100, deadline=None)
def test_the_print_is_that_of_canonical_json(policy):
    """
    Sorted, without blanks, in ASCII: whoever reads it by any other program gets the same bytes.
    """
    text = json.dumps(plain(policy), sort_keys=True, separators=(",", ":"))

    assert fingerprint(policy) == hashlib.sha256(text.encode()).hexdigest()[:32]


def test_sets_are_written_in_the_order_of_their_values():
    """
    As the values sort, not as their texts do: a quote would come before what follows it.
    """
    house = m.Above("team", m.Limits(), forbidden=frozenset({"a", "a b", "b", 'a"'}))

    assert _plain(house)["forbidden"] == ["a", "a b", 'a"', "b"]


def changed(policy, **members):
    (name, schedule), *_ = policy.schedules.items()
    return replace(policy, schedules={name: replace(schedule, **members)})


def test_only_meaning_counts(texts):
    """
    A comment, another place, another order of keys: all the same.
    """
    policy = texts.read(texts.body(HOUSE))
    moved = replace(policy, file="elsewhere.yaml", mark=Mark("x", 7, 7), warnings=("w",))

    assert fingerprint(moved) == fingerprint(policy)
    assert fingerprint(changed(policy, mark=Mark("x", 1, 9))) == fingerprint(policy)


def test_everything_that_means_something_counts(texts):
    """
    Any member that differs, from its default or from none, makes another print.
    """
    policy = texts.read(texts.body(HOUSE))
    (schedule,) = policy.schedules.values()
    money = (m.Money(policy.assets[0], 5, schedule.mark),)
    others = [
        {"session": "other"},
        {"suspend": True},
        {"max_runs": 0},
        {"max_runs": 1},
        {"until_total": money},
        {"approve_above": money},
        {"new_receiver_above": ()},
        {"new_receiver_above": money},
        {"approval_lead": timedelta(hours=25)},
        {"late_after": timedelta(0)},
        {"late_after": timedelta(hours=1)},
        {"max_runtime": timedelta(hours=1)},
        {"ping": ""},
        {"ping": "https://example.org"},
    ]

    prints = [fingerprint(changed(policy, **one)) for one in others]

    assert len({*prints, fingerprint(policy)}) == len(others) + 1


def test_a_key_that_comes_later_changes_nothing(texts, monkeypatch):
    """
    A member at its default is not written: the print is that of a language without the key.
    """
    policy = texts.read(texts.body(HOUSE))
    before, written, digest = fingerprint(policy), [], hashlib.sha256
    monkeypatch.setattr(
        "runner.policy.fingerprint.hashlib.sha256", lambda raw: written.append(raw) or digest(raw)
    )

    fingerprint(policy)

    (schedule,) = json.loads(written[0])["schedules"].values()
    assert "approval_lead" not in schedule
    assert "require" not in schedule
    assert schedule["session"] == "salaries"
    assert len(before) == 32
