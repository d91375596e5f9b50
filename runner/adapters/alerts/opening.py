"""From `alerts` of runner.yaml to channels that deliver, secrets resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from datetime import datetime
from functools import partial

from runner.adapters.alerts.apprise import AppriseChannel
from runner.adapters.alerts.webhook import Webhook
from runner.adapters.secrets import read_reference
from runner.alerting.causes import Severity
from runner.frozen import frozen
from runner.ports import Channel
from runner.settings import Alerts, EnvRef, FileRef, Reference


@frozen
class Destination:
    """
    A channel, from which severity on it is told, and where runner.yaml says so.

    `renewed` reads its secrets anew and takes them over: whether they are others. Raises
    UsageError or Undelivered, and may take its time.
    """

    channel: Channel
    min_severity: Severity
    where: str
    renewed: Callable[[], bool] = field(repr=False)


def open_channels(
    alerts: Alerts, environment: Mapping[str, str], *, now: Callable[[], datetime]
) -> tuple[Destination, ...]:
    """
    Every destination that runner.yaml names; one that several routes name is one channel.

    Raises:
        UsageError: a secret is not where runner.yaml says.
    """
    return tuple(_destinations(alerts, environment, now))


def _destinations(
    alerts: Alerts,
    environment: Mapping[str, str],
    now: Callable[[], datetime],
) -> Iterator[Destination]:
    found: dict[str, tuple[Channel, Callable[[], bool]]] = {}
    for number, route in enumerate(alerts.routes):
        for position, target in enumerate(route.to):
            where = f"alerts.routes[{number}].to[{position}]"
            name = _scheme(target, where) if isinstance(target, str) else _name(target)
            if name not in found:
                read = partial(read_reference, target, environment, what=where)
                pager = AppriseChannel(name, read())
                found[name] = pager, partial(_page_anew, pager, read)
            channel, renewed = found[name]
            yield Destination(channel, Severity(route.min_severity), where, renewed)
    for number, hook in enumerate(alerts.webhooks):
        where = f"alerts.webhooks[{number}]"
        name = f"webhook {_name(hook.to)}"
        if name not in found:
            to = partial(read_reference, hook.to, environment, what=f"{where}.to")
            secret = partial(read_reference, hook.secret, environment, what=f"{where}.secret")
            allowed = hook.allow_private
            webhook = Webhook(name, to(), secret(), allow_private=allowed, now=now)
            found[name] = webhook, partial(_post_anew, webhook, to, secret)
        channel, renewed = found[name]
        yield Destination(channel, Severity(hook.min_severity), where, renewed)


def _page_anew(channel: AppriseChannel, url: Callable[[], str]) -> bool:
    return channel.take(url())


def _post_anew(channel: Webhook, url: Callable[[], str], secret: Callable[[], str]) -> bool:
    return channel.take(url(), secret())


def _scheme(url: str, where: str) -> str:
    return f"{where} ({url.partition(':')[0]})"


def _name(reference: Reference) -> str:
    """What refers to it; the secret itself is never part of it."""
    if isinstance(reference, EnvRef):
        return reference.name
    return str(reference.path) if isinstance(reference, FileRef) else reference.words[0]
