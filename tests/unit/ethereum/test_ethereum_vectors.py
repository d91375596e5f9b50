"""
Bytes, digests and addresses recorded from the published SDKs: `tests/vectors/*.json`.
"""

import json
from pathlib import Path

import pytest

from runner.errors import EncodingError
from runner.ethereum import contracts, grants, installation
from runner.ethereum.address import parse_address
from runner.ethereum.authorization import authorization_digest
from runner.ethereum.calls import Call
from runner.ethereum.modular_account import (
    DUMMY_SIGNATURE,
    decode_call_data,
    encode_call_data,
    factory_data,
    semi_modular_account_address,
    wrap_session_signature,
)
from runner.ethereum.nonce import OPTION_DEFERRED, OPTION_GLOBAL, Nonce, decode_nonce
from runner.ethereum.permissions import (
    NativeTokenTransfer,
    Root,
)
from runner.ethereum.signature import personal_sign_digest, recover_address
from runner.ethereum.typed_data import Field, TypedData, typed_data_digest
from runner.ethereum.user_operation import (
    UserOperation,
    UserOperationV06,
    call_id,
    user_operation_hash,
    user_operation_hash_v06,
)

VECTORS = Path(__file__).parents[2] / "vectors"


def load(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def each(name, member="vectors"):
    """
    Parametrize over the members of a vector file.
    """
    vectors = load(name)[member]
    ids = [
        f"{n}-{v.get('name', v.get('kind', ''))}".replace(" ", "_") for n, v in enumerate(vectors)
    ]
    return pytest.mark.parametrize("vector", vectors, ids=ids)


def raw(text):
    return bytes.fromhex(text.removeprefix("0x"))


def integer(value):
    if isinstance(value, dict):
        return int(value["$bigint"])
    return value if isinstance(value, int) else int(value, 16)


def typed_data(wire):
    """
    Turn typed data as the wire has it into Python values.
    """
    types = {
        name: tuple(Field(field["name"], field["type"]) for field in fields)
        for name, fields in wire["types"].items()
        if name != "EIP712Domain"
    }
    domain = dict(wire["domain"])
    if "salt" in domain:
        domain["salt"] = raw(domain["salt"])
    message = {
        field.name: python_value(field.type, wire["message"][field.name])
        for field in types[wire["primaryType"]]
    }
    return TypedData(domain, types, wire["primaryType"], message)


def python_value(kind, value):
    if kind.startswith("uint"):
        return integer(value)
    return raw(value) if kind.startswith("bytes") else value


@each("account_addresses")
def test_account_address_and_factory_data(vector):
    owner, salt = parse_address(vector["owner"]), integer(vector["salt"])

    assert vector["factory"] == contracts.FACTORY
    assert vector["implementation"] == contracts.SEMI_MODULAR_IMPLEMENTATION
    assert semi_modular_account_address(owner, salt) == vector["accountAddress"]
    assert factory_data(owner, salt) == raw(vector["factoryData"])


@each("nonces")
def test_nonce(vector):
    options = OPTION_GLOBAL * vector["isGlobalValidation"]
    options |= OPTION_DEFERRED * vector["isDeferredAction"]
    parallel = integer(vector["nonceKey"])
    for sequence, member in ((0, "nonceSeq0"), (5, "nonceSeq5")):
        nonce = Nonce(parallel, vector["entityId"], options, sequence)
        assert nonce.key192 == integer(vector["key192"])
        assert nonce.value == integer(vector[member])
        assert decode_nonce(nonce.value) == nonce


@each("call_ids")
def test_call_id(vector):
    assert call_id(integer(vector["chainId"]), raw(vector["userOpHash"])) == raw(vector["callId"])


@each("call_ids", "publishedExamples")
def test_published_call_id(vector):
    made = call_id(integer(vector["chainId"]), raw(vector["userOpHash"]))
    assert (made == raw(vector["callId"])) is vector["matchesLayout"]


def operation(wire):
    def number(name):
        return integer(wire.get(name, "0x0"))

    return UserOperation(
        sender=parse_address(wire["sender"]),
        nonce=number("nonce"),
        call_data=raw(wire["callData"]),
        call_gas_limit=number("callGasLimit"),
        verification_gas_limit=number("verificationGasLimit"),
        pre_verification_gas=number("preVerificationGas"),
        max_fee_per_gas=number("maxFeePerGas"),
        max_priority_fee_per_gas=number("maxPriorityFeePerGas"),
        factory=parse_address(wire["factory"]) if "factory" in wire else None,
        factory_data=raw(wire.get("factoryData", "0x")),
        paymaster=parse_address(wire["paymaster"]) if "paymaster" in wire else None,
        paymaster_verification_gas_limit=number("paymasterVerificationGasLimit"),
        paymaster_post_op_gas_limit=number("paymasterPostOpGasLimit"),
        paymaster_data=raw(wire.get("paymasterData", "0x")),
    )


@each("userop_hashes")
def test_user_operation_hash(vector):
    op = operation(vector["userOperation"])
    chain_id, entry_point = integer(vector["chainId"]), parse_address(vector["entryPoint"])

    digest = user_operation_hash(op, chain_id, entry_point)

    assert digest == raw(vector["userOpHash"])
    assert op.init_code == raw(vector["packed"]["initCode"])
    assert op.paymaster_and_data == raw(vector["packed"]["paymasterAndData"])
    assert personal_sign_digest(digest) == raw(vector["personalSignDigest"])
    assert len({recover_from(digest, entry) for entry in vector["signatures"]}) == len(
        vector["signatures"]
    )


def recover_from(digest, entry):
    signer = recover_address(personal_sign_digest(digest), raw(entry["signature"]))
    assert signer == address_of(entry["privateKey"])
    return signer


def address_of(private_key):
    from eth_account import Account

    return Account.from_key(private_key).address


@each("userop_hashes", "vectorsV06")
def test_user_operation_hash_v06(vector):
    wire = vector["userOperation"]
    op = UserOperationV06(
        sender=parse_address(wire["sender"]),
        nonce=integer(wire["nonce"]),
        call_data=raw(wire["callData"]),
        call_gas_limit=integer(wire["callGasLimit"]),
        verification_gas_limit=integer(wire["verificationGasLimit"]),
        pre_verification_gas=integer(wire["preVerificationGas"]),
        max_fee_per_gas=integer(wire["maxFeePerGas"]),
        max_priority_fee_per_gas=integer(wire["maxPriorityFeePerGas"]),
        init_code=raw(wire["initCode"]),
        paymaster_and_data=raw(wire["paymasterAndData"]),
    )
    digest = user_operation_hash_v06(op, integer(vector["chainId"]))
    assert digest == raw(vector["userOpHash"])


@each("account_calldata", "calldata")
def test_call_data(vector):
    account = parse_address("0x76E765e80FFAC96ac10Aa8908a8267A3B80d606D")
    form, hooks = vector["kind"], vector["mode"] == "exec hooks installed"
    entries = [vector["input"]] if form == "execute" else vector["input"]
    calls = [
        Call(
            parse_address(entry["target"]),
            integer(entry.get("value", {"$bigint": "0"})),
            raw(entry["data"]),
        )
        for entry in entries
    ]

    data = encode_call_data(calls, account=account, execution_hooks=hooks, single=form)

    assert data == raw(vector["output"])
    if form == "execute" and calls[0].to == account:  # the call itself, not wrapped
        with pytest.raises(EncodingError):
            decode_call_data(data)
    else:
        decoded = decode_call_data(data)
        assert (list(decoded.calls), decoded.form, decoded.user_op_context) == (calls, form, hooks)


@each("account_calldata", "userOpSignatures")
def test_operation_signature(vector):
    digest = personal_sign_digest(raw(vector["userOpHash"]))
    signature = raw(vector["rawSignature65"])
    deferred = raw(vector.get("deferredActionWithOwnerSignature", "0x"))

    assert recover_address(digest, signature) == address_of(vector["privateKey"])
    assert wrap_session_signature(signature, deferred[33:]) == raw(vector["userOpSignature"])
    if "dummySignature" in vector:
        assert deferred[33:] + DUMMY_SIGNATURE == raw(vector["dummySignature"])
        assert grants.decode_deferred_action(deferred).nonce == integer(vector["userOpNonce"])
        call = Call(parse_address("0x68B88f7BA5827c195822C4cf1f9B61BC8215F6Fa"))
        assert encode_call_data(
            [call], account=call.to[:-1] + "b", execution_hooks=deferred[0] == 1, single="execute"
        ) == raw(vector["callDataFor_execute_A_0_empty"])


@each("account_calldata", "erc1271")
def test_contract_signature(vector):
    wire = vector["prepared"]["data"]
    signature = raw(vector["signature65"])
    entity_id = 0 if vector["kind"].startswith("owner") else 1

    digest = typed_data_digest(typed_data(wire))

    assert digest == raw(vector["digest"])
    key = "0x" + ("01" if entity_id == 0 else "02").rjust(64, "0")
    assert recover_address(digest, signature) == address_of(key)
    assert grants.contract_signature(signature, entity_id) == raw(vector["formatted"])
    if wire["primaryType"] == "ReplaySafeHash":  # else the account's own grant, signed as it is
        assert digest == typed_data_digest(
            grants.replay_safe_hash(
                request_digest(vector["request"]),
                chain_id=421614,
                account=parse_address("0x76E765e80FFAC96ac10Aa8908a8267A3B80d606D"),
                entity_id=entity_id,
            )
        )


def request_digest(request):
    data = request["data"]
    if request["type"] == "personal_sign":
        message = data.encode() if isinstance(data, str) else raw(data["raw"])
        return personal_sign_digest(message)
    return typed_data_digest(typed_data(data))


@each("encodings")
def test_encoding(vector):
    assert encoding(vector) == raw(vector["output"])


def encoding(vector):
    wire = vector["input"]
    entity_id = wire["entityId"]
    match vector["kind"]:
        case "validationConfig (bytes25)":
            flags = wire["isUserOpValidation"] * installation.VALIDATION_USER_OP
            flags |= wire["isSignatureValidation"] * installation.VALIDATION_SIGNATURE
            flags |= wire["isGlobal"] * installation.VALIDATION_GLOBAL
            return installation.module_config(wire["moduleAddress"], entity_id, flags)
        case "hookConfig (bytes25)":
            flags = (wire["hookType"] == "validation") * installation.HOOK_VALIDATION
            flags |= wire["hasPostHooks"] * installation.HOOK_HAS_POST
            flags |= wire["hasPreHooks"] * installation.HOOK_HAS_PRE
            return installation.module_config(wire["address"], entity_id, flags)
        case "moduleEntity (bytes24)":
            return installation.module_entity(wire["moduleAddress"], entity_id)
        case "onInstall data":
            return install_data(vector["module"], wire)
    raise AssertionError(vector["kind"])


def install_data(module, wire):
    from eth_abi.abi import encode

    entity_id = wire["entityId"]
    match module:
        case "AllowlistModule":
            entries = [
                installation.AllowlistEntry(
                    parse_address(entry["target"]),
                    entry["hasSelectorAllowlist"],
                    entry["hasERC20SpendLimit"],
                    integer(entry["erc20SpendLimit"]),
                    tuple(raw(each) for each in entry["selectors"]),
                )
                for entry in wire["inputs"]
            ]
            return installation.allowlist_data(entity_id, entries)
        case "SingleSignerValidationModule":
            return installed(Root(), key=wire["signer"]).install_data
        case "NativeTokenLimitModule":
            (hook,) = installed(NativeTokenTransfer(integer(wire["spendLimit"]))).hooks
            return hook.init_data
        case "TimeRangeModule":  # ours never has a start
            (hook,) = installed(Root(), expiry=wire["validUntil"]).hooks
            return hook.init_data[:64] + wire["validAfter"].to_bytes(32, "big")
        case "PaymasterGuardModule":  # no permission installs it
            return encode(["uint32", "address"], [entity_id, wire["paymaster"]])
    raise AssertionError(module)


def installed(*granted, key="0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF", expiry=0):
    return installation.session_installation(granted, key=key, entity_id=1, expiry=expiry)


@each("signatures")
def test_signature(vector):
    digest = signed_digest(vector)

    assert digest == raw(vector["digest"])
    assert recover_address(digest, raw(vector["signature"])) == vector["address"]


def signed_digest(vector):
    match vector["kind"]:
        case "personal_sign raw":
            return personal_sign_digest(raw(vector["raw"]))
        case "personal_sign text":
            return personal_sign_digest(vector["message"].encode())
        case "eip7702Auth":
            tuple_ = vector["authorization"]
            address = parse_address(tuple_["address"])
            return authorization_digest(
                integer(tuple_["chainId"]), address, integer(tuple_["nonce"])
            )
    return typed_data_digest(typed_data(vector["typedData"]))
