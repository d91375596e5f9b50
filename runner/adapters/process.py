"""
What this process leaves behind when it dies, who may look into it while it lives, and when it
looks through its own memory.

Source: setrlimit(2), RLIMIT_CORE; prctl(2), PR_SET_DUMPABLE; the module `gc` of Python.
"""

from __future__ import annotations

import ctypes
import gc
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_PR_SET_DUMPABLE = 4


def keep_memory_private() -> None:
    """
    Write no core dump, and let no other process of the same user read this one's memory.

    Session keys are in it while they sign. Where the system knows no such call (other than Linux),
    the limit on core dumps holds alone.
    """
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


@contextmanager
def collector_at_rest() -> Iterator[Callable[[], None]]:
    """
    Look for no garbage while policies are read and made ready.

    They stay, so there is none to be found among them, and each search goes through all that is
    there by then: a sixth of the start of ten thousand schedules, a fourth of that of a hundred
    thousand. Call what this yields once they are ready: they are left out of every search from then
    on, which else would hold up a tick for a second now and then. Call it again after a reload:
    what was there before may go.
    """
    gc.disable()

    def settle() -> None:
        if gc.get_freeze_count():
            gc.unfreeze()
            gc.collect()
        gc.freeze()
        gc.enable()

    try:
        yield settle
    finally:
        gc.unfreeze()
        gc.enable()
