"""Rounds of things going wrong, drawn from a seed: the same seed draws the same rounds."""

from __future__ import annotations

import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired
from urllib.error import URLError

from support.house import rpc

from chaos.daemon import PLACES
from chaos.stage import Broken, Stage, fault_of

ON_ONE_STAGE = 60
"""Rounds before ledger and chain are compared at rest, and new ones begun."""

ACTIONS = {
    "kill": 30,
    "die": 30,
    "stop": 8,
    "lock": 8,
    "full": 8,
    "clock": 6,
    "second": 2,
    "wait": 8,
}
"""What becomes of the daemon in a round, and how often."""

BOUNDARIES = [f"{place}.{when}" for place in PLACES for when in ("before", "after")]
_OFTEN = [one for one in BOUNDARIES if one.split(".")[0] in list(PLACES)[:10]]


def round_of(seed: int, number: int) -> random.Random:
    """The chances of one round, so that any round can be drawn again alone."""
    return random.Random(f"{seed}/{number}")


def play(stage: Stage, chance: random.Random) -> str:
    """
    One round; what it did, in a line.

    Raises:
        Broken: one of the truths does not hold after it.
    """
    action = chance.choices(list(ACTIONS), weights=list(ACTIONS.values()))[0]
    place = f"{chance.choice(_OFTEN)}:{chance.randint(1, 6)}"
    faults = [fault_of(chance) for _ in range(chance.choice([0, 0, 1, 1, 2, 3]))]
    if not stage.alive:
        stage.start(die=place if action == "die" else None)
    with suppress(URLError, TimeoutError, AssertionError, ConnectionError):
        for fault in faults:
            stage.fault(fault)
    told = _ACTS[action](stage, chance, place)
    rpc(stage.url, "sandbox_clearFaults", {})
    if stage.exists:
        stage.check()
    return f"{action} {told} {[fault['kind'] for fault in faults]}"


def _kill(stage: Stage, chance: random.Random, place: str) -> str:
    seconds = chance.uniform(0.2, 4.5)
    time.sleep(seconds)
    stage.kill()
    return f"after {seconds:.2f}s"


def _die(stage: Stage, chance: random.Random, place: str) -> str:
    """At a boundary of a step, if this daemon was started to; else at some moment."""
    daemon = stage.daemon
    if daemon is None:
        raise AssertionError("a round has a daemon")
    try:
        daemon.wait(timeout=chance.uniform(4, 9))
    except TimeoutExpired:
        stage.kill()
    return place


def _stop(stage: Stage, chance: random.Random, place: str) -> str:
    time.sleep(chance.uniform(0.3, 2))
    seconds = chance.uniform(0.5, 6)
    if stage.daemon is not None and stage.alive:
        stage.daemon.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        stage.daemon.send_signal(signal.SIGCONT)
    time.sleep(1)
    return f"for {seconds:.2f}s"


def _lock(stage: Stage, chance: random.Random, place: str) -> str:
    time.sleep(chance.uniform(0.5, 2.5))
    seconds = chance.choice([1, 3, 7])
    if stage.exists:
        stage.lock(seconds)
    time.sleep(chance.uniform(0.5, 2))
    return f"for {seconds}s"


def _full(stage: Stage, chance: random.Random, place: str) -> str:
    # One that finds no room for its ledger when it starts, ends and says so: that is well.
    ready = stage.ready()
    time.sleep(chance.uniform(0.1, 3))
    seconds = chance.uniform(0.5, 5)
    if stage.daemon is not None and ready and stage.alive:
        stage.daemon.send_signal(signal.SIGUSR1)
        time.sleep(seconds)
    if stage.daemon is not None and stage.alive:
        if chance.random() < 0.3:
            stage.kill()
            return f"for {seconds:.2f}s, then killed"
        stage.daemon.send_signal(signal.SIGUSR2)
        time.sleep(1.5)
        if not stage.alive:
            raise Broken("a full disk ended the daemon")
    return f"for {seconds:.2f}s"


def _clock(stage: Stage, chance: random.Random, place: str) -> str:
    seconds = chance.choice([2, 7, 15, 45, 130])
    rpc(stage.url, "sandbox_advance", {"seconds": seconds})
    time.sleep(chance.uniform(0.5, 2.5))
    return f"by {seconds}s"


def _second(stage: Stage, chance: random.Random, place: str) -> str:
    time.sleep(3)
    stage.second()
    return ""


def _wait(stage: Stage, chance: random.Random, place: str) -> str:
    time.sleep(chance.uniform(1, 4))
    return ""


_ACTS: dict[str, Callable[[Stage, random.Random, str], str]] = {
    "kill": _kill,
    "die": _die,
    "stop": _stop,
    "lock": _lock,
    "full": _full,
    "clock": _clock,
    "second": _second,
    "wait": _wait,
}


def run(
    rounds: int, seed: int, *, say: Callable[[str], None], folder: Path | None = None
) -> Counter[str]:
    """
    So many rounds, a new ledger and chain every `ON_ONE_STAGE`, each compared at rest at its end.

    Returns:
        How many occurrences came to which end, and how many rounds of which kind were played.
    """
    counts: Counter[str] = Counter()
    number = 0
    while number < rounds:
        place = Path(tempfile.mkdtemp(prefix="chaos-", dir=folder))
        stage = Stage(place)
        try:
            for _ in range(min(ON_ONE_STAGE, rounds - number)):
                told = play(stage, round_of(seed, number))
                say(f"round {number} of seed {seed}: {told}")
                counts[f"round.{told.split()[0]}"] += 1
                number += 1
            stage.calm()
            ends = stage.check(at_rest=True)
        except BaseException as error:
            say(f"round {number} of seed {seed} broke in {place}: {error}")
            raise
        finally:
            stage.stop()
        say(f"at rest after round {number - 1}: {dict(ends)}")
        counts.update({f"occurrence.{state}": count for state, count in ends.items()})
        counts["occurrences"] += sum(ends.values())
        shutil.rmtree(place)
    return counts
