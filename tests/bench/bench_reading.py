"""
What reading the answers costs that a payment waits for: CPU of one, the least of many rounds.

    python tests/bench/bench_reading.py      prints a table, writes .bench/reading.json

Each is read the short way, as services usually write it, and by the models, which read whatever
the specification allows. Exits 1 when the short way is not short.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from runner.adapters.wallet_api import messages
from runner.adapters.wallet_api.answers import SentAnswer
from runner.adapters.wallet_api.methods import METHODS
from runner.adapters.wallet_api.usual import usual_call_id, usual_offer
from runner.guard.offer import OperationOffer

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests"))

from support.recorded import entries  # noqa: E402

RESULT = REPOSITORY / ".bench" / "reading.json"
ROUNDS, LOOPS = 100, 50

BOUND: Final = 0.8
"""The short way by the models' way, for an operation that was prepared."""


def recorded(method: str) -> Any:
    """An answer as a service was seen to give it, to a session's payment."""
    for vector in entries("http_v5"):
        for exchange in vector["exchanges"]:
            if exchange["request"]["method"] == method and "permissions" in vector["name"]:
                return exchange["response"]["body"]["result"]
    raise SystemExit(f"nothing is recorded of {method}")


def by_model(answer: Any) -> OperationOffer:
    """A prepared operation, read by its model."""
    model = METHODS["wallet_prepareCalls"].answer
    return messages._offer(messages.accept(model, answer, "bench"), answer, "bench")


def id_by_model(answer: Any) -> str:
    """The id of what was sent, read by its model."""
    model = METHODS["wallet_sendPreparedCalls"].answer
    read: SentAnswer = messages.accept(model, answer, "bench")
    return read.id


def microseconds(read: Callable[[Any], object], answer: Any) -> float:
    """CPU of one reading."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(LOOPS):
            read(answer)
        best = min(best, time.process_time() - begun)
    return best / LOOPS * 1e6


def main() -> int:
    """Measure, print, write; 1 when the bound is broken."""
    prepared, sent = recorded("wallet_prepareCalls"), recorded("wallet_sendPreparedCalls")
    if usual_offer(prepared) != by_model(prepared) or usual_call_id(sent) != id_by_model(sent):
        raise SystemExit("both ways have to lead to the same")
    numbers = {
        "read_prepared_us": microseconds(usual_offer, prepared),
        "read_prepared_by_model_us": microseconds(by_model, prepared),
        "read_sent_us": microseconds(usual_call_id, sent),
        "read_sent_by_model_us": microseconds(id_by_model, sent),
    }
    ratio = numbers["read_prepared_us"] / numbers["read_prepared_by_model_us"]
    numbers["read_prepared_ratio_to_model"] = ratio
    for name, number in numbers.items():
        bound = f"  at most {BOUND:g}" if name.endswith("ratio_to_model") else ""
        print(f"{name:45} {number:10.3f}{bound}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    return int(ratio > BOUND)


if __name__ == "__main__":
    sys.exit(main())
