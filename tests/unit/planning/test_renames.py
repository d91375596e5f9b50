"""T10: a new name for what the ledger knows, and every way in which names do not fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.planning import NOW, POLICY, after, changed, parse

from runner.errors import PolicyErrors, UsageError
from runner.planning.diff import Action
from runner.planning.facts import Identities
from runner.planning.renames import Named, identified, names_of
from runner.policy.fingerprint import fingerprint
from runner.scheduling.occurrence import run_id

NAMES = st.permutations(["a", "b", "c", "d"])
RENAMED = (
    ("  salaries:\n", "  wages:\n    previous_names: [salaries]\n"),
    ("session: salaries", "session: wages"),
    ("  monthly: {session", "  every-month: {previous_names: [monthly], session"),
)


def schedules(**previous):
    """A policy of schedules by name, each with its former names."""
    head = POLICY.partition("  monthly:")[0]
    lines = [
        f"  {name}: {{session: salaries, cron: '0 9 1 * *', pay: {{alice: 1 usdc}}, "
        f"previous_names: [{', '.join(names)}]}}\n"
        for name, names in previous.items()
    ]
    return parse(head + "".join(lines))


def known(**names):
    """A ledger's schedules: uid → today's name."""
    return Identities({f"payroll/{uid}": f"payroll/{name}" for uid, name in names.items()})


def uids(policy, identities):
    (found,) = identified([policy], identities)
    return {name: one.uid.partition("/")[2] for name, one in found.schedules.items()}


@pytest.mark.parametrize(
    ("previous", "ledger", "uid"),
    [
        ([], {}, "new"),
        ([], {"other": "other"}, "new"),
        (["old"], {}, "new"),
        (["old"], {"old": "old"}, "old"),
        ([], {"old": "new"}, "old"),
        (["old"], {"old": "new"}, "old"),
        (["middle"], {"old": "middle"}, "old"),
        (["old", "middle"], {"old": "middle"}, "old"),
        (["middle", "old"], {"old": "middle"}, "old"),
        (["old"], {"old": "middle"}, "old"),
        (["middle"], {"new": "middle"}, "new"),
        ([], {"new": "middle"}, "new"),
    ],
    ids=[
        *("fresh", "fresh beside another", "never applied", "renamed", "applied before"),
        *("key kept", "chain", "whole chain", "chain backwards", "first of a chain"),
        *("back to its first name", "back without saying so"),
    ],
)
def test_t10_a_name_finds_its_history(previous, ledger, uid):
    """
    By today's name, a former one, or that under which it was applied first.
    """
    assert uids(schedules(new=previous), known(**ledger)) == {"new": uid}


def test_t10_two_that_swap_their_names_keep_their_histories():
    """
    Each goes on as itself: not a slot of the one is taken for the other's.
    """
    ledger = known(first="right", second="left")

    assert uids(schedules(left=[], right=[]), ledger) == {"left": "second", "right": "first"}


@pytest.mark.parametrize(
    ("previous", "ledger", "why"),
    [
        ({"new": ["old"]}, {"old": "old", "new": "new"}, "has a history of its own"),
        ({"new": ["a", "b"]}, {"a": "a", "b": "b"}, "names two histories"),
        ({"new": [], "old": []}, {"old": "new"}, "`old` cannot have this name"),
        ({"new": ["old"], "third": ["middle"]}, {"old": "middle"}, "cannot have this name"),
    ],
    ids=["both have one", "two former ones", "a name that was used", "one history for two"],
)
def test_t10_names_that_do_not_fit_the_ledger_are_refused(previous, ledger, why):
    """
    Before anything is written: payments go on under the policies in force.
    """
    with pytest.raises(UsageError, match=why) as caught:
        identified([schedules(**previous)], known(**ledger))

    assert caught.value.where.file == "p.yaml"
    assert caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("previous", "what"),
    [
        ({"new": ["old"], "old": []}, "`old` is the name of a schedule now"),
        ({"new": ["old"], "other": ["old"]}, "`old` is a former name of `new` already"),
        ({"new": ["new"]}, "`new` is the name of a schedule now"),
    ],
)
def test_t10_a_former_name_belongs_to_one_schedule_and_is_free(previous, what):
    """
    Seen without a ledger, by `validate`.
    """
    with pytest.raises(PolicyErrors) as caught:
        schedules(**previous)

    assert {(one.code, one.what) for one in caught.value.faults} == {("P075", what)}


@given(first=NAMES, then=NAMES, last=NAMES)
def test_t10_s1_whatever_the_names_no_two_schedules_share_a_run(first, then, last):
    """
    Four schedules renamed twice, each edit naming what it renames: each keeps the uid that it had,
    so its run ids; and what the ledger holds afterwards is what the names say.
    """
    ledger = {name: name for name in first}
    for turn, names in enumerate((then, last)):
        fresh = {uid: f"{new}{turn}" for uid, new in zip(sorted(ledger), names, strict=True)}
        policy = schedules(**{fresh[uid]: [ledger[uid]] for uid in fresh})
        assert uids(policy, known(**ledger)) == {fresh[uid]: uid for uid in fresh}
        ledger = fresh

    (found,) = identified([policy], known(**ledger))
    runs = {run_id(one.uid, "2026-12-01T09:00:00#0", attempt=1) for one in found.schedules.values()}
    assert len(runs) == 4


def test_t10_a_session_is_renamed_with_all_its_schedules():
    """
    Generations, budgets and pauses are found by the uid, which stays.
    """
    policy = parse(POLICY, *RENAMED)
    ledger = Identities(
        {"payroll/monthly": "payroll/monthly", "payroll/weekly": "payroll/weekly"},
        {"payroll/salaries": "payroll/salaries"},
    )

    (found,) = identified([policy], ledger)

    assert {one.uid for one in found.sessions.values()} == {"payroll/salaries"}
    assert set(names_of([found])) == {
        Named("schedule", "payroll/monthly", "payroll/every-month"),
        Named("schedule", "payroll/weekly", "payroll/weekly"),
        Named("session", "payroll/salaries", "payroll/wages"),
    }
    assert fingerprint(found) == fingerprint(policy)


def test_t10_a_plan_shows_a_move_and_no_new_grant():
    """
    One line each: what it was, and that it keeps its place; nobody has to sign.
    """
    before = after(parse())

    found = changed([parse(POLICY, *RENAMED)], before)

    (session,) = found.sessions
    assert (session.uid, session.was) == ("payroll/wages", "payroll/salaries")
    assert (session.action, session.keys, session.signatures) == (Action.CHANGE, (), 0)
    (schedule,) = found.schedules
    assert (schedule.uid, schedule.was) == ("payroll/every-month", "payroll/monthly")
    assert (schedule.action, schedule.keys, schedule.first) == (Action.CHANGE, (), None)


def test_t10_a_move_with_an_edit_shows_both():
    """
    The trigger of the renamed one changes too: its next slot is said.
    """
    moved = (*RENAMED, ('"0 9 1 * *"', '"0 9 2 * *"'))

    found = changed([parse(POLICY, *moved)], after(parse()))

    (schedule,) = found.schedules
    assert schedule.was == "payroll/monthly"
    assert [key.path for key in schedule.keys] == ["cron"]
    assert schedule.first is not None
    assert schedule.first > NOW


def test_t10_without_previous_names_it_is_one_gone_and_one_new():
    """
    As before: nobody guesses.
    """
    edits = (("  monthly: {session", "  every-month: {session"),)

    found = changed([parse(POLICY, *edits)], after(parse()))

    assert {(one.uid, one.action, one.was) for one in found.schedules} == {
        ("payroll/every-month", Action.CREATE, None),
        ("payroll/monthly", Action.RETIRE, None),
    }
