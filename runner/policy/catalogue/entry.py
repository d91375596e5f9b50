"""What an explanation of a code is made of."""

from __future__ import annotations

from runner.frozen import frozen


@frozen
class Entry:
    """
    The explanation of one code.

    Attributes:
        title: The rule that was broken, in a few words.
        about: Why there is such a rule, and how to keep it.
        example: What to write, as it stands in a file.
        keys: The keys that it is about, as `level.key`; none where it can be about any.
    """

    title: str
    about: str
    example: str
    keys: tuple[str, ...] = ()


def entry(title: str, about: str, example: str, keys: str = "") -> Entry:
    """Make an entry; `keys` are separated by blanks."""
    return Entry(title, " ".join(about.split()), example, tuple(keys.split()))
