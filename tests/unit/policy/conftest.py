"""
A small sound policy, and how to put something wrong into it: see `support.texts`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.texts import Texts


@pytest.fixture
def texts() -> Texts:
    return Texts()


@pytest.fixture
def schedule_of(texts: Texts) -> Callable[[str], Any]:
    """Read the one schedule of a policy from what is written in it."""
    return lambda body: texts.read(texts.body(body)).schedules["hosting"]
