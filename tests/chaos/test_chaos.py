"""
The short form of the chaos harness: `make chaos ROUNDS=… SEED=…` is the long one.

A round that fails prints its seed and number; it can be played again by them.
"""

import os
import signal
import sqlite3
import time
from contextlib import closing

import pytest
from support.house import wait_for

from chaos.daemon import PLACES
from chaos.rounds import BOUNDARIES, run
from chaos.stage import Stage

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "60"))
SEED = int(os.environ.get("CHAOS_SEED", "4337"))


@pytest.mark.timeout(1500)
def test_nothing_is_paid_twice_or_lost_whatever_goes_wrong(tmp_path):
    """
    Faults of all kinds, kill -9 anywhere, a locked ledger, a full disk, clocks that jump.
    """
    lines = []

    counts = run(ROUNDS, SEED, say=lines.append, folder=tmp_path)

    assert counts["occurrence.success"] > ROUNDS, "\n".join(lines)
    assert not [key for key in counts if key in {"occurrence.signed", "occurrence.sent"}], (
        "\n".join(lines)
    )


@pytest.mark.timeout(900)
def test_the_crash_matrix(tmp_path):
    """
    Killed at every boundary of every step, before it and after it, and gone on from there.
    """
    stage = Stage(tmp_path)
    reached = []
    try:
        for boundary in BOUNDARIES:
            stage.start(die=f"{boundary}:{1 if boundary.split('.')[0] in GRANTS else 2}")
            daemon = stage.daemon
            daemon.wait(timeout=90)
            assert daemon.returncode == -9, f"{boundary}: {stage.logs()[-1].read_text()[-2000:]}"
            reached.append(boundary)
            if stage.exists:
                stage.check()
        stage.calm()
        ends = stage.check(at_rest=True)
    finally:
        stage.stop()

    assert len(reached) == 2 * len(PLACES)
    assert ends["success"] > len(reached) / 2


@pytest.mark.timeout(300)
@pytest.mark.parametrize("trouble", ["full", "locked"])
def test_h7_a_ledger_that_takes_no_write_sends_nothing_says_so_and_resumes(tmp_path, trouble):
    """
    No record, no payment: the chain stands still until the disk has room, or the lock is gone.
    """
    stage = Stage(tmp_path)
    try:
        stage.start()
        wait_for(lambda: len(stage.included()) > 5, seconds=90, what="payments")
        if trouble == "full":
            stage.daemon.send_signal(signal.SIGUSR1)
            time.sleep(4)
            before = len(stage.included())
            time.sleep(6)
            stalled = len(stage.included()) - before
            stage.daemon.send_signal(signal.SIGUSR2)
        else:
            with closing(sqlite3.connect(stage.ledger, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                time.sleep(4)
                before = len(stage.included())
                time.sleep(14)  # each write waits 5 s for the lock before it gives up (H7)
                stalled = len(stage.included()) - before
        after = len(stage.included())
        wait_for(lambda: len(stage.included()) > after + 5, seconds=90, what="payments again")
        alive = stage.alive
        stage.check()
        stage.calm()
        stage.check(at_rest=True)
    finally:
        stage.stop()

    said = "".join(path.read_text() for path in stage.logs())
    assert alive
    assert stalled == 0
    assert '"ledger.unwritable"' in said


GRANTS = {"request", "create_session", "owner_signed", "activation", "activate"}
"""Steps that a session takes once in a while: the first time is waited for."""
