"""
What owners who sign by hand are given so that a grant goes, and what they bring back (G7).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from runner.errors import EncodingError, UsageError
from runner.execution.commands import Handler
from runner.execution.grant_verbs import chosen
from runner.execution.revocation import Revoker
from runner.ports import Commands
from runner.records import Command, CommandState, Grant, GrantState


class Papers:
    """
    Carries out the wishes about uninstalls that are signed elsewhere.

    Args:
        revoker_of: Who takes a grant off; None: no policy names its account.
    """

    def __init__(
        self,
        commands: Commands,
        grants: Callable[[], Awaitable[list[Grant]]],
        *,
        revoker_of: Callable[[Grant], Revoker | None],
        now: Callable[[], datetime],
    ) -> None:
        self._commands = commands
        self._grants = grants
        self._revoker_of = revoker_of
        self._now = now

    def handlers(self) -> dict[str, Handler]:
        """By the kind of wish."""
        return {"grant.paper": self.give, "grant.paper_signed": self.take}

    async def give(self, command: Command) -> None:
        """The prepared operation, for a file."""
        grant, revoker = await self._meant(command)
        paper = await revoker.paper(grant)
        await self._done(command, f"{command.wish.target} is to be signed", paper=paper)

    async def take(self, command: Command) -> None:
        """What came back is checked as if it had been made here, and sent."""
        grant, revoker = await self._meant(command)
        arguments = command.wish.arguments
        try:
            signature = bytes.fromhex(str(arguments["signature"]))
            await revoker.bring(grant, dict(arguments["answer"]), signature)
        except (KeyError, TypeError, ValueError, EncodingError):
            raise UsageError("that is no signed operation") from None
        await self._done(command, f"{command.wish.target} is signed; it is sent and watched")

    async def _meant(self, command: Command) -> tuple[Grant, Revoker]:
        (grant, *more) = chosen(await self._grants(), command.wish.target)
        if more:
            raise UsageError("one generation at a time", hint=f"say {command.wish.target}#NUMBER")
        if grant.state is not GrantState.STOPPING:
            raise UsageError(
                f"{command.wish.target} is {grant.state}: it is not to go",
                hint=f"runner grants revoke {command.wish.target} --reason …",
            )
        revoker = self._revoker_of(grant)
        if revoker is None:
            raise UsageError(f"no policy in force names the account {grant.account}")
        return grant, revoker

    async def _done(self, command: Command, text: str, **data: object) -> None:
        await self._commands.answer(command, CommandState.DONE, text, data=data, now=self._now())
