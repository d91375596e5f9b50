"""
HTTP to addresses that somebody wrote into a file: only where it may go, and nowhere else.

The name is resolved once, every address of it is judged, and the connection is made to one that
was judged: a name that changes its mind in between leads nowhere. Redirects are not followed,
proxies not asked, answers not read beyond their status.

Source: the judgement of addresses is that of `ipaddress` (IANA's special-purpose registries).
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

from runner.errors import Undelivered
from runner.settings.model import is_loopback
from runner.version import __version__

_Address = IPv4Address | IPv6Address


def request(
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    seconds: float,
    allow_private: bool = False,
) -> None:
    """
    Send one request; done if it is answered with 2xx.

    Args:
        seconds: For each wait of the connection.
        allow_private: Whether it may go to addresses that the internet does not route.

    Raises:
        Undelivered: it may not go there, or was not taken. Never shows the URL.
    """
    parts = _parsed(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    address = _allowed(host, port, plain=parts.scheme == "http", allow_private=allow_private)
    connection = _Pinned(host, port, address, seconds, secure=parts.scheme == "https")
    path = parts.path or "/"
    target = f"{path}?{parts.query}" if parts.query else path
    try:
        connection.request(
            method,
            target,
            body=body,
            headers={"User-Agent": f"runner/{__version__}", **(headers or {})},
        )
        status = connection.getresponse().status
    except ssl.SSLError as error:
        raise Undelivered(f"no secure connection: {error.reason or 'TLS failed'}") from None
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise Undelivered(f"no answer: {why}") from None
    finally:
        connection.close()
    if not 200 <= status < 300:
        moved = ", and redirects are not followed" if 300 <= status < 400 else ""
        raise Undelivered(f"answered with HTTP {status}{moved}")


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise Undelivered("this is not a URL") from None
    if not sound:
        raise Undelivered("this is not an https:// URL")
    if parts.username or parts.password:
        raise Undelivered("the URL holds a user or a password, which are not sent")
    return parts


def _allowed(host: str, port: int, *, plain: bool, allow_private: bool) -> _Address:
    """The address to connect to, if all that the name stands for may be connected to."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Undelivered("its host name has no address") from None
    addresses = [_plain(str(info[4][0])) for info in found]
    for address in addresses:
        if is_loopback(host) and address.is_loopback:
            continue
        if plain:
            raise Undelivered("plain http goes to this machine alone; use https")
        if not address.is_global and not allow_private:
            raise Undelivered("it leads into a private network; write allow_private: true to allow")
        if address.is_multicast or address.is_unspecified:
            raise Undelivered("it leads to no single host")
    return addresses[0]


def _plain(text: str) -> _Address:
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was judged, for a host that was written."""

    def __init__(
        self, host: str, port: int, address: _Address, seconds: float, *, secure: bool
    ) -> None:
        super().__init__(host, port, timeout=seconds)
        self._address = address
        self._secure = secure
        self.default_port = 443 if secure else 80

    def connect(self) -> None:
        """To the judged address; TLS speaks of the host."""
        self.sock = socket.create_connection((str(self._address), self.port), self.timeout)
        if self._secure:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)
