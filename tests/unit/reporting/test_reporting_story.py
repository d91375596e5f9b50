"""Calls in words: names where we have them, bytes where we do not."""

from datetime import UTC, datetime, timedelta

from runner.ethereum.abi import encode_call, parse_function
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.erc20 import encode_approve, encode_transfer
from runner.guard.intent import TransferLine
from runner.reporting.story import Names, describe, session_story
from runner.reporting.text import Look
from runner.reporting.views import EventView

USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
ALICE = Address("0x00000000000000000000000000000000000A11cE")
NAMES = Names((TransferLine(USDC, "usdc", 6, ALICE, "alice", 1),))
DEPOSIT = parse_function("deposit(uint256 amount, address[] to)")


def test_a_transfer_and_an_approval():
    """
    With symbol, decimals and name, and the address behind the name.
    """
    transfer = Call(USDC, 0, encode_transfer(ALICE, 2_500_000))
    approve = Call(USDC, 0, encode_approve(ALICE, 1))

    assert describe(transfer, NAMES) == f"transfer 2.5 usdc → alice ({ALICE})"
    assert describe(approve, NAMES) == f"approve 0.000001 usdc for alice ({ALICE})"


def test_a_token_nobody_declared():
    """
    Base units: decimals are not guessed.
    """
    call = Call(ALICE, 0, encode_transfer(USDC, 7))

    assert describe(call, Names()) == f"transfer 7 base units of {ALICE} → {USDC}"


def test_the_coin():
    """
    A call without data is a payment of the coin.
    """
    assert describe(Call(ALICE, 10**15), Names()) == f"0.001 of the coin → {ALICE}"


def test_a_function_of_the_policy():
    """
    Named with its arguments, and the coin it takes along.
    """
    data = encode_call(DEPOSIT, [40, [ALICE]])
    names = Names(functions={(USDC, DEPOSIT.selector): DEPOSIT})

    assert describe(Call(USDC, 10**18, data), names) == (
        f"{USDC}.deposit(40, ({ALICE})) with 1 of the coin"
    )


def test_bytes_that_no_longer_fit_the_policy():
    """
    Shown as what they are.
    """
    names = Names(functions={(USDC, DEPOSIT.selector): DEPOSIT})
    call = Call(USDC, 0, DEPOSIT.selector + b"\x01")

    assert describe(call, names) == f"{USDC} selector 0x{DEPOSIT.selector.hex()}, 5 bytes"


def test_a_refusal_is_told_field_by_field():
    """
    The newest one, with what was asked above what was offered.
    """
    now = datetime(2026, 12, 1, tzinfo=UTC)
    events = [
        EventView(
            now - timedelta(hours=age),
            "guard.refused",
            "p/s",
            {
                "detail": "refused to sign the grant for p/s",
                "findings": [{"rule": rule, "asked": "5", "offered": "7"}],
            },
        )
        for age, rule in ((2, "G7.older"), (1, "G7.message.deadline"))
    ]

    lines = session_story("p/s", [], events, Look(), now=now)
    at = lines.index("  G7.message.deadline")

    assert lines[at - 2] == "REFUSED BY THE GUARD"
    assert lines[at - 1].endswith("refused to sign the grant for p/s")
    assert lines[at + 1 : at + 3] == ["    asked    5", "    offered  7"]
    assert "  G7.older" not in lines
    assert not any("findings" in line for line in lines)
