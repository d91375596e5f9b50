"""Readers of the wire: what the specification allows and nothing else."""

from __future__ import annotations

import pytest

from runner.ethereum.permissions import Erc20TokenTransfer, FunctionsOnContract, Root
from runner.sandbox import wire
from runner.sandbox.capabilities import read_capabilities
from runner.sandbox.rpc import RpcError
from runner.sandbox.typed_json import read_typed_data, typed_data_json

LOWER = "0x036cbd53842c5426634e7929541ec2318f3dcf7e"
CHECKSUMMED = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"


@pytest.mark.parametrize("text", [LOWER, CHECKSUMMED, "0x" + LOWER[2:].upper(), LOWER[:-1] + "E"])
def test_addresses_in_any_letter_case(text):
    assert wire.address(text, "it") == CHECKSUMMED


@pytest.mark.parametrize(
    "value", [None, 5, "0x", LOWER[2:], LOWER + "00", "0X" + LOWER[2:], [LOWER]]
)
def test_what_is_no_address(value):
    with pytest.raises(RpcError) as caught:
        wire.address(value, "request.from")

    assert caught.value.code == -32602
    assert "request.from" in caught.value.message


@pytest.mark.parametrize(
    ("text", "number"), [("0x0", 0), ("0x01", 1), ("0xFf", 255), ("0x" + 64 * "f", 2**256 - 1)]
)
def test_big_numbers(text, number):
    assert wire.big(text, "it") == number


@pytest.mark.parametrize(
    "value", ["0x", "0X1", "1", 1, None, "0x1_0", "-0x1", " 0x1", "0x1\n", "0x1" + 64 * "0"]
)
def test_what_is_no_big_number(value):
    with pytest.raises(RpcError):
        wire.big(value, "it")


@pytest.mark.parametrize("value", ["0x100000000", "0x0", 84532])
def test_what_is_no_chain_id(value):
    with pytest.raises(RpcError):
        wire.chain_id(value, "it")


@pytest.mark.parametrize("value", ["0x0", "0xabc", "0xgg", "ab", None])
def test_what_is_no_byte_string(value):
    with pytest.raises(RpcError):
        wire.data_bytes(value, "it")


@pytest.mark.parametrize(("value", "amount"), [("12", 12), (12, 12), ("0xc", 12)])
def test_amounts_of_the_controls(value, amount):
    assert wire.amount(value, "it") == amount


@pytest.mark.parametrize("value", [-1, True, 1.5, "1e3", "1_000", "", 2**256])
def test_what_is_no_amount(value):
    with pytest.raises(RpcError):
        wire.amount(value, "it")


def test_permissions():
    listed = [
        {"type": "erc20-token-transfer", "data": {"address": LOWER, "allowance": "0x5"}},
        {"type": "functions-on-contract", "data": {"address": LOWER, "functions": ["0xa9059cbb"]}},
        {"type": "root"},
    ]

    assert wire.permissions(listed, "it") == (
        Erc20TokenTransfer(wire.Address(CHECKSUMMED), 5),
        FunctionsOnContract(wire.Address(CHECKSUMMED), (bytes.fromhex("a9059cbb"),)),
        Root(),
    )


@pytest.mark.parametrize(
    "permission",
    [
        {"type": "root", "data": {}},
        {"type": "root", "data": None},
        {"type": "gas-limit"},
        {"type": "gas-limit", "data": {"limit": 5}},
        {"type": "account-functions", "data": {"functions": []}},
        {"type": "account-functions", "data": {"functions": ["0xa9059c"]}},
        {"type": "everything", "data": {}},
        {},
        None,
    ],
)
def test_what_is_no_permission(permission):
    with pytest.raises(RpcError):
        wire.permissions([permission], "it")


@pytest.mark.parametrize(
    "data",
    [
        "0x" + 64 * "11" + "1c",
        {"r": "0x" + 32 * "11", "s": "0x" + 32 * "11", "v": "0x1c"},
        {"r": "0x" + 32 * "11", "s": "0x" + 32 * "11", "yParity": "0x1"},
    ],
)
def test_signatures(data):
    signature = wire.signature({"type": "secp256k1", "data": data}, "it")

    assert signature == 64 * b"\x11" + b"\x1c"


@pytest.mark.parametrize(
    "value",
    [
        "0x" + 65 * "11",
        {"type": "webauthn", "data": "0x" + 65 * "11"},
        {"type": "ecdsa", "data": "0x" + 64 * "11"},
        {"type": "ecdsa", "data": {"r": "0x1", "s": "0x1"}},
        {"type": "ecdsa", "data": {"r": "0x1", "s": "0x1", "yParity": "0x2"}},
    ],
)
def test_what_is_no_signature(value):
    with pytest.raises(RpcError):
        wire.signature(value, "it")


@pytest.mark.parametrize(
    "capabilities",
    [
        {"paymasterService": {}},
        {"paymasterService": {"policyIds": []}},
        {"paymasterService": {"policyId": "11111111-2222-1333-8444-555555555555"}},
        {"nonceOverride": {"nonceKey": hex(2**152)}},
        {"nonceOverride": {}},
        {"permissions": {"context": "0x"}},
        {"permissions": {"context": "0x0300"}},
        {"permissions": {"sessionId": "0x00", "signature": "0x00"}},
        {"eip7702Auth": False},
        {"gasParamsOverride": {"maxFeePerGas": 5}},
        {"gasParamsOverride": {"maxFeePerGas": {"multiplier": 0}}},
        {"gasParamsOverride": {"callGasLimit": hex(2**128)}},
        {"stateOverride": {LOWER: {"balance": 1}}},
        {"stateOverride": {LOWER: {"state": {}, "stateDiff": {}}}},
        {"stateOverride": {LOWER: {"storage": {}}}},
        {"stateOverride": {"0x12": {"balance": "0x1"}}},
        [],
        None,
    ],
)
def test_what_are_no_capabilities(capabilities):
    with pytest.raises(RpcError) as caught:
        read_capabilities(capabilities)

    assert caught.value.code == -32602


def test_unknown_capabilities_are_ignored():
    assert read_capabilities({"teleport": {}}) == read_capabilities({})


def test_typed_data_come_back_as_they_went():
    shown = {
        "domain": {"chainId": 1, "verifyingContract": CHECKSUMMED, "salt": "0x" + 64 * "0"},
        "types": {
            "Order": [{"name": "nonce", "type": "uint256"}, {"name": "items", "type": "Item[]"}],
            "Item": [{"name": "data", "type": "bytes"}, {"name": "paid", "type": "bool"}],
        },
        "primaryType": "Order",
        "message": {"nonce": "0x10", "items": [{"data": "0x01", "paid": True}]},
    }

    data = read_typed_data(shown, "it")

    assert data.message == {"nonce": 16, "items": [{"data": b"\x01", "paid": True}]}
    assert typed_data_json(data)["domain"] == shown["domain"]
