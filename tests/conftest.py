"""
Skipped tests are named with their reasons at the end of every run.

Properties are tried on the same examples in every run, so that a check passes or fails by what was
changed; `make laws` tries them on new ones.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("new", derandomize=False, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("TESTS_EXAMPLES", "same"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say loudly what was skipped and why."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    for reason, count in reasons.items():
        terminalreporter.write_line(f"NOT RUN: {count} tests: {reason}", yellow=True, bold=True)
