"""
What each code means, why it is refused, and an example: the text behind `runner explain`.
"""

from __future__ import annotations

from runner.policy.catalogue.entry import Entry
from runner.policy.catalogue.form import FORM
from runner.policy.catalogue.meaning import MEANING
from runner.policy.codes import Code

CATALOGUE: dict[Code, Entry] = {**FORM, **MEANING}
"""By code; every code has its entry."""

__all__ = ["CATALOGUE", "Entry"]
