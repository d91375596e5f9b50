"""What an explanation of a code is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """
    The explanation of one code.

    Attributes:
        title: The rule that was broken, in a few words.
        about: Why there is such a rule, and how to keep it.
        example: What to write, as it stands in a file.
    """

    title: str
    about: str
    example: str


def entry(title: str, about: str, example: str) -> Entry:
    """Make an entry."""
    return Entry(title, " ".join(about.split()), example)
