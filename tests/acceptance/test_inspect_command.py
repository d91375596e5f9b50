"""
`runner inspect`, on everything that was recorded: the hashes a signer needs, from documents as
people have them.
"""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.recorded import each, entries, raw

from runner.cli.main import run

TRANSFER = (
    "0xb61d27f60000000000000000000000000000000000000000000000000000000000000011"
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000060"
    "0000000000000000000000000000000000000000000000000000000000000044a9059cbb"
    "0000000000000000000000000000000000000000000000000000000000000abc"
    "0000000000000000000000000000000000000000000000000000000000000005"
    "00000000000000000000000000000000000000000000000000000000"
)
RECORDED = {vector["name"]: vector for vector in entries("http_v5")}


@pytest.fixture
def inspect(capsys):
    """
    Run the command; return exit code, stdout and stderr.
    """

    def call(*arguments):
        code = run(["inspect", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def shown(inspect):
    """
    Run the command with --json; return what it says.
    """

    def call(*arguments):
        code, out, err = inspect(*arguments, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    return call


@pytest.fixture
def written(tmp_path):
    """
    Write a document; return its file.
    """

    def write(document):
        path = tmp_path / "document"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    return write


def exchange(name, place=0):
    found = RECORDED[name]["exchanges"][place]
    return found["request"], found["response"]["body"]


# ── operations ────────────────────────────────────────────────────────────────────────────────


@each("userop_hashes")
def test_the_hash_of_an_operation(vector, shown, written):
    for document in (
        {k: vector[k] for k in ("chainId", "entryPoint", "userOperation")},
        {**vector["userOperation"], "chainId": vector["chainId"]},
        {**vector["packed"], "chainId": int(vector["chainId"], 16)},
    ):
        report = shown("user-op", written(document))
        assert report["user_op_hash"] == vector["userOpHash"]
        assert report["personal_sign_digest"] == vector["personalSignDigest"]
        assert report["chain_id"] == int(vector["chainId"], 16)


@each("userop_hashes", "vectorsV06")
def test_the_hash_of_an_operation_of_the_older_entry_point(vector, shown, written):
    report = shown("user-op", written({**vector["userOperation"], "chainId": vector["chainId"]}))

    assert (report["version"], report["user_op_hash"]) == ("0.6", vector["userOpHash"])


def test_an_operation_by_itself_wants_a_chain(inspect, shown, written):
    vector = entries("userop_hashes")[0]
    file = written(vector["userOperation"])

    code, out, err = inspect("user-op", file)
    report = shown("user-op", file, "--chain-id", int(vector["chainId"], 16))

    assert (code, out) == (2, "")
    assert "names no chain" in err
    assert "--chain-id" in err
    assert report["user_op_hash"] == vector["userOpHash"]


def test_a_prepared_operation_is_compared_with_what_it_asks_to_sign(shown, written):
    name = "prepare+sign+send: v0.7 op signed by session key + permissions context"
    _, answer = exchange(name)
    tampered = json.loads(json.dumps(answer).replace('"nonce": "0x1', '"nonce": "0x2', 1))

    report, other = shown("user-op", written(answer)), shown("user-op", written(tampered))

    raw_hash = answer["result"]["signatureRequest"]["data"]["raw"]
    assert report["user_op_hash"] == raw_hash == report["asked"]["raw"]
    assert report["warnings"] == []
    assert other["user_op_hash"] != raw_hash
    assert "not the hash of this operation" in other["warnings"][0]
    assert int(report["max_cost_wei"]) > 0


def test_what_was_sent_names_its_signer(shown, written):
    name = "prepare+sign+send: v0.7 op signed by session key + permissions context"
    request, _ = exchange(name, 1)

    report = shown("user-op", written(request["params"]))

    assert report["signature"]["signer"] == "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF"


def test_an_array_is_a_delegation_and_an_operation(shown, written):
    name = "prepare+sign+send: array: authorization + user op"
    request, _ = exchange(name, 1)

    delegation, operation = shown("user-op", written(request["params"]))

    assert (delegation["kind"], operation["kind"]) == ("authorization", "user-operation")
    assert delegation["delegate"] == "0x69007702764179f14F51cdce752f4f775d74E139"
    assert delegation["signature"]["signer"] == operation["signature"]["signer"]


def test_the_calldata_of_handle_ops_holds_operations(shown):
    from eth_abi.abi import encode

    from runner.adapters.wallet_api.documents import HANDLE_OPS
    from runner.ethereum.abi import parse_function

    function = parse_function(HANDLE_OPS)
    vectors = entries("userop_hashes")[:2]
    rows = [
        (
            op["sender"],
            int(op["nonce"], 16),
            raw(op["initCode"]),
            raw(op["callData"]),
            raw(op["accountGasLimits"]),
            int(op["preVerificationGas"], 16),
            raw(op["gasFees"]),
            raw(op["paymasterAndData"]),
            b"",
        )
        for op in (vector["packed"] for vector in vectors)
    ]
    data = function.selector + encode(
        [parameter.type for parameter in function.inputs], [rows, "0x" + 40 * "1"]
    )

    # The vectors are of several chains; the bytes name none.
    first, second = shown(
        "user-op", "0x" + data.hex(), "--chain-id", int(vectors[0]["chainId"], 16)
    )

    assert first["user_op_hash"] == vectors[0]["userOpHash"]
    assert second["sender"] == vectors[1]["packed"]["sender"]


# ── grants ────────────────────────────────────────────────────────────────────────────────────


@each("permissions")
def test_a_grant_is_read_down_to_its_permissions(vector, shown, written):
    report = shown("typed-data", written(vector["typedData"]))
    installed = shown("install", vector["installValidationCalldata"])
    carried = shown("context", "0x01" + vector["deferredActionWithOwnerSignature"][2:])

    wire = vector["input"]
    assert report["digest"] == vector["eip712Digest"]
    assert report["grant"]["installation"] == {k: v for k, v in installed.items() if k != "kind"}
    assert carried["installation"] == report["grant"]["installation"]
    assert installed["key"] == wire["key"]["publicKey"]
    assert installed["entity_id"] == wire["entityId"] == report["grant"]["nonce"]["entity_id"]
    kinds = [each["type"] for each in installed["permissions"]]
    assert sorted(kinds) == sorted(each["type"] for each in wire["permissions"])
    assert (installed["expiry"] or {"unix": 0})["unix"] == (wire["expirySec"] or 0)


@each("signatures")
def test_the_digest_of_typed_data_and_authorizations(vector, shown, written):
    if "typedData" in vector:
        report = shown("typed-data", written(vector["typedData"]))
        assert report["digest"] == vector["digest"]
    elif "authorization" in vector:
        wire = {"type": "authorization", "data": vector["authorization"]}
        wire["chainId"] = vector["authorization"]["chainId"]
        wire["signature"] = vector["signature"]
        report = shown("user-op", written(wire))
        assert report["digest"] == vector["digest"]
        assert report["signature"]["signer"] == vector["address"]
    else:
        assert vector["kind"].startswith("personal_sign")  # bytes or a text: nothing to decode


def test_the_answer_of_create_session_is_typed_data(shown, written):
    _, answer = exchange("grantPermissions: root, expirySec 4102444800")

    report = shown("typed-data", written(answer))
    wrong = json.loads(json.dumps(answer))
    wrong["result"]["signatureRequest"]["rawPayload"] = "0x" + 64 * "1"

    assert report["digest"] == answer["result"]["signatureRequest"]["rawPayload"]
    assert "as its digest, which it is not" in shown("typed-data", written(wrong))["warnings"][0]


@each("contexts")
def test_a_context_says_what_it_holds(vector, inspect):
    code, out, err = inspect("context", vector["encoded"], "--json")

    wire = vector["decoded"]
    if wire["contextVersion"] == "LOCAL_MODE_DEFERRED_ACTION" and code == 2:
        assert "not a deferred action" in err or "ends too early" in err  # filler, not a grant
        return
    report = json.loads(out)
    assert (
        report["form"]
        == {
            "REMOTE_MODE_DEFERRED_ACTION": "remote",
            "LOCAL_MODE_DEFERRED_ACTION": "local",
            "NON_DEFERRED_ACTION": "installed",
        }[wire["contextVersion"]]
    )
    if report["form"] == "remote":
        assert (report["session_id"], report["signature"]) == (wire["sessionId"], wire["signature"])
    if report["form"] == "installed":
        assert report["entity_id"] == int(wire["entityId"], 16)
        assert report["global"] is wire["isGlobalValidation"]


# ── calls ─────────────────────────────────────────────────────────────────────────────────────


def test_calldata_in_one_sentence(shown, inspect):
    report = shown("calldata", TRANSFER)

    [call] = report["calls"]
    assert call["does"] == (
        "transfer 5 base units of token 0x0000000000000000000000000000000000000011 "
        "to 0x0000000000000000000000000000000000000aBc"
    )
    code, out, err = inspect("calldata", TRANSFER)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "calldata"
    assert f"1. {call['does']}" in out


@each("account_calldata", "calldata")
def test_the_calls_of_every_recorded_call_data(vector, shown):
    report = shown("calldata", vector["output"])

    wire = vector["input"] if isinstance(vector["input"], list) else [vector["input"]]
    assert report.get("user_op_context", False) is (vector["mode"] == "exec hooks installed")
    if "calls" in report:
        assert [call["to"] for call in report["calls"]] == [each["target"] for each in wire]
        assert [call["data"] for call in report["calls"]] == [each["data"] for each in wire]
    else:  # a call to the account itself is its call data as it is
        assert vector["output"].endswith(wire[0]["data"][2:])


def test_the_documentation_shows_what_is_shown(inspect):
    page = Path("docs/operations.md").read_text(encoding="utf-8")
    command, shown = re.search(r"\$ runner inspect (.+)\n((?:.+\n)+?)```", page).groups()

    code, out, _ = inspect(*command.split())

    assert (code, out) == (0, shown)


# ── input ─────────────────────────────────────────────────────────────────────────────────────


def test_stdin_is_read_for_a_dash():
    from runner.cli.main import cli

    answer = CliRunner().invoke(cli, ["inspect", "calldata", "-", "--json"], input=TRANSFER + "\n")

    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["calls"][0]["value"] == "0"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["calldata", "0x123"], "odd number of digits"),
        (["calldata", "0xb61d27f6"], "looks like execute(address,uint256,bytes)"),
        (["calldata", "0x1234"], "shorter than a selector"),
        (["calldata", "nowhere.json"], "neither hex nor a file"),
        (["calldata", "{"], "neither hex nor JSON"),
        (["calldata", '{"a": 1}'], "takes hex"),
        (["calldata", '{"data": 1}'], "takes hex"),
        (["install", "0x1bbf564c"], "end too early"),
        (["install", "0xa9059cbb"], "not a call of installValidation"),
        (["context", "0x03"], "not a permissions context"),
        (["context", "0x0100"], "not a deferred action"),
        (["typed-data", "0x12"], "JSON, not hex"),
        (["typed-data", "[]"], "not an object"),
        (["typed-data", '{"types": {}}'], "Field required"),
        (["user-op", "0xa9059cbb"], "not a call of handleOps"),
        (["user-op", "{}", "--chain-id", "1"], "Field required"),
        (["user-op", '{"a": 1, "a": 2}'], "two members of one name"),
        (["user-op", "[1, 2]"], "not an object"),
        (["user-op", '{"type": "array", "data": []}'], "without operations"),
        (["user-op", '{"chainId": "1"}'], "not a hex integer"),
        (["user-op", '{"chainId": 0}'], "chainId"),
        (["user-op", '{"chainId": true}'], "chainId"),
        (["user-op", '{"chainId": "0x2"}', "--chain-id", "1"], "is of chain 2, not 1"),
        (["user-op", "{}", "--chain-id", "0"], "is not in the range"),
    ],
)
def test_bad_input_is_told_and_exits_2(arguments, why, inspect):
    code, out, err = inspect(*arguments)

    assert (code, out) == (2, "")
    assert why in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00", b"", b"0x" + b"zz", b"[" * 200, b'"0x1"', b"0x" + b"00" * 2_000_001],
)
def test_a_file_of_something_else_is_told(content, tmp_path, inspect):
    path = tmp_path / "document"
    path.write_bytes(content)

    for kind in ("user-op", "typed-data", "context", "install", "calldata"):
        code, out, err = inspect(kind, path)
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
