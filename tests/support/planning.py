"""Policies out of little text, and the ledger as it stands once they are applied."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from runner.ethereum.address import Address
from runner.planning.applied import read_record, record_of
from runner.planning.diff import difference
from runner.planning.facts import Facts, GrantFact, ScheduleFact, WalletFact
from runner.planning.renewal import Margins
from runner.planning.wanted import wanted_of
from runner.policy.fingerprint import trigger_text
from runner.policy.parse import parse_policy
from runner.scheduling.cron import check_cron

NOW = datetime(2026, 12, 10, 12, tzinfo=UTC)
ACCOUNT = Address("0x3f1BF374c210DAf46f025Cc021727f7e5E0d2F5c")
SANDBOX = Margins(
    inclusion=timedelta(seconds=3),
    skew=timedelta(seconds=1),
    min_lead=timedelta(seconds=5),
    finality=timedelta(0),
)
WALLETS = {
    "sandbox": WalletFact(SANDBOX, sandbox=True, where="embedded sandbox"),
    "alchemy": WalletFact(SANDBOX, sandbox=False, where="https://wallet"),
}
POLICY = """\
version: 1
name: payroll
chain: base-sepolia
wallet: sandbox
defaults: {timezone: Europe/Berlin}
tokens: {usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}}
contacts:
  alice: 0x00000000000000000000000000000000000a11ce
  bob: 0x0000000000000000000000000000000000000b0b
accounts: {treasury: {owner: o, gas: sponsor}}
sessions:
  salaries:
    account: treasury
    lifetime: 45d
    limits: {per_day: [6000 usdc]}
schedules:
  monthly: {session: salaries, cron: "0 9 1 * *", pay: {alice: 2500 usdc}}
  weekly: {session: salaries, every: 1w, start_at: 2026-12-01T00:00Z, pay: {bob: 20 usdc}}
"""


def parse(text=POLICY, *edits):
    """A policy; each edit is a pair of old and new text."""
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return parse_policy(text, "p.yaml", environment={}, check_cron=check_cron)


def after(*policies, now=NOW, **changes):
    """The ledger once these policies were applied: what `up` leaves behind."""
    wanted = wanted_of(policies, WALLETS, now=now)
    grants = [
        GrantFact(
            session=uid,
            generation=1,
            state="active",
            chain=one.account.chain,
            account=one.address or ACCOUNT,
            wallet=one.account.wallet,
            permissions=one.permissions,
            requested_at=now,
            expires_at=now + one.session.lifetime,
            next_renewal_at=now + one.session.lifetime * 2 / 3,
            entity_id=index + 1,
        )
        for index, (uid, one) in enumerate(wanted.items())
    ]
    rows = {
        schedule.uid: ScheduleFact(
            uid=schedule.uid,
            session=f"{policy.name}/{schedule.session}",
            trigger=trigger_text(schedule),
            anchor=now.replace(microsecond=0),
            state="active",
        )
        for policy in policies
        for schedule in policy.schedules.values()
    }
    applied = {one.name: read_record(record_of(one), one.name) for one in policies}
    return replace(Facts(True, 1, tuple(grants), rows, applied), **changes)


def changed(policies, facts, *, now=NOW):
    """The difference between policies and a ledger."""
    return difference(policies, facts, wanted_of(policies, WALLETS, now=now), now=now)
