"""
The tamper matrix: an honest answer, one thing of it changed, and no signature leaves the process.

By construction every member of the answer is changed in every way there is, in the middle of real
runs: the daemon's own steps ask, the real client reads, and whoever signs is watched at the
signers' port. What may differ is listed with its reason, and nothing else is let through.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest
from support.harmless import (
    FITTING,
    GRANT_MAY_DIFFER,
    MAY_DIFFER,
    SIBLINGS,
    is_listed,
    refitted,
)
from support.mutations import Mutation, mutations
from support.tampered import Signatures, run_tampered

from runner.errors import GuardError, WalletApiError
from runner.execution.requests import Requests
from runner.execution.steps import Operator

POLICY = """\
version: 1
name: p
chain: base-sepolia
wallet: sandbox
tokens:
  usdc: {decimals: 6, address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e"}
contacts:
  alice: "0x00000000000000000000000000000000000a11ce"
  bob: "0x00000000000000000000000000000000000b0bb0"
accounts:
  sponsored: {owner: one, gas: sponsor}
  paying: {owner: two, gas: native}
sessions:
  first: {account: sponsored, lifetime: 45d}
  second: {account: sponsored, lifetime: 45d}
  third: {account: paying, lifetime: 45d}
schedules:
  batch:
    session: first
    every: 1m
    calls:
      - pay: {to: alice, amount: 2 usdc}
      - pay: {to: bob, amount: 3 usdc}
  single: {session: second, every: 1m, pay: {alice: 0.5 native}}
  unsponsored: {session: third, every: 1m, pay: {bob: 4 usdc}}
"""


@dataclass
class Tally:
    """What was tried, and what was signed that should not have been."""

    tried: int = 0
    signed: list[str] = field(default_factory=list)
    let_through: set[str] = field(default_factory=set)


class Matrix:
    """Tries every change of an answer before a step of the daemon gets the honest one."""

    def __init__(self, patch) -> None:
        self.signatures = Signatures()
        self.signatures.watch(patch)
        self.operations: dict[str, Tally] = {}
        self.grants: dict[str, Tally] = {}
        self.engine = None
        self.sponsored, self.pinned = None, False
        self._patch = patch

    async def attend(self, engine) -> None:
        self.engine = engine
        self.sponsored = engine.sessions["p/first"].account.address
        make, ask = Operator.make, Requests.make

        async def made(operator, order, **options):
            name = f"{order.run.schedule or order.run.session} {order.kind}"
            # What is pinned on first use cannot be told from what it should have been (G4).
            pinned = order.grant.account != self.sponsored or self.pinned
            if name not in self.operations and pinned:
                self.operations[name] = tally = Tally()
                await self.try_operation(lambda: make(operator, order, **options), tally)
            self.pinned = self.pinned or order.grant.account == self.sponsored
            return await make(operator, order, **options)

        async def asked(requests):
            session = requests._session.uid
            if session not in self.grants:
                self.grants[session] = tally = Tally()
                await self.try_grant(lambda: ask(requests), tally)
            return await ask(requests)

        self._patch.setattr(Operator, "make", made)
        self._patch.setattr(Requests, "make", asked)

    async def try_operation(self, step, tally) -> None:
        honest = await self._honest("wallet_prepareCalls", step)
        for mutation in mutations(honest, SIBLINGS):
            await self._try(step, mutation, mutation.value, MAY_DIFFER, tally)
            if mutation.path[:1] == ("data",) and (fitted := refitted(mutation.value)):
                await self._try(step, mutation, fitted, FITTING, tally)
        # Replayed, and of other runs, sessions and accounts.
        for method, _, earlier in list(self.engine.liar.answers):
            if method == "wallet_prepareCalls" and earlier != honest:
                other = Mutation((), "the answer to another request", earlier)
                await self._try(step, other, earlier, (), tally)

    async def try_grant(self, step, tally) -> None:
        honest = await self._honest("wallet_createSession", step)
        await self._try(step, Mutation((), "replayed", honest), honest, (), tally)
        for mutation in {str(each): each for each in mutations(honest, SIBLINGS)}.values():
            await self._change(step, mutation, tally)
        for method, _, earlier in list(self.engine.liar.answers):
            if method in ("wallet_createSession", "wallet_prepareCalls"):
                other = Mutation((), "the answer to another request", earlier)
                await self._try(step, other, earlier, (), tally)

    async def _honest(self, method, step):
        """What the service answers, taken away before anything can be made of it."""
        seen = []
        liar = self.engine.liar
        liar.method, liar.change = method, lambda result: seen.append(result) or {}
        try:
            await step()
        except WalletApiError:
            pass
        finally:
            liar.change = None
        return seen[0]

    async def _try(self, step, mutation, answer, patterns, tally) -> None:
        if is_listed(mutation, patterns):
            tally.let_through.add(str(mutation))
            return
        self.engine.liar.instead = lambda: answer
        await self._count(step, mutation, tally)

    async def _change(self, step, mutation, tally) -> None:
        """As `_try`, with the change made to the answer that this very request gets."""
        if is_listed(mutation, GRANT_MAY_DIFFER):
            tally.let_through.add(str(mutation))
            return
        self.engine.liar.change = lambda result: next(
            each.value
            for each in mutations(result, SIBLINGS, near=mutation.path)
            if str(each) == str(mutation)
        )
        await self._count(step, mutation, tally)

    async def _count(self, step, mutation, tally) -> None:
        liar, before = self.engine.liar, len(self.signatures.made)
        try:
            await step()
        except (WalletApiError, GuardError):
            pass
        finally:
            liar.change = liar.instead = None
        tally.tried += 1
        if len(self.signatures.made) > before:
            tally.signed.append(str(mutation))


@pytest.fixture(scope="module")
def matrix():
    patch = pytest.MonkeyPatch()
    found = Matrix(patch)
    try:
        run_tampered(POLICY, found.attend, minutes=3)
    finally:
        patch.undo()
    return found


def test_no_changed_operation_is_signed(matrix):
    """
    Activations and payments, sponsored and not, single and in a batch; replayed answers, and those
    to other runs, sessions and accounts.
    """
    assert {name.split()[-1] for name in matrix.operations} == {"activation", "payment"}
    assert len(matrix.operations) == 5
    for name, tally in matrix.operations.items():
        assert tally.signed == [], name
        assert tally.tried > 900, name


def test_no_changed_grant_is_signed(matrix):
    """
    The first generation of every session.
    """
    assert len(matrix.grants) == 3
    for name, tally in matrix.grants.items():
        assert tally.signed == [], name
        assert tally.tried > 600, name


def test_nothing_is_let_through_that_never_comes(matrix):
    """
    Each exception is one of something.
    """
    through = [
        one
        for tally in (*matrix.operations.values(), *matrix.grants.values())
        for one in tally.let_through
    ]

    for pattern, reason in {*FITTING, *GRANT_MAY_DIFFER}:
        assert any(re.search(pattern, one) for one in through), pattern
        assert reason


def test_honest_answers_were_signed_all_along(matrix):
    """
    The same engine, the same keys: it is the change that was refused.
    """
    meanings = [approved.meaning.split(" ")[0] for approved in matrix.signatures.made]

    assert meanings.count("grant") == 3
    assert meanings.count("operation") >= 6
