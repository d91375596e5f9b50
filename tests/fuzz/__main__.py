"""
Fuzz the decoders with atheris: `python tests/fuzz SECONDS [TARGET…]`, or `make fuzz`.

Each target runs in a process of its own, since libFuzzer ends the process; what breaks one is kept
under .fuzz/ and fails the run.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
KEPT = Path(".fuzz")
NAMES = (
    "calldata",
    "install",
    "grant",
    "text",
    "envelope",
    "answers",
    "usual",
    "documents",
    "reports",
)


def main(arguments: list[str]) -> int:
    """Fuzz every target, each for its share of the time."""
    seconds, names = int(arguments[0]), arguments[1:] or NAMES
    share = max(1, seconds // len(names))
    broken = [name for name in names if not _fuzzed(name, share)]
    if broken:
        print(f"broken: {', '.join(broken)}; the inputs are in {KEPT}/", file=sys.stderr)
        return 1
    print(f"{len(names)} targets, {share} s each: nothing broke")
    return 0


def _fuzzed(name: str, seconds: int) -> bool:
    print(f"== {name}, {seconds} s", flush=True)
    KEPT.mkdir(exist_ok=True)
    corpus = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        command = [
            sys.executable,
            str(HERE / "one.py"),
            name,
            str(corpus),
            f"-max_total_time={seconds}",
            f"-artifact_prefix={KEPT}/{name}-",
            "-timeout=10",
            "-rss_limit_mb=2000",
            "-max_len=8192",
            "-print_final_stats=1",
            "-verbosity=0",
        ]
        return subprocess.run(command, check=False).returncode == 0
    finally:
        shutil.rmtree(corpus)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
