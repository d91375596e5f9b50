"""
Who is told what: hears every event of telemetry, keeps incidents, and writes messages to people.

Hearing an event costs a line in a list; everything else is done by a task beside the daemon, in
one transaction for incidents and messages together. Each quarter of a minute, and when something
of it may be over, the ledger is asked what stands: what a crash has swallowed is told then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from runner.alerting.causes import (
    NEWS_OF_LEDGER,
    REDETECTED,
    STANDING,
    TABLE,
    Cause,
    Over,
    Raised,
    Severity,
    is_good,
    read,
)
from runner.alerting.incidents import FINDS_AGAIN, Incident, Word, due, raised, resolved, spoken
from runner.alerting.messages import Message, about, together
from runner.errors import StoreError
from runner.execution.delivery import PostOffice
from runner.frozen import frozen
from runner.ports import AlertBook, Channel, Clock, Telemetry

_LOOK_SECONDS = 15.0
_MOST_ALONE = 5
"""More incidents of one kind than these, told at once, are one message."""

_SOON_SECONDS = 1.0
_SETTLED = timedelta(seconds=2)
"""What an event told so shortly ago is not taken back by a look that may have begun before."""

_KEPT_AGAIN = timedelta(minutes=1)
"""So often it is written down that something that lasts was seen again."""


@frozen
class Subscriber:
    """A destination, and from which severity on it is told."""

    channel: Channel
    min_severity: Severity


class AlertDesk:
    """
    Where events become incidents, and incidents messages.

    Implements `ports.Telemetry`: stands before another one, and passes on all that it hears.
    """

    def __init__(
        self,
        book: AlertBook,
        subscribers: Sequence[Subscriber],
        *,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._book = book
        self._subscribers = subscribers
        self._clock = clock
        self._telemetry = telemetry
        channels = {one.channel.name: one.channel for one in subscribers}
        self._post = PostOffice(channels.values(), book=book, clock=clock, telemetry=self)
        self._heard: list[Raised | Over] = []
        self._bell = asyncio.Event()
        self._known: dict[Cause, Incident] | None = None
        self._kept: dict[Cause, Incident] = {}
        self._look_at = 0.0
        self._anew = True
        self._home: asyncio.AbstractEventLoop | None = None

    def emit(self, event: str, **fields: Any) -> None:
        """One event a step; what it means for people is worked out beside whoever says it."""
        self._telemetry.emit(event, **fields)
        self.hear(event, fields)

    def concerns(self, event: str, _level: str) -> bool:
        """Whether an event means something for people."""
        return event in TABLE or event in NEWS_OF_LEDGER

    def hear(self, event: str, fields: Mapping[str, Any]) -> None:
        """Hear an event, in whatever thread; never fails, never waits."""
        if self._home is None or self._home is asyncio._get_running_loop():
            self._hear(event, fields)
        else:
            with suppress(RuntimeError):  # it has ended
                self._home.call_soon_threadsafe(self._hear, event, fields)

    def _hear(self, event: str, fields: Mapping[str, Any]) -> None:
        if event == "policies.reloaded":
            self._anew = True
        if event in NEWS_OF_LEDGER and self._stands():
            self._look_at = min(self._look_at, self._clock.monotonic() + _SOON_SECONDS)
            self._bell.set()
        if event in TABLE and not (self._is_calm and is_good(event, fields)):
            try:
                news = list(read(event, fields, now=self._clock.now()))
            except (KeyError, ValueError):  # an event without a field that its line names
                cause = Cause("fault", "alerts")
                news = [Raised(cause, Severity.WARNING, f"could not read the event {event}")]
            wanted = [one for one in news if self._matters(one)]
            if wanted:
                self._heard += wanted
                self._bell.set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Tell as long as the block lasts; what was heard last is written down at its end."""
        self._home = asyncio.get_running_loop()
        async with self._post.open():
            task = asyncio.create_task(self.run())
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                with suppress(StoreError):
                    await self.step()

    async def announce(self, message: Message) -> None:
        """
        Tell everybody but those who want to be told of the worst alone; once, by its id.

        Raises:
            StoreError: it could not be written down.
        """
        receivers = [
            one.channel.name
            for one in self._subscribers
            if one.min_severity is not Severity.CRITICAL
        ]
        letters = [(message, tuple(dict.fromkeys(receivers)))]
        await self._book.keep_incidents([], letters, now=self._clock.now())
        self._post.posted()

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self.step()
            except StoreError:  # told as `ledger.unwritable` by whoever pays
                await self._clock.sleep(_SOON_SECONDS)
            except Exception as error:  # a fault of ours must not silence all that follows
                fault = f"unexpected {type(error).__name__}"
                self.emit("alerts.fault", level="error", detail=fault)
                await self._clock.sleep(_LOOK_SECONDS)
            await self._clock.idle(self._bell, self._patience())

    async def step(self) -> None:
        """Take in what was heard, look at the ledger if it is time, and tell what is due."""
        self._bell.clear()
        if self._known is None:
            self._known = self._kept = {one.cause: one for one in await self._book.incidents()}
        known, now = dict(self._known), self._clock.now()
        if self._anew:
            self._anew = False
            _expect_again(known, now)
        heard, self._heard = self._heard, []
        _apply(known, heard, now)
        self._known = known  # heard is heard, whatever becomes of the look
        if self._clock.monotonic() >= self._look_at:
            self._look_at = self._clock.monotonic() + _LOOK_SECONDS
            with suppress(StoreError):  # the next look may succeed; what was heard is told
                standing = await self._book.standing(now=now)
                _compare(known, standing, now)
        _lapse(known, now)
        await self._tell(known, now)

    async def _tell(self, known: dict[Cause, Incident], now: datetime) -> None:
        groups: dict[tuple[str, Word], list[Incident]] = {}
        for cause, one in known.items():
            word = due(one, now) if self._subscribers else None
            if word is not None:
                groups.setdefault((cause.kind, word), []).append(one)
        letters = []
        for (_, word), group in groups.items():
            many = len(group) > _MOST_ALONE
            messages = (
                [together(group, word, now)] if many else [about(x, word, now) for x in group]
            )
            letters += [
                (message, self._receivers(message, one.cause))
                for message, one in zip(messages, group, strict=False)
            ]
            for one in group:
                known[one.cause] = spoken(one, now)
        changed = [one for cause, one in known.items() if _is_news(self._kept.get(cause), one)]
        self._known = known
        if not changed and not letters:
            return
        try:
            await self._book.keep_incidents(changed, letters, now=now)
        except StoreError:
            # What cannot be kept is told at once, without a second try; it is kept later.
            for message, receivers in letters:
                for destination in receivers:
                    self._post.shout(destination, message)
            raise
        self._kept = dict(known)
        if letters:
            self._post.posted()

    def _receivers(self, message: Message, cause: Cause) -> tuple[str, ...]:
        found = (
            one.channel.name
            for one in self._subscribers
            if one.min_severity.rank <= message.severity.rank
            # Nobody is told by a channel that it does not work.
            and (cause.kind, cause.subject) != ("channel", one.channel.name)
        )
        return tuple(dict.fromkeys(found))

    def _matters(self, news: Raised | Over) -> bool:
        """What closes nothing that is open is no news: most payments succeed."""
        if isinstance(news, Raised) or self._known is None:
            return True
        waiting = {one.cause for one in self._heard if isinstance(one, Raised)}
        is_open = {cause for cause, one in self._known.items() if one.is_open} | waiting
        return any(_covers(news, cause) for cause in is_open)

    @property
    def _is_calm(self) -> bool:
        """Whether there is nothing that could be over."""
        if self._known is None or self._heard:
            return False
        return not any(one.is_open for one in self._known.values())

    def _stands(self) -> bool:
        if not self._known:
            return False
        return any(one.is_open and cause.kind in STANDING for cause, one in self._known.items())

    def _patience(self) -> float:
        now = self._clock.now()
        moments = [
            at
            for one in (self._known or {}).values()
            for at in (one.tell_at if self._subscribers else None, one.lapse_at)
            if at is not None
        ]
        waits = [max((at - now).total_seconds(), 0.05) for at in moments]
        look = max(self._look_at - self._clock.monotonic(), 0.05)
        return min([look, *waits])


def _covers(news: Over, cause: Cause) -> bool:
    return cause.kind in news.kinds and news.subject in (None, cause.subject)


def _apply(known: dict[Cause, Incident], heard: Iterable[Raised | Over], now: datetime) -> None:
    for news in heard:
        if isinstance(news, Raised):
            known[news.cause] = raised(known.get(news.cause), news, now)
            continue
        for cause, one in known.items():
            if one.is_open and cause.kind not in STANDING and _covers(news, cause):
                known[cause] = resolved(one, now)


def _compare(
    known: dict[Cause, Incident],
    standing: Iterable[tuple[str, Mapping[str, Any]]],
    now: datetime,
) -> None:
    """What the ledger shows and nobody has told is opened; what it does not show is over."""
    shown: dict[Cause, Raised] = {}
    for event, fields in standing:
        for news in read(event, fields, now=now):
            if isinstance(news, Raised):
                shown.setdefault(news.cause, news)
    for cause, news in shown.items():
        before = known.get(cause)
        if before is None or not before.is_open:
            known[cause] = raised(before, news, now)
    for cause, one in known.items():
        stale = one.is_open and cause.kind in STANDING and now - one.seen_at >= _SETTLED
        if stale and cause not in shown:
            known[cause] = resolved(one, now)


def _expect_again(known: dict[Cause, Incident], now: datetime) -> None:
    """After a start: what its keepers find again stays open, the rest of it is over soon."""
    for cause, one in known.items():
        if one.is_open and cause.kind in REDETECTED:
            known[cause] = replace(one, lapse_at=now + FINDS_AGAIN)


def _lapse(known: dict[Cause, Incident], now: datetime) -> None:
    for cause, one in known.items():
        if one.is_open and one.lapse_at is not None and one.lapse_at <= now:
            known[cause] = resolved(one, now)


def _is_news(kept: Incident | None, one: Incident) -> bool:
    if kept is None or one.seen_at - kept.seen_at >= _KEPT_AGAIN:
        return True
    same = replace(one, seen_at=kept.seen_at, count=kept.count, lapse_at=kept.lapse_at)
    return same != kept
