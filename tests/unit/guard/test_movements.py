"""What left an account, held against what its run was to move (X22, B8)."""

from hypothesis import given
from hypothesis import strategies as st

from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.erc20 import encode_approve, encode_transfer
from runner.guard.intent import NATIVE, TransferLine
from runner.guard.movements import Outflow, compare_movements, show_themselves

USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
DAI = Address("0x00000000000000000000000000000000000000DA")
ALICE = Address("0x00000000000000000000000000000000000A11cE")
BOB = Address("0x0000000000000000000000000000000000000B0b")
VAULT = Address("0x00000000000000000000000000000000000000fa")
DEPOSIT = Call(VAULT, 0, bytes.fromhex("b6b55f25") + bytes(32))


def line(amount, receiver=ALICE, token=USDC, kind="pay"):
    return TransferLine(token, "t", 6, receiver, "x", amount, kind)


def pay(amount, receiver=ALICE):
    return Call(USDC, 0, encode_transfer(receiver, amount))


def test_x22_payments_have_their_exact_logs():
    """
    Two of the same amount have two; a coin has none, and needs none.
    """
    lines = (line(5), line(5), line(7, BOB), line(1, token=NATIVE))
    intent = (pay(5), pay(5), pay(7, BOB), Call(ALICE, 1))
    logs = [Outflow(USDC, BOB, 7), Outflow(USDC, ALICE, 5), Outflow(USDC, ALICE, 5)]

    assert compare_movements(lines, intent, logs).differences == ()
    assert compare_movements(lines, intent, logs).others == ()
    for missing in range(3):
        less = logs[:missing] + logs[missing + 1 :]
        found = compare_movements(lines, intent, less)
        assert len(found.differences) == 1
        assert found.others == tuple(less)


def test_x22_a_fee_on_transfer_is_a_difference():
    """
    Less than asked arrives, and something goes elsewhere.
    """
    found = compare_movements(
        (line(100),), (pay(100),), [Outflow(USDC, ALICE, 99), Outflow(USDC, BOB, 1)]
    )

    assert len(found.differences) == 2
    assert [each.amount for each in found.others] == [99, 1]


def test_b8_a_contract_takes_what_the_run_approves_and_no_more():
    """
    Less is fine, and is written down; more, another token, or nothing approved is a difference.
    """
    lines = (line(40, VAULT, kind="approve"),)
    intent = (Call(USDC, 0, encode_approve(VAULT, 40)), DEPOSIT)
    for taken in ([40], [39], [30, 10]):
        logs = [Outflow(USDC, VAULT, amount) for amount in taken]
        found = compare_movements(lines, intent, logs)
        assert (found.others, found.differences) == (tuple(logs), ())
    assert compare_movements(lines, intent, []).differences == ()
    for logs in ([Outflow(USDC, VAULT, 41)], [Outflow(DAI, VAULT, 1)]):
        assert len(compare_movements(lines, intent, logs).differences) == 1
    assert len(compare_movements((), (DEPOSIT,), [Outflow(USDC, VAULT, 1)]).differences) == 1


def test_b8_what_is_asked_of_a_token_itself_is_its_own():
    """
    `burn(5)` of a token says by no rule what it moves.
    """
    burn = Call(USDC, 0, bytes.fromhex("42966c68") + (5).to_bytes(32, "big"))

    assert compare_movements((), (burn,), [Outflow(USDC, Address("0x" + "00" * 20), 5)]) == (
        compare_movements((), (burn, DEPOSIT), [Outflow(USDC, Address("0x" + "00" * 20), 5)])
    )
    assert len(compare_movements((), (burn,), [Outflow(DAI, BOB, 5)]).differences) == 1


@given(
    amounts=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    other=st.integers(1, 5),
    data=st.data(),
)
def test_x22_any_changed_log_is_told(amounts, other, data):
    """
    Payments alone: every log that is not as asked is a difference.
    """
    lines = tuple(line(amount) for amount in amounts)
    intent = tuple(pay(amount) for amount in amounts)
    logs = [Outflow(USDC, ALICE, amount) for amount in amounts]
    shuffled = data.draw(st.permutations(logs))
    index = data.draw(st.integers(0, len(logs) - 1))
    changed = [*logs]
    changed[index] = Outflow(USDC, BOB, other)

    assert compare_movements(lines, intent, shuffled).differences == ()
    assert compare_movements(lines, intent, changed).differences
    assert compare_movements(lines, intent, [*logs, Outflow(USDC, ALICE, other)]).differences


def test_x22_b8_only_what_a_payment_leaves_proves_that_logs_are_of_it():
    """
    Else an endpoint that does not know the block yet would say that nothing has left besides.
    """
    approval = Call(USDC, 0, encode_approve(VAULT, 5))

    assert show_themselves((line(5),), (pay(5),))
    assert show_themselves((line(5), line(5, VAULT, kind="approve")), (pay(5), approval))
    assert not show_themselves((line(5, VAULT, kind="approve"),), (approval,))
    assert not show_themselves((line(5),), (pay(5), DEPOSIT))
    assert not show_themselves((line(1, token=NATIVE),), (Call(ALICE, 1),))
    assert not show_themselves((), (DEPOSIT,))
