"""
The real daemon and the real sandbox in virtual time, on a wire that breaks, in a mortal process.

The ledger is the one in memory, which is held to the other by tests of its own; it outlives the
daemon, as a file would. A crash is the end of all tasks at once: nothing more is written.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from runner.adapters.signers.local import SessionKeys
from runner.adapters.virtual import VirtualAlarm, VirtualLoop
from runner.adapters.wallet_api.endpoint import Endpoint
from runner.adapters.wallet_api.envelope import HttpAnswer
from runner.bootstrap.assembly import seed_of
from runner.bootstrap.wallets import Place
from runner.execution.daemon import Daemon
from runner.policy.parse import parse_policy
from runner.records import RunKind
from runner.scheduling.cron import check_cron
from runner.scheduling.occurrence import CLOSED, State
from runner.settings import load_settings
from runner.simulation.engine import Engine
from runner.simulation.window import Window, placed

START = datetime(2026, 12, 1, tzinfo=UTC)
POLICY = """\
version: 1
name: p
chain: base-sepolia
wallet: sandbox
defaults: {pause_after_failures: 1000}
tokens:
  usdc: {decimals: 6, address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e"}
contacts:
  alice: "0x00000000000000000000000000000000000a11ce"
accounts:
  treasury: {owner: treasury-owner, gas: sponsor, max_fee: 1 native}
sessions: {key: {account: treasury, lifetime: 8m}}
schedules:
  a: {session: key, every: 20s, pay: {alice: 1 usdc}, run_deadline: 40s}
  b: {session: key, every: 30s, overlap: buffer_one, pay: {alice: 1 usdc}, run_deadline: 20s}
"""


class Wire:
    """Hands requests over, and loses what it was told to lose."""

    def __init__(self, post: Any) -> None:
        self._post = post
        self.requests = self.replies = 0

    async def __call__(self, endpoint: Endpoint, body: bytes) -> HttpAnswer:
        control = b'"sandbox_' in body
        if self.requests and not control:
            self.requests -= 1
            raise ConnectionResetError("the request is lost")
        answer: HttpAnswer = await self._post(endpoint, body)
        if self.replies and not control:
            self.replies -= 1
            raise ConnectionResetError("the reply is lost")
        return answer

    async def aclose(self) -> None:
        await self._post.aclose()


class Silent:
    """Telemetry for nobody; what should never be said is kept."""

    def __init__(self) -> None:
        self.faults: list[dict[str, Any]] = []

    def emit(self, event: str, **fields: Any) -> None:
        if event in {"run.fault", "run.evidence", "chain.fault"}:
            self.faults.append({"event": event, **fields})


class World(Engine):
    """One ledger and one chain, through any number of daemons."""

    def __init__(self) -> None:
        policy = parse_policy(POLICY, "p.yaml", environment={}, check_cron=check_cron)
        self.window = Window(START, START + timedelta(days=30))
        self.silent = Silent()
        settings = load_settings(None, {}, Path.cwd())
        super().__init__(settings, placed([policy], self.window), self.window, self.silent)
        self.stack = AsyncExitStack()
        self.wires: list[Wire] = []
        self._task: asyncio.Task[None] | None = None
        self.daemon: Daemon | None = None

    @classmethod
    async def open(cls) -> World:
        """With sandbox and ledger; no daemon yet."""
        world = cls()
        await world.prepare(world.stack, [])
        seeds = [seed_of(context) for context in world.schedules.values()]
        await world.ledger.install_schedules(seeds, now=world.window.before)
        return world

    def _sandbox(self, stack: AsyncExitStack, chain_id: int) -> Place:
        place = super()._sandbox(stack, chain_id)
        wire = Wire(place.post)
        self.wires.append(wire)
        return Place(
            place.url,
            place.clock,
            wire,
            poll_seconds=place.poll_seconds,
            second_look=timedelta(minutes=1),
        )

    def start(self) -> None:
        """A daemon of a new process: nothing is in its memory."""
        if self._task is not None:
            return
        chance = Random(0)
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop):
            raise TypeError("the engine runs in a loop with a time of its own")
        self.daemon = Daemon(
            schedules=self._fresh(),
            sessions=self.sessions,
            ledger=self.ledger,
            keys=SessionKeys(self.ledger.open_key, entropy=self._chance.randbytes),
            telemetry=self.silent,
            alarm=VirtualAlarm(loop),
            clock=self.clock,
            chance=chance.random,
        )
        seeds = [seed_of(context) for context in self.schedules.values()]
        self._task = asyncio.create_task(self.daemon.run(seeds))

    def _fresh(self) -> Any:
        """Lanes belong to a process."""
        for session in self.sessions.values():
            session.account.lane.__init__()  # type: ignore[misc]
        return self.schedules

    async def crash(self) -> None:
        """Every task of the daemon ends where it stands."""
        if self._task is None:
            return
        task, self._task, self.daemon = self._task, None, None
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def pass_time(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
        if self._task is not None and self._task.done():
            self._task.result()

    async def control(self, method: str, params: Any) -> Any:
        """Ask the sandbox for what no chain would do."""
        post, place = self.wires[0], Endpoint("http://sandbox/v2/dev", None)
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": [params]})
        answer = await post(place, body.encode())
        told = json.loads(answer.body)
        if "error" in told:
            raise AssertionError(told)
        return told["result"]

    async def calm(self) -> None:
        """Nothing goes wrong any more: what is open comes to its end."""
        for wire in self.wires:
            wire.requests = wire.replies = 0
        await self.control("sandbox_clearFaults", {})
        self.start()
        await self.pass_time(1500)

    async def payments(self) -> Counter[str]:
        """Included payments on the chain, by the run that signed them."""
        found: Counter[str] = Counter()
        for operation in await self.control("sandbox_getOps", {}):
            if operation["calls"] and operation["success"]:
                found[self.ledger.rows.operations[operation["userOpHash"]].run] += 1
        return found

    async def wrong(self) -> str | None:
        """The first thing that must not be, or None."""
        paid = await self.payments()
        per_slot: Counter[tuple[str, str]] = Counter()
        for identity, count in paid.items():
            run = self.ledger.rows.runs[identity]
            per_slot[run.schedule, run.slot] += count
        if twice := [slot for slot, count in per_slot.items() if count > 1]:
            return f"paid twice: {twice}"
        for run in self.ledger.rows.runs.values():
            if run.kind is not RunKind.PAYMENT or run.state not in CLOSED:
                continue
            if run.state is not State.SUCCESS and run.id in paid:
                return f"{run.id} is {run.state}({run.reason}), and paid"
        if self.silent.faults:
            return f"faults: {self.silent.faults[:2]}"
        return None

    async def wrong_at_rest(self) -> str | None:
        """The same, and what holds once nothing goes wrong any more."""
        if (fault := await self.wrong()) is not None:
            return fault
        paid = await self.payments()
        now = self.clock.now()
        for run in self.ledger.rows.runs.values():
            if run.kind is not RunKind.PAYMENT:
                continue
            if run.state is State.SUCCESS and run.id not in paid:
                return f"{run.id} is success, and the chain has no payment"
            if run.state not in CLOSED and now - run.due_at > timedelta(minutes=15):
                return f"{run.id} of {run.due_at} is still {run.state}({run.reason})"
        for uid, period in (("p/a", 20), ("p/b", 30)):
            rows = self.ledger.rows.rows_of(uid)
            slots = sum(row.count for row in rows)
            until = self.ledger.rows.schedules[uid].decided_until
            if slots != int((until - START).total_seconds()) // period:
                return f"{uid} has {slots} rows up to {until}"
        return None

    async def close(self) -> None:
        await self.crash()
        await self.stack.aclose()
