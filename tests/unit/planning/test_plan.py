"""The plan as a whole: what is at risk before and after, who enforces what, and saved plans."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from support.planning import NOW, POLICY, WALLETS, after, parse

from runner.errors import PlanError
from runner.ethereum.address import Address
from runner.ethereum.permissions import Erc20TokenTransfer
from runner.planning.facts import Facts
from runner.planning.limits import Enforcer
from runner.planning.plan import make_plan
from runner.planning.saved import basis_of, read_document, stale, to_document

DAY = timedelta(days=1)
USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"


def planned(*policies, facts=None, now=NOW):
    facts = Facts() if facts is None else facts
    return make_plan(policies, facts, WALLETS, now=now, horizon=90 * DAY)


def risk(plan):
    return {
        one.asset.name: (one.before, one.after, one.keys_before, one.keys_after)
        for one in plan.at_risk
    }


GRANTED = 5654 * 10**6  # two salaries, seven weeks, and a tenth


def test_r14_what_is_at_risk_before_and_after():
    """
    The grant's allowance once it is there, less what was spent; both while two overlap.
    """
    policy, wider = parse(), parse(POLICY, ("20 usdc", "40 usdc"))
    facts = after(policy)
    spent = (replace(facts.grants[0], taken={USDC: 2500 * 10**6}),)
    left = GRANTED - 2500 * 10**6

    fresh = planned(policy)
    assert facts.grants[0].permissions[1].allowance == GRANTED
    assert risk(fresh) == {"usdc": (0, GRANTED, 0, 1)}
    assert risk(planned(policy, facts=facts)) == {"usdc": (GRANTED, GRANTED, 1, 1)}
    assert risk(planned(policy, facts=replace(facts, grants=spent))) == {"usdc": (left, left, 1, 1)}
    both = left + GRANTED + 154 * 10**6
    assert risk(planned(wider, facts=replace(facts, grants=spent))) == {"usdc": (left, both, 1, 2)}


@pytest.mark.parametrize(
    ("state", "counts"),
    [
        ("draining", True),
        ("retired", True),
        ("stopping", True),
        ("revoked", False),
        ("expired", False),
        ("abandoned", False),
    ],
)
def test_r14_generations_that_can_still_sign_count(state, counts):
    """
    Until its end, or until it is proved revoked.
    """
    policy = parse()
    facts = after(policy)
    older = replace(facts.grants[0], state=state, generation=0, entity_id=9)

    found = risk(planned(policy, facts=replace(facts, grants=(older, *facts.grants))))

    assert found["usdc"][0] == GRANTED * (2 if counts else 1)
    late = NOW + 44 * DAY
    ended = replace(older, expires_at=NOW + DAY)
    later = planned(policy, facts=replace(facts, grants=(ended, *facts.grants)), now=late)
    assert risk(later)["usdc"][2] == 1


def test_r13_what_is_to_be_revoked_counts_until_that_is_proved():
    """
    A plan proves nothing.
    """
    before = parse(POLICY, ("pay: {bob: 20 usdc}", "pay: {bob: 1 native}"))

    found = risk(planned(parse(), facts=after(before)))

    assert found["native"][0] == found["native"][1] > 0
    assert found["native"][2:] == (1, 2)


def test_an_inherited_entity_is_at_risk():
    """
    F2: a reused entity id brings back what the key before it was allowed.
    """
    facts = after(parse())
    dai = Address("0x00000000000000000000000000000000000000da")
    before = replace(
        facts.grants[0],
        generation=0,
        state="expired",
        permissions=(Erc20TokenTransfer(dai, 7),),
        requested_at=NOW - 50 * DAY,
        expires_at=NOW - 5 * DAY,
    )

    inherited = risk(planned(parse(), facts=replace(facts, grants=(before, *facts.grants))))
    clean = replace(before, state="revoked")
    revoked = risk(planned(parse(), facts=replace(facts, grants=(clean, *facts.grants))))

    assert inherited == {"usdc": (GRANTED, GRANTED, 1, 1), dai: (7, 7, 1, 1)}
    assert revoked == {"usdc": (GRANTED, GRANTED, 1, 1)}


def test_who_enforces_what():
    """
    Amounts granted are the chain's; receivers and budgets hold as long as the runner signs.
    """
    policy = parse(
        POLICY,
        ("limits:", "receivers: [alice, bob]\n    limits:"),
        ("pay: {bob:", "max_runs: 9, pay: {bob:"),
    )

    (guarded,) = planned(policy).guarded
    by = {limit.rule: (limit.value, limit.enforcer) for limit in guarded.limits}

    assert by["lifetime"] == ("45 days", Enforcer.CHAIN)
    assert by["erc20-token-transfer"] == ("5654 usdc", Enforcer.CHAIN)
    assert by["receivers"] == ("alice, bob", Enforcer.RUNNER)
    assert by["limits.per_day"] == ("6000 usdc", Enforcer.RUNNER)
    assert by["weekly.max_runs"] == ("9", Enforcer.RUNNER)
    assert guarded.traps == ()


def test_traps_of_a_session_that_changes():
    """
    A permission without its limit is told before it is granted.
    """
    policy = parse(
        POLICY,
        ("lifetime: 45d", "lifetime: 45d\n    permissions: [contract-access: bob]"),
        ("pay: {alice: 2500 usdc}", "pay: {bob: 1 native}"),
        ("pay: {bob: 20 usdc}", "pay: {bob: 2 native}"),
    )

    (guarded,) = planned(policy).guarded

    assert [trap.id for trap in guarded.traps] == ["unlimited-value", "unlimited-gas"]


def test_x12_wallets_that_attest_for_themselves_are_named():
    """
    A sandbox is its own chain and exempt.
    """
    assert planned(parse()).blind == ()
    elsewhere = parse(POLICY, ("wallet: sandbox", "wallet: alchemy"))
    assert planned(elsewhere).blind == (("alchemy", 84532),)


def test_a_session_that_cannot_be_granted_is_no_plan():
    """
    `up` would not start either.
    """
    unused = ("schedules:", "  spare: {account: treasury, lifetime: 1d}\nschedules:")

    with pytest.raises(PlanError, match="no schedule to derive"):
        planned(parse(POLICY, unused))


# ── saved plans ───────────────────────────────────────────────────────────────────────────────

SETTINGS = {"store": "sqlite:////x/ledger.db", "wallets.sandbox": "embedded"}


def saved(policies, facts, settings=SETTINGS):
    basis = basis_of(policies, facts, settings)
    return json.dumps(to_document(basis, {"changes": True}, made_by="1", at=NOW))


def test_a_saved_plan_is_read_back():
    """
    And is not stale against what it was made on.
    """
    policies, facts = [parse()], after(parse())

    basis = read_document(saved(policies, facts))

    assert stale(basis, basis_of(policies, facts, SETTINGS)) == ()


def test_payments_make_no_plan_stale():
    """
    Runs go on while a plan is reviewed.
    """
    facts = after(parse())
    rows = {
        uid: replace(row, runs=row.runs + 5, last_paid=NOW) for uid, row in facts.schedules.items()
    }
    paid = replace(facts, schedules=rows, grants=(replace(facts.grants[0], taken={USDC: 1}),))

    basis = read_document(saved([parse()], facts))

    assert stale(basis, basis_of([parse()], paid, SETTINGS)) == ()


def test_whatever_a_plan_depends_on_makes_it_stale():
    """
    Each reason is named.
    """
    policies, facts = [parse()], after(parse())
    basis = read_document(saved(policies, facts))
    edited = [parse(POLICY, ("20 usdc", "21 usdc"))]
    renamed = [parse(POLICY, ("name: payroll", "name: wages"))]
    renewed = replace(facts.grants[0], generation=2)

    def reasons(policies, facts, settings=SETTINGS):
        return stale(basis, basis_of(policies, facts, settings))

    assert reasons(edited, facts) == ("the policy `payroll` was changed",)
    assert reasons(renamed, facts) == ("the policy `payroll` is gone", "the policy `wages` is new")
    assert reasons(policies, replace(facts, grants=(*facts.grants, renewed))) == (
        "grants or schedules of the ledger were changed",
    )
    assert reasons(policies, replace(facts, revision=2)) == ("the ledger is another one",)
    assert reasons(policies, facts, SETTINGS | {"store": "sqlite:////y"}) == (
        "runner.yaml says something else about store",
    )
    empty = read_document(saved(policies, Facts()))
    assert stale(empty, basis_of(policies, facts, SETTINGS)) == ("there is a ledger by now",)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{}", '{"format": 1}', '{"format": 2, "digest": "sha256:0"}', "not json"],
)
def test_what_is_no_saved_plan_is_refused(text):
    with pytest.raises(PlanError):
        read_document(text)


def test_a_saved_plan_that_was_touched_is_refused():
    """
    Not a letter of it.
    """
    text = saved([parse()], after(parse()))

    with pytest.raises(PlanError, match="was changed"):
        read_document(text.replace('"changes": true', '"changes": false'))
