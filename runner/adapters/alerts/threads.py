"""Work that may hang, in a thread of its own: nobody has to wait for its end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from runner.errors import RunnerError, Undelivered


class Aside:
    """
    Carries out one piece of work at a time beside the event loop.

    The pool that asyncio has is the ledger's: channels that hang must not fill it. A thread that
    hangs is left behind, and until it ends the channel takes nothing more.
    """

    def __init__(self, name: str, *, patience: float) -> None:
        self._name = name
        self._patience = patience
        self._busy = False

    async def run(self, work: Callable[[], None]) -> None:
        """
        Do it.

        Raises:
            Undelivered: it failed, or did not end in time.
        """
        if self._busy:
            raise Undelivered("an earlier attempt still hangs")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[RunnerError | None] = loop.create_future()

        def carry_out() -> None:
            error: RunnerError | None = None
            try:
                work()
            except RunnerError as failure:
                error = failure
            except Exception as failure:  # its text may hold the URL: the kind has to do
                error = Undelivered(f"it failed with {type(failure).__name__}")
            self._busy = False
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(_settle, done, error)

        self._busy = True
        name = f"alerts {self._name}"
        threading.Thread(target=carry_out, name=name, daemon=True).start()
        try:
            async with asyncio.timeout(self._patience):
                error = await done
        except TimeoutError:
            raise Undelivered(f"no answer within {self._patience:.0f} s") from None
        if error is not None:
            raise error


def _settle(done: asyncio.Future[Any], error: RunnerError | None) -> None:
    if not done.done():
        done.set_result(error)
