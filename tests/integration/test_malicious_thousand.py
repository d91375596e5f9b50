"""
A malicious service over a thousand runs: every kind of tamper and lie, by chance, by seed.

Whatever it answers, the signers' port sees nothing but what the policy says, one call data for one
nonce; and the chain, asked behind the service's back, has each occurrence at most once.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import replace
from random import Random

import pytest
from support.harmless import SIBLINGS, refitted
from support.mutations import MALLORY, _places, mutations
from support.tampered import Liar, Signatures, TamperedEngine, run_tampered

from runner.adapters.signers.papers import Request
from runner.adapters.wallet_api.envelope import HttpAnswer
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.contracts import FACTORY
from runner.ethereum.erc20 import encode_transfer
from runner.ethereum.modular_account import decode_call_data, encode_call_data
from runner.ethereum.nonce import decode_nonce
from runner.guard.verdict import _approve
from runner.records import RunKind
from runner.scheduling.occurrence import CLOSED, State

pytestmark = pytest.mark.timeout(900)

RUNS = 1_000
MOST_SEEDS = 60
USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
ALICE = "0x00000000000000000000000000000000000A11cE"
BOB = "0x00000000000000000000000000000000000b0bb0"
POLICY = f"""\
version: 1
name: p
chain: base-sepolia
wallet: sandbox
tokens: {{usdc: {{decimals: 6, address: "{USDC}"}}}}
contacts: {{alice: "{ALICE.lower()}", bob: "{BOB}"}}
accounts:
  sponsored: {{owner: one, gas: sponsor}}
  paying: {{owner: two, gas: native}}
sessions:
  first: {{account: sponsored, lifetime: 3m}}
  second: {{account: paying, lifetime: 4m}}
  third: {{account: sponsored, lifetime: 5m, limits: {{per_day: [50 usdc]}}}}
defaults: {{overlap: allow, run_deadline: 40s, catch_up_window: 30s}}
schedules:
  single: {{session: first, every: 15s, pay: {{alice: 2 usdc}}}}
  batch:
    session: first
    every: 20s
    calls: [{{pay: {{to: alice, amount: 3 usdc}}}}, {{pay: {{to: bob, amount: 0.5 native}}}}]
  coin: {{session: second, every: 15s, pay: {{bob: 0.25 native}}}}
  token: {{session: second, every: 25s, pay: {{alice: 4 usdc}}}}
  filled:
    session: third
    every: 30s
    overlap: skip
    top_up: {{to: bob, below: 8 usdc, up_to: 9 usdc, max: 5 usdc}}
"""
MOST_FILLED = 5 * 10**6


def transfer(to, amount):
    return (USDC, 0, encode_transfer(to, amount))


FIXED = {
    (transfer(ALICE, 2 * 10**6),),
    (transfer(ALICE, 3 * 10**6), (BOB, 5 * 10**17, b"")),
    ((BOB, 25 * 10**16, b""),),
    (transfer(ALICE, 4 * 10**6),),
}


def is_of_the_policy(calls):
    """A payment as it is written, or a top-up of bob by no more than its `max`."""
    if calls in FIXED:
        return True
    if len(calls) != 1 or calls[0][:2] != (USDC, 0):
        return False
    amount = int.from_bytes(calls[0][2][36:], "big")
    return calls[0][2] == encode_transfer(BOB, amount) and 0 < amount <= MOST_FILLED


class Malicious(Liar):
    """Lies about one answer in four, in whatever way chance chooses."""

    chance: Random
    armed = False

    def arm(self, seed):
        self.chance, self.armed = Random(seed), True
        self.told, self.earlier = Counter(), defaultdict(list)

    async def __call__(self, endpoint, body):
        request = json.loads(body)
        if not self.armed or request["method"].startswith("sandbox_"):
            return await self.inner(endpoint, body)
        method = "balanceOf" if is_balance(request) else request["method"]
        lie = getattr(self, f"_{method}", None)
        # What is never included is asked for again and again, and balances seldom.
        likely = {"wallet_getCallsStatus": 0.8, "balanceOf": 0.5, "eth_getBalance": 0.5}
        if lie is None or self.chance.random() > likely.get(method, 0.25):
            answer = await self.inner(endpoint, body)
            self.earlier[request["method"]].append(json.loads(answer.body).get("result"))
            return answer
        self.told[method] += 1
        return await lie(endpoint, body, request)

    async def _tamper(self, endpoint, body, request):
        """One thing of it is changed, every digest made to fit or not; or it is another answer."""
        answer = await self.inner(endpoint, body)
        message = json.loads(answer.body)
        honest = message.get("result")
        if honest is None:
            return answer
        others = [one for one in self.earlier[request["method"]] if one is not None]
        luck = self.chance.random()
        if others and luck < 0.2:
            message["result"] = self.chance.choice(others)
        elif luck < 0.6 and request["method"] == "wallet_prepareCalls":
            message["result"] = self.robbed(honest)
        else:
            path, _ = self.chance.choice(list(_places(honest)))
            near = list(mutations(honest, SIBLINGS, near=path))
            changed = self.chance.choice(near).value if near else {}
            fitted = self.chance.random() < 0.5 and isinstance(changed, dict)
            try:
                message["result"] = (refitted(changed) if fitted else None) or changed
            except (KeyError, TypeError, AttributeError):
                message["result"] = changed
        return replace(answer, body=json.dumps(message).encode())

    def robbed(self, honest):
        """What a thief would have signed: all of it fits together, digests and claims included."""
        changed = json.loads(json.dumps(honest))
        data = changed["data"]
        mallory = Call(Address(USDC), 0, encode_transfer(MALLORY, 10**9))
        robbery = encode_call_data([mallory], account=MALLORY, execution_hooks=True)
        loot = {
            "callData": "0x" + robbery.hex(),
            "sender": MALLORY,
            "nonce": hex(int(data["nonce"], 16) + 1),
            "maxFeePerGas": hex(10**15),
            "paymaster": MALLORY,
            "factory": MALLORY,
        }
        name = self.chance.choice(sorted(loot))
        data[name] = loot[name]
        changed.pop("details", None)
        if name == "factory":
            data["factoryData"] = "0x12"
        return refitted(changed) or changed

    _wallet_prepareCalls = _wallet_createSession = _tamper  # noqa: N815 (the wire's names)

    async def _wallet_sendPreparedCalls(self, endpoint, body, request):  # noqa: N802
        """Not taken, taken and denied, taken twice, or lost on either way."""
        way = self.chance.randrange(5)
        if way == 0:
            raise ConnectionResetError("the request is lost")
        if way == 1:
            return refusal(request, -32000, "no, thank you")
        await self.inner(endpoint, body)
        if way == 2:
            raise ConnectionResetError("the reply is lost")
        if way == 3:
            return refusal(request, self.chance.choice([-32602, -32503, 4001, -32000]), "never had")
        return await self.inner(endpoint, body)

    async def _wallet_getCallsStatus(self, endpoint, body, request):  # noqa: N802
        """Any status at all, or an id that was never heard of."""
        status = self.chance.choice([100, 200, 400, 500, 600, 101, 7, 5730])
        if status == 5730:
            return refusal(request, 5730, "unknown call id")
        answer = await self.inner(endpoint, body)
        message = json.loads(answer.body)
        if "result" in message:
            message["result"]["status"] = status
        return replace(answer, body=json.dumps(message).encode())

    async def _eth_getBalance(self, endpoint, body, request):  # noqa: N802
        del endpoint, body
        return told(request, hex(self.chance.choice([0, 1, 10**17, 2**255])))

    async def _balanceOf(self, endpoint, body, request):  # noqa: N802
        del endpoint, body
        amount = self.chance.choice([0, 1, 3 * 10**6, 2**255])
        return told(request, "0x" + amount.to_bytes(32, "big").hex())


def is_balance(request):
    """What the chain says of nonces and modules is its own word: of calls, balances alone."""
    if request["method"] != "eth_call":
        return False
    return request["params"][0]["data"].startswith("0x70a08231")


def told(request, result):
    body = {"jsonrpc": "2.0", "id": request["id"], "result": result}
    return HttpAnswer(200, json.dumps(body).encode())


def refusal(request, code, message):
    error = {"code": code, "message": message}
    body = {"jsonrpc": "2.0", "id": request["id"], "error": error}
    return HttpAnswer(200, json.dumps(body).encode())


class MaliciousEngine(TamperedEngine):
    """Whatever the guard stops, somebody lets go on at once: it is to go on lying."""

    liar_of = Malicious


class Life:
    """One engine under one seed, to its end, and what was found there."""

    def __init__(self, seed, patch, *, minutes=6):
        self.seed = seed
        self.signatures = Signatures()
        self.signatures.watch(patch)
        self.included = []
        self.engine = run_tampered(POLICY, self.attend, minutes=minutes, kind=MaliciousEngine)

    async def attend(self, engine):
        async def let_go_on(uid, *, reason, now):
            del uid, reason, now

        engine.ledger.pause_schedule = let_go_on
        for kind, probability in (("never_include", 0.08), ("late_include", 0.15)):
            fault = {"kind": kind, "probability": probability}
            fault |= {"seconds": 25} if kind == "late_include" else {}
            await engine.liar.ask("sandbox_setFault", fault)
        engine.liar.arm(self.seed)
        run = engine.run

        async def run_and_look():
            await run()
            engine.liar.armed = False
            self.included = await engine.liar.ask("sandbox_getOps", {})

        engine.run = run_and_look

    @property
    def runs(self):
        rows = self.engine.ledger.rows.runs.values()
        return [one for one in rows if one.kind is RunKind.PAYMENT]

    def check_signatures(self):
        """Every approval that a key was asked to sign."""
        accounts = {one.account.address: one.account for one in self.engine.sessions.values()}
        paymasters = {None}
        asked = self._requests()
        by_nonce = defaultdict(set)
        for approved in self.signatures.made:
            subject = approved.subject
            assert subject.account in accounts
            assert (subject.chain_id, approved.sandbox) == (84532, True)
            if subject.kind == "grant":
                grant = asked[approved.digest]
                session = self.engine.sessions[grant.session]
                assert grant.permissions == session.permissions
                assert grant.expires_at - grant.requested_at <= session.spec.lifetime
                continue
            operation = subject.content
            account = accounts[subject.account]
            assert operation.sender == subject.account
            assert operation.max_cost <= account.max_fee
            assert (operation.paymaster is None) is (account.gas_policy is None)
            paymasters.add(operation.paymaster)
            assert operation.factory in {None, FACTORY}
            assert subject.kind in {"operation", "uninstall", "void"}
            owners = decode_nonce(operation.nonce).entity_id == 0
            assert owners is (subject.kind != "operation")
            if owners:
                continue
            calls = decode_call_data(operation.call_data).calls
            moved = tuple((one.to, one.value, one.data) for one in calls)
            assert not moved or is_of_the_policy(moved), moved
            if moved:
                by_nonce[operation.sender, operation.nonce].add(moved)
        assert all(len(calls) == 1 for calls in by_nonce.values())
        assert len(paymasters) <= 2

    def _requests(self):
        """What the ledger asked owners for, by the digest of exactly that."""
        found = {}
        for grant in self.engine.ledger.rows.grants.values():
            if grant.nonce is not None and grant.session_id is not None:
                owner = self.engine.sessions[grant.session].account.owner.address
                found[Request.of(grant, owner, sandbox=True).digest] = grant
        return found

    def check_chain(self):
        """Included once at most, and only what was signed here."""
        signed = {one.hash: one for one in self.engine.ledger.rows.operations.values()}
        per_slot = Counter()
        paid_runs = set()
        for operation in self.included:
            assert operation["userOpHash"] in signed, operation
            if operation["calls"] and operation["success"] and operation["entityId"]:
                run = self.engine.ledger.rows.runs[signed[operation["userOpHash"]].run]
                per_slot[run.schedule, run.slot] += 1
                paid_runs.add(run.id)
        assert [slot for slot, count in per_slot.items() if count > 1] == []
        for run in self.runs:
            if run.state is State.SUCCESS:
                assert run.id in paid_runs
            elif run.state in CLOSED:
                assert run.id not in paid_runs, (run.id, run.state)
        return len(per_slot)


def test_a_malicious_service_over_a_thousand_runs_gets_nothing_and_pays_nothing_twice():
    runs = paid = seed = 0
    signed, lies = 0, Counter()
    while runs < RUNS:
        seed += 1
        assert seed < MOST_SEEDS, f"only {runs} runs came of {seed} lives"
        with pytest.MonkeyPatch.context() as patch:
            life = Life(seed, patch)
        life.check_signatures()
        paid += life.check_chain()
        runs += len(life.runs)
        signed += len(life.signatures.made)
        lies += life.engine.liar.told
    print(f"{runs} runs, {paid} paid, {signed} signatures, {dict(lies)} lies in {seed} lives")

    assert paid > runs / 4  # it was no standstill that kept the money safe
    assert lies["wallet_prepareCalls"] > 200
    assert lies["wallet_createSession"] > 10
    assert lies["wallet_sendPreparedCalls"] > 100
    assert lies["wallet_getCallsStatus"] > 50
    assert lies["balanceOf"] > 20


def test_what_should_not_be_signed_would_be_noticed():
    """
    Each of these, put among the honest ones, is told from them.
    """
    with pytest.MonkeyPatch.context() as patch:
        life = Life(1, patch, minutes=1)
    honest = list(life.signatures.made)
    payment = next(
        one
        for one in honest
        if one.subject.kind == "operation"
        and decode_call_data(one.subject.content.call_data).calls
        and one.subject.content.paymaster is not None
    )
    mallory = Call(Address(USDC), 0, encode_transfer(MALLORY, 1))
    robbery = encode_call_data([mallory], account=payment.subject.account, execution_hooks=True)
    again = encode_call_data(
        [Call(Address(USDC), 0, encode_transfer(ALICE, 2 * 10**6))] * 2,
        account=payment.subject.account,
        execution_hooks=True,
    )
    for change in (
        {"call_data": robbery},
        {"call_data": again},
        {"sender": Address(MALLORY)},
        {"max_fee_per_gas": 10**18},
        {"paymaster": Address(MALLORY)},
        {"factory": Address(MALLORY)},
    ):
        forged = replace(payment.subject, content=replace(payment.subject.content, **change))
        approved = _approve(
            digest=bytes(32), signer=payment.signer, sandbox=True, meaning="", subject=forged
        )
        life.signatures.made = [*honest, approved]
        with pytest.raises(AssertionError):
            life.check_signatures()

    life.signatures.made = honest
    life.check_signatures()
    first = next(one for one in life.included if one["calls"] and one["entityId"])
    life.included = [*life.included, first]
    with pytest.raises(AssertionError):
        life.check_chain()
