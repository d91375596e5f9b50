"""
Reading `alerts`: who is told what, and when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, cast

from runner.policy.codes import Code
from runner.policy.language.config import ALERTS, ROUTE, WEBHOOK
from runner.policy.nodes import Mapping as MapNode
from runner.policy.nodes import Node, Sequence
from runner.policy.scalars import choice, parse_boolean, parse_duration
from runner.settings.model import Alerts, Reference, Route, Webhook
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
    hooks = record.get("webhooks")
    webhooks = None if hooks is None else reader.sequence(hooks)
    return Alerts(
        routes=() if routes is None else tuple(_route(reader, item) for item in routes),
        webhooks=() if webhooks is None else tuple(_webhooks(reader, webhooks)),
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


def _webhooks(reader: SettingsReader, nodes: Iterable[Node]) -> Iterator[Webhook]:
    for node in nodes:
        record = reader.record(node, WEBHOOK)
        if record is None:
            continue
        to, secret = reader.reference(record.get("to")), reader.reference(record.get("secret"))
        severity: _Severity = record.read("min_severity", _severity, "warning")
        allowed = record.read("allow_private", parse_boolean, False)
        if to is not None and secret is not None:  # else it is a fault, and told
            yield Webhook(to, secret, severity, allowed)


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
