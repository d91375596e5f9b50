"""`python -m chaos ROUNDS SEED`: the long form; a line a round, a summary in JSON at the end."""

from __future__ import annotations

import sys
import time

from chaos.rounds import run
from chaos.stage import Broken, report


def main() -> int:
    """1 when a truth did not hold; the folder it happened in is kept and named."""
    rounds, seed = int(sys.argv[1]), int(sys.argv[2])
    began = time.monotonic()
    try:
        counts = run(rounds, seed, say=lambda line: print(line, flush=True))
    except Broken as broken:
        print(report(seed=seed, broken=str(broken)))
        return 1
    minutes = round((time.monotonic() - began) / 60, 1)
    print(report(seed=seed, rounds=rounds, minutes=minutes, **counts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
