"""
The daemon with places at which it can be made to die, or find its disk full.

Only this module knows of such places; the program has no hook for them. Methods of its parts are
wrapped before its command line is run:

    CHAOS_DIE=sign.after:2     kill -9 of itself, the second time that `sign` has been written
    SIGUSR1, SIGUSR2           files can grow no more; they can again
"""

from __future__ import annotations

import asyncio
import functools
import os
import resource
import signal
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

PLACES = {
    # what is durable
    "claim": ("runner.adapters.sql.ledger", "SqlLedger", "claim"),
    "freeze": ("runner.adapters.sql.ledger", "SqlLedger", "freeze"),
    "sign": ("runner.adapters.sql.ledger", "SqlLedger", "sign"),
    "note": ("runner.adapters.sql.ledger", "SqlLedger", "note"),
    "include": ("runner.adapters.sql.ledger", "SqlLedger", "include"),
    "close": ("runner.adapters.sql.ledger", "SqlLedger", "close"),
    "commit": ("runner.adapters.sql.store", "SqlStore", "_commit"),
    # what leaves the process
    "prepare": ("runner.adapters.wallet_api.client", "WalletApiClient", "prepare_calls"),
    "send": ("runner.adapters.wallet_api.client", "WalletApiClient", "send_prepared_calls"),
    "signature": ("runner.adapters.signers.local", "LocalSigner", "sign"),
    # grants
    "request": ("runner.adapters.sql.ledger", "SqlLedger", "new_grant"),
    "create_session": ("runner.adapters.wallet_api.client", "WalletApiClient", "create_session"),
    "owner_signed": ("runner.adapters.sql.ledger", "SqlLedger", "owner_signed"),
    "activation": ("runner.adapters.sql.ledger", "SqlLedger", "activation"),
    "activate": ("runner.adapters.sql.ledger", "SqlLedger", "activate"),
}
"""Each boundary of a step: the method that crosses it. One dies before it, or after it."""

_seen: Counter[str] = Counter()


def main() -> None:
    """The program, with the places wrapped that the environment names."""
    sys.path.insert(0, os.environ["CHAOS_ROOT"])
    signal.signal(signal.SIGUSR1, lambda *_: _grow(4096))
    signal.signal(signal.SIGUSR2, lambda *_: _grow(resource.RLIM_INFINITY))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if wanted := os.environ.get("CHAOS_DIE"):
        place, _, times = wanted.partition(":")
        _arm(place, int(times or 1))
    from runner.cli.main import main as run

    run()


def _grow(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _arm(place: str, times: int) -> None:
    name, _, when = place.partition(".")
    module, owner, method = PLACES[name]
    holder = getattr(__import__(module, fromlist=[owner]), owner)
    setattr(holder, method, _wrapped(getattr(holder, method), place, when == "before", times))


def _wrapped(method: Callable[..., Any], place: str, before: bool, times: int) -> Any:
    def pass_by() -> None:
        _seen[place] += 1
        if _seen[place] == times:
            os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        if before:
            pass_by()
        answer = method(*args, **kwargs)
        if before:
            return answer
        if asyncio.iscoroutine(answer):
            return _then(answer, pass_by)
        if asyncio.isfuture(answer):
            answer.add_done_callback(lambda _: pass_by())
            return answer
        pass_by()
        return answer

    return call


async def _then(answer: Any, pass_by: Callable[[], None]) -> Any:
    got = await answer
    pass_by()
    return got


if __name__ == "__main__":
    main()
