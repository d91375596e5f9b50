"""R25, R27, R2, R14: what grants could not carry is an error, at its place, with its date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from runner.errors import PolicyErrors
from runner.planning.coverage import coverage
from runner.planning.renewal import Margins
from runner.policy.parse import parse_policy
from runner.scheduling.cron import check_cron

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
SERVICE = Margins(
    inclusion=timedelta(seconds=120),
    skew=timedelta(seconds=30),
    min_lead=timedelta(minutes=5),
    finality=timedelta(seconds=30),
)
POLICY = """\
version: 1
name: payroll
chain: base-sepolia
wallet: alchemy
defaults: {timezone: Europe/Berlin}
tokens: {usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}}
contacts:
  alice: 0x00000000000000000000000000000000000a11ce
  bob: 0x0000000000000000000000000000000000000b0b
  vault: 0x00000000000000000000000000000000000000fa
accounts: {treasury: {owner: o, gas: §GAS§, max_fee: 0.001 native§ACCOUNT§}}
sessions:
  salaries:
    account: treasury
    lifetime: §LIFETIME§
    permissions: §PERMISSIONS§
    §SESSION§
schedules:
§SCHEDULES§
"""
MONTHLY = '  monthly: {session: salaries, cron: "0 9 1 * *", pay: {alice: 100 usdc}}'
MIDMONTH = '  mid: {session: salaries, cron: "0 9 15 * *", pay: {bob: 100 usdc}}'
WEEKLY = "  weekly: {session: salaries, every: 1w, pay: {bob: 20 usdc}}"
COIN = "  coin: {session: salaries, every: 10d, pay: {bob: 0.5 native}}"
DEPOSIT = (
    '  save: {session: salaries, cron: "0 9 1 * *", '
    'call: {contract: vault, function: "deposit(uint256)", args: [1]}}'
)


def findings(
    permissions="derive",
    schedules=(MONTHLY,),
    *,
    gas="sponsor",
    lifetime="45d",
    session="margin: 0%",
    account="",
    now=NOW,
):
    """Severity, code, what the caret stands at, what is said, and what would do."""
    text = POLICY
    for key, value in {
        "GAS": gas,
        "ACCOUNT": account,
        "LIFETIME": lifetime,
        "PERMISSIONS": permissions,
        "SESSION": session,
        "SCHEDULES": "\n".join(schedules),
    }.items():
        text = text.replace(f"§{key}§", value)
    look = partial(coverage, now=now, margins={"alchemy": SERVICE})
    try:
        policy = parse_policy(text, "p.yaml", environment={}, check_cron=check_cron, cover=look)
        found = policy.warnings
    except PolicyErrors as error:
        found = error.faults
    lines = text.split("\n")
    return [
        (
            one.severity,
            one.code,
            lines[one.where.line - 1][one.where.column - 1 :],
            one.what,
            one.hint,
        )
        for one in found
        if one.code not in {"P034", "P917"}
    ]


def only(found):
    assert len(found) == 1, found
    return found[0]


# ── calls ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("permissions", "schedule", "words", "hint"),
    [
        (
            "[contract-access: alice]",
            MONTHLY,
            "none names `usdc`",
            "erc20-token-transfer: 200 usdc",
        ),
        ("[erc20-token-transfer: 9 usdc]", COIN, "none names `bob`", "contract-access: bob"),
        (
            "[erc20-token-transfer: 9 usdc]",
            DEPOSIT,
            "none names `vault`",
            'add `- functions-on-contract: {contract: vault, functions: ["deposit(uint256)"]}`',
        ),
        (
            '[functions-on-contract: {contract: vault, functions: ["take()"]}]',
            DEPOSIT,
            "the one for `vault` does not list this function",
            'make it `- functions-on-contract: {contract: vault, functions: ["0x',
        ),
        (
            '[functions-on-contract: {contract: bob, functions: ["take()"]}]',
            COIN,
            "the one for `bob` lists functions, and this call names none",
            "make it `- contract-access: bob`",
        ),
        (
            "[erc20-token-transfer: 500 usdc]",
            DEPOSIT.replace("vault", "usdc").replace("deposit(uint256)", "burn(uint256)"),
            "a token under a limit takes `transfer` and `approve` alone",
            "make it `- functions-on-contract: {contract: usdc",
        ),
        (
            "[erc20-token-transfer: 500 usdc]",
            "  raw: {session: salaries, every: 1w, calls: [raw: {to: usdc, data: 0x01}]}",
            "the one for `usdc` lists functions, and this call names none",
            "derive",
        ),
    ],
)
def test_a_call_that_no_permission_covers(permissions, schedule, words, hint):
    """
    The error stands at the call and names session, schedule, reason, date and remedy.
    """
    severity, code, at, what, todo = only(findings(permissions, [schedule]))

    assert (severity, code) == ("error", "P099")
    name = schedule.split(":")[0].strip()
    assert f"no permission of session `salaries` covers this call of `{name}`" in what
    assert words in what
    assert "; first refused on 20" in what
    assert hint in todo
    assert at.split(":")[0] in {"alice", "bob", "call", "raw"}


def test_calls_alike_are_told_once():
    """
    Three payments of one uncovered token are one fault, another uncovered target is its own.
    """
    calls = "[pay: {alice: 1 usdc}, pay: {bob: 1 usdc}, pay: {vault: 1 usdc}, pay: {bob: 1 native}]"
    many = f"  many: {{session: salaries, every: 1w, calls: {calls}}}"

    first, second = findings("[contract-access: vault]", [many])

    assert "and 2 more like it" in first[3]
    assert "none names `bob`" in second[3]


def test_the_last_date_of_a_trigger_is_no_date_of_refusal():
    """
    A trigger that has fired for good still makes calls by hand: refused, without a date.
    """
    past = "  once: {session: salaries, at: 2025-01-01T00:00Z, pay: {alice: 1 usdc}}"

    (fault,) = findings("[contract-access: alice]", [past])

    assert "first refused" not in fault[3]


def test_the_account_itself_is_no_target():
    """
    Where its address is written, a call of the account to itself is seen, and no hint grants it.
    """
    self_call = DEPOSIT.replace("vault", "0x00000000000000000000000000000000000000fe")
    account = ", address: 0x00000000000000000000000000000000000000fe"

    fault = only(findings("[contract-access: bob]", [self_call], account=account))

    assert "stays with its owner" in fault[4]


def test_root_covers_everything():
    """
    There is nothing to count under root.
    """
    found = findings("[root]", [MONTHLY, COIN, DEPOSIT], session='accept_risk: "test"')

    assert [one[1] for one in found] == ["P902"]


# ── allowances ────────────────────────────────────────────────────────────────────────────────


def test_r25_an_allowance_that_lasts_is_no_finding():
    """
    Two firsts of a month in 45 days and 72 hours: 200 do, exactly.
    """
    assert findings("[erc20-token-transfer: 200 usdc]") == []


def test_r25_an_allowance_too_short_names_need_date_and_remedy():
    """
    One base unit less is an error, at the allowance.
    """
    fault = only(findings("[erc20-token-transfer: 199.999999 usdc]"))

    assert fault == (
        "error",
        "P112",
        "199.999999 usdc]",
        (
            "199.999999 usdc do not last for a grant of 45 days, which may have to pay 200 usdc; "
            "one of now is used up on 2027-01-01 by `monthly`"
        ),
        "write `erc20-token-transfer: 200 usdc` or `permissions: derive`, or shorten `lifetime`",
    )


def test_r25_the_worst_window_may_be_another_than_that_of_now():
    """
    A grant of now pays twice in 33 days, one of some weeks later three times.
    """
    fault = only(findings("[erc20-token-transfer: 200 usdc]", [MONTHLY, MIDMONTH], lifetime="30d"))

    assert "may have to pay 300 usdc" in fault[3]
    assert "; one of 20" in fault[3]
    assert findings("[erc20-token-transfer: 300 usdc]", [MONTHLY, MIDMONTH], lifetime="30d") == []


def test_r25_schedules_are_counted_together_not_each_at_its_worst():
    """
    Salaries in January and in August never meet in one grant.
    """
    january = "  a: {session: salaries, at: 2027-01-10T00:00Z, pay: {alice: 50 usdc}}"
    august = "  b: {session: salaries, at: 2027-08-10T00:00Z, pay: {alice: 50 usdc}}"

    assert findings("[erc20-token-transfer: 50 usdc]", [january, august]) == []
    assert len(findings("[erc20-token-transfer: 49 usdc]", [january, august])) == 1


def test_r25_a_period_without_anchor_is_counted_at_its_worst():
    """
    Nobody knows yet on which days it will fall: 48 days hold seven weeks.
    """
    assert findings("[erc20-token-transfer: 140 usdc]", [WEEKLY]) == []
    assert "140 usdc" in only(findings("[erc20-token-transfer: 139 usdc]", [WEEKLY]))[3]


@pytest.mark.parametrize("period", ["1s", "7s"])
def test_r25_the_densest_is_counted_by_density(period):
    """
    Millions of slots have a date too, and cost nothing.
    """
    dense = f"  dense: {{session: salaries, every: {period}, pay: {{alice: 1 usdc}}}}"

    fault = only(findings("[erc20-token-transfer: 86400 usdc]", [dense]))

    assert f"one of now is used up on 2026-{'11-27' if period == '1s' else '12-03'}" in fault[3]


def test_approvals_and_raw_transfers_count():
    """
    What the chain charges to a limit is charged here, however it is written.
    """
    data = "0xa9059cbb" + "11ce".rjust(64, "0") + hex(90_000_000)[2:].rjust(64, "0")
    raw = (
        f'  raw: {{session: salaries, cron: "0 9 1 * *", calls: [raw: {{to: usdc, data: {data}}}]}}'
    )
    allow = '  allow: {session: salaries, cron: "0 9 1 * *", calls: [approve: {vault: 60 usdc}]}'

    assert findings("[erc20-token-transfer: 300 usdc]", [raw, allow]) == []
    assert (
        "may have to pay 300 usdc"
        in only(findings("[erc20-token-transfer: 299 usdc]", [raw, allow]))[3]
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("approve: {vault: 60 usdc}", "`vault` may take tokens by this call"),
        ("call: {contract: vault, function: 'f()', value: 1 gwei}", "`vault` gets coins"),
        ("raw: {to: usdc, data: §TRANSFER§}", "`bob` gets tokens"),
        ("raw: {to: usdc, data: §TRANSFER§00}", "`bob` gets tokens"),
        ("raw: {to: bob, value: 1 gwei}", "`bob` gets coins"),
        (
            "call: {contract: usdc, function: 'transfer(address to, uint256 n)', args: [bob, 1]}",
            "`bob` gets tokens",
        ),
        (
            "call: {contract: usdc, function: §INCREASE§, args: [bob, 1]}",
            "`bob` may take tokens",
        ),
    ],
)
def test_b4_receivers_bound_every_kind_of_call(call, words):
    """
    Spenders, coins sent along and transfers in calldata, as well as payments.
    """
    data = "0xa9059cbb" + "b0b".rjust(64, "0") + "1".rjust(64, "0")
    call = call.replace("§TRANSFER§", data).replace(
        "§INCREASE§", "'increaseAllowance(address to, uint256 n)'"
    )
    schedule = f'  one: {{session: salaries, cron: "0 9 1 * *", calls: [{call}]}}'
    bounded = "margin: 0%\n    receivers: [§]\n    accept_risk: for the test"
    missed = [
        one
        for one in findings("[root]", [schedule], session=bounded.replace("§", "alice"))
        if one[1] == "P086"
    ]
    both = findings("[root]", [schedule], session=bounded.replace("§", "alice, bob, vault"))

    assert words in only(missed)[3]
    assert not [one for one in both if one[1] == "P086"]


@pytest.mark.parametrize("selector", ["095ea7b3", "39509351", "d73dd623", "3177029f", "a22cb465"])
def test_b7_nothing_is_approved_without_a_bound(selector):
    """
    Not in raw calldata either: the guard would refuse it each time.
    """
    data = f"0x{selector}" + "b0b".rjust(64, "0") + "f" * 64 + "00"
    schedule = (
        f'  one: {{session: salaries, cron: "0 9 1 * *", calls: [raw: {{to: usdc, data: {data}}}]}}'
    )
    found = findings("[root]", [schedule], session="margin: 0%\n    accept_risk: for the test")

    assert [one[1] for one in found if one[0] == "error"] == ["P085"]


def test_r26_computed_calls_are_bounded_by_limits():
    """
    Seven runs of 8 at most, but 1 a day: what a window of 48 days touches.
    """
    top_up = (
        "  fill: {session: salaries, every: 1d, limits: {per_day: [1 usdc]}, "
        "top_up: {to: bob, below: 5 usdc, up_to: 10 usdc, max: 8 usdc}}"
    )
    derived = findings("derive", [top_up])
    enough = findings("[erc20-token-transfer: 48 usdc]", [top_up])
    short = only(findings("[erc20-token-transfer: 40 usdc]", [top_up]))

    assert derived == enough == []
    assert "may have to pay 47 usdc" in short[3] or "may have to pay 48 usdc" in short[3]


def test_native_value_counts_against_its_allowance():
    """
    Five payments of 0.5 in the worst window; without the permission there is no limit.
    """
    enough = "[contract-access: bob, native-token-transfer: 2.5 native]"

    assert findings(enough, [COIN]) == []
    assert findings("[contract-access: bob]", [COIN]) == []
    fault = only(findings(enough.replace("2.5", "2.4"), [COIN]))
    assert fault[1:3] == ("P112", "2.4 native]")


# ── gas ───────────────────────────────────────────────────────────────────────────────────────


def test_r27_gas_is_covered_by_max_fee():
    """
    Two runs, a burn, an activation: four times `max_fee`.
    """
    permissions = "[erc20-token-transfer: 200 usdc, gas-limit: 0.004 native]"

    assert findings(permissions, gas="native") == []
    fault = only(findings(permissions.replace("0.004", "0.0039"), gas="native"))
    assert fault[:2] == ("error", "P113")
    assert fault[2].startswith("0.0039 native")
    assert "2 runs, burns and the activation may cost 0.004 native" in fault[3]
    assert "used up on 2027-01-01 by `monthly`" in fault[3]


def test_r27_sponsored_gas_needs_no_limit():
    """
    A paymaster pays: nothing is counted.
    """
    assert findings("[erc20-token-transfer: 200 usdc, gas-limit: 0]") == []


# ── lifetimes and exposure ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("lifetime", "words"),
    [
        ("60s", "so nothing is ever begun"),
        ("166s", "so nothing is ever begun"),
        ("167s", "leave gaps"),
        ("7m", "leave gaps"),
    ],
)
def test_r2_r6_grants_too_short(lifetime, words):
    """
    No room for a run, or no room to hand over; derived or not. A warning: it is no permission.
    """
    fault = only(findings(lifetime=lifetime))

    assert fault[:3] == ("warning", "P922", lifetime)
    assert words in fault[3]
    assert fault[4] == "at least `lifetime: 8m`"


@pytest.mark.parametrize("lifetime", ["8m", "1d"])
def test_r2_grants_long_enough(lifetime):
    """
    Run, inclusion and activation take four fifths of a life at most.
    """
    assert findings(lifetime=lifetime) == []


def test_r2_a_long_deadline_needs_a_longer_life():
    """
    The remedy may be either.
    """
    slow = MONTHLY.replace("pay:", "run_deadline: 40h, pay:")

    fault = only(findings(schedules=[slow], lifetime="2d"))

    assert fault[1] == "P922"
    assert fault[4].endswith(", or a shorter `run_deadline`")


def test_renew_off_leaves_later_slots_without_a_grant():
    """
    A warning: a person may renew by hand.
    """
    fault = only(findings(session="renew: off"))

    assert fault[:2] == ("warning", "P920")
    assert "one of now ends on 2027-01-10, and the slot of 2027-02-01 has none" in fault[3]


@pytest.mark.parametrize(
    ("most", "code"), [("199 usdc", "P114"), ("399 usdc", "P921"), ("400 usdc", None)]
)
@pytest.mark.parametrize("permissions", ["derive", "[erc20-token-transfer: 200 usdc]"])
def test_r14_exposure_holds_one_grant_or_two(permissions, most, code):
    """
    Less than one is an error, less than two stops payments at each renewal.
    """
    session = f"margin: 0%\n    max_exposure: {most}"

    found = findings(permissions, session=session)

    assert [one[1] for one in found] == ([] if code is None else [code])
    if code is not None:
        assert found[0][2] == most
        assert "max_exposure: 400 usdc" in found[0][4]
