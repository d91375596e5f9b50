"""
No owner, or no service, for the whole time in which a grant should be renewed (R7 to R10, R20).

The daemon itself, under virtual time: what is due is paid until the safety margin, people are told
in time, and when all is well again payments go on.
"""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from support.simulated import HEAD, START

from runner.adapters.signers.local import LocalSigner
from runner.adapters.virtual import VirtualLoop
from runner.adapters.wallet_api.client import WalletApiClient
from runner.errors import SignerError, WalletBusy, WalletRefused
from runner.policy.parse import parse_policy
from runner.records import RunKind
from runner.scheduling.cron import check_cron
from runner.scheduling.occurrence import State
from runner.settings import load_settings
from runner.simulation import engine as engines
from runner.simulation.window import Window

pytestmark = pytest.mark.timeout(300)

LIFE = timedelta(days=10)
POLICY = (
    HEAD
    + """\
sessions: {key: {account: treasury, lifetime: 10d}}
schedules: {s: {session: key, every: 6h, pay: {alice: 1.5 usdc}, pause_after_failures: 100}}
"""
)


class Log:
    """Implements `ports.Telemetry`: keeps what was said."""

    def __init__(self):
        self.events = []

    def emit(self, event, **fields):
        self.events.append((event, fields))

    def alerts(self, name):
        return [f for event, f in self.events if event == "grant.alert" and f["alert"] == name]


def lived(days, sabotage):
    """What becomes of the policy in so many days; `sabotage(clock)` breaks the world."""

    async def inside():
        log = Log()
        policy = parse_policy(POLICY, "p.yaml", environment={}, check_cron=check_cron)
        window = Window(START, START + timedelta(days=days))
        engine = engines.Engine(load_settings(None, {}, Path.cwd()), [policy], window, log)
        async with AsyncExitStack() as stack:
            await engine.prepare(stack, [])
            sabotage(engine.clock)
            await engine.run()
        runs = [r for r in engine.ledger.rows.runs.values() if r.kind is RunKind.PAYMENT]
        return log, runs, await engine.ledger.grants()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(inside())


@pytest.fixture(params=["busy", "refused", "owner"])
def sabotage(request, monkeypatch):
    """From the first grant on nobody answers, refuses, or signs, for as long as it lives."""
    create, sign = WalletApiClient.create_session, LocalSigner.sign

    def broken(clock):
        return START + timedelta(hours=1) < clock.now() < START + LIFE + timedelta(hours=9)

    def breaks(clock):
        async def create_session(self, **asked):
            if broken(clock) and request.param == "busy":
                raise WalletBusy("503")
            if broken(clock) and request.param == "refused":
                raise WalletRefused("no", code=-32602)
            return await create(self, **asked)

        async def signs(self, approved):
            if broken(clock) and "grant" in approved.meaning and request.param == "owner":
                raise SignerError("the owner's device is away")
            return await sign(self, approved)

        monkeypatch.setattr(WalletApiClient, "create_session", create_session)
        monkeypatch.setattr(LocalSigner, "sign", signs)
        monkeypatch.setattr(engines, "_SECOND_LOOK", timedelta(minutes=10))

    return breaks


def test_r10_r20_everything_due_is_paid_until_the_margin_and_people_are_told(sabotage):
    """
    RenewalOverdue first, then GrantCritical; each once. After the end runs wait, and those whose
    catch-up window is still open are paid when the world is whole again.
    """
    log, runs, grants = lived(12, sabotage)
    served = [run for run in runs if run.due_at < START + LIFE - timedelta(hours=1)]
    later = [run for run in runs if run.due_at > START + LIFE + timedelta(hours=10)]
    overdue, critical = log.alerts("RenewalOverdue"), log.alerts("GrantCritical")

    assert len(served) == 39
    assert {run.state for run in served} == {State.SUCCESS}
    assert len(later) > 2
    assert {run.state for run in later} == {State.SUCCESS}
    assert [one["level"] for one in overdue] == ["warning"]
    assert [one["level"] for one in critical] == ["critical"]
    assert {run.state for run in runs} <= {State.SUCCESS, State.MISSED, State.SKIPPED}
    assert [one.activated_at is not None for one in grants].count(True) >= 2


def test_r7_r8_r9_the_ladders_grow_and_never_outlast_the_life_that_is_left(sabotage):
    """
    Transport: 10 s to 5 min, halved by chance at most. Refused: 1 h to 32 h. Never more than a
    tenth of the life left, never below the floor.
    """
    log, _, _ = lived(11, sabotage)
    failed = [fields for event, fields in log.events if event == "grant.failed"]
    times = [fields["next_attempt_at"] for fields in failed]
    steps = [after - before for before, after in pairwise(times)]

    assert len(failed) > 10
    assert failed[0]["failures"] == 1
    assert min(steps) >= timedelta(seconds=1)
    for at, step in zip(times, steps, strict=False):
        left = max(START + LIFE - at, timedelta(0))
        # From one attempt's end to the next one's: the pause, and the attempt itself.
        assert step <= max(left / 10, timedelta(minutes=5)) + timedelta(minutes=11)
