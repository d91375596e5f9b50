"""One sandbox and one Node process for each SDK; what they tell is judged by the tests."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
from support.node import CONFORMANCE, NotInstalled, node_with_sdks
from support.tools import missing

CHAINS: Final = {"v4": 84_532, "v5": 421_614}
"""v4 is on the chain of plain requests, v5 on one that the path names."""


@dataclass(frozen=True)
class Told:
    """What one SDK made of the sandbox: facts by journey, requests by method, violations."""

    sdk: str
    chain: int
    results: dict[str, dict[str, Any]]
    methods: dict[str, int]
    violations: list[dict[str, Any]]

    def __getitem__(self, journey: str) -> dict[str, Any]:
        result = self.results[journey]
        assert "error" not in result, f"{self.sdk}, {journey}: {result['error']}"
        facts: dict[str, Any] = result["facts"]
        return facts


@pytest.fixture(scope="session", params=sorted(CHAINS))
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """All journeys of one SDK, made once whatever the number of workers."""
    sdk, chain = request.param, CHAINS[request.param]
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    report = shared / f"{sdk}.json"
    with (shared / "modules.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        node = _node()
    with (shared / f"{sdk}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not report.exists():
            with _sandbox() as url:
                path = "/v2/dev" if sdk == "v4" else f"/chain/{chain}/v2/dev"
                text = _tell(node, "run.mjs", sdk, url + path, str(chain))
            report.write_text(text)
    return Told(sdk, chain, **json.loads(report.read_text()))


def _node() -> str:
    """Node with the SDKs installed beside it."""
    try:
        return node_with_sdks()
    except NotInstalled as error:
        missing(str(error))


def _tell(*command: str) -> str:
    done = subprocess.run(
        command, cwd=CONFORMANCE, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def _sandbox() -> Iterator[str]:
    """Run `runner sandbox` as a process of its own; yields its URL without the path."""
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", "sandbox", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:[0-9]+", line)
        assert found is not None, line
        yield found[0]
    finally:
        process.terminate()
        rest = process.communicate(timeout=10)[1]
    assert (process.returncode, rest) == (0, "")
