"""A URL with its key, which shows scheme, host and port alone."""

from __future__ import annotations

import base64
import re
from typing import Any, Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

from runner.errors import UsageError
from runner.version import __version__

_SHORTEST_SECRET = 8
_DEEPEST = 50
_PORTS: Final = {"http": 80, "https": 443}
_UNQUOTED: Final = "!$%&'()*+,/:;=?@[]~"
"""What stays as it is in path and query: they may be percent-encoded already (RFC 3986 §2.2)."""


class Endpoint:
    """
    A URL with its key. Shows itself as `origin`: scheme, host and port.

    Args:
        url: Where to post; may hold a key in its path, or a user and a password.
        key: Sent as `Authorization: Bearer`.

    A bad URL is told by `check`, so that the caller can first drop the text from its frame.
    """

    __slots__ = (
        "_fault",
        "_key",
        "_secrets",
        "_url",
        "head",
        "host",
        "origin",
        "path",
        "port",
        "tls",
    )

    def __init__(self, url: str, key: str | None) -> None:
        self._key = key
        self._url = ""
        self.host, self.port, self.tls = "", 0, True
        self.path = "/"
        """Where on its host; may hold a key, so it is for whoever posts alone."""

        self.head = b""
        """What each request begins with, up to the length of its body; may hold a key."""

        self.origin = "(no URL)"
        self._secrets: tuple[str, ...] = ()
        self._fault = self._read(url)

    def __repr__(self) -> str:
        return f"<Endpoint {self.origin}>"

    def _read(self, text: str) -> str | None:
        try:
            url = urlsplit(text if text.isprintable() else "")
            host, port = _ascii(url.hostname or ""), url.port
        except ValueError:
            return "the URL cannot be read"
        if url.scheme not in _PORTS or not host:
            return "a URL of a wallet or chain starts with https:// or http:// and names a host"
        key = self._key
        if key is not None and not (key and key.isascii() and key.isprintable() and " " not in key):
            return "the API key is empty or holds characters that no HTTP header carries"
        if key is not None and (url.username or url.password):
            return "a URL with user and password takes no API key besides"
        self._url = text
        self.host, self.tls = host, url.scheme == "https"
        self.port = _PORTS[url.scheme] if port is None else port
        shown = f"[{host}]" if ":" in host else host
        if self.port != _PORTS[url.scheme]:
            shown += f":{self.port}"
        self.origin = f"{url.scheme}://{shown}"
        self.path = quote(url.path, safe=_UNQUOTED) or "/"
        query = quote(url.query, safe=_UNQUOTED)
        target = f"{self.path}?{query}" if query else self.path
        self.head = _head(target, shown, _authorization(url, key))
        # A key is often a segment of the path or a value of the query.
        texts = (*re.split(r"[/?&=]", target), *re.split(r"[/?&=]", f"{url.path}?{url.query}"))
        parts = (*texts, url.password or "", text)
        spelled = (*parts, *map(unquote, parts))
        self._secrets = tuple(part for part in spelled if len(part) >= _SHORTEST_SECRET)
        if key is not None:
            self._secrets += (key,)
        return None

    def check(self) -> None:
        """
        Raises:
            UsageError: The URL or the key cannot be used.
        """
        if self._fault is not None:
            raise UsageError(self._fault)

    def with_key(self, key: str) -> Endpoint:
        """Return the same URL with another key."""
        return Endpoint(self._url, key)

    def moved_to(self, url: str) -> Endpoint:
        """Return another URL of the same service, with the same key."""
        return Endpoint(url, self._key)

    def is_as(self, other: Endpoint) -> bool:
        """Whether the same requests go to the same place."""
        return (self.host, self.port, self.tls, self.head) == (
            other.host,
            other.port,
            other.tls,
            other.head,
        )

    def redacted(self, value: Any, depth: int = 0) -> Any:
        """Return a JSON value without the key, should the service repeat it."""
        if depth > _DEEPEST:
            return "[nested too deeply]"
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, "[redacted]")
            return value
        if isinstance(value, dict):
            return {
                self.redacted(name): self.redacted(each, depth + 1) for name, each in value.items()
            }
        if isinstance(value, list):
            return [self.redacted(each, depth + 1) for each in value]
        return value


def _ascii(host: str) -> str:
    """A host as DNS and certificates know it."""
    return host if host.isascii() else host.encode("idna").decode("ascii")


def _authorization(url: SplitResult, key: str | None) -> str | None:
    if key is not None:
        return f"Bearer {key}"
    if url.username or url.password:
        both = f"{unquote(url.username or '')}:{unquote(url.password or '')}"
        return f"Basic {base64.b64encode(both.encode()).decode()}"
    return None


def _head(target: str, host: str, authorization: str | None) -> bytes:
    lines = [
        f"POST {target} HTTP/1.1",
        f"Host: {host}",
        "Accept: application/json",
        "Accept-Encoding: identity",  # so that the size bound counts what is parsed
        "Content-Type: application/json",
        f"User-Agent: smart-wallet-runner/{__version__}",
    ]
    if authorization is not None:
        lines.append(f"Authorization: {authorization}")
    return "\r\n".join([*lines, "Content-Length: "]).encode("ascii")
