"""Work on many files by all processors: a folder of a thousand policies is read by two in half."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_LEAST = 100  # items for a process: with fewer, starting it costs more than it spares


def spread(work: Callable[[Sequence[T]], R], items: Sequence[T]) -> list[R]:
    """
    Do some work on parts of a list, one part here and each other one in a child process.

    Args:
        work: Depends on its items alone; its result can be pickled.

    Returns:
        The results, in the order of the parts. What a child fails to bring is done here.
    """
    count = min(_processors(), len(items) // _LEAST)
    if count < 2:
        return [work(items)]
    size = -(-len(items) // count)
    first, *others = (items[start : start + size] for start in range(0, len(items), size))
    children = [_start(work, part) for part in others]
    results = [work(first)]
    for (child, pipe), part in zip(children, others, strict=True):
        found: tuple[R] | None = _answer(child, pipe)
        results.append(work(part) if found is None else found[0])
    return results


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
