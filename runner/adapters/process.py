"""
What this process leaves behind when it dies, and who may look into it while it lives.

Source: setrlimit(2), RLIMIT_CORE; prctl(2), PR_SET_DUMPABLE.
"""

from __future__ import annotations

import ctypes
import resource
from contextlib import suppress

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
