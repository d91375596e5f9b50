"""
Keys and words that the language has and the engine does not carry out yet.

They are read and checked like all others, and `validate` warns of each: a key that were read and
silently not obeyed would be a guardrail that is not there. `up` refuses to start with one. Whoever
teaches the engine one of them deletes its line here.
"""

from __future__ import annotations

from collections.abc import Iterable

from runner.errors import PolicyError, PolicyErrors
from runner.policy.codes import Code

KEYS: frozenset[tuple[str, str]] = frozenset()
"""By the level they stand on (see `language`)."""

WORDS: frozenset[tuple[str, str, str]] = frozenset({("account", "type", "eip7702")})
"""Values of a key that are not carried out yet."""


def refuse_unsupported(warnings: Iterable[PolicyError]) -> None:
    """
    Turn warnings of keys that are not carried out into errors: who acts by policies needs all.

    Raises:
        PolicyErrors: There are such warnings.
    """
    found = [
        PolicyError(
            warning.what,
            code=warning.code,
            where=warning.where,
            hint="delete it: it would only seem to be obeyed",
            source=warning.source,
        )
        for warning in warnings
        if warning.code == Code.NOT_SUPPORTED_YET
    ]
    if found:
        raise PolicyErrors(found)
