"""Node.js with the TypeScript SDKs of tests/conformance, which are installed when needed."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

CONFORMANCE: Final = Path(__file__).resolve().parents[1] / "conformance"
OLDEST_NODE: Final = 18


class NotInstalled(Exception):
    """Something is not there, and could not be had."""


def node_with_sdks() -> str:
    """
    The path of Node.js; the SDKs that the lock file names are installed when this returns.

    Raises:
        NotInstalled: Node.js or npm is missing or too old, or npm could not install.
    """
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        raise NotInstalled("the TypeScript SDKs need Node.js and npm, which are not installed")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout[1:].split(".")[0]) < OLDEST_NODE:
        raise NotInstalled(
            f"the TypeScript SDKs need Node.js {OLDEST_NODE}, this is {version.stdout.strip()}"
        )
    _install(npm)
    return program


def _install(npm: str) -> None:
    """Install what the lock file names, unless that is there."""
    lock = hashlib.sha256((CONFORMANCE / "package-lock.json").read_bytes()).hexdigest()
    stamp = CONFORMANCE / "node_modules" / ".lock-sha256"
    if stamp.is_file() and stamp.read_text() == lock:
        return
    options = ("--prefer-offline", "--fetch-retries=0", "--fetch-timeout=60000", "--loglevel=error")
    try:
        done = subprocess.run(
            [npm, "ci", *options],
            cwd=CONFORMANCE,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotInstalled(
            "the TypeScript SDKs could not be installed: npm ci took more than ten minutes"
        ) from None
    if done.returncode != 0:
        why = "; ".join(done.stderr.splitlines()[:2]) or "no reason given"
        raise NotInstalled(f"the TypeScript SDKs could not be installed by npm ci: {why}")
    stamp.write_text(lock)
