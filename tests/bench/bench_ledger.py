"""
What a look at one row costs through SQLAlchemy, and as a prepared statement.

    python tests/bench/bench_ledger.py      prints a table, writes .bench/ledger.json

CPU of one look, both in turn, the median of many rounds. Exits 1 when a bound is broken.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert, select

from runner.adapters.sql import tables as t
from runner.adapters.sql.prepared import Prepared, given
from runner.adapters.sql.store import make_engine

RESULT = Path(__file__).resolve().parents[2] / ".bench" / "ledger.json"
ROUNDS, LOOKS = 15, 200
LEAST_RATIO = 5.0


def microseconds(work: Callable[[], object]) -> float:
    """CPU of one look."""
    begun = time.process_time()
    for _ in range(LOOKS):
        work()
    return (time.process_time() - begun) / LOOKS * 1e6


def main() -> int:
    """Measure, print, write; 1 when a bound is broken."""
    engine = make_engine("sqlite://")
    t.metadata.create_all(engine)
    o, hashes = t.operations.c, [f"0x{n:064x}" for n in range(100)]
    prepared = Prepared(select(t.operations).where(o.hash == given("its_hash")))
    with engine.connect() as c:
        c.connection.driver_connection.execute("PRAGMA foreign_keys = OFF")  # type: ignore[union-attr]
        c.execute(insert(t.operations), [_row(one) for one in hashes])
        plain, ours = [], []
        for number in range(ROUNDS):
            its = hashes[number]
            plain.append(
                microseconds(lambda: c.execute(select(t.operations).where(o.hash == its)).one())  # noqa: B023
            )
            ours.append(microseconds(lambda: prepared.first(c, its_hash=its)))  # noqa: B023
    ratio = statistics.median(a / b for a, b in zip(plain, ours, strict=True))
    numbers = {
        "look_through_sqlalchemy_us": round(statistics.median(plain), 1),
        "look_prepared_us": round(statistics.median(ours), 1),
        "look_sqlalchemy_ratio_to_prepared": round(ratio, 2),
    }
    for name, number in numbers.items():
        bound = f"  at least {LEAST_RATIO:g}" if name.endswith("ratio_to_prepared") else ""
        print(f"{name:45} {number:10.3f}{bound}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    return int(ratio < LEAST_RATIO)


def _row(name: str) -> dict[str, object]:
    wei = dict.fromkeys(("nonce", "max_fee_per_gas", "max_priority_fee_per_gas", "max_cost"), 1)
    text = dict.fromkeys(("run", "kind", "call_id", "sender", "status"), "x")
    now = datetime.now(UTC)
    rest = {"chain": 1, "sponsored": True, "request_sealed": b"", "from_block": 1}
    return {"hash": name, "signed_at": now, **wei, **text, **rest}


if __name__ == "__main__":
    sys.exit(main())
