"""
Reading `alerts`: who is told what, and when.
"""

from __future__ import annotations

from typing import Literal, cast

from runner.policy.codes import Code
from runner.policy.language.config import ALERTS, ROUTE
from runner.policy.nodes import Mapping as MapNode
from runner.policy.nodes import Node, Sequence
from runner.policy.scalars import choice, parse_duration
from runner.settings.model import Alerts, Reference, Route
from runner.settings.reader import SettingsReader
from runner.settings.values import parse_digest, parse_target

_Severity = Literal["info", "warning", "critical"]


def read_alerts(reader: SettingsReader, node: Node | None) -> Alerts:
    """Read the section."""
    record = None if node is None else reader.record(node, ALERTS)
    default = Alerts()
    if record is None:
        return default
    written = record.get("routes")
    routes = None if written is None else reader.sequence(written)
    return Alerts(
        routes=() if routes is None else tuple(_route(reader, item) for item in routes),
        digest_at=record.read("digest_at", parse_digest, None),
        funding_lead=record.read("funding_lead", parse_duration, default.funding_lead),
    )


def _route(reader: SettingsReader, node: Node) -> Route:
    record = reader.record(node, ROUTE)
    if record is None:
        return Route("warning", ())
    severity: _Severity = record.read("min_severity", _severity, "warning")
    to = record.get("to")
    return Route(severity, () if to is None else _targets(reader, to))


def _targets(reader: SettingsReader, node: Node) -> tuple[Reference | str, ...]:
    if not isinstance(node, Sequence) or not node.items:
        hint = "write to: [{env: ALERT_URL}]"
        reader.fault(Code.BAD_ROUTE, "`to` is a list of where alerts go", node, hint)
        return ()
    found = (
        reader.reference(item)
        if isinstance(item, MapNode)
        else reader.read(item, parse_target, None)
        for item in node
    )
    return tuple(one for one in found if one is not None)


def _severity(text: str) -> _Severity:
    return cast("_Severity", choice(text, ("info", "warning", "critical")))
