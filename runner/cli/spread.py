"""Work on many files by all processors: ten thousand schedules are read by two in half."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_LEAST = 100  # weight of a process's part: with less, starting it costs more than it spares
_BYTES = 4096  # of a file that weighs one
_BESIDE = 100  # weight of what a command imports for its own work


def spread(
    work: Callable[[Sequence[T]], R],
    items: Sequence[T],
    *,
    weigh: Callable[[T], int] = lambda _item: 1,
    beside: Callable[[], None] | None = None,
) -> list[R]:
    """
    Do some work on parts of a list, one part here and each other one in a child process.

    Args:
        work: Depends on its items alone; its result can be pickled.
        weigh: How much work an item is; parts are of about the same weight.
        beside: What this process has to do anyway, such as its imports: done while children work,
            where there are any, and its own part is the smaller for it.

    Returns:
        The results, in the order of the parts. What a child fails to bring is done here.
    """
    weights = [weigh(item) for item in items]
    count = min(_processors(), len(items), sum(weights) // _LEAST)
    if count < 2:
        return [work(items)]
    ahead = 0 if beside is None else _BESIDE
    first, *others = _parts(items, weights, count, ahead=ahead)
    children = [_start(work, part) for part in others]
    if beside is not None:
        beside()
    results = [work(first)]
    for (child, pipe), part in zip(children, others, strict=True):
        found: tuple[R] | None = _answer(child, pipe)
        results.append(work(part) if found is None else found[0])
    return results


def weight_of(path: Path) -> int:
    """A small policy weighs one; what a file of thousands of schedules takes goes with its size."""
    try:
        return max(1, path.stat().st_size // _BYTES)
    except OSError:  # whoever reads it says so
        return 1


def _parts(
    items: Sequence[T], weights: Sequence[int], count: int, *, ahead: int = 0
) -> list[Sequence[T]]:
    """
    At most so many pieces of the list, in order, none of them empty.

    `ahead` is the weight of what whoever gets the first one has to do besides: if it is more than
    a part, there is nothing in that piece.
    """
    start, carried = 0, ahead
    whole = sum(weights) + ahead
    parts: list[Sequence[T]] = [items[:0]] if ahead * count >= whole else []
    for place, weight in enumerate(weights, 1):
        carried += weight
        if carried * count >= whole * (len(parts) + 1):
            parts.append(items[start:place])
            start = place
    return parts


def _processors() -> int:
    if not hasattr(os, "fork"):
        return 1
    if sys.platform == "linux":  # those that this process may use
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _start(work: Callable[[Sequence[T]], R], part: Sequence[T]) -> tuple[int, int]:
    """Begin a part in a child; returns its process id and the pipe that brings the result."""
    import pickle

    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # or the child would print it a second time
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    code = 1
    try:
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump((work(part),), pipe, pickle.HIGHEST_PROTOCOL)
        code = 0
    finally:
        os._exit(code)  # no clean-up of what belongs to the parent, no traceback: it tries itself


def _answer(child: int, pipe: int) -> tuple[R] | None:
    import pickle

    with os.fdopen(pipe, "rb") as stream:
        data = stream.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        return None
    found: tuple[R] = pickle.loads(data)  # noqa: S301 (our own child wrote it)
    return found
