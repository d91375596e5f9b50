"""
Bytes, digests and addresses recorded from the published SDKs: `tests/vectors/*.json`.
"""

import pytest
from support.recorded import COUNTS, FOLDER, each, integer, load, raw

from runner.errors import EncodingError
from runner.ethereum import contracts, grants, installation, modules
from runner.ethereum.address import parse_address
from runner.ethereum.authorization import Authorization
from runner.ethereum.calls import Call
from runner.ethereum.modular_account import (
    DUMMY_SIGNATURE,
    decode_call_data,
    decode_factory_data,
    encode_call_data,
    factory_data,
    semi_modular_account_address,
    wrap_session_signature,
)
from runner.ethereum.nonce import OPTION_DEFERRED, OPTION_GLOBAL, Nonce, decode_nonce
from runner.ethereum.signature import personal_sign_digest, recover_address
from runner.ethereum.typed_data import Field, TypedData, typed_data_digest
from runner.ethereum.user_operation import (
    UserOperation,
    UserOperationV06,
    call_id,
    unpack_user_operation,
    user_operation_hash,
    user_operation_hash_v06,
)


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
    assert decode_factory_data(raw(vector["factoryData"])) == (owner, salt)


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


PACKED = ("initCode", "accountGasLimits", "gasFees", "paymasterAndData")


@each("userop_hashes")
def test_user_operation_hash(vector):
    op = operation(vector["userOperation"])
    chain_id, entry_point = integer(vector["chainId"]), parse_address(vector["entryPoint"])

    digest = user_operation_hash(op, chain_id, entry_point)

    assert digest == raw(vector["userOpHash"])
    packed = {name: raw(vector["packed"][name]) for name in PACKED}
    assert (op.init_code, op.account_gas_limits, op.gas_fees, op.paymaster_and_data) == tuple(
        packed.values()
    )
    whole = {"init_code": op.init_code, "account_gas_limits": op.account_gas_limits}
    whole |= {"gas_fees": op.gas_fees, "paymaster_and_data": op.paymaster_and_data}
    for name in ("sender", "nonce", "call_data", "pre_verification_gas"):
        whole[name] = getattr(op, name)
    assert unpack_user_operation(**whole) == op
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
    assert grants.decode_session_signature(raw(vector["userOpSignature"])) == (
        grants.SessionSignature(signature, deferred[33:])
    )
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
    wire, output = vector["input"], raw(vector["output"])
    match vector["kind"]:
        case "validationConfig (bytes25)":
            flags = wire["isUserOpValidation"] * installation.VALIDATION_USER_OP
            flags |= wire["isSignatureValidation"] * installation.VALIDATION_SIGNATURE
            flags |= wire["isGlobal"] * installation.VALIDATION_GLOBAL
            config = (parse_address(wire["moduleAddress"]), wire["entityId"], flags)
            assert installation.module_config(*config) == output
            assert installation.decode_module_config(output) == config
        case "hookConfig (bytes25)":
            flags = (wire["hookType"] == "validation") * installation.HOOK_VALIDATION
            flags |= wire["hasPostHooks"] * installation.HOOK_HAS_POST
            flags |= wire["hasPreHooks"] * installation.HOOK_HAS_PRE
            config = (parse_address(wire["address"]), wire["entityId"], flags)
            assert installation.module_config(*config) == output
            assert installation.decode_module_config(output) == config
        case "moduleEntity (bytes24)":
            entity = (parse_address(wire["moduleAddress"]), wire["entityId"])
            assert installation.module_entity(*entity) == output
        case "onInstall data":
            data = module_data(vector["module"], wire)
            assert modules.encode_module_data(data) == output
            assert modules.decode_module_data(MODULES[vector["module"]], output) == data
        case kind:
            pytest.fail(f"nothing checks a {kind}")


MODULES = {
    "AllowlistModule": contracts.ALLOWLIST_MODULE,
    "SingleSignerValidationModule": contracts.SINGLE_SIGNER_MODULE,
    "NativeTokenLimitModule": contracts.NATIVE_LIMIT_MODULE,
    "TimeRangeModule": contracts.TIME_RANGE_MODULE,
    "PaymasterGuardModule": contracts.PAYMASTER_GUARD_MODULE,
}


def module_data(module, wire):
    entity_id = wire["entityId"]
    match module:
        case "AllowlistModule":
            return modules.Allowlist(entity_id, tuple(map(allowlist_entry, wire["inputs"])))
        case "SingleSignerValidationModule":
            return modules.SingleSigner(entity_id, parse_address(wire["signer"]))
        case "NativeTokenLimitModule":
            return modules.NativeLimit(entity_id, integer(wire["spendLimit"]))
        case "TimeRangeModule":
            return modules.TimeRange(entity_id, wire["validUntil"], wire["validAfter"])
        case "PaymasterGuardModule":
            return modules.PaymasterGuard(entity_id, parse_address(wire["paymaster"]))
    raise AssertionError(module)


def allowlist_entry(wire):
    return modules.AllowlistEntry(
        parse_address(wire["target"]),
        wire["hasSelectorAllowlist"],
        wire["hasERC20SpendLimit"],
        integer(wire["erc20SpendLimit"]),
        tuple(map(raw, wire["selectors"])),
    )


@each("signatures")
def test_signature(vector):
    digest, signature = signed_digest(vector), raw(vector["signature"])

    assert digest == raw(vector["digest"])
    assert recover_address(digest, signature) == vector["address"]
    if vector["kind"] == "eip7702Auth":
        assert authorization(vector).authority(signature) == vector["address"]


def signed_digest(vector):
    match vector["kind"]:
        case "personal_sign raw":
            return personal_sign_digest(raw(vector["raw"]))
        case "personal_sign text":
            return personal_sign_digest(vector["message"].encode())
        case "eip7702Auth":
            return authorization(vector).digest
    return typed_data_digest(typed_data(vector["typedData"]))


def authorization(vector):
    wire = vector["authorization"]
    return Authorization(
        integer(wire["chainId"]), parse_address(wire["address"]), integer(wire["nonce"])
    )


def test_every_file_and_every_list_is_counted():
    """
    A new file, or a new list in a file, wants a test that reads it.
    """
    found = {
        path.stem: {name for name, value in load(path.stem).items() if isinstance(value, list)}
        for path in FOLDER.glob("*.json")
        if path.stem != "oracle-verdicts"  # read by the tests of scope
    }
    assert found == {name: set(lists) for name, lists in COUNTS.items()}
