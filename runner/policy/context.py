"""
What a schedule is read in: the defaults of its file, and the names that it may use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Protocol

from runner.frozen import frozen
from runner.policy.alike import Alike
from runner.policy.books import Books
from runner.policy.model import DayMatch, Session
from runner.policy.nodes import Node
from runner.policy.pay_each import Find
from runner.policy.record import Declared


class CronFacts(Protocol):
    """What reading a cron expression tells."""

    @property
    def names_one_hour(self) -> bool: ...


CheckCron = Callable[[str, DayMatch | None], CronFacts]
"""Reads a cron expression; raises EncodingError if it is none, is ambiguous, or never fires."""


@frozen
class Defaults:
    """
    What `defaults` says, for schedules and sessions that do not write it themselves.

    Attributes:
        fields: Nodes by key.
        meant: Keys that misspelt ones were probably meant to be.
        whole: All of it could be read.
    """

    fields: Mapping[str, Node]
    zone: str | None
    meant: AbstractSet[str] = frozenset()
    whole: bool = True

    def __contains__(self, key: object) -> bool:
        """Tell whether a key has a default, or may have one."""
        return key in self.fields or key in self.meant or not self.whole


@frozen
class Names:
    """
    What the schedules of a policy may refer to: its sessions, the chain of each account, its
    books, files beside it; and how cron expressions are read.

    Attributes:
        declared: The names of sessions, whether they could be read or not.
        doubtful: Sessions whose limits could not be read.
    """

    policy: str
    sessions: Mapping[str, Session]
    declared: Declared
    doubtful: AbstractSet[str]
    chains: Mapping[str, int]
    books: Books
    find: Find
    check_cron: CheckCron
    alike: Alike
