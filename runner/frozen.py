"""
Frozen values, cheap to import.

`@frozen` makes what `@dataclass(frozen=True, slots=True)` makes: a dataclass whose instances never
change, with the same constructor, equality, hash and repr. The standard one compiles six functions
for each class, 0.6 ms on Python 3.11, which adds up to a third of a short command's time. Here all
but the constructor are written once and shared, and that is compiled for the first instance: most
classes that a command imports it never uses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import Any, ClassVar, TypeVar, dataclass_transform

T = TypeVar("T")

_WANTED: Any = object()  # stands for a value that a factory makes
_MANY = 5  # fields: with fewer, opening and closing a value costs more than it spares


class _Shared:
    """The methods that every frozen class gets; none of them is an instance of this one."""

    _compared: ClassVar[Callable[[Any], Any]]
    _names: ClassVar[tuple[str, ...]]
    _values: ClassVar[Callable[[Any], tuple[Any, ...]]]

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        compared = self.__class__._compared
        return bool(compared(self) == compared(other))

    def __hash__(self) -> int:
        return hash(self.__class__._compared(self))

    def __repr__(self) -> str:
        parts = (f"{one.name}={getattr(self, one.name)!r}" for one in _fields(self) if one.repr)
        return f"{self.__class__.__qualname__}({', '.join(parts)})"

    def __reduce__(self) -> tuple[Any, ...]:
        kind = self.__class__
        values = kind._values(self)
        # What looks at itself has done so, and need not find itself as it was made.
        return (_restored, (kind, values)) if hasattr(kind, "__post_init__") else (kind, values)


_METHODS = {name: each for name, each in vars(_Shared).items() if callable(each)}


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """
    Make a class a frozen dataclass with slots.

    A method that the class writes itself is kept. Fields are what the constructor takes: there is
    no `init=False`, no `kw_only`.
    """
    for name, method in _METHODS.items():
        if name not in vars(cls):
            setattr(cls, name, method)
    made: Any = dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    made._names = tuple(one.name for one in fields(made))
    made._values = _values_of(made._names)
    names = [one.name for one in fields(made) if one.compare]
    made._compared = attrgetter(*names) if names else _nothing

    def first(self: Any, *arguments: Any, **named: Any) -> None:
        made.__init__ = _constructor(made)
        made.__init__(self, *arguments, **named)

    made.__init__ = first
    result: type[T] = made
    return result


def changed(value: T, **changes: Any) -> T:
    """As `dataclasses.replace`, for a frozen value; it is taken apart and put together at once."""
    kind: Any = value.__class__
    made: T = kind(**{**dict(zip(kind._names, kind._values(value), strict=True)), **changes})
    return made


def _fields(value: Any) -> tuple[Field[Any], ...]:
    return fields(value)


def _restored(kind: type[T], values: tuple[Any, ...]) -> T:
    made = object.__new__(kind)
    for one, value in zip(_fields(kind), values, strict=True):
        object.__setattr__(made, one.name, value)
    return made


def _values_of(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _nothing(value: object) -> tuple[()]:
    del value
    return ()


def _constructor(cls: Any) -> Callable[..., None]:
    """Compile the constructor: the one function that cannot be shared without being slow."""
    names: dict[str, Any] = {"_set": object.__setattr__, "_WANTED": _WANTED}
    arguments, lines, given = ["self"], [], []
    for one in fields(cls):
        name = one.name
        given.append(name)
        if one.default_factory is not MISSING:
            names[f"_make_{name}"] = one.default_factory
            arguments.append(f"{name}=_WANTED")
            lines.append(f"    {name} = _make_{name}() if {name} is _WANTED else {name}")
        elif one.default is not MISSING:
            names[f"_default_{name}"] = one.default
            arguments.append(f"{name}=_default_{name}")
        else:
            arguments.append(name)
    few = [f"_set(self, {name!r}, {name})" for name in given]
    if len(given) < _MANY:
        lines += [f"    {each}" for each in few]
    else:
        names |= {"_KIND": cls, "_OPEN": _opened(cls)}
        lines += ["    if self.__class__ is _KIND:", "        _set(self, '__class__', _OPEN)"]
        lines += [f"        self.{name} = {name}" for name in given]
        lines += ["        self.__class__ = _KIND", "    else:"]
        lines += [f"        {each}" for each in few]
    if hasattr(cls, "__post_init__"):
        lines.append("    self.__post_init__()")
    text = f"def __init__({', '.join(arguments)}):\n" + ("\n".join(lines) or "    pass")
    exec(text, names)  # noqa: S102 (as dataclasses do: only names of fields, which Python has read)
    constructor: Callable[..., None] = names["__init__"]
    constructor.__qualname__ = f"{cls.__qualname__}.__init__"
    constructor.__module__ = cls.__module__
    return constructor


def _opened(cls: Any) -> type:
    """
    A class of the same shape whose fields can be set.

    A value is one of these while its constructor fills it: assigning a field then takes a tenth of
    what a call of `object.__setattr__` does, and a schedule has thirty-four.
    """
    members = {"__slots__": vars(cls)["__slots__"], "__setattr__": object.__setattr__}
    return type(f"{cls.__name__}, being made", cls.__bases__, members)
