"""
What `defaults` says is read where it stands, each key alone, whoever takes it later.

Else a fault would hide until the day when a schedule no longer writes the key itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from runner.policy.context import Defaults, Names
from runner.policy.language import SCHEDULE, SESSION, Level
from runner.policy.nodes import Mapping as MapNode
from runner.policy.nodes import Node, Scalar
from runner.policy.record import Record
from runner.policy.schedules import ScheduleReader
from runner.policy.sessions import Accounts, SessionReader

_NONE = Defaults({}, "UTC")
_ELSEWHERE = {"timezone": "UTC", "day_match": "or"}
"""What whoever takes a default may write beside it, without which it could not be read."""


def read_each(fields: Mapping[str, Node], above: Record, accounts: Accounts, names: Names) -> None:
    """
    Report what is wrong with each default, apart from all others.

    Args:
        above: The policy or book that they stand in.
        accounts: The accounts that a default may name.
        names: What else it may name.
    """
    for key, node in fields.items():
        if key in SESSION.keys:
            record = _alone(above, SESSION, key, node)
            SessionReader(record, "", accounts, names.books).read("", "UTC")
        if key in SCHEDULE.keys:
            ScheduleReader(_alone(above, SCHEDULE, key, node), names, _NONE).read("")


def _alone(above: Record, level: Level, key: str, node: Node) -> Record:
    """Return the fields of a session or schedule that takes one default and lacks nothing."""
    mapping = MapNode(node.source, node.index, flow=True)
    mapping.partial = True  # what is missing is written elsewhere
    record = Record(above.reader, mapping, level)
    for other, text in _ELSEWHERE.items():
        if other in level.keys:
            record.fields[other] = Scalar(node.source, node.index, text, '"')
    record.fields[key] = node
    return record
