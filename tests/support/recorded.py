"""
The recorded vectors: read whole, or the test run stops.

`COUNTS` is how many entries each list of each file has; a test that iterates a list asks for it by
`each` or `entries`, which hold the list against its count. So no vector is left out by a filter
that nobody noticed, and none comes in unseen.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "vectors"

COUNTS = {
    "account_addresses": {"vectors": 20},
    "account_calldata": {"calldata": 14, "userOpSignatures": 12, "erc1271": 8},
    "call_ids": {"vectors": 12, "publishedExamples": 2},
    "contexts": {"vectors": 20, "oddInputs": 10, "signatureKeyTypePrefix": 3, "isGlobal": 2},
    "encodings": {"vectors": 73},
    "http_v4": {"vectors": 102},
    "http_v5": {"vectors": 153},
    "nonces": {"vectors": 112},
    "permission_errors": {"vectors": 51},
    "permissions": {"vectors": 37},
    "schema": {"vectors": 241},
    "signatures": {"vectors": 110},
    "transport": {"vectors": 84},
    "userop_hashes": {"vectors": 12, "vectorsV06": 2},
}
"""File → list → how many entries it has."""


@cache
def load(name: str) -> Any:
    """Return a file of vectors."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def entries(name: str, member: str = "vectors") -> list[Any]:
    """Return a list of a file, all of it."""
    found: list[Any] = load(name)[member]
    assert len(found) == COUNTS[name][member]
    return found


def each(name: str, member: str = "vectors") -> pytest.MarkDecorator:
    """Parametrize a test over a list of a file, all of it."""
    return over(entries(name, member))


def over(vectors: list[Any]) -> pytest.MarkDecorator:
    """Parametrize a test over vectors."""
    names = [each.get("name") or each.get("kind") or each.get("id", "") for each in vectors]
    ids = [f"{place}-{name}".replace(" ", "_") for place, name in enumerate(names)]
    return pytest.mark.parametrize("vector", vectors, ids=ids)


def raw(text: str) -> bytes:
    """Return the bytes of a hex string."""
    return bytes.fromhex(text.removeprefix("0x"))


def integer(value: Any) -> int:
    """Return a number: JSON, hex, or a marked JavaScript bigint."""
    if isinstance(value, dict):
        return int(value["$bigint"])
    return value if isinstance(value, int) else int(value, 16)
