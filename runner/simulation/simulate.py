"""`simulate` from the policies to what was found."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Any

from runner.adapters.memory.budgets import Budgets
from runner.adapters.virtual import VirtualLoop
from runner.execution.forecast import Forecast
from runner.guard.intent import is_computed
from runner.policy.model import Invoke, Policy, PolicyCall, Raw, Schedule
from runner.ports import Clock
from runner.reporting.foresight.model import Foresight, GrantLife, Outcome, Trouble
from runner.scheduling.occurrence import CLOSED
from runner.settings import Settings
from runner.simulation.engine import WARM_UP, Engine
from runner.simulation.result import grants_of, outcomes_of
from runner.simulation.window import Balance, Purses, Window, count_slots, placed

MOST_EXECUTED = 20_000
"""More occurrences than these are forecast, not executed, unless somebody insists (M13)."""

TYPICAL_FEE = 3 * 10**12
"""Wei that one operation costs on the sandbox, about."""

_ENDINGS = frozenset(f"run.{state}" for state in CLOSED)
_TELLING = frozenset(
    {
        "grant.failed",
        "grant.blocked",
        "schedule.paused",
        "run.fault",
        "chain.fault",
        "run.evidence",
    }
)

_CONSEQUENCES = frozenset({"schedule.paused", "grant.blocked"})
"""Worth knowing; whether anybody is not paid for it, the slots say."""

Progress = Callable[[int, int], None]
"""Told how many slots are done, of how many."""


def simulate(
    settings: Settings,
    policies: Sequence[Policy],
    window: Window,
    *,
    balances: Sequence[Balance] = (),
    execute: bool = False,
    most_executed: int = MOST_EXECUTED,
    progress: Progress = lambda _done, _total: None,
) -> Foresight:
    """
    Run the policies through a window.

    Args:
        balances: What accounts hold at first, where it is not the faucet's.
        execute: Sign everything, however much it is.
        most_executed: Beyond so many occurrences, nothing is signed.
        progress: Told how many slots are decided, of how many.

    Raises:
        RunnerError: as `up` would refuse.
    """
    with _calm_collector(), asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(
            _simulate(
                settings,
                placed(policies, window),
                window,
                balances,
                lambda total: execute or total <= most_executed,
                progress,
            )
        )


@contextmanager
def _calm_collector() -> Iterator[None]:
    """
    Look for cycles less often: a simulation keeps all that it makes, and looking through it again
    and again costs a tenth of its time.
    """
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)


async def _simulate(
    settings: Settings,
    policies: Sequence[Policy],
    window: Window,
    balances: Sequence[Balance],
    is_executed: Callable[[int], bool],
    progress: Progress,
) -> Foresight:
    schedules = [one for policy in policies for one in policy.schedules.values()]
    total = count_slots(schedules, window)
    listener = _Listener(lambda done: progress(done, total))
    engine = Engine(settings, policies, window, listener)
    listener.clock = engine.clock
    async with AsyncExitStack() as stack:
        purses = await engine.prepare(stack, balances)
        executed = is_executed(total)
        if executed:
            await engine.run()
            found = outcomes_of(engine.ledger, engine.schedules, purses)
            grants = grants_of(engine.ledger, engine.schedules, engine.sessions, purses, window)
        else:
            compact = total > MOST_EXECUTED
            found, grants = _forecast(
                engine, purses, window, lambda done: progress(done, total), compact=compact
            )
    return Foresight(
        start=window.start,
        end=window.end,
        executed=executed,
        outcomes=found,
        grants=grants,
        purses=purses.purses,
        accounts=purses.payers,
        troubles=listener.troubles(grants),
        notes=tuple(_notes(policies, executed=executed)),
    )


def _asking(policy: Policy) -> Iterator[Schedule]:
    """Schedules that ask a person for some amounts, of themselves or by their organisation."""
    for one in policy.schedules.values():
        organisation = policy.sessions[one.session].above
        if (
            one.approve_above
            or one.new_receiver_above
            or (organisation is not None and organisation.approve_above)
        ):
            yield one


def _notes(policies: Sequence[Policy], *, executed: bool) -> Iterator[str]:
    """What a reader has to know to believe the result."""
    schedules = [one for policy in policies for one in policy.schedules.values()]
    calling = [one.uid for one in schedules if any(map(_leaves_the_sandbox, one.calls))]
    asking = [one.uid for policy in policies for one in _asking(policy)]
    if asking:
        asks = _verb(asking, "ask")
        yield f"a person is taken to approve at once whatever {', '.join(asking)} {asks} for"
    bound = [one.uid for one in schedules if one.require]
    if bound and not executed:
        yield f"the conditions that {', '.join(bound)} {_verb(bound, 'require')} are taken for met"
    computed = [one.uid for one in schedules if any(map(is_computed, one.calls))]
    if calling and executed:
        yield (
            f"the contracts that {', '.join(calling)} {_verb(calling, 'call')} do not exist on the "
            "sandbox: such a call succeeds here, and moves nothing but its value"
        )
    if computed and executed:
        yield (
            f"{', '.join(computed)} {_verb(computed, 'read')} balances: receivers begin with "
            "nothing, and nobody else spends or deposits"
        )
    elif computed:
        yield f"{', '.join(computed)} {_verb(computed, 'count')} with the most that a run may send"


def _leaves_the_sandbox(call: PolicyCall) -> bool:
    return isinstance(call, Invoke) or (isinstance(call, Raw) and bool(call.data))


def _verb(names: Sequence[str], verb: str) -> str:
    return verb if len(names) > 1 else f"{verb}s"


def _forecast(
    engine: Engine,
    purses: Purses,
    window: Window,
    progress: Callable[[int], None],
    *,
    compact: bool,
) -> tuple[tuple[Outcome, ...], tuple[GrantLife, ...]]:
    return Forecast(
        engine.schedules,
        engine.sessions,
        start=window.start,
        end=window.end,
        granted_at=window.start - WARM_UP,
        book=Budgets(),
        account_of=purses.name_of,
        opening=purses.opening,
        fee=TYPICAL_FEE,
        compact=compact,
        progress=progress,
    ).run()


class _Listener:
    """Implements `ports.Telemetry`: counts what is done, and keeps what went wrong."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self.clock: Clock | None = None
        self._progress = progress
        self._done = 0
        self._heard: dict[tuple[str, str], Trouble] = {}

    def emit(self, event: str, **fields: Any) -> None:
        """One event a step."""
        if event in _ENDINGS or event == "occurrence.decided":
            self._done += fields.get("count", 1)
            self._progress(self._done)
        elif event == "grant.blocked" and fields.get("level") != "critical":
            return  # it waits for its turn, and nobody for it
        elif event in _TELLING and self.clock is not None:
            subject = str(
                fields.get("session") or fields.get("schedule") or fields.get("run") or ""
            )
            trouble = Trouble(
                at=self.clock.now(),
                subject=subject,
                what=_said(event, str(fields.get("detail", event))),
                hint=fields.get("hint"),
                fatal=event not in _CONSEQUENCES,
            )
            self._heard.setdefault((event, subject), trouble)

    def troubles(self, grants: Sequence[GrantLife]) -> tuple[Trouble, ...]:
        """What went wrong for good: a grant that was got in the end is no trouble."""
        return tuple(
            one
            for (event, _), one in self._heard.items()
            if event != "grant.failed" or not _obtained(one, grants)
        )


def _obtained(trouble: Trouble, grants: Sequence[GrantLife]) -> bool:
    return any(
        grant.session == trouble.subject
        and grant.active_at is not None
        and grant.active_at > trouble.at
        for grant in grants
    )


def _said(event: str, detail: str) -> str:
    return f"paused from here on: {detail}" if event == "schedule.paused" else detail
