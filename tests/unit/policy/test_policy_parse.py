from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from runner.errors import Mark, PolicyErrors
from runner.ethereum.abi import parse_function
from runner.ethereum.permissions import (
    AccountFunctions,
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnContract,
    GasLimit,
    NativeTokenTransfer,
    Root,
)
from runner.policy.model import (
    Approve,
    At,
    CatchUp,
    Cron,
    DayMatch,
    Derive,
    Every,
    Fold,
    Gap,
    Invoke,
    NativeGas,
    Overlap,
    OverlapKind,
    Pay,
    Raw,
    SponsoredGas,
)
from runner.policy.parse import load_policies
from runner.policy.source import read
from runner.scheduling.cron import check_cron

USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
ALICE = "0x00000000000000000000000000000000000A11cE"
VAULT = "0x00000000000000000000000000000000000000fa"


def test_defaults_of_every_key(texts):
    policy = texts.read(texts.whole())
    account = policy.accounts["treasury"]
    session = policy.sessions["salaries"]
    schedule = policy.schedules["hosting"]

    assert (account.chain, account.wallet, account.gas) == (84532, "sandbox", NativeGas())
    assert (account.max_fee, account.salt, account.address) == (2 * 10**15, 0, None)
    assert session.lifetime == timedelta(days=45)
    assert (session.permissions, session.margin) == (Derive.DERIVE, Decimal("0.1"))
    assert (session.renew_before, session.receivers, session.on_no_grant) == (None, None, "hold")
    assert schedule.uid == "payroll/hosting"
    assert schedule.trigger == Every(timedelta(weeks=1), None)
    assert schedule.calls[0].amount == 10_000_000
    assert (schedule.catch_up, schedule.overlap) == (CatchUp.LATEST, Overlap(OverlapKind.SKIP))
    assert (schedule.jitter, schedule.start_grace) == (timedelta(0), timedelta(seconds=60))
    assert (schedule.retry_on_revert, schedule.pause_after_failures) == (0, 3)
    assert not schedule.suspend
    assert schedule.mark == Mark("p.yaml", 20, 3)
    assert policy.warnings == ()


def test_g2_the_first_max_fee_depends_on_the_chain(texts):
    mainnet = texts.read(texts.account("chain: mainnet")).accounts["treasury"]
    polygon = texts.read(texts.account("chain: 137")).accounts["treasury"]

    assert mainnet.max_fee == 2 * 10**16
    assert polygon.max_fee is None


@pytest.mark.parametrize(
    ("text", "gas"),
    [
        ("native", NativeGas()),
        ("sponsor", SponsoredGas()),
        ("{sponsor: big}", SponsoredGas("big")),
    ],
)
def test_gas(texts, text, gas):
    assert texts.read(texts.account(f"gas: {text}")).accounts["treasury"].gas == gas


def test_calls_of_every_kind(texts):
    policy = texts.read(
        texts.calls(
            "- pay: {to: alice, amount: 2500 usdc, memo: salary}\n"
            "- pay: {alice: 0.5 native, vault: 1e3 wei}\n"
            "  ref: r-1\n"
            "- call: {contract: vault, function: deposit(uint256 amount), "
            "args: {amount: 40 usdc}, value: 1 gwei}\n"
            "- approve: {vault: 5 dai}\n"
            "- approve: {spender: vault, token: usdc, amount: 7}\n"
            "- raw: {to: usdc, data: 0xd0e30db0, value: 0}\n"
        )
    )
    pay, native, wei, call, dai, usdc, raw = policy.schedules["hosting"].calls

    assert isinstance(pay, Pay)
    assert (pay.to, pay.to_name, pay.amount, pay.memo) == (ALICE, "alice", 2_500_000_000, "salary")
    assert pay.mark == Mark("p.yaml", 24, 9)
    assert (native.asset.address, native.amount, native.ref) == (None, 5 * 10**17, "r-1")
    assert (wei.to, wei.amount) == (VAULT, 1000)
    assert isinstance(call, Invoke)
    assert (call.function, call.args, call.value) == (
        "deposit(uint256 amount)",
        (40_000_000,),
        10**9,
    )
    assert isinstance(dai, Approve)
    assert (dai.spender, dai.amount) == (VAULT, 5 * 10**18)
    assert (usdc.asset.name, usdc.amount) == ("usdc", 7_000_000)
    assert raw == Raw(USDC, "usdc", 0, bytes.fromhex("d0e30db0"), raw.mark)


def test_arguments_of_every_type(texts):
    signature = (
        "f(address a, uint256 b, int8 c, bool d, bytes4 e, bytes f, string g, "
        "(address,uint256)[] h, uint8[2] i)"
    )
    policy = texts.read(
        texts.calls(
            f'- call: {{contract: vault, function: "{signature}", args: [alice, 0x{"0" * 62}ff, '
            f"-5, yes, 0x01020304, 0x00, no, [[vault, 1 usdc]], [1, 0x2]]}}"
        )
    )
    (call,) = policy.schedules["hosting"].calls

    assert call.args == (
        ALICE,
        255,
        -5,
        True,
        bytes.fromhex("01020304"),
        b"\0",
        "no",
        ((VAULT, 1_000_000),),
        (1, 2),
    )


def test_permissions_in_readable_form(texts):
    session = texts.read(
        texts.session(
            "accept_risk: for a test\n"
            "permissions:\n"
            "  - erc20-token-transfer: 20000 usdc\n"
            "  - native-token-transfer: 0\n"
            "  - gas-limit: 0.05 native\n"
            "  - contract-access: vault\n"
            '  - functions-on-contract: {contract: alice, functions: ["f(uint)", 0x01020304]}\n'
            '  - account-functions: {functions: ["g()"]}'
        )
    ).sessions["salaries"]

    assert session.permissions == (
        Erc20TokenTransfer(USDC, 20_000_000_000),
        NativeTokenTransfer(0),
        GasLimit(5 * 10**16),
        ContractAccess(VAULT),
        FunctionsOnContract(
            ALICE, (parse_function("f(uint256)").selector, bytes.fromhex("01020304"))
        ),
        AccountFunctions((parse_function("g()").selector,)),
    )
    assert session.permission_marks[0] == Mark("p.yaml", 21, 31)


def test_root_is_granted_with_a_reason_and_a_warning(texts):
    policy = texts.read(texts.session("accept_risk: migration\npermissions: [root]"))

    assert policy.sessions["salaries"].permissions == (Root(),)
    assert [warning.code for warning in policy.warnings] == ["P902"]


@pytest.mark.parametrize(
    ("written", "read"), [("33%", Decimal("0.33")), ("10d", timedelta(days=10))]
)
def test_renew_before(texts, written, read):
    session = texts.read(texts.session(f"renew_before: {written}")).sessions["salaries"]

    assert session.renew_before == read


def test_receivers_take_contacts_groups_and_addresses(texts):
    session = texts.read(texts.session(f"receivers: [staff, vault, '{ALICE}']"))

    assert session.sessions["salaries"].receivers == (ALICE, VAULT)


def test_cron_with_its_options(schedule_of):
    schedule = schedule_of(
        'session: salaries\ncron: "0  9 13 * 5"\ntimezone: Europe/Berlin\nday_match: and\n'
        "dst_gap: skip\ndst_fold: both\npay: {alice: 1 usdc}"
    )

    assert schedule.trigger == Cron(
        "0 9 13 * 5", "Europe/Berlin", DayMatch.AND, Gap.SKIP, Fold.BOTH
    )


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2026-12-01T09:00Z", datetime(2026, 12, 1, 9, tzinfo=UTC)),
        ("2026-12-01 09:00:30+01:00", datetime(2026, 12, 1, 8, 0, 30, tzinfo=UTC)),
        ("2026-12-01T09:00", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("2026-03-29T02:30", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        ("2026-10-25T02:30", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
def test_instants(schedule_of, written, instant):
    schedule = schedule_of(
        f"session: salaries\nat: {written}\ntimezone: Europe/Berlin\npay: {{alice: 1 usdc}}"
    )

    assert schedule.trigger == At(instant)


def test_every_counts_from_its_start(schedule_of):
    schedule = schedule_of(
        "session: salaries\nevery: 1w\nstart_at: 2026-12-01T00:00Z\npay: {alice: 1 usdc}"
    )

    assert schedule.trigger.anchor == datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "overlap"),
    [
        ("allow", Overlap(OverlapKind.ALLOW)),
        ("buffer_one", Overlap(OverlapKind.BUFFER_ONE)),
        ("buffer_all(10)", Overlap(OverlapKind.BUFFER_ALL, 10)),
    ],
)
def test_overlap(texts, written, overlap):
    schedule = texts.read(texts.schedule(f"overlap: {written}")).schedules["hosting"]

    assert schedule.overlap == overlap


def test_scalars_are_what_the_field_says(texts):
    policy = texts.read(
        texts.calls("- pay: {to: alice, amount: 010 usdc, memo: no}\n  ref: 12:30:45").replace(
            "every: 1w", "every: 1w\n    suspend: on\n    max_runs: 1_000"
        )
    )
    schedule = policy.schedules["hosting"]

    assert (schedule.suspend, schedule.max_runs) == (True, 1000)
    assert (schedule.calls[0].amount, schedule.calls[0].memo) == (10_000_000, "no")
    assert schedule.calls[0].ref == "12:30:45"


def test_defaults_hold_unless_overridden(texts):
    text = texts.top(
        "  daily:\n"
        "    session: salaries\n"
        '    cron: "0 9 * * *"\n'
        "    overlap: allow\n"
        "    pay: {alice: 1 usdc}\n"
        "defaults: {timezone: Asia/Tokyo, overlap: buffer_one, margin: 20%, every: 2w}\n"
    )
    policy = texts.read(text)

    assert policy.schedules["daily"].trigger.timezone == "Asia/Tokyo"
    assert policy.schedules["daily"].overlap == Overlap(OverlapKind.ALLOW)
    assert policy.schedules["hosting"].overlap == Overlap(OverlapKind.BUFFER_ONE)
    assert policy.schedules["hosting"].trigger == Every(timedelta(weeks=1), None)
    assert policy.sessions["salaries"].margin == Decimal("0.2")
    assert policy.sessions["salaries"].limits.timezone == "Asia/Tokyo"


def test_variables_in_values(texts):
    text = texts.calls('- pay: {to: "${WHO}", amount: "${SUM:-5} usdc", memo: "${E:-none}"}')

    (pay,) = texts.read(text, {"WHO": "alice", "E": ""}).schedules["hosting"].calls

    assert (pay.to, pay.amount, pay.memo) == (ALICE, 5_000_000, "none")


def test_merge_keys_and_anchors(texts):
    text = texts.top(
        "  second:\n    <<: &base {session: salaries, every: 1d, overlap: allow}\n"
        "    pay: {alice: 1 usdc}\n"
        "  third:\n    <<: *base\n    every: 2d\n    pay: {alice: 2 usdc}\n"
    )
    schedules = texts.read(text).schedules

    assert schedules["second"].trigger.period == timedelta(days=1)
    assert schedules["third"].trigger.period == timedelta(days=2)
    assert schedules["third"].overlap.kind is OverlapKind.ALLOW


@pytest.mark.parametrize("start", ["\ufeff", "---\n", "%YAML 1.2\n---\n"])
def test_harmless_beginnings(texts, start):
    assert texts.read((start + texts.whole()).encode()).name == "payroll"


def test_line_ends_of_windows(texts):
    text = texts.whole().replace("\n", "\r\n").replace("10 usdc", "10 usd").encode()

    (fault,) = texts.faults(text)

    assert (fault.code, str(fault.where)) == ("P052", "p.yaml:23:18")
    assert fault.source == "    pay: {alice: 10 usd}"


def test_hidden_line_breaks_may_stand_in_block_text(texts):
    policy = texts.read(texts.top("description: |\n  one\u2028  two\n"))

    assert policy.description == "one\u2028two\n"


def test_assets_and_contacts_of_a_policy(texts):
    policy = texts.read(texts.whole())

    assert [(asset.name, asset.decimals) for asset in policy.assets] == [
        ("native", 18),
        ("usdc", 6),
        ("dai", 18),
    ]
    assert policy.contacts == {"alice": ALICE, "vault": VAULT}


def test_warnings_do_not_refuse(texts):
    policy = texts.read(
        texts.top(
            "  idle: {session: salaries, every: 1d, pay: {alice: 1 usdc}, dst_gap: skip}\n"
        ).replace("sessions:\n", "sessions:\n  spare: {account: treasury, lifetime: 1d}\n")
    )

    assert sorted(warning.code for warning in policy.warnings) == ["P900", "P904"]


def test_a_cron_that_follows_elapsed_time_in_one_hour_is_warned_of(texts):
    policy = texts.read(
        texts.body('session: salaries\ncron: "*/5 2 * * *"\ntimezone: UTC\npay: {alice: 1 usdc}')
    )

    assert [warning.code for warning in policy.warnings] == ["P901"]


def test_rare_keys_are_read(texts):
    text = texts.whole(
        account="    owner: o\n    type: eip7702\n",
        session="    account: treasury\n    lifetime: 45d\n    max_exposure: [5 usdc]\n"
        "    owner_lead: 2d\n    limits: {per_lifetime: [9 usdc], rolling: {7d: [1 usdc]}}\n",
        schedule="    session: salaries\n    every: 1w\n    catch_up_rate: 2/m\n"
        "    pay: {alice: 1 usdc}\n",
    )
    policy = texts.read(text)
    session = policy.sessions["salaries"]

    assert policy.accounts["treasury"].type == "eip7702"
    assert session.max_exposure[0].amount == 5_000_000
    assert session.limits.rolling[0].window == timedelta(days=7)
    assert policy.schedules["hosting"].catch_up_rate == timedelta(seconds=30)


def test_g1_a_delegated_eoa_has_no_salt(texts):
    text = texts.whole(account="    owner: o\n    type: eip7702\n    salt: 3\n")

    with pytest.raises(PolicyErrors) as caught:
        texts.read(text)

    (fault,) = caught.value.faults
    line = text.splitlines()[fault.where.line - 1]
    assert fault.code == "P044"
    assert line[fault.where.column - 1 :] == "3"


def test_folders_files_and_all_their_faults(texts, tmp_path: Path):
    (tmp_path / "b.yml").write_text(texts.whole())
    (tmp_path / "a.yaml").write_text(texts.whole().replace("10 usdc", "10 usd"))
    (tmp_path / "c.yaml").write_text(texts.whole().replace("every: 1w", "every: 1"))
    (tmp_path / "notes.txt").write_text("not read")

    with pytest.raises(PolicyErrors) as caught:
        load_policies([tmp_path, tmp_path / "no.yaml"], environment={}, check_cron=check_cron)

    places = [(Path(f.where.file).name, f.code) for f in caught.value.faults]
    assert places == [
        ("a.yaml", "P052"),
        ("b.yml", "P074"),
        ("c.yaml", "P074"),
        ("c.yaml", "P045"),
        ("no.yaml", "P001"),
    ]


def test_policies_come_in_the_order_of_their_files(texts, tmp_path: Path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.yaml").write_text(
            texts.whole().replace("name: payroll", f"name: {name}")
        )

    policies = load_policies([tmp_path], environment={}, check_cron=check_cron)

    assert [policy.name for policy in policies] == ["a", "b"]


def test_an_empty_folder_is_no_policy(tmp_path: Path):
    with pytest.raises(PolicyErrors) as caught:
        load_policies([tmp_path], environment={}, check_cron=check_cron)

    assert caught.value.faults[0].code == "P001"


class _Profile:
    def __init__(self, *, sandbox: bool) -> None:
        self.is_sandbox = sandbox
        self.gas_policies = {} if sandbox else {"default": "x"}


class _Signer:
    def __init__(self, *, sandbox_only: bool) -> None:
        self.sandbox_only = sandbox_only


class _Settings:
    throw_away_signers = False

    def __init__(self) -> None:
        self.wallets = {"sandbox": _Profile(sandbox=True), "real": _Profile(sandbox=False)}
        self.signers = {"hot": _Signer(sandbox_only=False), "toy": _Signer(sandbox_only=True)}


@pytest.mark.parametrize(
    ("account", "codes"),
    [
        ("owner: toy", []),
        ("owner: hot\nwallet: real\nmax_fee: 1 gwei", []),
        ("owner: hto\nwallet: real", ["P071"]),
        ("owner: hot", ["P073"]),
        ("owner: toy\nwallet: real", ["P073"]),
        ("owner: toy\nwallet: sandbux", ["P070"]),
        ("owner: toy\ngas: {sponsor: big}", ["P072"]),
        ("owner: hot\nwallet: real\nchain: 137", ["P076"]),
    ],
)
def test_accounts_are_checked_against_the_settings(texts, account, codes):
    indented = "".join(f"    {line}\n" for line in account.split("\n"))
    text = texts.whole(
        account=indented, books="contacts: {alice: 0x00000000000000000000000000000000000a11ce}\n"
    ).replace("10 usdc", "10 native")

    assert [fault.code for fault in texts.faults(text, settings=_Settings())] == codes


def test_a_real_account_has_a_daily_bound_on_fees(texts):
    text = texts.whole(account="    owner: hot\n    wallet: real\n    max_fee: 2 gwei\n")

    account = texts.read(text, settings=_Settings()).accounts["treasury"]

    assert account.max_fee_per_day == 100 * 10**9


def test_the_complete_example_of_the_language_is_read(texts):
    example = (Path(__file__).parent / "example.yaml").read_bytes()

    policy = texts.read(example)

    assert sorted(policy.schedules) == ["hosting", "monthly-salaries"]
    assert policy.warnings == ()


def test_a_required_key_may_come_from_defaults(texts):
    text = texts.whole(
        session="    account: treasury\n",
        schedule="    every: 1w\n    pay: {alice: 1 usdc}\n",
        end="defaults: {lifetime: 14d, session: salaries}\n",
    )

    policy = texts.read(text)

    assert policy.sessions["salaries"].lifetime == timedelta(days=14)
    assert policy.schedules["hosting"].session == "salaries"


@pytest.mark.parametrize(
    ("raw", "code", "column"),
    [
        (b"version: 1\nname: p\xe9ter\n", "P002", (2, 8)),
        ("version: 1\n".encode("utf-16"), "P002", (1, 1)),
        (b"version: 1\n" + b"#" * 2**20, "P003", (1, 1)),
    ],
)
def test_what_is_no_text_of_ours_is_refused_whole(raw, code, column):
    document = read(raw, "p.yaml")

    assert document.root is None
    faults = [(f.code, (f.where.line, f.where.column)) for f in document.faults.errors]
    assert faults == [(code, column)]
