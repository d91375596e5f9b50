"""Tools that a machine may lack: without them a test is skipped, but never in silence."""

from __future__ import annotations

import os
from typing import Final, NoReturn

import pytest

REQUIRED: Final = "TESTS_REQUIRE_ALL"
"""Environment variable: when set, what is missing fails the test (so CI runs everything)."""


def missing(what: str) -> NoReturn:
    """Skip the test because something is not there, or fail it where nothing may be skipped."""
    if os.environ.get(REQUIRED):
        pytest.fail(f"{what} ({REQUIRED} is set)", pytrace=False)
    pytest.skip(what)
