"""M11: a success calls the schedule's monitor, and no payment waits for it."""

import asyncio
import time

import pytest
from support.book import Quiet
from support.receiver import receiver

from runner.adapters import pings as pings_of
from runner.adapters.clock import SystemClock
from runner.adapters.pings import Pings


@pytest.fixture
def monitor():
    with receiver() as made:
        yield made


@pytest.fixture
def log():
    return Quiet()


async def until(condition):
    for _ in range(400):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come about")


async def test_m11_each_success_calls_and_nothing_else_does(monitor, log):
    pings = Pings(log, clock=SystemClock())
    pings.urls = {"p/s": f"{monitor.url}/salaries"}
    async with pings.open():
        pings.emit("run.reverted", schedule="p/s")
        pings.emit("run.success", schedule="p/other", reason=None)
        pings.emit("run.success", schedule="p/s", reason="paid_differently")
        pings.emit("run.success", schedule="p/s", reason=None)
        await until(lambda: monitor.got)

    assert [(one.method, one.path) for one in monitor.got] == [("GET", "/salaries")]
    assert [event for event, _ in log.told].count("run.success") == 3


async def test_m11_a_monitor_that_hangs_delays_nobody(monitor, log):
    monitor.open.clear()
    pings = Pings(log, clock=SystemClock())
    pings.urls = {"p/s": f"{monitor.url}/salaries"}
    begun = time.monotonic()
    async with pings.open():
        for _ in range(100):
            pings.emit("run.success", schedule="p/s", reason=None)
        told_after = time.monotonic() - begun
        await until(lambda: monitor.got)

    assert told_after < 0.1
    assert len(monitor.got) == 1
    assert time.monotonic() - begun < 5


async def test_m11_a_monitor_that_refuses_is_tried_again_and_told_without_its_url(
    monitor, log, monkeypatch
):
    monkeypatch.setattr(pings_of, "_WAITS", (0.01, 0.01))
    monitor.status = 503
    pings = Pings(log, clock=SystemClock())
    pings.urls = {"p/s": f"{monitor.url}/secret-uuid"}
    async with pings.open():
        pings.emit("run.success", schedule="p/s", reason=None)
        await until(lambda: any(event == "ping.failed" for event, _ in log.told))
        monitor.status = 200
        await asyncio.sleep(0.05)
        pings.emit("run.success", schedule="p/s", reason=None)
        await until(lambda: any(event == "ping.answered" for event, _ in log.told))

    assert len(monitor.got) == 4
    assert "HTTP 503" in str(log.told)
    assert "secret-uuid" not in str(log.told)
    assert str(monitor.port) not in str(log.told)
