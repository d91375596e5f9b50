"""Two policies' trees laid over each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runner.planning.trees import changes


def told(before, after):
    return [(one.path, one.before, one.after) for one in changes(before, after)]


def pay(to, amount):
    return {"pay": {"to": to, "amount": amount}}


def test_a_call_put_in_front_is_one_change():
    """
    Those behind it keep their meaning, whatever their number.
    """
    before = {"calls": [pay("alice", "1 usdc"), pay("bob", "2 usdc")]}
    after = {"calls": [pay("carol", "3 usdc"), *before["calls"]]}

    assert told(before, after) == [("calls[0]", None, "{pay: {to: carol, amount: 3 usdc}}")]
    assert told(after, before) == [("calls[0]", "{pay: {to: carol, amount: 3 usdc}}", None)]


def test_an_amount_is_told_with_its_receiver():
    """
    Its place in the list says little.
    """
    before = {"calls": [pay("alice", "1 usdc"), pay("bob", "2 usdc")]}
    after = {"calls": [pay("alice", "1 usdc"), pay("bob", "5 usdc")]}

    (change,) = changes(before, after)

    assert (change.path, change.before, change.after) == (
        "calls[1].pay.amount",
        "2 usdc",
        "5 usdc",
    )
    assert change.about == "bob"


def test_lists_of_names_are_told_by_name():
    before, after = {"receivers": ["a", "b"]}, {"receivers": ["b", "c"]}

    assert told(before, after) == [("receivers", "a", None), ("receivers", None, "c")]


def test_keys_come_and_go():
    """
    In the order of the file, the old one's first.
    """
    assert told({"a": "1", "b": {"c": "2"}}, {"b": {"c": "3"}, "d": "4"}) == [
        ("a", "1", None),
        ("b.c", "2", "3"),
        ("d", None, "4"),
    ]


texts = st.text("abc", min_size=1, max_size=2)
trees = st.recursive(
    st.dictionaries(texts, texts, max_size=3),
    lambda inner: st.dictionaries(texts, st.one_of(inner, st.lists(texts), st.lists(inner))),
    max_leaves=8,
)


@given(trees, trees)
def test_trees_differ_exactly_where_changes_are_told(before, after):
    """
    None for equal trees, some for others; back and forth tell the same number.
    """
    assert (before == after) is (changes(before, after) == ())
    assert changes(before, before) == ()
    assert all(one.before != one.after for one in changes(before, after))
