"""Work on many files by all processors: ten thousand schedules are read by two in half."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")

_LEAST = 100  # weight of a process's part: with less, starting it costs more than it spares
_BYTES = 4096  # of a file that weighs one
_BESIDE = 150  # weight of what a command imports for its own work


class Parts(Generic[R, S]):
    """
    Some work on a list, done in parts; whoever did one may still do more with what came out.

    Attributes:
        results: Of the parts, in their order.
    """

    def __init__(
        self, results: list[R], children: dict[int, _Child], then: Callable[[R], S] | None
    ) -> None:
        self.results = results
        self._children = children
        self._then = then

    def later(self) -> list[S]:
        """
        What `then` makes of each result: children have begun with theirs when they brought it.

        What a child fails to bring is done here.
        """
        if self._then is None:
            raise AssertionError("nothing was to be done with the results")
        made = {
            place: self._then(result)
            for place, result in enumerate(self.results)
            if place not in self._children
        }
        for place, child in self._children.items():
            found = child.take()
            made[place] = self._then(self.results[place]) if found is None else found[0]
        self.close()
        return [made[place] for place in range(len(self.results))]

    def close(self) -> None:
        """End the children, whatever they are at."""
        for child in self._children.values():
            child.end()
        self._children = {}


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
    parts: Parts[R, None] = begin(work, items, weigh=weigh, beside=beside)
    parts.close()
    return parts.results


def begin(
    work: Callable[[Sequence[T]], R],
    items: Sequence[T],
    *,
    weigh: Callable[[T], int] = lambda _item: 1,
    beside: Callable[[], None] | None = None,
    then: Callable[[R], S] | None = None,
) -> Parts[R, S]:
    """
    As `spread`, and let each process go on with its result by `then` meanwhile.

    Whoever calls asks for what that gives, or closes the parts.
    """
    weights = [weigh(item) for item in items]
    count = min(_processors(), len(items), sum(weights) // _LEAST)
    if count < 2:
        return Parts([work(items)], {}, then)
    ahead = 0 if beside is None else _BESIDE
    first, *others = _parts(items, weights, count, ahead=ahead)
    children = [_start(work, part, then) for part in others]
    try:
        if beside is not None:
            beside()
        results = [work(first)]
    except BaseException:
        for child in children:
            child.end()
        raise
    living = {}
    for place, (child, part) in enumerate(zip(children, others, strict=True), 1):
        found: tuple[R] | None = child.take()
        if found is None:
            child.end()
            results.append(work(part))
        else:
            living[place] = child
            results.append(found[0])
    return Parts(results, living, then)


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


class _Child:
    """A process that does a part, and the pipe that brings what comes out."""

    def __init__(self, process: int, pipe: BinaryIO) -> None:
        self._process = process
        self._pipe = pipe

    def take(self) -> tuple[Any] | None:
        """The next result; None where it could not bring one."""
        import pickle

        try:
            found: tuple[Any] = pickle.load(self._pipe)  # noqa: S301 (our own child wrote it)
        except (EOFError, pickle.UnpicklingError):  # it has died, perhaps in the middle
            return None
        return found

    def end(self) -> None:
        """It is not needed any more."""
        self._pipe.close()
        os.kill(self._process, signal.SIGKILL)  # until it is waited for, the number is its own
        os.waitpid(self._process, 0)


def _start(
    work: Callable[[Sequence[T]], R], part: Sequence[T], then: Callable[[R], Any] | None
) -> _Child:
    """Begin a part in a child."""
    import pickle

    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # or the child would print it a second time
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return _Child(child, os.fdopen(reading, "rb"))
    code = 1
    try:
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            result = work(part)
            pickle.dump((result,), pipe, pickle.HIGHEST_PROTOCOL)
            pipe.flush()
            if then is not None:
                pickle.dump((then(result),), pipe, pickle.HIGHEST_PROTOCOL)
        code = 0
    finally:
        os._exit(code)  # no clean-up of what belongs to the parent, no traceback: it tries itself
