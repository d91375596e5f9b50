"""Every state that can be reached, what is wrong with the first bad one, and what can still end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from model.world import World, operations

Moves = Callable[[World], list[tuple[str, World]]]


@dataclass
class Found:
    """What an exploration saw: all states, or the shortest way into a bad one."""

    states: dict[World, tuple[World, str] | None] = field(default_factory=dict)
    fault: str | None = None
    way: list[str] = field(default_factory=list)


def explore(first: World, moves: Moves, judge: Callable[[World], str | None]) -> Found:
    """Breadth first, so that the way into a bad state is a shortest one."""
    found = Found({first: None})
    waiting = deque([first])
    while waiting:
        world = waiting.popleft()
        if (fault := judge(world)) is not None:
            found.fault, found.way = fault, way_to(world, found)
            return found
        for name, following in moves(world):
            if following not in found.states:
                found.states[following] = (world, name)
                waiting.append(following)
    return found


def way_to(world: World, found: Found) -> list[str]:
    """The steps that led there."""
    steps = []
    before = found.states[world]
    while before is not None:
        steps.append(before[1])
        before = found.states[before[0]]
    return steps[::-1]


def paid_twice(world: World) -> str | None:
    """The one thing that must never be."""
    paid = [one for one in operations(world.chain) if one.kind == "pay"]
    return "paid twice" if len(paid) > 1 else None


def wrong(world: World) -> str | None:
    """Two payments, or a closed row that the chain contradicts."""
    if paid_twice(world):
        return "paid twice"
    paid = [one for one in operations(world.chain) if one.kind == "pay"]
    for number, row in enumerate(world.rows, 1):
        mine = [one for one in paid if one.attempt == number]
        if row.state == "success" and not (mine and mine[0] in world.final):
            return "success without a final payment"
        if row.state in {"burned", "expired", "missed"} and mine:
            return f"{row.state}, and paid all the same"
    return None


def stuck(found: Found, fair: Moves) -> list[World]:
    """States from which no fair continuation closes the newest attempt."""
    before: dict[World, list[World]] = {}
    ended = []
    for world in found.states:
        if world.rows[-1].is_closed:
            ended.append(world)
            continue
        for _, following in fair(world):
            before.setdefault(following, []).append(world)
    alive = set(ended)
    waiting = deque(ended)
    while waiting:
        for world in before.get(waiting.popleft(), ()):
            if world not in alive:
                alive.add(world)
                waiting.append(world)
    return [world for world in found.states if world not in alive]
