"""The words of a plan: sums, symbols, and text that cannot become markup."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.planning import NOW, POLICY, WALLETS, after, parse

from runner.planning.facts import Facts
from runner.planning.naming import Names
from runner.planning.plan import make_plan
from runner.reporting.plan_markdown import as_markdown
from runner.reporting.plan_text import as_text
from runner.reporting.plan_words import Lexicon, summary
from runner.reporting.text import Look, columns

DAY = timedelta(days=1)


def planned(policy, facts=None):
    facts = Facts() if facts is None else facts
    plan = make_plan([policy], facts, WALLETS, now=NOW, horizon=90 * DAY)
    known = (*facts.applied.values(), policy)
    return plan, Lexicon({one.name: Names(one) for one in known})


def text(policy, facts=None, look=None):
    plan, lexicon = planned(policy, facts)
    return "\n".join(as_text(plan, look or Look(), lexicon))


def markdown(policy, facts=None):
    plan, lexicon = planned(policy, facts)
    return "\n".join(as_markdown(plan, lexicon, store="ledger.db"))


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ([], "No changes. The policies and the ledger agree."),
        (
            [("2500 usdc", "2600 usdc")],
            "Plan: 1 session to widen, 1 schedule to change, 1 owner signature.",
        ),
        (
            [("2500 usdc", "2400 usdc"), ("6000 usdc", "7000 usdc")],
            "Plan: 1 session to narrow, 1 schedule to change.",
        ),
        (
            [("salaries", "wages"), ("  weekly:", "  monthly2:")],
            (
                "Plan: 1 session to grant, 1 to retire, 1 schedule to add, 1 to change, "
                "1 to remove, 1 owner signature."
            ),
        ),
        ([("gas: sponsor", "gas: {sponsor: other}")], "Plan: 1 account to change."),
    ],
)
def test_one_line_says_it_all(edits, said):
    plan, _ = planned(parse(POLICY, *edits), after(parse()))

    assert summary(plan) == said


def test_symbols_read_without_colour():
    """
    + comes, ~ changes, − goes.
    """
    edited = parse(POLICY, ("2500 usdc", "2600 usdc"), ("  weekly:", "  monthly2:"))

    told = text(edited, after(parse())).split("\n")

    assert "  ~ payroll/monthly" in told
    assert "      ~ calls[0].pay.amount: 2500 usdc → 2600 usdc  (alice)" in told
    assert any(line.startswith("  + payroll/monthly2  first slot") for line in told)
    assert "  − payroll/weekly  no slot of it is decided any more" in told


def test_colour_is_added_and_nothing_else():
    plain, coloured = (text(parse(), look=Look(80, colour)) for colour in (False, True))
    for tone in ("\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"):
        coloured = coloured.replace(tone, "")

    assert coloured == plain


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_nothing_is_wider_than_the_terminal(width):
    facts = after(parse())
    rows = {uid: replace(row, last_paid=NOW) for uid, row in facts.schedules.items()}
    edited = parse(
        POLICY,
        ("0 9 1 * *", "30 2 12 * *"),
        ("wallet: sandbox", "wallet: alchemy"),
        ("limits:", "receivers: [alice, bob]\n    limits:"),
    )

    told = text(edited, replace(facts, schedules=rows), Look(width))

    assert [line for line in told.split("\n") if columns(line) > width] == []
    assert "error: it was last paid for" in told
    assert "nothing is tried again automatically" in " ".join(told.split())


def test_x9_a_near_duplicate_is_an_error_in_every_form():
    facts = after(parse())
    rows = {uid: replace(row, last_paid=NOW) for uid, row in facts.schedules.items()}
    facts, edited = replace(facts, schedules=rows), parse(POLICY, ("0 9 1 * *", "0 9 12 * *"))

    assert "error: it was last paid for 2026-12-10 12:00Z" in text(edited, facts)
    assert "> [!CAUTION]\n> `payroll/monthly` it was last paid" in markdown(edited, facts)


def test_r13_a_stop_of_payments_is_told_in_every_form():
    before = parse(POLICY, ("pay: {bob: 20 usdc}", "pay: {bob: 1 native}"))

    assert "warning: payments of this session stop" in text(parse(), after(before))
    assert "Payments of `payroll/salaries` stop" in markdown(parse(), after(before))


def test_markdown_is_text():
    """
    Names of a policy cannot become markup, cells, mentions or the end of a block.
    """
    edited = parse(
        POLICY,
        ("bob", "bob_the-builder"),
        ("pay: {alice: 2500 usdc}", 'pay: {to: alice, amount: 2500 usdc, memo: "``` @all <b>"}'),
    )

    told = markdown(edited, after(parse()))

    assert "bob\\_the-builder" in told
    assert "<b>" not in told.partition("```diff")[0]
    assert told.count("```") == 2
    for row in (line for line in told.split("\n") if line.startswith("| ")):
        assert row.replace("\\|", "").count("|") in {5, 6}


def test_markdown_folds_what_is_long():
    told = markdown(parse())

    assert told.count("<details>") == told.count("</details>") > 2
    assert told.index("```diff") < told.index("<details>")
