"""`@frozen` makes what `@dataclass(frozen=True, slots=True)` makes."""

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.frozen import changed, frozen


@frozen
class Ours:
    """Every kind of field."""

    kind: ClassVar[str] = "kind"

    number: Any
    text: Any = "text"
    items: Any = field(default_factory=list)
    hidden: Any = field(default="hidden", repr=False)
    aside: Any = field(default="aside", compare=False)


@dataclass(frozen=True, slots=True)
class Theirs:
    """The same."""

    kind: ClassVar[str] = "kind"

    number: Any
    text: Any = "text"
    items: Any = field(default_factory=list)
    hidden: Any = field(default="hidden", repr=False)
    aside: Any = field(default="aside", compare=False)


@frozen
class Nothing:
    """No field at all."""


@frozen
class Checked:
    """Looks at itself, and says what it is in its own words."""

    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("below zero")
        object.__setattr__(self, "number", self.number + 1)

    def __repr__(self) -> str:
        return "checked"


@frozen
class Wider(Checked):
    """Inherits a field."""

    text: str = "x"


values = st.integers(0, 2) | st.text(max_size=2) | st.tuples(st.integers(0, 1))
arguments = st.lists(values, min_size=1, max_size=5)


@given(arguments, arguments)
def test_it_behaves_as_the_standard_one_does(left, right):
    """
    Constructor, equality, hash and repr agree for any values.
    """
    ours, others = Ours(*left), Ours(*right)
    theirs, strangers = Theirs(*left), Theirs(*right)

    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert (ours == others) is (theirs == strangers)
    assert [getattr(ours, one.name) for one in fields(ours)] == [
        getattr(theirs, one.name) for one in fields(theirs)
    ]
    if isinstance(ours.items, list):  # a list has no hash, and so what holds one has none
        with pytest.raises(TypeError):
            hash(ours)
    else:
        assert hash(ours) == hash(theirs)


@given(arguments)
def test_copies_are_equal(values):
    """
    Replaced, copied and pickled values are whole.
    """
    value = Ours(*values)

    assert changed(value) == replace(value) == copy.copy(value) == copy.deepcopy(value) == value
    assert pickle.loads(pickle.dumps(value)) == value
    assert replace(value, aside="other").aside == "other"
    assert copy.copy(Checked(1)).number == pickle.loads(pickle.dumps(Checked(1))).number == 2


@given(arguments, values, st.sampled_from(["number", "text", "items", "hidden", "aside"]))
def test_a_value_with_some_of_it_changed_is_another_one(given_values, other, name):
    """
    As the standard `replace` makes it, the one that was there left as it was.
    """
    value = Ours(*given_values)
    before = repr(value)

    assert changed(value, **{name: other}) == replace(value, **{name: other})
    assert getattr(changed(value, **{name: other}), name) == other
    assert repr(value) == before
    assert changed(Checked(1)).number == replace(Checked(1)).number
    with pytest.raises(TypeError):
        changed(value, wrong=1)


def test_nothing_can_be_changed():
    """
    Neither a field nor anything else, and there is no dict to put things in.
    """
    value = Ours(1)

    for name in ("number", "items", "new"):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, 2)
    with pytest.raises(FrozenInstanceError):
        del value.number
    assert not hasattr(value, "__dict__")
    assert Ours.__slots__ == Theirs.__slots__
    assert Ours.__match_args__ == Theirs.__match_args__


def test_each_value_gets_a_default_of_its_own():
    """
    What a factory makes is not shared.
    """
    assert Ours(1).items == []
    assert Ours(1).items is not Ours(1).items
    assert Ours(number=1, items=[2]).items == [2]


@pytest.mark.parametrize("wrong", [(), (1, 2, 3, 4, 5, 6)])
def test_arguments_are_counted(wrong):
    """
    Too few and too many are refused.
    """
    with pytest.raises(TypeError, match=r"__init__"):
        Ours(*wrong)
    with pytest.raises(TypeError, match="colour"):
        Ours(1, colour=2)


def test_other_kinds_are_never_equal():
    """
    Equality asks for the same class.
    """
    assert Ours(1) != Theirs(1)
    assert Nothing() == Nothing()
    assert hash(Nothing()) == hash(Nothing())
    assert Nothing() != Ours(1)


def test_a_class_may_look_at_its_values_and_keep_its_own_methods():
    """
    `__post_init__` is called; what the class writes itself wins.
    """
    assert Checked(1).number == 2
    assert repr(Checked(1)) == "checked"
    with pytest.raises(ValueError, match="below zero"):
        Checked(-1)
    assert (Wider(1).number, Wider(1).text) == (2, "x")
    assert Wider(1) != Wider(1, "y")
    assert Wider(1) != Checked(1)


@frozen
class Wide:
    """More fields than are set one by one."""

    a: int
    b: int = 2
    c: tuple[int, ...] = ()
    d: list[int] = field(default_factory=list)
    e: str = "e"
    f: str = "f"


@frozen
class Wider2(Wide):
    """And one more."""

    g: str = "g"


class Special(Wide):
    """Not frozen itself, and with a dictionary."""


@pytest.mark.parametrize("kind", [Wide, Wider2, Special])
def test_a_wide_value_is_closed_once_it_is_made(kind):
    """
    Of its own class, equal to its like, and nobody sets a field of it.
    """
    value = kind(1, c=(3,))

    assert type(value) is kind
    assert value == kind(1, 2, (3,), [])
    assert (value.a, value.b, value.c, value.d, value.e, value.f) == (1, 2, (3,), [], "e", "f")
    with pytest.raises(FrozenInstanceError):
        value.a = 2
    with pytest.raises(FrozenInstanceError):
        del value.a


@pytest.mark.parametrize(
    "make", [lambda v: pickle.loads(pickle.dumps(v)), copy.copy, copy.deepcopy]
)
@pytest.mark.parametrize("value", [Wide(1, d=[1]), Wider2(1, g="x"), Special(1)])
def test_a_wide_value_travels(make, value):
    """
    Between processes, and by copies, as itself.
    """
    copied = make(value)

    assert type(copied) is type(value)
    assert copied == value
