"""What is printed reads as the same policy again, whatever is in it."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.errors import Mark
from runner.ethereum.address import address_from_bytes
from runner.ethereum.permissions import (
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    GasLimit,
    NativeTokenTransfer,
    Root,
)
from runner.policy import model as m
from runner.policy.characters import bad_characters
from runner.policy.printing import print_policy

NOWHERE = Mark("p.yaml", 1, 1)
MARKS = {"mark", "trigger_mark", "permission_marks", "lifetime_mark"}


def without_marks(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        skipped = MARKS | {"warnings", "written", "file", "assets"}
        parts = {
            f.name: without_marks(getattr(value, f.name))
            for f in fields(value)
            if f.name not in skipped
        }
        return (type(value).__name__, parts)
    if isinstance(value, dict):
        return {key: without_marks(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(without_marks(each) for each in value)
    return value


# ── any policy ────────────────────────────────────────────────────────────────────────────────

WORDS = st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,11}", fullmatch=True)
ADDRESSES = st.binary(min_size=20, max_size=20).filter(any).map(address_from_bytes)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
FIRST, LAST = datetime(2001, 1, 1, tzinfo=UTC), datetime(2150, 1, 1, tzinfo=UTC)
WALLS = st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None)).map(
    lambda moment: moment.replace(microsecond=0)
)
INSTANTS = WALLS.map(lambda wall: wall.replace(tzinfo=UTC))
# Blanks of every kind are fine between quotes; what does not show, and secrets, are not drawn.
TEXTS = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("#:{}$\"'\\")),
    min_size=1,
    max_size=24,
).filter(lambda text: next(bad_characters(text), None) is None)
REASONS = TEXTS.map(lambda text: f"because {text}")
_SECOND = timedelta(seconds=1)
DURATIONS = st.integers(1, 10**8).map(lambda seconds: timedelta(seconds=seconds))
TIMES = st.times().map(lambda each: each.replace(microsecond=0))
AMOUNTS = st.integers(1, 2**256 - 1)
USDC = address_from_bytes(b"\x01" * 20)
DAI = address_from_bytes(b"\x02" * 20)
ALICE = address_from_bytes(b"\x03" * 20)
ASSETS = st.sampled_from(
    [m.Asset("usdc", USDC, 6), m.Asset("dai", DAI, 36), m.Asset("native", None, 18)]
)
TOKENS = st.sampled_from([m.Asset("usdc", USDC, 6), m.Asset("dai", DAI, 36)])


@st.composite
def moneys(draw: st.DrawFn) -> tuple[m.Money, ...]:
    assets = draw(st.lists(ASSETS, min_size=1, max_size=3, unique=True))
    return tuple(m.Money(asset, draw(AMOUNTS), NOWHERE) for asset in assets)


@st.composite
def limits(draw: st.DrawFn) -> m.Limits:
    def some() -> tuple[m.Money, ...]:
        return draw(st.one_of(st.just(()), moneys()))

    windows = draw(st.lists(DURATIONS, max_size=2, unique=True))
    return m.Limits(
        per_run=some(),
        per_day=draw(moneys()),
        per_week=some(),
        per_month=some(),
        per_lifetime=some(),
        rolling=tuple(m.RollingLimit(window, draw(moneys())) for window in windows),
        timezone=draw(ZONES),
    )


FUNCTIONS = st.lists(st.binary(min_size=4, max_size=4), min_size=1, max_size=3, unique=True).map(
    tuple
)
PERMISSIONS = st.one_of(
    st.just((Root(),)),
    st.just(m.Derive.DERIVE),
    st.tuples(
        st.builds(Erc20TokenTransfer, st.just(USDC), st.integers(0, 2**256 - 1)),
        st.builds(NativeTokenTransfer, st.integers(0, 10**30)),
        st.builds(GasLimit, st.integers(0, 10**30)),
        st.builds(ContractAccess, st.just(ALICE)),
        st.builds(FunctionsOnContract, st.just(DAI), FUNCTIONS),
        st.builds(FunctionsOnAllContracts, FUNCTIONS),
    ),
)


@st.composite
def sessions(draw: st.DrawFn) -> m.Session:
    lifetime = draw(DURATIONS)
    percent = draw(st.decimals("0.1", "80", places=1))
    shorter = [each for each in (lifetime - _SECOND, lifetime / 7 // _SECOND * _SECOND) if each]
    return m.Session(
        name=draw(WORDS),
        policy="given",
        account="treasury",
        lifetime=lifetime,
        renew_before=draw(st.sampled_from([None, percent / 100])),
        permissions=draw(PERMISSIONS),
        margin=draw(st.decimals(0, 10, places=3)).normalize() + Decimal(0),
        receivers=None,
        limits=draw(limits()),
        max_exposure=draw(st.one_of(st.none(), moneys())),
        accept_risk=draw(REASONS),
        on_no_grant=draw(st.sampled_from(["hold", "skip", "fail"])),
        owner_lead=draw(st.sampled_from([None, *shorter])),
        renew=draw(st.sampled_from(["auto", "off"])),
        previous_names=(),
        mark=NOWHERE,
    )


MONTHS = st.lists(st.integers(1, 12), min_size=1, max_size=12, unique=True).map(
    lambda months: tuple(sorted(months))
)
GAPS, FOLDS = st.sampled_from(m.Gap), st.sampled_from(m.Fold)
RULES = st.one_of(
    st.builds(m.LastBusinessDay, TIMES, MONTHS),
    st.builds(m.NthWeekday, st.integers(0, 6), st.sampled_from([1, 2, 3, 4, 5, -1]), TIMES, MONTHS),
    st.builds(m.NearestWeekday, st.integers(1, 31), TIMES, MONTHS),
)
CRONS = st.sampled_from(["0 9 1 * *", "*/5 * * * *", "30 0 9 * * 1-5", "0 9 L * *"])
TRIGGERS = st.one_of(
    st.builds(m.Cron, CRONS, ZONES, st.none(), GAPS, FOLDS),
    st.builds(m.Every, DURATIONS, st.one_of(st.none(), INSTANTS)),
    st.builds(m.At, INSTANTS),
    st.builds(
        m.Dates,
        st.lists(WALLS, min_size=1, max_size=3, unique=True).map(lambda w: tuple(sorted(w))),
        st.lists(RULES, max_size=2).map(tuple),
        ZONES,
        GAPS,
        FOLDS,
    ),
)
NOTES = st.one_of(st.none(), TEXTS)
HEX = st.binary(max_size=40)


@st.composite
def calls(draw: st.DrawFn) -> m.PolicyCall:
    kind = draw(st.integers(0, 5))
    notes = {"mark": NOWHERE, "memo": draw(NOTES), "ref": draw(NOTES)}
    asset, amount = draw(ASSETS), draw(AMOUNTS)
    match kind:
        case 0:
            return m.Pay(ALICE, "alice", asset, amount, **notes)
        case 1:
            return m.Approve(draw(TOKENS), ALICE, "alice", draw(st.integers(0, 2**127)), **notes)
        case 2:
            return m.Raw(ALICE, "alice", draw(st.integers(0, 2**255)), draw(HEX), **notes)
        case 3:
            small = draw(st.integers(1, amount))
            return m.TopUp(ALICE, "alice", asset, small, amount, draw(AMOUNTS), **notes)
        case 4:
            return m.Sweep(ALICE, "alice", asset, draw(st.integers(0, amount)), amount, **notes)
    args = (
        ALICE,
        draw(st.integers(0, 2**256 - 1)),
        draw(st.integers(-(2**127), 2**127 - 1)),
        draw(st.booleans()),
        draw(st.binary(min_size=32, max_size=32)),
        draw(TEXTS),
        tuple((ALICE, draw(st.integers(0, 255))) for _ in range(draw(st.integers(0, 2)))),
    )
    signature = (
        "f(address a, uint256 b, int128 c, bool d, bytes32 e, string g, (address,uint8)[] h)"
    )
    return m.Invoke(ALICE, "alice", signature, args, draw(st.integers(0, 2**200)), **notes)


REQUIREMENTS = st.one_of(
    st.builds(
        m.BalanceRequirement,
        st.just(ALICE),
        st.just("alice"),
        st.builds(m.Money, ASSETS, st.integers(0, 2**256 - 1), st.just(NOWHERE)),
    ),
    st.builds(
        m.ArgumentRequirement,
        st.just("f(uint256 n)"),
        st.just(0),
        st.tuples(
            st.tuples(st.just(m.Comparison.IN), st.tuples(st.integers(0, 2**256 - 1))),
            st.tuples(st.just(m.Comparison.AT_MOST), st.integers(0, 2**256 - 1)),
        ),
    ),
)
ACTIONS = st.sampled_from(["defer", "skip"])
BLACKOUTS = st.one_of(
    st.builds(
        m.RecurringBlackout,
        st.builds(m.Cron, CRONS, ZONES, st.none(), st.just(m.Gap.SHIFT), st.just(m.Fold.FIRST)),
        DURATIONS,
        ACTIONS,
    ),
    st.builds(
        lambda begin, lasts, action: m.DatedBlackout(begin, begin + lasts, action),
        INSTANTS,
        DURATIONS,
        ACTIONS,
    ),
)
OVERLAPS = st.one_of(
    st.builds(
        m.Overlap,
        st.sampled_from([m.OverlapKind.SKIP, m.OverlapKind.BUFFER_ONE, m.OverlapKind.ALLOW]),
    ),
    st.builds(m.Overlap, st.just(m.OverlapKind.BUFFER_ALL), st.integers(1, 10_000)),
)
MAYBE = st.one_of(st.none(), DURATIONS)


@st.composite
def schedules(draw: st.DrawFn, session: str) -> m.Schedule:
    start = draw(INSTANTS)
    trigger = draw(TRIGGERS)
    bounded = not isinstance(trigger, m.At) and draw(st.booleans())
    if bounded and isinstance(trigger, m.Every) and trigger.anchor is None:
        trigger = m.Every(trigger.period, start)
    rate = draw(st.sampled_from(["1/s", "3/m", "7/h", "9/d", "1/m"]))
    count, unit = int(rate[0]), {"s": 1, "m": 60, "h": 3600, "d": 86_400}[rate[2]]
    return m.Schedule(
        name=draw(WORDS),
        policy="given",
        session=session,
        trigger=trigger,
        calls=tuple(draw(st.lists(calls(), min_size=1, max_size=3))),
        start_at=start if bounded else None,
        end_at=start + draw(DURATIONS) if bounded else None,
        max_runs=draw(st.one_of(st.none(), st.integers(1, 10**9))),
        jitter=draw(st.one_of(st.just(timedelta()), DURATIONS)),
        catch_up=draw(st.sampled_from(m.CatchUp)),
        catch_up_window=draw(DURATIONS),
        catch_up_rate=timedelta(seconds=unit) / count,
        start_grace=draw(DURATIONS),
        overlap=draw(OVERLAPS),
        run_deadline=draw(MAYBE),
        retry_on_revert=draw(st.integers(0, 3)),
        pause_after_failures=draw(st.integers(1, 1000)),
        on_budget=draw(st.sampled_from(["skip", "hold"])),
        limits=draw(
            limits().map(
                lambda each: m.Limits(
                    per_day=tuple(
                        m.Money(asset, 1, NOWHERE)
                        for asset in (
                            m.Asset("usdc", USDC, 6),
                            m.Asset("dai", DAI, 36),
                            m.Asset("native", None, 18),
                        )
                    ),
                    timezone=each.timezone,
                )
            )
        ),
        suspend=draw(st.booleans()),
        previous_names=(),
        mark=NOWHERE,
        trigger_mark=NOWHERE,
        until_total=draw(st.one_of(st.just(()), moneys())),
        approve_above=draw(st.one_of(st.just(()), moneys())),
        approval_lead=draw(DURATIONS),
        new_receiver_above=draw(st.one_of(st.none(), moneys())),
        require=tuple(draw(st.lists(REQUIREMENTS, max_size=2))),
        blackout=tuple(draw(st.lists(BLACKOUTS, max_size=2))),
        late_after=draw(MAYBE),
        max_time_since_success=draw(MAYBE),
        max_runtime=draw(MAYBE),
        ping=draw(st.sampled_from([None, "https://monitor.example/ping?x=1#y"])),
    )


@st.composite
def policies(draw: st.DrawFn) -> m.Policy:
    session = draw(sessions())
    schedule = draw(schedules(session.name))
    kind = draw(st.sampled_from(m.AccountType))
    account = m.SmartAccount(
        name="treasury",
        owner=draw(WORDS),
        chain=draw(st.sampled_from([84532, 1, 10**9])),
        wallet=draw(WORDS),
        type=kind,
        gas=draw(st.one_of(st.just(m.NativeGas()), st.builds(m.SponsoredGas, WORDS))),
        max_fee=draw(st.integers(1, 10**30)),
        max_fee_per_day=draw(st.integers(1, 10**30)),
        address=draw(st.one_of(st.none(), ADDRESSES)),
        salt=0 if kind is m.AccountType.EIP7702 else draw(st.integers(0, 2**255)),
        mark=NOWHERE,
    )
    return m.Policy(
        name=draw(WORDS),
        description=draw(st.one_of(st.none(), TEXTS)),
        file="p.yaml",
        accounts={"treasury": account},
        sessions={session.name: session},
        schedules={schedule.name: schedule},
        assets=(),
        contacts={"alice": ALICE},
        mark=NOWHERE,
        tokens={
            "usdc": m.Token("usdc", 6, USDC),
            "dai": m.Token("dai", 36, None, {84532: DAI, 1: DAI, 10**9: DAI}),
        },
        groups={"staff": (ALICE, USDC)},
    )


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(drawn=policies())
def test_any_policy_reads_back_as_itself(texts, drawn):
    name = drawn.name
    given_back = texts.read(print_policy(drawn))

    wanted = without_marks(drawn)
    # The policy's name is repeated in its parts.
    assert without_marks(given_back) == _renamed(wanted, "given", name)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_each_of_many_schedules_is_printed_as_it_is_alone(data):
    """
    Whatever it has in common with others, in value or as the very same object.
    """
    policy = data.draw(policies())
    (session,), (first,) = policy.sessions, policy.schedules.values()
    others = [data.draw(schedules(session)) for _ in range(2)]
    every = [
        first,
        replace(first, name="twin", trigger=others[0].trigger, calls=others[0].calls),
        replace(others[0], name="second"),
        replace(others[0], name="other", overlap=others[1].overlap, limits=others[1].limits),
        replace(first, name="back", suspend=not first.suspend),
    ]

    def printed(*some: m.Schedule) -> str:
        text = print_policy(replace(policy, schedules={one.name: one for one in some}))
        return text.partition("\nschedules:\n")[2]

    assert printed(*every) == "".join(map(printed, every))
    assert "schedules: {}\n" in print_policy(replace(policy, schedules={}))


def _renamed(value: Any, before: str, after: str) -> Any:
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], dict):
        kind, parts = value
        return kind, {
            key: after if key == "policy" and each == before else _renamed(each, before, after)
            for key, each in parts.items()
        }
    if isinstance(value, dict):
        return {key: _renamed(each, before, after) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(_renamed(each, before, after) for each in value)
    return value


def test_origins_tell_file_defaults_and_language(texts):
    text = texts.top("defaults: {overlap: allow}\n")
    policy = texts.read(text)
    lines = print_policy(policy, origins=True).split("\n")

    def origin(start: str) -> str:
        (line,) = [one for one in lines if one.strip().startswith(start)]
        return line.rpartition("# ")[2]

    assert origin("every:") == "p.yaml:22:12"
    assert origin("overlap:") == f"p.yaml:{text.count(chr(10))}:21"
    assert origin("calls:") == "p.yaml:23:10"
    assert origin("catch_up: ") == "default"
    assert origin("alice:") == "p.yaml:9:3"


@pytest.mark.parametrize("text", ["a ${B} c", "$${", "${DOLLAR:-x}", "{", "a: b", " #", "1e3"])
def test_awkward_text_survives(texts, text):
    policy = texts.read(texts.whole())
    awkward = m.Policy(
        **{**{f.name: getattr(policy, f.name) for f in fields(policy)}, "description": text}
    )

    assert texts.read(print_policy(awkward)).description == text
