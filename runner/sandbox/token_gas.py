"""
What a request says about paying its gas in a token.

Source: Wallet API specification §6.1 (`erc20`).
"""

from __future__ import annotations

from typing import Any

from runner.ethereum.address import Address
from runner.frozen import frozen
from runner.sandbox import rpc, wire

_PERMIT_LASTS = 3_600


@frozen
class AutoPermit:
    """Ask for a permit of `amount` when less than `below` may be taken; lasting `seconds`."""

    below: int
    amount: int
    seconds: int


@frozen
class PermitDetails:
    """The permit that was asked for and is signed now."""

    value: int
    deadline: int


@frozen
class AutoApprove:
    """
    Put an approval in front of the calls when less than `below` may be taken.

    Both are None for the exact amount.
    """

    below: int | None = None
    amount: int | None = None


@frozen
class TokenGas:
    """What a request says about paying its gas in a token; amounts in base units."""

    token: Address
    most: int | None = None
    first: bool = False
    permit: AutoPermit | PermitDetails | None = None
    approve: AutoApprove | None = None
    checks_balance: bool = True


def read_token_gas(value: Any, where: str) -> TokenGas:
    """
    Read the `erc20` member of `paymasterService`; unlike others it may hold nothing unknown.

    Raises:
        RpcError: None of the shapes that it can have.
    """
    fields = wire.members(value, where)
    wire.only(fields, where, "tokenAddress", "maxTokenAmount", "preOpSettings", "postOpSettings")
    if "preOpSettings" in fields and "postOpSettings" in fields:
        raise rpc.invalid(f"{where}: either preOpSettings or postOpSettings")
    token = wire.required(fields, "tokenAddress", wire.address, where)
    most = wire.optional(fields, "maxTokenAmount", wire.big, where)
    if "preOpSettings" in fields:
        permit = _permit(fields["preOpSettings"], f"{where}.preOpSettings")
        return TokenGas(token, most, first=True, permit=permit)
    place = f"{where}.postOpSettings"
    settings = wire.optional(fields, "postOpSettings", wire.members, where) or {}
    if settings.get("balanceCheck", False) is not False:
        raise rpc.invalid(f"{place}.balanceCheck must be false or absent")
    approve = wire.optional(settings, "autoApprove", _auto_approve, place)
    wire.only(settings, place, "autoApprove", "balanceCheck")
    return TokenGas(token, most, approve=approve, checks_balance="balanceCheck" not in settings)


def _permit(value: Any, where: str) -> AutoPermit | PermitDetails:
    fields = wire.members(value, where)
    if "autoPermit" in fields:
        place = f"{where}.autoPermit"
        wish = wire.members(fields["autoPermit"], place)
        seconds = wire.optional(wish, "durationSeconds", wire.number, place)
        return AutoPermit(
            below=wire.required(wish, "below", wire.big, place),
            amount=wire.required(wish, "amount", wire.big, place),
            seconds=_PERMIT_LASTS if seconds is None else seconds,
        )
    details = wire.required(fields, "permitDetails", wire.members, where)
    place = f"{where}.permitDetails"
    return PermitDetails(
        value=wire.required(details, "value", wire.big, place),
        deadline=wire.required(details, "deadline", wire.number, place),
    )


def _auto_approve(value: Any, where: str) -> AutoApprove:
    if value is True:
        return AutoApprove()
    fields = wire.members(value, where)
    return AutoApprove(
        below=wire.required(fields, "below", wire.big, where),
        amount=wire.required(fields, "amount", wire.big, where),
    )
