"""
What can be made to go wrong, and whether it goes wrong this time.

A fault without a method holds for all methods but `sandbox_*`, so that it can always be cleared.
Faults live as long as the process; an operation that one has marked stays marked.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from re import findall
from typing import Any, Final

from runner.sandbox import wire
from runner.sandbox.rpc import invalid

TRANSPORT: Final = frozenset(
    {
        "latency",
        "timeout_before_accept",
        "drop_reply_after_accept",
        "reset",
        "rate_limit",
        "error_500",
        "error_503",
        "malformed_json",
        "wrong_id",
    }
)
"""Kinds that the server carries out; in process they have no meaning."""

CHAIN: Final = frozenset(
    {
        "tamper",
        "never_include",
        "late_include",
        "reorg",
        "refuse_sponsorship",
        "fee_spike",
        "clock_skew",
        "lie_status",
    }
)
"""Kinds that change what is answered or what the chain does."""

_COMMON = ("kind", "method", "probability", "count")
_MEMBERS = {
    "latency": ("seconds",),
    "late_include": ("seconds",),
    "clock_skew": ("seconds",),
    "rate_limit": ("retry_after",),
    "tamper": ("path", "value"),
    "reorg": ("depth",),
    "fee_spike": ("factor",),
    "lie_status": ("status",),
}
_REQUIRED = {"tamper": ("path", "value"), "fee_spike": ("factor",), "lie_status": ("status",)}


@dataclass(slots=True)
class Fault:
    """
    One thing that goes wrong: how often (`probability`), how many times more (`count`).

    `seconds` may be negative for `clock_skew` alone. `at_once` is a reorganisation that waits for
    no request, because no method, chance or count is named.
    """

    kind: str
    at_once: bool = False
    method: str | None = None
    probability: float = 1.0
    count: int | None = None
    seconds: float = 1.0
    retry_after: float = 1.0
    path: str = ""
    value: Any = None
    depth: int = 1
    factor: float = 1.0
    status: int = 100


def read_fault(value: Any) -> Fault:
    """
    Read the parameters of `sandbox_setFault`.

    Raises:
        RpcError: Unknown kind or member, or a value that it cannot have.
    """
    fields = wire.members(value, "fault")
    kind = wire.required(fields, "kind", wire.text, "fault")
    if kind not in TRANSPORT | CHAIN:
        raise invalid(f"fault.kind: unknown kind {kind[:80]!r}")
    known = _MEMBERS.get(kind, ())
    for name in fields:
        if name not in known and name not in _COMMON:
            raise invalid(f"fault.{name[:80]}: {kind} has no such member")
    for name in _REQUIRED.get(kind, ()):
        if name not in fields:
            raise invalid(f"fault.{name} is missing")
    at_once = kind == "reorg" and not {"method", "probability", "count"} & fields.keys()
    fault = Fault(kind, at_once)
    for name, read in _READERS.items():
        if name in fields:
            setattr(fault, name, read(fields[name], f"fault.{name}"))
    if fault.seconds < 0 and kind != "clock_skew":
        raise invalid("fault.seconds must not be negative")
    return fault


class Faults:
    """The faults in force."""

    def __init__(self) -> None:
        self._faults: dict[tuple[str, str | None], Fault] = {}
        # Chances are drawn from a fixed seed, so that a run can be repeated.
        self._chance = random.Random(4337)  # noqa: S311 (not a secret)

    def set(self, fault: Fault) -> None:
        """Put a fault in force; the same kind and method replaces the earlier."""
        self._faults[fault.kind, fault.method] = fault

    def clear(self) -> None:
        """Let everything go well again."""
        self._faults.clear()

    def take(
        self, kind: str, method: str, *, applies: Callable[[Fault], bool] | None = None
    ) -> Fault | None:
        """
        Return the fault that strikes this time, and count it.

        Args:
            kind: Kind of fault.
            method: Of the request.
            applies: Whether a fault has something to strike here; one that has not is not counted.
        """
        if not self._faults:
            return None
        for name in (method, None):
            fault = self._faults.get((kind, name))
            if fault is None or (name is None and method.startswith("sandbox_")):
                continue
            if applies is not None and not applies(fault):
                continue
            if self._chance.random() >= fault.probability:
                continue
            if fault.count is not None:
                fault.count -= 1
                if fault.count <= 0:
                    del self._faults[kind, name]
            return fault
        return None

    @property
    def fee_factor(self) -> float:
        """By what the base fee is multiplied."""
        return max(
            (fault.factor for (kind, _), fault in self._faults.items() if kind == "fee_spike"),
            default=1.0,
        )


def is_found(result: Any, path: str) -> bool:
    """Whether an answer has the place that a path names; an object may lack its last member."""
    steps = _steps(path)
    return not steps or _reach(result, steps) is not None


def tampered(result: Any, fault: Fault) -> Any:
    """Return an answer with one value replaced; `fault.path` is like `data.calls[0].to`."""
    steps = _steps(fault.path)
    if not steps:
        return deepcopy(fault.value)
    changed = deepcopy(result)
    place = _reach(changed, steps)
    if isinstance(place, dict):
        place[steps[-1]] = deepcopy(fault.value)
    elif isinstance(place, list):
        place[int(steps[-1])] = deepcopy(fault.value)
    return changed


def _steps(path: str) -> list[str]:
    steps = findall(r"[^.\[\]]+", path)
    return steps[1:] if steps[:1] == ["result"] else steps


def _reach(result: Any, steps: list[str]) -> dict[str, Any] | list[Any] | None:
    """Return the object or array whose member the last step names, None if there is none."""
    place = result
    for step in steps[:-1]:
        place = _member(place, step)
    if isinstance(place, dict) or (isinstance(place, list) and _index(place, steps[-1])):
        return place
    return None


def _member(place: Any, step: str) -> Any:
    if isinstance(place, dict):
        return place.get(step)
    return place[int(step)] if isinstance(place, list) and _index(place, step) else None


def _index(place: list[Any], step: str) -> bool:
    return step.isdecimal() and int(step) < len(place)


def _probability(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise invalid(f"{where} must be between 0 and 1")
    return value


def _count(value: Any, where: str) -> int:
    count = wire.integer(value, where)
    if count < 1:
        raise invalid(f"{where} must be 1 or more")
    return count


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e12:
        raise invalid(f"{where} must be a number")
    return value


def _factor(value: Any, where: str) -> float:
    factor = _number(value, where)
    if factor <= 0:
        raise invalid(f"{where} must be above 0")
    return factor


def _as_it_is(value: Any, where: str) -> Any:  # noqa: ARG001 (a reader like the others)
    return value


_READERS = {
    "method": wire.text,
    "probability": _probability,
    "count": _count,
    "seconds": _number,
    "retry_after": wire.seconds,
    "path": wire.text,
    "value": _as_it_is,
    "depth": _count,
    "factor": _factor,
    "status": wire.integer,
}
