"""
The methods of the Wallet API: what each takes, what it answers, whether it may be repeated.

Source: README §1.1 and §3 to §10 of the wire specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import GenericAlias
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, TypeAdapter

from runner.adapters.wallet_api import answers, requests
from runner.adapters.wallet_api.scalars import CallId, HexNumber, WireAddress


@dataclass(frozen=True)
class Method:
    """
    Args:
        takes: Type of the only parameter.
        answers: Type of the result.
        repeat: The method has no effect, so that a lost answer may be asked for again.

    The readers are made when they are first needed: a daemon calls five methods of nine.
    """

    takes: Any
    answers: Any
    repeat: bool = True

    @cached_property
    def params(self) -> TypeAdapter[Any]:
        """Reads the whole parameter array."""
        array: Any = GenericAlias(list, (self.takes,))
        return TypeAdapter(Annotated[array, Field(min_length=1, max_length=1)])

    @cached_property
    def answer(self) -> TypeAdapter[Any]:
        """Reads the result."""
        return TypeAdapter(self.answers)


class _OneOrTwo(Method):
    """An address, and perhaps a list of chains."""

    @cached_property
    def params(self) -> TypeAdapter[Any]:
        # As tuples, which strict reading would not take from JSON.
        pair: Any = tuple[WireAddress] | tuple[WireAddress, list[HexNumber]]
        return TypeAdapter(pair, config=ConfigDict(strict=False))


METHODS: Final[Mapping[str, Method]] = {
    "wallet_requestAccount": Method(requests.RequestAccount, answers.AccountAnswer),
    "wallet_listAccounts": Method(requests.ListAccounts, answers.AccountsAnswer),
    "wallet_createSession": Method(requests.CreateSession, answers.SessionAnswer, repeat=False),
    "wallet_prepareCalls": Method(requests.PrepareCalls, answers.PreparedAnswer),
    "wallet_sendPreparedCalls": Method(
        requests.SendPreparedCalls, answers.SentAnswer, repeat=False
    ),
    "wallet_getCallsStatus": Method(CallId, answers.StatusAnswer),
    "wallet_prepareSign": Method(requests.PrepareSign, answers.PrepareSignAnswer),
    "wallet_formatSign": Method(requests.FormatSign, answers.FormatSignAnswer),
    "wallet_getCapabilities": _OneOrTwo(WireAddress, answers.CapabilitiesAnswer),
}
"""Method → its parameters and its answer."""
