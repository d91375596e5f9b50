"""
JSON-RPC 2.0 over HTTP POST: one request, one answer, and a plain word for what became of it.

URL and key live in `Endpoint`; it shows scheme and host alone, and whatever breaks below is told by
its kind, so nothing above can give a key away.

Source: JSON-RPC 2.0; README §1 of the wire specification.
"""

from __future__ import annotations

import copy
import itertools
import json
import random as random_module
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, Protocol, Self

from runner.adapters.wallet_api.endpoint import Endpoint
from runner.adapters.wallet_api.envelope import HttpAnswer, read_answer
from runner.adapters.wallet_api.http import Broken, HttpPost, TooLong
from runner.errors import AnswerLost, WalletApiError, WalletBusy, WalletRefused
from runner.ports import Clock

MAX_ANSWER_BYTES: Final = 5_000_000
"""Longest answer that is read."""

LONGEST_PAUSE_SECONDS: Final = 30.0
"""A service that asks for a longer pause is not waited for: the caller hears of it at once."""

_FIRST_PAUSE_SECONDS = 0.2

Observer = Callable[[str, str], None]
"""Told of each request when it is over: its method, and `ok`, `lost`, `busy` or `refused`."""


def unobserved(method: str, outcome: str) -> None:
    """Nobody counts."""
    del method, outcome


class Post(Protocol):
    """Takes a request to an endpoint and brings its answer back."""

    async def __call__(self, endpoint: Endpoint, body: bytes) -> HttpAnswer:
        """Hand one body over; raises whatever broke on the way, for the caller to translate."""
        ...

    async def aclose(self) -> None:
        """Let go of what is held open."""
        ...


class TokenBucket:
    """
    At most `rate` requests a second on average, a second's worth at once.

    Takers are served in the order in which they come.
    """

    def __init__(self, rate: float, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = self._most = max(1.0, rate)
        self._seen = clock.monotonic()

    async def take(self) -> None:
        """Wait for a token; a debt taken by one waiter makes the next wait longer."""
        now = self._clock.monotonic()
        self._tokens = min(self._most, self._tokens + (now - self._seen) * self._rate) - 1
        self._seen = now
        if self._tokens < 0:
            await self._clock.sleep(-self._tokens / self._rate)


class JsonRpcTransport:
    """
    Calls methods of one endpoint over a pool of connections; closed by `aclose` or `async with`.

    Args:
        endpoint: Where to post, and with which key.
        clock: Time for pauses and the rate limit, and for the time-outs of `post`.
        rate_limit: Requests a second, None for no limit.
        timeout_seconds: For one request and its whole answer; `timeouts` has exceptions by method.
        retries: How often a call that may be repeated is repeated.
        random: Uniform in [0, 1), for the jitter of pauses.
        post: Who takes requests to endpoints; None for HTTP.
        observe: Who counts requests.

    Raises:
        UsageError: URL or key cannot be used.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        clock: Clock,
        rate_limit: float | None = None,
        timeout_seconds: float = 10.0,
        timeouts: Mapping[str, float] | None = None,
        retries: int = 3,
        random: Callable[[], float] = random_module.random,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        post: Post | None = None,
        observe: Observer = unobserved,
    ) -> None:
        endpoint.check()
        self._endpoint = endpoint
        self._observe = observe
        self._clock = clock
        self._bucket = None if rate_limit is None else TokenBucket(rate_limit, clock)
        self._timeout_seconds = timeout_seconds
        self._timeouts = dict(timeouts or {})
        self._retries = retries
        self._random = random
        self._ids = itertools.count(1)
        self._exchange = (
            HttpPost(max_answer_bytes=max_answer_bytes) if post is None else _Bounded(post, clock)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the pool, also for all transports that `at` made."""
        await self._exchange.aclose()

    @property
    def origin(self) -> str:
        """Scheme, host and port: all of the URL that may be shown."""
        return self._endpoint.origin

    def at(self, endpoint: Endpoint) -> JsonRpcTransport:
        """
        Return a transport to another endpoint of the same service; pool and rate are shared.

        Raises:
            UsageError: The URL cannot be used.
        """
        endpoint.check()
        sibling = copy.copy(self)
        sibling._endpoint = endpoint
        return sibling

    def reach(self, endpoint: Endpoint) -> bool:
        """
        Post to this endpoint from now on; whether it is another one than before.

        Raises:
            UsageError: The URL or the key cannot be used; the one before stays.
        """
        endpoint.check()
        before = self._endpoint
        self._endpoint = endpoint
        return not endpoint.is_as(before)

    def take_key(self, key: str) -> bool:
        """As `reach`, for the same URL with another key."""
        return self.reach(self._endpoint.with_key(key))

    async def call(self, method: str, params: bytes, *, repeat: bool) -> Any:
        """
        Call a method and return its `result`.

        Args:
            params: The JSON text of the parameter array, sent byte for byte.
            repeat: The call has no effect: try again when the answer is lost or the service busy.

        Raises:
            AnswerLost: No usable answer; the request may have been taken.
            WalletBusy: Not taken this time.
            WalletRefused: Not taken.
        """
        tries = 0
        while True:
            try:
                result = await self._once(method, params)
                self._observe(method, "ok")
                return result
            except (AnswerLost, WalletBusy) as error:
                self._observe(method, "busy" if isinstance(error, WalletBusy) else "lost")
                pause = self._pause_seconds(tries, error)
                if not repeat or tries >= self._retries or pause is None:
                    raise
            except WalletRefused:
                self._observe(method, "refused")
                raise
            tries += 1
            await self._clock.sleep(pause)

    def _pause_seconds(self, tries: int, error: WalletApiError) -> float | None:
        """The pause before the next try: doubled each time, with jitter; None = do not wait."""
        pause = _FIRST_PAUSE_SECONDS * 2.0**tries * (1 + self._random())
        asked = error.retry_after_seconds if isinstance(error, WalletBusy) else None
        if asked is None:
            return pause
        return None if asked > LONGEST_PAUSE_SECONDS else asked + pause

    async def _once(self, method: str, params: bytes) -> Any:
        if self._bucket is not None:
            await self._bucket.take()
        request_id = next(self._ids)
        body = b'{"jsonrpc":"2.0","id":%d,"method":%b,"params":%b}' % (
            request_id,
            _quoted(method),
            params,
        )
        endpoint = self._endpoint  # another one may be in use when the answer is there
        what = f"{endpoint.origin}: {method}"
        seconds = self._timeouts.get(method, self._timeout_seconds)
        try:
            answer = await self._exchange(endpoint, body, seconds)
        except TimeoutError:
            reason = f"no answer within {seconds:g} s"
        except TooLong as error:
            reason = str(error)
        except Broken as error:
            reason = f"no answer: {error}"
        except Exception as error:  # whatever broke below, the request may have left
            reason = f"no answer: {type(error).__name__}"
        else:
            return read_answer(answer, request_id, what, endpoint.redacted)
        # Raised out here, the error carries no frames in which URL and key could be seen.
        raise AnswerLost(f"{what}: {reason}")


class _Bounded:
    """A `Post` that has its time from the caller's clock."""

    def __init__(self, post: Post, clock: Clock) -> None:
        self._post = post
        self._clock = clock
        self.aclose = post.aclose

    async def __call__(self, endpoint: Endpoint, body: bytes, seconds: float) -> HttpAnswer:
        async with self._clock.timeout(seconds):
            return await self._post(endpoint, body)


@lru_cache(maxsize=64)
def _quoted(method: str) -> bytes:
    return json.dumps(method).encode()
