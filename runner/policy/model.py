"""
The policy as the rest of the program knows it: frozen values, every name resolved.

`parse.py` makes these from YAML. Amounts are integers in base units, durations are `timedelta`,
instants are aware UTC, addresses are checksummed. Every value that a message may have to point
at carries the `Mark` of the place where it was written.
"""

from __future__ import annotations

from dataclasses import field
from datetime import datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from runner.errors import Mark
from runner.ethereum.address import Address
from runner.ethereum.permissions import Permission
from runner.frozen import frozen


class AccountType(StrEnum):
    """`smart`: an ERC-4337 account made by the factory; `eip7702`: a delegated EOA."""

    SMART = "smart"
    EIP7702 = "eip7702"


@frozen
class Asset:
    """
    What an amount is counted in, on one chain: an ERC-20 token, or the native coin.

    `address` is None for the native coin; `decimals` turns base units into what people read.
    """

    name: str
    address: Address | None
    decimals: int


@frozen
class Token:
    """
    A declared token: one `address` for every chain, or one for each in `by_chain` (EIP-155 ids).
    """

    name: str
    decimals: int
    address: Address | None
    by_chain: dict[int, Address] = field(default_factory=dict)

    def on(self, chain: int) -> Address | None:
        """Its address on a chain, if it has one there."""
        return self.address if self.address is not None else self.by_chain.get(chain)


@frozen
class NativeGas:
    """The account pays its gas from its own balance."""


@frozen
class SponsoredGas:
    """A paymaster pays. `policy` names one of the wallet profile's gas policies."""

    policy: str = "default"


Gas = NativeGas | SponsoredGas


@frozen
class SmartAccount:
    """
    An account that pays.

    `owner` names a signer, `wallet` a profile of runner.yaml, `chain` is the EIP-155 id.
    `max_fee` bounds one operation with all its gas fields, in wei (G2); None means the chain
    has no default and none was written, which `validate` refuses outside a sandbox.
    """

    name: str
    owner: str
    chain: int
    wallet: str
    type: AccountType
    gas: Gas
    max_fee: int | None
    max_fee_per_day: int | None
    address: Address | None
    salt: int
    mark: Mark


@frozen
class Money:
    """An amount of one asset, in base units."""

    asset: Asset
    amount: int
    mark: Mark


@frozen
class RollingLimit:
    """No more than these amounts in any window of this length."""

    window: timedelta
    amounts: tuple[Money, ...]


@frozen
class Limits:
    """Budgets kept by the runner, by calendar period in `timezone` (B2)."""

    per_run: tuple[Money, ...] = ()
    per_day: tuple[Money, ...] = ()
    per_week: tuple[Money, ...] = ()
    per_month: tuple[Money, ...] = ()
    per_lifetime: tuple[Money, ...] = ()
    rolling: tuple[RollingLimit, ...] = ()
    timezone: str = "UTC"


class Derive(StrEnum):
    """The least set of permissions that the session's schedules need."""

    DERIVE = "derive"


@frozen
class Above:
    """
    What an organisation lays on a session, on the chain of its account.

    Attributes:
        scope: Names the budgets that all its policies on this chain share.
        limits: These budgets.
        contracts: What may be called; None: anything.
        approve_above: From which amount on its `approvers` have to say yes, none of them twice.
        max_lifetime: The longest life of a grant.
        forbidden: Kinds of permissions that no grant may have.
    """

    scope: str
    limits: Limits = field(default_factory=Limits)
    contracts: frozenset[Address] | None = None
    approve_above: tuple[Money, ...] = ()
    approvers: int = 1
    max_lifetime: timedelta | None = None
    forbidden: frozenset[str] = frozenset()


@frozen
class Session:
    """
    A standing wish for a session key on an account.

    `renew_before` is a duration, a fraction of the granted life, or None for the rule R1.
    `receivers` None means any receiver. `above` is what the organisation lays on it; no policy
    writes it. `uid` is `policy/name`; of a renamed one that the ledger knows, with its
    `first_name`.
    """

    name: str
    policy: str
    account: str
    lifetime: timedelta
    renew_before: timedelta | Decimal | None
    permissions: tuple[Permission, ...] | Derive
    margin: Decimal
    receivers: tuple[Address, ...] | None
    limits: Limits
    max_exposure: tuple[Money, ...] | None
    accept_risk: str | None
    on_no_grant: Literal["hold", "skip", "fail"]
    owner_lead: timedelta | None
    renew: Literal["auto", "off"]
    previous_names: tuple[str, ...]
    mark: Mark
    permission_marks: tuple[Mark, ...] = ()
    lifetime_mark: Mark | None = None
    first_name: str | None = None
    above: Above | None = None

    @property
    def uid(self) -> str:
        return f"{self.policy}/{self.first_name or self.name}"


@frozen
class Pay:
    """Send `amount` base units of an asset. `to_name` is the receiver as it was written."""

    to: Address
    to_name: str
    asset: Asset
    amount: int
    mark: Mark
    memo: str | None = None
    ref: str | None = None


@frozen
class Invoke:
    """
    Call a function. `function` is its human-readable ABI signature; `args` stand by position,
    already of the ABI's Python types (int, bool, str, bytes, checksummed address, tuple).
    """

    contract: Address
    contract_name: str
    function: str
    args: tuple[Any, ...]
    value: int
    mark: Mark
    memo: str | None = None
    ref: str | None = None


@frozen
class Approve:
    """ERC-20 `approve`; counts as spend of the full amount (B7)."""

    asset: Asset
    spender: Address
    spender_name: str
    amount: int
    mark: Mark
    memo: str | None = None
    ref: str | None = None


@frozen
class Raw:
    """Calldata as given."""

    to: Address
    to_name: str
    value: int
    data: bytes
    mark: Mark
    memo: str | None = None
    ref: str | None = None


@frozen
class TopUp:
    """
    Fill a balance up: where `to` holds less than `below`, it is sent what lacks to `up_to`, but
    never more than `most`. All in base units of `asset`; read when the run is prepared (G10).
    """

    to: Address
    to_name: str
    asset: Asset
    below: int
    up_to: int
    most: int
    mark: Mark
    memo: str | None = None
    ref: str | None = None


@frozen
class Sweep:
    """
    Send away what the paying account holds above `keep`, but never more than `most`. In base
    units of `asset`; read when the run is prepared (G10).
    """

    to: Address
    to_name: str
    asset: Asset
    keep: int
    most: int
    mark: Mark
    memo: str | None = None
    ref: str | None = None


Computed = TopUp | Sweep
"""Calls whose amount is known only when the run is prepared; `most` bounds it."""

PolicyCall = Pay | Invoke | Approve | Raw | TopUp | Sweep


class Gap(StrEnum):
    """What becomes of a wall-clock slot that spring leaves out (T2)."""

    SHIFT = "shift"
    SKIP = "skip"
    FAIL = "fail"


class Fold(StrEnum):
    """Which instant fires when autumn shows a slot twice (T3)."""

    FIRST = "first"
    LAST = "last"
    BOTH = "both"


class DayMatch(StrEnum):
    """How both day fields of a cron expression combine when both are restricted (T1)."""

    AND = "and"
    OR = "or"


@frozen
class Cron:
    """Five fields, or six with leading seconds; weekdays 0 and 7 are Sunday (T1)."""

    expression: str
    timezone: str
    day_match: DayMatch | None
    gap: Gap
    fold: Fold


@frozen
class Every:
    """Anchor + n × period; `anchor` None means the moment the schedule is first applied (T5)."""

    period: timedelta
    anchor: datetime | None


@frozen
class At:
    """One instant (T6)."""

    instant: datetime


@frozen
class LastBusinessDay:
    """The last day from Monday to Friday of each of these months (1 to 12)."""

    time: time
    months: tuple[int, ...]


@frozen
class NthWeekday:
    """
    The nth `weekday` of each of these months: 0 is Sunday, 1 Monday, as in cron; `nth` 1 to 5, or
    -1 for the last. A month without a fifth has none.
    """

    weekday: int
    nth: int
    time: time
    months: tuple[int, ...]


@frozen
class NearestWeekday:
    """
    The day from Monday to Friday nearest to a day of each of these months, in the same month.
    A `day` that a month does not have is its last.
    """

    day: int
    time: time
    months: tuple[int, ...]


DateRule = LastBusinessDay | NthWeekday | NearestWeekday


@frozen
class Dates:
    """Wall-clock times (naive, whole seconds), listed or by rules, in one zone (T7)."""

    listed: tuple[datetime, ...]
    rules: tuple[DateRule, ...]
    timezone: str
    gap: Gap
    fold: Fold


Trigger = Cron | Every | At | Dates


@frozen
class RecurringBlackout:
    """From each firing of a cron on for `lasts`, nothing is paid (B1)."""

    cron: Cron
    lasts: timedelta
    action: Literal["defer", "skip"]


@frozen
class DatedBlackout:
    """From `begin` to before `end` (aware UTC), nothing is paid (B1)."""

    begin: datetime
    end: datetime
    action: Literal["defer", "skip"]


Blackout = RecurringBlackout | DatedBlackout


@frozen
class BalanceRequirement:
    """`of` holds at least this much before a run is signed; None is the paying account."""

    of: Address | None
    of_name: str | None
    at_least: Money


class Comparison(StrEnum):
    """How an argument is compared (B4)."""

    EQUALS = "equals"
    NOT = "not"
    IN = "in"
    ABOVE = "above"
    AT_LEAST = "at_least"
    BELOW = "below"
    AT_MOST = "at_most"


@frozen
class ArgumentRequirement:
    """
    The argument at `position` of each call of `function` passes every test: a comparison and what
    it compares with, in the ABI's Python types; `in` has a tuple of such values.
    """

    function: str
    position: int
    tests: tuple[tuple[Comparison, Any], ...]


Requirement = BalanceRequirement | ArgumentRequirement


class CatchUp(StrEnum):
    """What becomes of slots that nobody served in time (M2)."""

    LATEST = "latest"
    NONE = "none"
    ALL = "all"


class OverlapKind(StrEnum):
    """What becomes of a slot whose predecessor is still running (M7)."""

    SKIP = "skip"
    BUFFER_ONE = "buffer_one"
    BUFFER_ALL = "buffer_all"
    ALLOW = "allow"


@frozen
class Overlap:
    """`most` bounds the waiting slots of `buffer_all`."""

    kind: OverlapKind
    most: int | None = None


@frozen
class Schedule:
    """
    When to make which calls with which session. `uid` is `policy/name`.

    Durations that are None take their default by rule (`catch_up_window` M2, `run_deadline` M9).
    `until_total` bounds what is ever paid, `approve_above` and `new_receiver_above` say from which
    amount on a person confirms (B9, B10); None leaves `new_receiver_above` to its default rule.
    """

    name: str
    policy: str
    session: str
    trigger: Trigger
    calls: tuple[PolicyCall, ...]
    start_at: datetime | None
    end_at: datetime | None
    max_runs: int | None
    jitter: timedelta
    catch_up: CatchUp
    catch_up_window: timedelta | None
    catch_up_rate: timedelta
    start_grace: timedelta
    overlap: Overlap
    run_deadline: timedelta | None
    retry_on_revert: int
    pause_after_failures: int
    on_budget: Literal["skip", "hold"]
    limits: Limits
    suspend: bool
    previous_names: tuple[str, ...]
    mark: Mark
    trigger_mark: Mark
    until_total: tuple[Money, ...] = ()
    approve_above: tuple[Money, ...] = ()
    approval_lead: timedelta = timedelta(hours=24)
    new_receiver_above: tuple[Money, ...] | None = None
    require: tuple[Requirement, ...] = ()
    blackout: tuple[Blackout, ...] = ()
    late_after: timedelta | None = None
    max_time_since_success: timedelta | None = None
    max_runtime: timedelta | None = None
    ping: str | None = None
    first_name: str | None = None

    @property
    def uid(self) -> str:
        return f"{self.policy}/{self.first_name or self.name}"


@frozen
class Policy:
    """
    One file: accounts, the sessions on them, and the schedules that use them.

    `tokens`, `contacts` and `groups` hold those of included books as well. `assets` are the coin
    and the tokens on the chains of its accounts. `warnings` are faults of severity `warning`.
    `written` says where values stand that are no defaults of the language, by paths such as
    `schedules.hosting.every`.
    """

    name: str
    description: str | None
    file: str
    accounts: dict[str, SmartAccount]
    sessions: dict[str, Session]
    schedules: dict[str, Schedule]
    assets: tuple[Asset, ...]
    contacts: dict[str, Address]
    mark: Mark
    tokens: dict[str, Token] = field(default_factory=dict)
    groups: dict[str, tuple[Address, ...]] = field(default_factory=dict)
    warnings: tuple[Any, ...] = ()
    written: dict[str, Mark] = field(default_factory=dict, compare=False, repr=False)


@frozen
class Organisation:
    """
    The organisation file: what no policy may go beyond, whoever writes it.

    None, and empty amounts, bound nothing. Assets of amounts are those of `tokens` and the coin;
    on one chain they are what the tokens are there. `written` says where each rule stands.
    """

    file: str
    tokens: dict[str, Token]
    chains: frozenset[int] | None
    receivers: frozenset[Address] | None
    contracts: frozenset[Address] | None
    forbidden_permissions: frozenset[str]
    max_lifetime: timedelta | None
    max_exposure: tuple[Money, ...]
    max_fee: int | None
    limits: Limits
    approve_above: tuple[Money, ...]
    approvers: int
    written: dict[str, Mark] = field(default_factory=dict, compare=False, repr=False)
