"""From `alerts` of runner.yaml to channels that deliver, secrets resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from runner.adapters.alerts.apprise import AppriseChannel
from runner.adapters.alerts.webhook import Webhook
from runner.adapters.secrets import read_reference
from runner.alerting.causes import Severity
from runner.ports import Channel
from runner.settings import Alerts, EnvRef, FileRef, Reference


@dataclass(frozen=True, slots=True)
class Destination:
    """A channel, from which severity on it is told, and where runner.yaml says so."""

    channel: Channel
    min_severity: Severity
    where: str


def open_channels(
    alerts: Alerts, environment: Mapping[str, str], *, now: Callable[[], datetime]
) -> tuple[Destination, ...]:
    """
    Every destination that runner.yaml names; one that several routes name is one channel.

    Raises:
        UsageError: a secret is not where runner.yaml says.
    """
    found: dict[str, Channel] = {}
    return tuple(_destinations(alerts, environment, now, found))


def _destinations(
    alerts: Alerts,
    environment: Mapping[str, str],
    now: Callable[[], datetime],
    found: dict[str, Channel],
) -> Iterator[Destination]:
    for number, route in enumerate(alerts.routes):
        for position, target in enumerate(route.to):
            where = f"alerts.routes[{number}].to[{position}]"
            name = _scheme(target, where) if isinstance(target, str) else _name(target)
            if name not in found:
                url = read_reference(target, environment, what=where)
                found[name] = AppriseChannel(name, url)
            yield Destination(found[name], Severity(route.min_severity), where)
    for number, hook in enumerate(alerts.webhooks):
        where = f"alerts.webhooks[{number}]"
        name = f"webhook {_name(hook.to)}"
        if name not in found:
            found[name] = Webhook(
                name,
                read_reference(hook.to, environment, what=f"{where}.to"),
                read_reference(hook.secret, environment, what=f"{where}.secret"),
                allow_private=hook.allow_private,
                now=now,
            )
        yield Destination(found[name], Severity(hook.min_severity), where)


def _scheme(url: str, where: str) -> str:
    return f"{where} ({url.partition(':')[0]})"


def _name(reference: Reference) -> str:
    """What refers to it; the secret itself is never part of it."""
    if isinstance(reference, EnvRef):
        return reference.name
    return str(reference.path) if isinstance(reference, FileRef) else reference.words[0]
