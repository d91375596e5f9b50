"""
Mail, chat and pagers by Apprise: it knows a hundred services by the form of their URL.

It is slow to import and blocks while it sends: both happen in a thread of the channel's own. What
it logs may hold the URL; of that nothing is kept but the status that the service answered with.
"""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from runner.adapters.alerts.threads import Aside
from runner.alerting.causes import Severity
from runner.alerting.messages import Attachment, Message
from runner.errors import Undelivered

_PATIENCE = 60.0
_STATUS = re.compile(r"error[= ](\d{3})\b")
_TALKATIVE = ("apprise", "urllib3", "requests")
"""Loggers whose words may hold tokens: they are nobody's business."""

_KINDS = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}


class AppriseChannel:
    """Implements `ports.Channel`."""

    def __init__(self, name: str, url: str) -> None:
        self._name = name
        self._url = url
        self._aside = Aside(name, patience=_PATIENCE)

    @property
    def name(self) -> str:
        """What it is referred to by."""
        return self._name

    def take(self, url: str) -> bool:
        """
        Deliver there from now on; whether it is elsewhere than before. Slow: not for a loop.

        Raises:
            Undelivered: Apprise does not know such a URL; the one before stays.
        """
        if url == self._url:
            return False
        _services(url)
        self._url = url
        return True

    async def send(self, message: Message) -> None:
        """Deliver one message."""
        await self._aside.run(lambda: self._notify(message))

    def _notify(self, message: Message) -> None:
        services = _services(self._url)
        statuses: list[str] = []
        kind = "success" if message.good else _KINDS[message.severity]

        def overhear(entry: Any, _: Any) -> None:
            statuses.extend(_STATUS.findall(str(entry.message)))

        def notify(files: list[str] | None) -> bool:
            told = services.notify(
                body=message.text,
                title=message.title,
                notify_type=kind,
                attach=files,
                log_callback=overhear,
            )
            return bool(told)

        carries = message.attachments and all(one.attachment_support for one in services)
        if not (_with_files(message.attachments, notify) if carries else notify(None)):
            status = f" with HTTP {statuses[-1]}" if statuses else ""
            raise Undelivered(f"the service did not take it{status}, or did not answer")


def _services(url: str) -> Any:
    import apprise  # noqa: PLC0415  (slow, and only needed by who is told something)

    for name in _TALKATIVE:
        logging.getLogger(name).propagate = False
    services = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False))
    if not services.add(url) or not len(services):
        raise Undelivered(
            "its URL is none that Apprise knows",
            hint="write it as https://appriseit.com says for the service",
        )
    return services


def _with_files(files: Sequence[Attachment], work: Callable[[list[str]], bool]) -> bool:
    with tempfile.TemporaryDirectory(prefix="runner-") as folder:
        paths = []
        for one in files:
            path = Path(folder) / one.name
            path.write_text(one.text, encoding="utf-8", newline="")
            paths.append(str(path))
        return work(paths)
