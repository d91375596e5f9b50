"""
The daemon, a ledger in memory and sandboxes, in a loop whose time is its own.

A window is run through from a minute before it, so that its first slots find their grants, until
everything that was due in it has come to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from random import Random
from typing import Any

from runner.adapters.memory.ledger import MemoryLedger
from runner.adapters.signers.local import SessionKeys
from runner.adapters.signers.opening import signers_of
from runner.adapters.virtual import VirtualAlarm, VirtualClock, VirtualLoop
from runner.adapters.wallet_api.endpoint import Endpoint
from runner.adapters.wallet_api.envelope import HttpAnswer
from runner.bootstrap.assembly import Assembly, seed_of
from runner.bootstrap.wallets import Place, Wallets
from runner.execution.contexts import ScheduleContext, SessionContext
from runner.execution.daemon import Daemon
from runner.guard.intent import NATIVE
from runner.planning.applied import Papers
from runner.policy.model import Policy, SponsoredGas
from runner.ports import Clock, Telemetry
from runner.records import RunKind
from runner.sandbox.endpoint import Endpoint as RpcEndpoint
from runner.sandbox.sandbox import Sandbox
from runner.settings import Settings, WalletProfile
from runner.simulation.window import Balance, Purses, Window, purses_of

WARM_UP = timedelta(minutes=1)
"""The daemon is started this long before the window."""

_GAS_POLICY = "00000000-0000-4000-8000-000000000001"
_SECOND_LOOK = timedelta(days=1)
"""R23 is there for timers that fail; those of a loop with its own time do not."""

_BLOCK_SECONDS = 1.0
_LOOK_FOR_THE_END = 60.0


class Engine:
    """Everything that a simulation is made of; `prepare`, then `run`."""

    def __init__(
        self, settings: Settings, policies: Sequence[Policy], window: Window, telemetry: Telemetry
    ) -> None:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop):
            raise TypeError("a simulation runs in a loop with a time of its own")
        self._loop = loop
        self._settings = settings
        self._policies = policies
        self._window = window
        self._telemetry = telemetry
        # The same policies give the same simulation; the keys are play keys (G3).
        self._chance = Random(0)  # noqa: S311
        self.clock = VirtualClock(loop, start=window.start - WARM_UP)
        self.ledger = MemoryLedger()
        self.ledger.agreeable = True
        self.schedules: Mapping[str, ScheduleContext] = {}
        self.sessions: Mapping[str, SessionContext] = {}

    async def prepare(self, stack: AsyncExitStack, balances: Sequence[Balance]) -> Purses:
        """
        Make the sandboxes, and of the policies what the daemon knows of them.

        Raises:
            RunnerError: as `up` would refuse.
        """
        signers = await signers_of(self._settings, self._policies, {}, throw_away=True)
        wallets = Wallets(
            stack, {}, self._telemetry, embed=lambda _, chain: self._sandbox(stack, chain)
        )
        accounts = [one for policy in self._policies for one in policy.accounts.values()]
        gas = {one.gas.policy: _GAS_POLICY for one in accounts if isinstance(one.gas, SponsoredGas)}
        profile = WalletProfile(embedded=True, gas_policies=gas)
        for name in sorted({account.wallet for account in accounts}):
            await wallets.open(name, profile, self._policies)
        assembly = Assembly(wallets, signers, self._telemetry, sandbox=True)
        self.schedules, self.sessions = await assembly.contexts(
            self._policies, Papers().digests(self._policies)
        )
        purses = purses_of(self._policies, assembly.accounts, balances)
        for purse in purses.purses:
            venue = assembly.accounts[purse.account].venue
            address = assembly.accounts[purse.account].address
            amount = str(purse.opening)
            method, params = "sandbox_fund", {"address": address, "amount": amount}
            if purse.token != NATIVE:
                method, params = "sandbox_mint", {"token": purse.token, "to": address}
                params["amount"] = amount
            await wallets.control(venue.wallet, venue.chain_id, method, params)
        return purses

    async def run(self) -> None:
        """Let the daemon do the window, and everything in it come to its end."""
        alarm = VirtualAlarm(self._loop)
        daemon = Daemon(
            schedules=self.schedules,
            sessions=self.sessions,
            ledger=self.ledger,
            keys=SessionKeys(self.ledger.open_key, entropy=self._chance.randbytes),
            telemetry=self._telemetry,
            alarm=alarm,
            clock=self.clock,
            chance=self._chance.random,
            until=self._window.end,
        )
        seeds = [seed_of(context) for context in self.schedules.values()]
        # As if they had been applied at the window's beginning: nothing earlier is due.
        await self.ledger.install_schedules(seeds, now=self._window.before)
        stop = asyncio.create_task(self._stop_at_the_end(daemon, alarm))
        try:
            await daemon.run(seeds)
        finally:
            stop.cancel()

    async def _stop_at_the_end(self, daemon: Daemon, alarm: VirtualAlarm) -> None:
        await self.clock.sleep((self._window.end - self.clock.now()).total_seconds())
        while not daemon.at_rest or await self._waiting():
            await self.clock.sleep(_LOOK_FOR_THE_END)
            alarm.ring_in(0)  # what waits behind a paused schedule is swept up
        daemon.stop()

    async def _waiting(self) -> bool:
        """Whether a run is open that will end by itself."""
        return any(
            run.kind is RunKind.PAYMENT and run.expires_at is not None
            for run in await self.ledger.open_runs()
        )

    def _sandbox(self, stack: AsyncExitStack, chain_id: int) -> Place:
        sandbox = Sandbox(chain_id=chain_id, time_source=_seconds(self.clock), faucet=False)
        stack.callback(sandbox.close)
        return Place(
            "http://sandbox/v2/dev",
            self.clock,
            InProcess(RpcEndpoint(sandbox, _cut)),
            poll_seconds=_BLOCK_SECONDS,
            second_look=_SECOND_LOOK,
        )


def _cut(client: Any) -> None:
    """There is no connection to cut in one process, and no fault asks for it."""
    del client


class InProcess:
    """`Post` into an ASGI application of this process."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, endpoint: Endpoint, body: bytes) -> HttpAnswer:
        """Hand a body over, and collect what comes back."""
        scope = {
            "type": "http",
            "method": "POST",
            "path": endpoint.path,
            "headers": [],
            "query_string": b"",
            "server": ("sandbox", 80),
        }
        status, parts = 0, []

        async def receive() -> Mapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Mapping[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            parts.append(message.get("body", b""))

        await self._app(scope, receive, send)
        return HttpAnswer(status, b"".join(parts))

    async def aclose(self) -> None:
        """Nothing is held open."""


def _seconds(clock: Clock) -> Callable[[], float]:
    return lambda: clock.now().timestamp()
