"""
One target in a process of its own: `python tests/fuzz/one.py TARGET CORPUS [libFuzzer options…]`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["runner"]):
    from targets import TARGETS, seeds


def main() -> None:
    """Put the recorded inputs where libFuzzer looks, and let it go."""
    name, corpus, *options = sys.argv[1:]
    for place, seed in enumerate(seeds(name)):
        (Path(corpus) / f"seed-{place}").write_bytes(seed)
    atheris.Setup([sys.argv[0], corpus, *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
