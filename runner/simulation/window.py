"""
What is to be simulated: policies as they stand at the beginning of a window, and what is in the
purses then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from runner.errors import EncodingError, UsageError
from runner.ethereum.units import parse_units
from runner.execution.contexts import AccountContext
from runner.frozen import frozen
from runner.guard.intent import NATIVE
from runner.policy.model import Asset, Every, Policy, Schedule
from runner.reporting.foresight.model import Payer, Purse
from runner.scheduling.triggers import timetable

FAUCET_COINS = 100
FAUCET_TOKENS = 1_000_000
"""What each account holds if nothing else is said, in whole units: as on a sandbox."""

_MICROSECOND = timedelta(microseconds=1)


@frozen
class Window:
    """[start, end), in whole seconds."""

    start: datetime
    end: datetime

    @property
    def before(self) -> datetime:
        """The last moment that does not belong to it."""
        return self.start - _MICROSECOND


@frozen
class Balance:
    """`--balance`: what accounts hold of one asset; of all accounts, or of those so named."""

    account: str | None
    token: str
    amount: str

    def __str__(self) -> str:
        account = "" if self.account is None else f"{self.account}:"
        return f"{account}{self.token}={self.amount}"


def placed(policies: Iterable[Policy], window: Window) -> tuple[Policy, ...]:
    """
    The policies as of the window's beginning.

    An `every` that counts from nowhere counts from there, as if it were first applied then (T5);
    of `max_runs`, what was due before is taken off (T9).
    """
    return tuple(
        replace(
            policy,
            schedules={name: _placed(one, window) for name, one in policy.schedules.items()},
        )
        for policy in policies
    )


def _placed(schedule: Schedule, window: Window) -> Schedule:
    trigger = schedule.trigger
    if isinstance(trigger, Every) and trigger.anchor is None and schedule.start_at is None:
        # What is applied has passed: the first slot is one period later.
        return replace(schedule, trigger=replace(trigger, anchor=window.start + trigger.period))
    if schedule.max_runs is None or schedule.start_at is None:
        return schedule
    table = timetable(schedule, anchor=schedule.start_at)
    runs = schedule.max_runs - table.count(schedule.start_at - _MICROSECOND, window.before)
    if runs > 0:
        return replace(schedule, max_runs=runs)
    return replace(schedule, end_at=window.before)


def count_slots(schedules: Iterable[Schedule], window: Window) -> int:
    """How many slots fire in the window, at most; costs no more for dense schedules."""
    total = 0
    for one in schedules:
        table = timetable(one, anchor=window.start)
        count = table.count(window.before, window.end - _MICROSECOND)
        total += count if one.max_runs is None else min(count, one.max_runs)
    return total


# ── purses ────────────────────────────────────────────────────────────────────────────────────


@frozen
class Purses:
    """
    Accounts and what they hold.

    Attributes:
        name_of: `policy/account` → the first name of the same account on the same chain: what
            two policies pay from one account leaves one purse.
        payers: By first name.
        purses: One for each of these and each asset that it may be asked for.
    """

    name_of: Mapping[str, str]
    payers: Mapping[str, Payer]
    purses: tuple[Purse, ...]

    @property
    def opening(self) -> dict[tuple[str, str], int]:
        """Base units by account and token."""
        return {(one.account, one.token): one.opening for one in self.purses}


def purses_of(
    policies: Sequence[Policy],
    accounts: Mapping[str, AccountContext],
    balances: Sequence[Balance],
) -> Purses:
    """
    What every account holds at the beginning.

    Raises:
        UsageError: a balance names no account, no asset, or no amount.
    """
    first: dict[tuple[str, str], str] = {}
    name_of = {
        uid: first.setdefault((one.venue.name, one.address), uid) for uid, one in accounts.items()
    }
    assets: dict[tuple[str, str], Asset] = {}
    for policy in policies:
        for account in policy.accounts:
            for asset in policy.assets:
                key = (name_of[f"{policy.name}/{account}"], asset.address or NATIVE)
                assets.setdefault(key, asset)
    amounts = {key: _faucet(asset) for key, asset in assets.items()}
    for balance in balances:
        for key in _meant(balance, assets, name_of):
            amounts[key] = _amount(balance, assets[key])
    return Purses(
        name_of=name_of,
        payers={
            name: Payer(accounts[name].venue.chain_id, accounts[name].address)
            for name in dict.fromkeys(name_of.values())
        },
        purses=tuple(
            Purse(account, token, asset.name, asset.decimals, amounts[account, token])
            for (account, token), asset in assets.items()
        ),
    )


def _faucet(asset: Asset) -> int:
    whole = FAUCET_COINS if asset.address is None else FAUCET_TOKENS
    return whole * int(10**asset.decimals)


def _meant(
    balance: Balance, assets: Mapping[tuple[str, str], Asset], name_of: Mapping[str, str]
) -> list[tuple[str, str]]:
    holders = {
        name
        for uid, name in name_of.items()
        if balance.account in {None, uid, uid.partition("/")[2]}
    }
    if not holders:
        known = ", ".join(sorted(name_of))
        raise UsageError(f"--balance {balance}: there is no such account, only {known}")
    native = balance.token in {NATIVE, "ether"}
    found = [
        key
        for key, asset in assets.items()
        if key[0] in holders
        and (balance.token in {asset.name, key[1]} or (native and asset.address is None))
    ]
    if not found:
        known = ", ".join(sorted({asset.name for asset in assets.values()}))
        raise UsageError(f"--balance {balance}: the policies know no such token, only {known}")
    return found


def _amount(balance: Balance, asset: Asset) -> int:
    try:
        return parse_units(balance.amount, asset.decimals)
    except EncodingError as error:
        raise UsageError(f"--balance {balance}: {error.what}", hint=error.hint) from None
