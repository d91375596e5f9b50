"""A policy's fingerprint: the same for the same meaning, another for any other."""

from dataclasses import replace
from datetime import timedelta

from runner.errors import Mark
from runner.policy import model as m
from runner.policy.fingerprint import fingerprint

HOUSE = 'session: salaries\ncron: "0 9 1 * *"\ntimezone: UTC\npay: {alice: 1 usdc}'


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
    before, written = fingerprint(policy), []
    monkeypatch.setattr(
        "runner.policy.fingerprint.json.dumps", lambda plain, **_: written.append(plain) or ""
    )

    fingerprint(policy)

    (schedule,) = written[0]["schedules"].values()
    assert "approval_lead" not in schedule
    assert "require" not in schedule
    assert schedule["session"] == "salaries"
    assert len(before) == 32
