"""A daemon that pays, and a real Chromium that looks at it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.house import HOT_OWNER, House, free_port, wait_for
from support.tools import missing

HERE = Path(__file__).parent
TOKEN = "correct-horse-battery-staple"
POLICY = """\
version: 1
name: demo
chain: base-sepolia
wallet: sandbox
tokens:
  usdc: {decimals: 6, address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e"}
contacts: {alice: "0x00000000000000000000000000000000000a11ce"}
accounts: {treasury: {owner: treasury-owner, gas: sponsor}}
sessions: {pocket: {account: treasury, lifetime: 10m}}
schedules:
  quick: {session: pocket, every: 3s, pay: {alice: 1 usdc}}
  asked:
    {session: pocket, every: 8s, approve_above: [1 usdc], approval_lead: 1s, pay: {alice: 2 usdc}}
  salaries:
    session: pocket
    cron: "0 9 1 * *"
    timezone: Europe/Berlin
    calls: [{pay: {to: alice, amount: 3 usdc, memo: "<b onmouseover=alert(1)>salary</b>"}}]
"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core; npm installs what the lock file names."""
    npm = shutil.which("npm")
    if npm is None:
        missing("axe-core needs npm, which is not installed")
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = HERE / "node_modules" / ".lock-sha256"
    if not stamp.is_file() or stamp.read_text() != lock:
        done = subprocess.run(
            [npm, "ci", "--prefer-offline", "--fetch-retries=0"],
            cwd=HERE,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode != 0:
            missing(f"axe-core could not be installed: {done.stderr.splitlines()[:2]}")
        stamp.write_text(lock)
    return (HERE / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """
    Debian's browser, by Playwright; nothing is downloaded. Not for longer than this module: as long
    as it is there, a loop runs in this thread, in which no other test could run one.
    """
    program = shutil.which("chromium")
    if program is None:
        missing("Chromium is not installed (Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with playwright.sync_playwright() as made:
        browser = made.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with payments that were made and one that waits."""
    folder, port = tmp_path_factory.mktemp("house"), free_port()
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    house = House(
        folder,
        policy=POLICY,
        config=(
            "policies: policies/\n"
            "wallets: {sandbox: {embedded: true, state: chain.json}}\n"
            f"signers: {{treasury-owner: {{{HOT_OWNER}}}}}\n"
            f"http: {{bind: '127.0.0.1:{port}', token: {{file: token}}}}\n"
        ),
    )
    house.url = f"http://127.0.0.1:{port}"  # type: ignore[attr-defined]
    house.start("up")
    try:
        wait_for(lambda: _rows(house, "success") and _rows(house, "held"), what="payments")
        yield house
    finally:
        house.stop()


def _rows(house: Any, state: str) -> list[Any]:
    try:
        answer = httpx.get(f"{house.url}/api/v1/runs", params={"state": state})
    except httpx.TransportError:
        return []
    found: list[Any] = answer.json() if answer.status_code == 200 else []
    return found
