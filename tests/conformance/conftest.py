"""One sandbox process for all, one Node process for each SDK; what they tell is judged by tests."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from support.tools import missing

HERE: Final = Path(__file__).parent
OLDEST_NODE: Final = 18
CHAINS: Final = {"v4": 84_532, "v5": 421_614}
"""Each SDK has a chain to itself, so that what is counted is its own."""


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


@pytest.fixture(scope="session")
def node() -> str:
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
    try:
        done = subprocess.run(
            [npm, "ci", "--prefer-offline", "--fetch-retries=0", "--loglevel=error"],
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


@pytest.fixture(scope="session")
def sandbox() -> Iterator[str]:
    """Base URL of `runner sandbox`, a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", "sandbox", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.search(r"http://127\.0\.0\.1:[0-9]+", line)
    if found is None:
        process.kill()
    assert found, line + process.stderr.read()
    yield found[0]
    process.terminate()
    assert process.wait(10) == 0, process.stderr.read()
    process.stderr.close()


@pytest.fixture(scope="session", params=sorted(CHAINS))
def told(request: pytest.FixtureRequest, node: str, sandbox: str) -> Told:
    """All journeys of one SDK."""
    sdk, chain = request.param, CHAINS[request.param]
    path = "/v2/dev" if chain == CHAINS["v4"] else f"/chain/{chain}/v2/dev"
    done = subprocess.run(
        [node, "run.mjs", sdk, sandbox + path, str(chain)],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Told(sdk, chain, **json.loads(done.stdout))
