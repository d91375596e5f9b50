"""
Puts the numbers that the benchmarks wrote under .bench/ into .bench/bench.json.

    python tests/bench/merge.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".bench"
WHOLE = FOLDER / "bench.json"


def main() -> int:
    """Merge; a number that two benchmarks claim is an error."""
    numbers: dict[str, object] = {}
    for path in sorted(FOLDER.glob("*.json")):
        if path == WHOLE:
            continue
        found = json.loads(path.read_text(encoding="utf-8"))
        if twice := sorted(numbers.keys() & found.keys()):
            sys.exit(f"{path.name} repeats {', '.join(twice)}")
        numbers |= found
    WHOLE.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    print(f"{len(numbers)} numbers in {WHOLE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
