"""What was paid to whom: sums that claim nothing the chain does not show."""

import csv
import io
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from runner.ethereum.address import Address
from runner.guard.intent import TransferLine
from runner.reporting.text import Look, clean
from runner.reporting.totals import PaidView, as_csv, as_json, as_table, report

DUE = datetime(2026, 12, 1, 8, tzinfo=UTC)
USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
ALICE = Address("0x00000000000000000000000000000000000A11cE")
BOB = Address("0x0000000000000000000000000000000000000B0b")


def paid(amount=5, *, kind="pay", to=ALICE, token=USDC, chain=84532, reason=None, day=0, **notes):
    return PaidView(
        run="0x" + "ab" * 32,
        schedule="payroll/salaries",
        session="payroll/key",
        due_at=DUE + timedelta(days=day),
        reason=reason,
        line=TransferLine(token, "usdc", 6, to, "alice", amount, kind, **notes),
        chain=chain,
        sender=BOB,
        paid_at=DUE,
        user_op_hash="0x01",
        transaction_hash="0x02",
    )


@given(st.lists(st.tuples(st.sampled_from([ALICE, BOB]), st.integers(0, 2**256 - 1)), max_size=20))
def test_totals_are_the_sums_of_their_payments(moved):
    """
    Exactly, also beyond 64 bits; every payment counts once.
    """
    made = report([paid(amount, to=to) for to, amount in moved])

    for to in (ALICE, BOB):
        amounts = [amount for other, amount in moved if other == to]
        found = [(t.amount, t.count) for t in made.totals if t.receiver == to]
        assert found == ([(sum(amounts), len(amounts))] if amounts else [])


def test_nothing_is_added_over_tokens_or_chains():
    """
    The coin of one chain is not that of another.
    """
    made = report([paid(), paid(token="native"), paid(chain=1), paid(token="native", chain=1)])

    assert [(t.chain, t.token, t.amount) for t in made.totals] == [
        (1, USDC, 5),
        (1, "native", 5),
        (84532, USDC, 5),
        (84532, "native", 5),
    ]


def test_approvals_move_nothing():
    """
    They are neither payments nor totals.
    """
    made = as_json(report([paid(kind="approve")]))

    assert (made["totals"], made["payments"]) == ([], [])


def test_what_the_receipt_lacks_is_not_counted():
    """
    After paid_differently only the coin and what was observed are certain.
    """
    odd = "paid_differently"
    made = report(
        [
            paid(5, reason=odd),
            paid(6, reason=odd, kind="observed"),
            paid(7, reason=odd, token="native"),
        ]
    )

    assert [(t.token, t.amount) for t in made.totals] == [(USDC, 6), ("native", 7)]
    assert made.unconfirmed == 1
    assert "1 line not confirmed" in as_table(made, Look())[-1]


def test_payments_come_in_the_order_in_which_they_were_due():
    """
    Whatever the order of the rows.
    """
    made = report([paid(1, day=2), paid(2, day=0), paid(3, day=1)])

    assert [one.line.amount for one in made.payments] == [2, 3, 1]


@given(st.text(), st.text())
def test_csv_reads_back(memo, ref):
    """
    Whatever a memo holds, on one line; and no cell begins like a formula.
    """
    text = as_csv(report([paid(2_500_000, memo=memo, ref=ref)]))
    assert len(text.splitlines()) == 2
    (row,) = csv.DictReader(io.StringIO(text, newline=""))

    assert (row["amount"], row["base_units"], row["symbol"]) == ("2.5", "2500000", "usdc")
    assert row["memo"].removeprefix("'") == clean(memo).removeprefix("'")
    assert not any(value.startswith(("=", "+", "-", "@")) for value in row.values())
