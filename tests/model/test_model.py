"""Everything that can happen to one occurrence, looked at in every order (docs/exactly-once.md)."""

import pytest

from model.code import CodeRules
from model.explore import explore, paid_twice, stuck, wrong
from model.world import Rules, fair_moves, moves, start

SMALL = [
    pytest.param({}, 1, True, id="two generations, crashes, reorganisations"),
    pytest.param({"generations": 1, "bids": 2}, 1, True, id="replacements and burns of burns"),
    pytest.param({"generations": 1}, 2, True, id="two processes, one generation"),
    pytest.param({}, 2, False, id="two processes, two generations"),
]


def explored(rules, processes=1, *, reorgs=True, judge=wrong):
    return explore(start(processes), lambda world: list(moves(world, rules, reorgs=reorgs)), judge)


@pytest.mark.parametrize(("options", "processes", "reorgs"), SMALL)
@pytest.mark.parametrize("kind", [Rules, CodeRules])
def test_one_occurrence_is_paid_at_most_once_and_never_stuck(kind, options, processes, reorgs):
    """
    By what the rules allow, and by what the daemon's own table chooses: no state has two payments
    or a row that the chain contradicts, and each can end though the service include nothing more.
    """
    rules = kind(**options)

    found = explored(rules, processes, reorgs=reorgs)

    assert found.fault is None, "\n".join(found.way)
    assert {world.rows[-1].state for world in found.states} >= {
        "success",
        "burned",
        "expired",
        "missed",
    }
    assert stuck(found, lambda world: list(fair_moves(world, rules))) == []


@pytest.mark.parametrize(("options", "processes", "reorgs"), SMALL[:3])
def test_the_daemons_table_chooses_only_what_the_rules_allow(options, processes, reorgs):
    """
    In every state of the model, whatever clocks and service say.
    """
    rules, code = Rules(**options), CodeRules(**options)

    for world in explored(rules, processes, reorgs=reorgs).states:
        newest = len(world.rows)
        assert set(code.decisions(world, newest)) <= set(rules.decisions(world, newest))


@pytest.mark.parametrize(
    ("mistakes", "processes"),
    [
        ({"free_is_dead"}, 1),
        ({"believes_status"}, 1),
        ({"payment_installs"}, 1),
        ({"keeps_run"}, 1),
        ({"sends_first"}, 1),
        ({"head_is_final"}, 1),
        ({"expiry_alone"}, 1),
        ({"unconditional"}, 2),
        ({"restored", "forgets"}, 1),
    ],
    ids=lambda one: "+".join(sorted(one)) if isinstance(one, set) else str(one),
)
def test_each_mistake_pays_twice(mistakes, processes):
    """
    A rule less, and the model finds a way to a second payment: it can see what it looks for.
    """
    rules = Rules(**dict.fromkeys(mistakes, True))

    found = explored(rules, processes, judge=paid_twice)

    assert found.fault == "paid twice"
    assert found.way[-1].startswith("include pay")


def test_x18_a_restored_ledger_pays_nothing_that_may_have_been_paid():
    """
    A backup restored at any time, again and again: what was signed since is found or waited out.
    """
    found = explored(Rules(restored=True), judge=paid_twice)

    assert found.fault is None, "\n".join(found.way)
    assert any(world.rows[0].state == "found" for world in found.states)


@pytest.mark.parametrize(("any_sequence", "fault"), [(False, None), (True, "paid twice")])
def test_s2_sequence_zero_is_what_saves_a_forgetful_ledger(any_sequence, fault):
    """
    Under one generation a slot has one nonce for ever: signing anew is harmless, at sequence 0.
    """
    rules = Rules(restored=True, forgets=True, generations=1, any_sequence=any_sequence)

    assert explored(rules, judge=paid_twice).fault == fault


@pytest.mark.parametrize("mistake", ["never_excludes", "never_proves"])
def test_each_omission_leaves_a_run_stuck(mistake):
    """
    What is taken out of a block, and what no service ever includes, needs a rule to end.
    """
    rules = Rules(**{mistake: True})
    found = explored(rules)

    waiting = stuck(found, lambda world: list(fair_moves(world, rules)))

    assert {world.rows[-1].state for world in waiting} & {"signed", "included"}
