"""
Decoded values as JSON: integers as decimal strings, bytes as hex, nothing that needs a second look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Report = dict[str, Any]
"""What was read, as JSON values, in the order in which it is shown."""


def hexed(data: bytes) -> str:
    """Bytes as hex."""
    return f"0x{data.hex()}"


def plain(value: Any) -> Any:
    """A decoded value as JSON."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return hexed(value)
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(each) for each in value]
    return value
