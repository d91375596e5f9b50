"""What a key and a level of keys are."""

from __future__ import annotations

from runner.frozen import frozen


@frozen
class Key:
    """
    One key.

    Attributes:
        type: What its value is, in the words of the documentation; `schema` knows each of them.
        about: What it does.
        default: What holds when it is not written; None for required keys and keys that are
            simply absent.
    """

    name: str
    type: str
    about: str
    default: str | None = None
    required: bool = False

    @property
    def gist(self) -> str:
        """The first sentence of what it does."""
        return self.about.partition(". ")[0].removesuffix(".") + "."


@frozen
class Level:
    """A kind of map: its name, what messages call it, and its keys."""

    name: str
    article: str
    keys: dict[str, Key]
    required: tuple[str, ...]


def level(name: str, article: str, *keys: Key) -> Level:
    """Make a level of its keys."""
    required = tuple(key.name for key in keys if key.required)
    return Level(name, article, {key.name: key for key in keys}, required)
