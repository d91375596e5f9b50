"""One sandbox and one Node process for each SDK; what they tell is judged by the tests."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from support.tools import missing

HERE: Final = Path(__file__).parent
OLDEST_NODE: Final = 18
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
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        missing("the TypeScript SDKs need Node.js and npm, which are not installed")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout[1:].split(".")[0]) < OLDEST_NODE:
        missing(f"the TypeScript SDKs need Node.js {OLDEST_NODE}, this is {version.stdout.strip()}")
    _install(npm)
    return program


def _install(npm: str) -> None:
    """Install what the lock file names, unless that is there."""
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = HERE / "node_modules" / ".lock-sha256"
    if stamp.is_file() and stamp.read_text() == lock:
        return
    options = ("--prefer-offline", "--fetch-retries=0", "--fetch-timeout=60000", "--loglevel=error")
    try:
        done = subprocess.run(
            [npm, "ci", *options],
            cwd=HERE,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    except subprocess.TimeoutExpired:
        missing("the TypeScript SDKs could not be installed: npm ci took more than ten minutes")
    if done.returncode != 0:
        why = "; ".join(done.stderr.splitlines()[:2]) or "no reason given"
        missing(f"the TypeScript SDKs could not be installed by npm ci: {why}")
    stamp.write_text(lock)


def _tell(*command: str) -> str:
    done = subprocess.run(
        command, cwd=HERE, capture_output=True, text=True, timeout=300, check=False
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
