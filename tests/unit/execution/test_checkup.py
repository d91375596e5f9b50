"""
A look at the setup: answers that no honest sandbox gives, and delegated accounts.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runner.errors import AnswerLost, WalletBusy, WalletRefused
from runner.ethereum.authorization import delegation_code
from runner.ethereum.contracts import DELEGATE_7702
from runner.ethereum.modular_account import semi_modular_account_address
from runner.ethereum.user_operation import UserOperation
from runner.execution.checkup import (
    Outcome,
    Watched,
    account_checks,
    chain_checks,
    token_check,
    wallet_checks,
)
from runner.execution.contexts import Finality, Venue
from runner.guard.offer import OperationOffer, OtherRequest
from runner.planning.renewal import Margins
from runner.policy.model import AccountType
from runner.ports import Block, CallsStatus

OWNER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
OTHER = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
OPERATION = UserOperation(OWNER, 1 << 64, b"", 1, 1, 1, 1, 1)


class Answering:
    """Answers each method by a value, or raises it."""

    def __init__(self, **answers):
        self._answers = answers

    def __getattr__(self, name):
        async def answer(*args, **kwargs):
            value = self._answers[name]
            if isinstance(value, Exception):
                raise value
            return value(*args, **kwargs) if callable(value) else value

        return answer


class Frozen:
    def now(self):
        return NOW

    def observe(self, head):
        raise AssertionError("the clock of a real chain is not set by its head")


def venue(**changes):
    made = Venue(
        wallet="alchemy",
        chain_id=8453,
        api=Answering(
            get_calls_status=CallsStatus(code=0, known=False),
            request_account=semi_modular_account_address(OWNER),
            prepare_calls=offer(),
        ),
        chain=Answering(
            chain_id=8453,
            head=Block(7, NOW, "0x"),
            code=b"",
            decimals=6,
        ),
        clock=Frozen(),
        margins=Margins(timedelta(0), timedelta(0), timedelta(0), timedelta(0)),
        finality=Finality(1, timedelta(0)),
        poll_seconds=1.0,
        sandbox=False,
        independent=True,
        gas_policies={},
    )
    return replace(made, **changes)


def offer(operation=OPERATION, kind="user-operation-v070"):
    return OperationOffer(kind, 8453, operation, OtherRequest("none"), b"{}")


def account(**changes):
    made = Watched("p/a", AccountType.SMART, OWNER, 0, None, None, 10**15)
    return replace(made, **changes)


async def looked(checks):
    return {check.name: check async for check in checks}


@pytest.mark.parametrize(
    ("error", "outcomes"),
    [
        (WalletRefused("no key", code=-32600), (Outcome.OK, Outcome.FAILED)),
        (WalletRefused("bad id", code=-32602), (Outcome.OK, Outcome.OK)),
        (WalletBusy("later"), (Outcome.WARNING, Outcome.NOT_CHECKED)),
        (AnswerLost("lost"), (Outcome.FAILED, Outcome.NOT_CHECKED)),
        (CallsStatus(code=0, known=False), (Outcome.OK, Outcome.OK)),
    ],
)
async def test_what_a_service_says_of_an_id_of_nobody(error, outcomes):
    api = Answering(get_calls_status=error)

    found = await looked(wallet_checks("alchemy", 8453, api))

    assert (found["endpoint"].outcome, found["API key"].outcome) == outcomes


async def test_a_chain_as_it_should_be():
    found = await looked(chain_checks(venue()))

    assert {check.outcome for check in found.values()} == {Outcome.OK}
    assert found["clock"].detail == "0 s after the head block 7"


@pytest.mark.parametrize(
    ("chain_id", "behind", "independent", "outcomes"),
    [
        (1, 0, True, {"chain id": "failed", "clock": "not checked"}),
        (AnswerLost("x"), 0, True, {"chain id": "failed", "clock": "not checked"}),
        (8453, 0, False, {"chain id": "ok", "evidence": "warning", "clock": "ok"}),
        (8453, 31, True, {"chain id": "ok", "evidence": "ok", "clock": "warning"}),
        (8453, -31, True, {"chain id": "ok", "evidence": "ok", "clock": "warning"}),
        (8453, 121, True, {"chain id": "ok", "evidence": "ok", "clock": "failed"}),
        (8453, -121, True, {"chain id": "ok", "evidence": "ok", "clock": "failed"}),
    ],
)
async def test_a_chain_that_is_not(chain_id, behind, independent, outcomes):
    head = Block(7, NOW - timedelta(seconds=behind), "0x")
    place = venue(chain=Answering(chain_id=chain_id, head=head), independent=independent)

    found = await looked(chain_checks(place))

    assert {name: check.outcome.value for name, check in found.items()} == outcomes


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (6, Outcome.OK),
        (18, Outcome.FAILED),
        (AnswerLost("no token"), Outcome.FAILED),
        (WalletRefused("no", code=-32000), Outcome.FAILED),
    ],
)
async def test_decimals(answer, outcome):
    place = venue(chain=Answering(decimals=answer))

    found = await token_check(place, place.chain, "usdc", OTHER, 6)

    assert found.outcome is outcome


@pytest.mark.parametrize(
    ("code", "outcome", "detail"),
    [
        (b"", Outcome.FAILED, "has not delegated"),
        (delegation_code(DELEGATE_7702), Outcome.OK, DELEGATE_7702),
        (delegation_code(OTHER), Outcome.FAILED, f"delegates to {OTHER}"),
        (b"\x60\x80", Outcome.FAILED, "code of its own"),
    ],
)
async def test_the_delegation_of_an_eoa(code, outcome, detail):
    place = venue(api=Answering(prepare_calls=offer()), chain=Answering(code=code))
    delegated = account(kind=AccountType.EIP7702)

    found = await looked(account_checks(delegated, place, place.chain))

    assert found["address"].outcome is Outcome.OK
    assert found["delegation"].outcome is outcome
    assert detail in found["delegation"].detail


@pytest.mark.parametrize(
    ("code", "outcome", "detail"),
    [
        (b"", Outcome.OK, "not deployed yet"),
        (b"\x60\x80", Outcome.OK, "deployed"),
        (delegation_code(DELEGATE_7702), Outcome.FAILED, "delegated EOA"),
        (AnswerLost("x"), Outcome.FAILED, "x"),
    ],
)
async def test_a_smart_account_has_no_delegation(code, outcome, detail):
    place = venue(chain=Answering(code=code))

    found = await looked(account_checks(account(), place, place.chain))

    assert found["delegation"].outcome is outcome
    assert detail in found["delegation"].detail


@pytest.mark.parametrize(
    ("changes", "answered", "detail"),
    [
        ({}, OTHER, f"names {OTHER}"),
        ({"pinned": OTHER}, OTHER, f"written as {OTHER}"),
        ({"salt": 3}, OTHER, f"names {OTHER}"),
        ({}, AnswerLost("lost"), "lost"),
    ],
)
async def test_an_account_in_doubt_is_not_asked_for_gas(changes, answered, detail):
    place = venue(api=Answering(request_account=answered))

    found = await looked(account_checks(account(**changes), place, place.chain))

    assert found["address"].outcome is Outcome.FAILED
    assert detail in found["address"].detail
    assert found["gas"].outcome is Outcome.NOT_CHECKED


PAID = replace(OPERATION, paymaster=OTHER)


@pytest.mark.parametrize(
    ("policy", "prepared", "outcome", "detail"),
    [
        (None, offer(), Outcome.OK, "paid by the account"),
        (None, offer(PAID), Outcome.FAILED, "which was not asked"),
        ("id", offer(PAID), Outcome.OK, f"sponsored by {OTHER}"),
        ("id", offer(), Outcome.FAILED, "sponsors nothing"),
        (None, offer(None, "array"), Outcome.FAILED, "prepared as array"),
        (None, offer(replace(OPERATION, max_fee_per_gas=10**15)), Outcome.WARNING, "more than"),
        ("id", WalletRefused("Policy ID(s) not found", code=-32600), Outcome.FAILED, "not found"),
        (None, AnswerLost("lost"), Outcome.FAILED, "lost"),
    ],
)
async def test_who_pays(policy, prepared, outcome, detail):
    place = venue(
        api=Answering(request_account=semi_modular_account_address(OWNER), prepare_calls=prepared)
    )

    found = await looked(account_checks(account(gas_policy=policy), place, place.chain))

    assert found["gas"].outcome is outcome
    assert detail in found["gas"].detail
