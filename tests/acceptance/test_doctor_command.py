"""
`runner doctor`, against a sandbox over HTTP: what is well, and each thing that can be wrong.
"""

import json
import os
import socket
import sqlite3

import pytest
from support.house import POLICY, free_port, rpc

from runner.cli.main import run
from runner.sandbox.server import EmbeddedSandbox

KEY = "0x" + "11" * 32
CHAIN = 84532
USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
DEMO = "demo/treasury"


@pytest.fixture
def sandbox():
    """
    The URL of a sandbox on loopback.
    """
    served = EmbeddedSandbox(chain_id=CHAIN, state=None)
    yield served.start()
    served.stop()


@pytest.fixture
def house(tmp_path, monkeypatch, capsys, sandbox):
    """
    A folder with a policy and a runner.yaml for that sandbox.
    """
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RUNNER_")]:
        monkeypatch.delenv(name)
    return House(tmp_path, "/".join(sandbox.split("/")[:3]), capsys)


class House:
    def __init__(self, folder, origin, capsys):
        self.folder, self.origin, self._capsys = folder, origin, capsys
        self.port = free_port()
        self.write(POLICY)
        self.config()

    def write(self, policy):
        (self.folder / "policies").mkdir(exist_ok=True)
        (self.folder / "policies" / "demo.yaml").write_text(policy)

    def config(self, wallet=None, signer=None, more=""):
        """
        Write runner.yaml; `wallet` and `signer` are flow mappings.
        """
        wallet = wallet or f"{{url: '{self.origin}/v2/dev'}}"
        signer = signer or f"{{private_key_for_sandbox_only: '{KEY}'}}"
        (self.folder / "runner.yaml").write_text(
            f"policies: policies/\nwallets: {{sandbox: {wallet}}}\n"
            f"signers: {{treasury-owner: {signer}}}\n"
            f"http: {{bind: '127.0.0.1:{self.port}'}}\n{more}"
        )

    @property
    def reachable(self):
        """
        The same sandbox by an address that does not count as this machine's own.
        """
        return self.origin.replace("127.0.0.1", "0.0.0.0") + "/v2/dev"

    def fault(self, **fault):
        rpc(f"{self.origin}/v2/dev", "sandbox_setFault", fault)

    def call(self, *arguments):
        code = run(["doctor", *arguments])
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err

    def found(self, *arguments):
        """
        Exit code, and the findings by check and subject.
        """
        code, out, err = self.call("--json", *arguments)
        assert err == ""
        rows = json.loads(out)
        assert len({(row["check"], row["subject"]) for row in rows}) == len(rows)
        return code, {(row["check"], row["subject"]): row for row in rows}


def test_a_dashboard_that_could_not_be_shown_is_a_warning(house):
    """
    Its port is taken: payments do not need it.
    """
    with socket.socket() as other:
        other.bind(("127.0.0.1", house.port))
        other.listen()

        code, findings = house.found()

    told = one(findings, "dashboard")
    assert (code, told["status"]) == (0, "warning")
    assert f"127.0.0.1:{house.port}" in told["detail"]
    assert "http" in told["hint"]


def one(findings, check):
    [row] = [row for (name, _), row in findings.items() if name == check]
    return row


def test_all_is_well(house):
    code, findings = house.found()

    assert code == 0
    assert {row["status"] for row in findings.values()} == {"ok"}
    assert [name for name, _ in findings] == [
        "configuration",
        "ledger",
        "dashboard",
        "signer",
        "endpoint",
        "API key",
        "chain id",
        "evidence",
        "clock",
        "decimals",
        "address",
        "delegation",
        "gas",
    ]
    assert "not deployed yet" in one(findings, "delegation")["detail"]
    assert "sponsored by 0x" in one(findings, "gas")["detail"]
    assert "nothing was signed" in one(findings, "signer")["detail"]
    assert not (house.folder / ".runner").exists()


def test_people_get_a_line_a_check_and_the_way_out(house):
    house.config(signer="{env: NOBODY_SET_THIS, sandbox_only: true}")

    code, out, err = house.call()

    assert code == 1
    lines = out.splitlines()
    assert lines[0].split() == ["CHECK", "OF", "FOUND"]
    assert any(line.startswith("failed") and "signer" in line for line in lines)
    assert any(line.startswith("not checked") and "address" in line for line in lines)
    assert "hint: signer of treasury-owner: set NOBODY_SET_THIS" in err
    assert KEY not in out + err


def test_without_a_configuration_the_built_in_sandbox_is_looked_at(house):
    (house.folder / "runner.yaml").unlink()

    code, findings = house.found()

    assert code == 0
    assert ("configuration", "built-in sandbox settings") in findings
    assert one(findings, "address")["status"] == "ok"
    assert not (house.folder / ".runner").exists()


# ── the wallet service and the chain ──────────────────────────────────────────────────────────


def test_nobody_listens(house):
    house.config(wallet="{url: 'http://127.0.0.1:9/v2/dev'}")

    code, findings = house.found()

    assert code == 1
    assert one(findings, "endpoint")["status"] == "failed"
    assert "no answer" in one(findings, "endpoint")["detail"]
    assert "`url`" in one(findings, "endpoint")["hint"]
    assert one(findings, "API key")["status"] == "not_checked"
    assert one(findings, "chain id")["status"] == "failed"
    assert one(findings, "clock")["status"] == "not_checked"
    assert one(findings, "decimals")["status"] == "not_checked"
    assert one(findings, "address")["status"] == "not_checked"


def test_a_key_from_a_variable_that_is_not_set(house):
    url = f"{house.origin}/v2"
    house.config(wallet=f"{{url: '{url}', api_key: {{env: NOBODY_SET_THIS}}}}")

    code, findings = house.found()

    assert code == 1
    assert "NOBODY_SET_THIS" in one(findings, "endpoint")["detail"]


def test_a_busy_service_is_a_warning(house):
    house.fault(kind="rate_limit", method="wallet_getCallsStatus", retry_after=60)

    code, findings = house.found()

    assert code == 0
    assert one(findings, "endpoint")["status"] == "warning"
    assert one(findings, "API key")["status"] == "not_checked"


def test_evidence_of_another_chain(house):
    house.write(POLICY.replace("base-sepolia", "sepolia"))
    other = f"{house.origin}/chain/{CHAIN}/v2/dev"
    house.config(wallet=f"{{url: '{house.origin}/v2/dev', rpc_url: '{other}'}}")

    code, findings = house.found()

    assert code == 1
    assert "serves chain 84532, not 11155111" in one(findings, "chain id")["detail"]
    assert "rpc_url" in one(findings, "chain id")["hint"]
    assert one(findings, "decimals")["status"] == "not_checked"


@pytest.mark.parametrize(
    ("seconds", "status", "code"), [(5, "ok", 0), (60, "warning", 0), (-300, "failed", 1)]
)
def test_r17_clocks_that_are_apart(seconds, status, code, house):
    url = f"{house.origin}/v2/dev"
    house.config(wallet=f"{{url: '{url}', timing: {{clock: system}}}}")
    house.fault(kind="clock_skew", seconds=seconds)

    ended, findings = house.found()

    assert (ended, one(findings, "clock")["status"]) == (code, status)


def test_a_token_of_other_decimals_and_one_that_is_none(house):
    nothing = "0x00000000000000000000000000000000000000ee"
    house.write(
        POLICY.replace(
            "decimals: 6",
            "decimals: 8",
        ).replace("contacts:", f"  euro: {{decimals: 6, address: '{nothing}'}}\ncontacts:", 1)
    )

    code, findings = house.found()

    assert code == 1
    usdc = findings["decimals", f"usdc on sandbox/{CHAIN}"]
    euro = findings["decimals", f"euro on sandbox/{CHAIN}"]
    assert (usdc["status"], euro["status"]) == ("failed", "failed")
    assert "declared 8" in usdc["detail"]
    assert USDC in usdc["detail"]
    assert "decimals: 6" in usdc["hint"]
    assert "0 bytes" in euro["detail"]


# ── accounts and signers ──────────────────────────────────────────────────────────────────────


def test_g1_an_address_that_is_somebody_elses(house):
    written = "{owner: treasury-owner, gas: sponsor, address: '0x" + 40 * "1" + "'}"
    house.write(POLICY.replace("{owner: treasury-owner, gas: sponsor}", written))

    code, findings = house.found()

    assert code == 1
    assert "owns 0x" in findings["address", DEMO]["detail"]
    assert findings["gas", DEMO]["status"] == "not_checked"


def test_an_account_that_pays_for_itself(house):
    house.write(POLICY.replace(", gas: sponsor", ""))

    code, findings = house.found()

    assert code == 0
    assert "paid by the account" in findings["gas", DEMO]["detail"]


def test_an_operation_that_costs_more_than_the_policy_allows(house):
    fee = "{owner: treasury-owner, gas: sponsor, max_fee: 1 wei}"
    house.write(POLICY.replace("{owner: treasury-owner, gas: sponsor}", fee))

    code, findings = house.found()

    assert code == 0
    assert findings["gas", DEMO]["status"] == "warning"
    assert "max_fee" in findings["gas", DEMO]["hint"]


def test_a_sponsor_that_refuses(house):
    house.fault(kind="refuse_sponsorship")

    code, findings = house.found()

    assert code == 1
    assert findings["gas", DEMO]["status"] == "failed"
    assert "gas policies" in findings["gas", DEMO]["hint"].replace("_", " ") or (
        "gas policy" in findings["gas", DEMO]["hint"]
    )


def test_faulty_policies_are_told_first(house):
    house.write(POLICY.replace("1.5 usdc", "1.5 gold"))

    code, out, err = house.call("--json")

    assert (code, out) == (2, "")
    assert "gold" in err


# ── a wallet that counts as real ──────────────────────────────────────────────────────────────


@pytest.fixture
def real(house, monkeypatch):
    """
    A profile that is not a sandbox by its URL, with a ledger of its own.
    """
    monkeypatch.setenv("OWNER_KEY", KEY)
    policies = "gas_policies: {default: 11111111-2222-4333-8444-555555555555}"
    house.config(
        wallet=f"{{url: '{house.reachable}', {policies}}}",
        signer="{env: OWNER_KEY}",
        more="store: sqlite:///ledger.db\nsecret_key: {file: secret.key}\n",
    )
    return house


def made(house):
    """
    Make the ledger, as an operator would.
    """
    assert run(["db", "init"]) == 0
    house._capsys.readouterr()
    return house.folder / "ledger.db"


def test_a_ledger_that_was_never_made(real):
    code, findings = real.found()

    assert code == 1
    assert one(findings, "ledger")["status"] == "failed"
    assert "runner db init" in one(findings, "ledger")["hint"]
    assert one(findings, "evidence")["status"] == "warning"
    assert "rpc_url" in one(findings, "evidence")["hint"]
    assert one(findings, "address")["status"] == "ok"


def test_a_ledger_and_its_key(real):
    ledger = made(real)
    before = ledger.read_bytes()

    code, findings = real.found()

    assert code == 0
    assert one(findings, "ledger")["status"] == "ok"
    assert one(findings, "secret key")["status"] == "ok"
    assert ledger.read_bytes() == before


def test_the_key_of_another_ledger(real):
    made(real)
    (real.folder / "secret.key").write_text("22" * 32)

    code, findings = real.found()

    assert code == 1
    assert "was made with" in one(findings, "secret key")["detail"]


def test_a_ledger_that_somebody_locks(real):
    ledger = made(real)
    holder = sqlite3.connect(ledger, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    code, findings = real.found()
    holder.close()

    assert code == 1
    assert "locked" in one(findings, "ledger")["detail"]


def test_live_is_for_play_money(real):
    real.write(POLICY.replace("base-sepolia", "base"))

    code, out, err = real.call("--live")

    assert (code, out) == (2, "")
    assert "testnet" in err
    assert rpc(f"{real.origin}/v2/dev", "sandbox_getOps") == []


# ── trying things out ─────────────────────────────────────────────────────────────────────────

TRIED = [
    "an account of its own",
    "two sessions asked for at once",
    "an empty operation, first use",
    "gas-limit 0 on a sponsored session",
    "a chosen nonce",
    "the same bytes again",
    "higher fees on a pending nonce",
    "operations in flight",
    "the last moment to send",
    "a lapsed grant",
    "a revoked grant",
]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("sponsored", [True, False])
def test_every_open_assumption_is_tried(sponsored, house):
    if not sponsored:
        house.write(POLICY.replace(", gas: sponsor", ""))

    code, findings = house.found("--live")

    tried = {row["check"]: row for row in findings.values() if row["live"]}
    assert code == 0
    assert list(tried) == TRIED
    unchecked = {name for name, row in tried.items() if row["status"] == "not_checked"}
    assert unchecked - {"higher fees on a pending nonce"} == {"a revoked grant"} | (
        set() if sponsored else {"gas-limit 0 on a sponsored session"}
    )
    assert {row["status"] for row in tried.values()} <= {"ok", "not_checked"}
    assert "code -32503" in tried["a lapsed grant"]["detail"]
    assert "4 at once" in tried["operations in flight"]["detail"]
    ops = rpc(f"{house.origin}/v2/dev", "sandbox_getOps")
    assert ops
    assert all(op["calls"] == [] for op in ops)
    treasury = findings["address", DEMO]["detail"].split(",")[0]
    assert treasury not in {op["sender"] for op in ops}


@pytest.mark.timeout(60)
def test_a_service_that_never_includes_is_told(house):
    house.fault(kind="never_include")

    code, findings = house.found("--live")

    assert code == 1
    first = one(findings, "an empty operation, first use")
    assert (first["status"], "not included in time" in first["detail"]) == ("failed", True)
    assert one(findings, "everything under a session")["status"] == "not_checked"


@pytest.mark.timeout(60)
def test_a_service_that_offers_something_else_gets_no_signature(house):
    house.fault(kind="tamper", method="wallet_createSession", path="chainId", value="0x1")

    code, findings = house.found("--live")

    assert code == 1
    assert "B4.chain" in one(findings, "a session")["detail"]
    assert rpc(f"{house.origin}/v2/dev", "sandbox_getOps") == []


def test_g3_a_play_account_stands_for_an_eoa_inside_the_daemon(house):
    """
    Nothing has to be delegated in an embedded sandbox.
    """
    house.write(POLICY.replace("gas: sponsor}", "gas: sponsor, type: eip7702}"))
    house.config(wallet="{embedded: true}")

    code, out, _ = house.call()

    assert code == 0, out
    assert "delegation" in out
    assert "failed" not in out


def test_g1_an_eoa_that_has_not_delegated_is_no_fault_of_its_gas(house):
    """
    One finding for one cause.
    """
    house.write(POLICY.replace("gas: sponsor}", "gas: sponsor, type: eip7702}"))

    code, findings = house.found()

    told = {check: row["status"] for (check, who), row in findings.items() if who == DEMO}
    assert code == 1
    assert told == {"address": "ok", "delegation": "failed", "gas": "not_checked"}
