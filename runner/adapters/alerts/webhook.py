"""
The signed webhook: one POST of JSON a message, with a proof that it is ours.

    Runner-Event-Id: evt_…            the same for every attempt at one message
    Runner-Timestamp: 1796115600      unix seconds, of this attempt
    Runner-Signature: v1=…            HMAC-SHA256 of `timestamp.body` by the shared secret, in hex
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime

from runner.adapters.alerts.egress import request
from runner.adapters.alerts.threads import Aside
from runner.alerting.messages import Message

_SECONDS = 10.0
_PATIENCE = 45.0


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """What `Runner-Signature` says."""
    signed = str(timestamp).encode() + b"." + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


class Webhook:
    """Implements `ports.Channel`."""

    def __init__(
        self,
        name: str,
        url: str,
        secret: str,
        *,
        allow_private: bool,
        now: Callable[[], datetime],
    ) -> None:
        self._name = name
        self._url = url
        self._secret = secret
        self._allow_private = allow_private
        self._now = now
        self._aside = Aside(name, patience=_PATIENCE)

    @property
    def name(self) -> str:
        """What it is referred to by."""
        return self._name

    def take(self, url: str, secret: str) -> bool:
        """Post there, signed by this secret, from now on; whether that is another than before."""
        changed = (url, secret) != (self._url, self._secret)
        self._url, self._secret = url, secret
        return changed

    async def send(self, message: Message) -> None:
        """Deliver one message."""
        url, secret = self._url, self._secret
        body = json.dumps(message.body, separators=(",", ":")).encode()
        timestamp = int(self._now().timestamp())
        headers = {
            "Content-Type": "application/json",
            "Runner-Event-Id": message.id,
            "Runner-Timestamp": str(timestamp),
            "Runner-Signature": signature(secret, timestamp, body),
        }
        await self._aside.run(
            lambda: request(
                "POST",
                url,
                body=body,
                headers=headers,
                seconds=_SECONDS,
                allow_private=self._allow_private,
            )
        )
