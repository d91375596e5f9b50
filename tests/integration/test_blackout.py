"""Blackouts with the real daemon: nothing is signed inside, what waits is paid afterwards (B1)."""

from datetime import UTC, datetime, timedelta

import pytest
from support.house import POLICY, House, reconcile, sandbox_on

pytestmark = pytest.mark.timeout(180)

HEAD = POLICY.partition("schedules:")[0]
SCHEDULES = """\
schedules:
  waits:
    session: pocket
    every: 2s
    pay: {{alice: 1 usdc}}
    blackout: [{{from: {begin}, until: {end}, timezone: UTC}}]
  left-out:
    session: pocket
    every: 2s
    pay: {{bob: 1 usdc}}
    blackout: [{{from: {begin}, until: {end}, timezone: UTC, action: skip}}]
"""


def moment(text):
    return datetime.fromisoformat(text)


def test_b1_nothing_is_signed_in_a_blackout(tmp_path):
    """
    Under `defer` the first slot inside waits for the end and is paid then; under `skip` the slots
    inside are skipped(blackout), and `next` does not list them.
    """
    begin = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=15)
    end = begin + timedelta(seconds=9)
    written = {"begin": f"{begin:%Y-%m-%dT%H:%M:%SZ}", "end": f"{end:%Y-%m-%dT%H:%M:%SZ}"}
    house = House(tmp_path, policy=HEAD + SCHEDULES.format(**written))
    try:
        coming = house.json("next", "--count", "40")
        daemon = house.start("up", "--for", "34s")
        assert daemon.wait(timeout=90) == 0, house.logs()

        rows = list(reversed(house.json("runs", "list")))
        waits = [row for row in rows if row["schedule"] == "demo/waits"]
        left_out = [row for row in rows if row["schedule"] == "demo/left-out"]
        inside = [row for row in left_out if begin <= moment(row["due_at"]) < end]
        signed = [moment(op["signed_at"]) for row in rows for op in row["operations"]]
        reconcile(house, sandbox_on(house, ".runner/sandbox.json"))

        assert max(signed) > end
        assert not [at for at in signed if begin + timedelta(seconds=1) < at < end]
        assert len(inside) >= 4
        assert {(row["state"], row["reason"]) for row in inside} == {("skipped", "blackout")}
        deferred = [
            row
            for row in waits
            if begin <= moment(row["due_at"]) < end and row["state"] == "success"
        ]
        assert len(deferred) == 1  # those behind it find it running, and overlap decides
        assert moment(deferred[0]["operations"][0]["signed_at"]) >= end
        listed = [moment(one["due_at"]) for one in coming if one["schedule"] == "demo/left-out"]
        assert listed
        assert not [due for due in listed if begin <= due < end]
    finally:
        house.stop()
