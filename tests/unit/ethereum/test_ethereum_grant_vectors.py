"""
Grants recorded from the published SDK, and from the deployed contracts: install calls, typed
data, deferred actions, contexts, and the permissions that are refused.
"""

import pytest
from support.recorded import each, integer, load, over, raw

from runner.errors import EncodingError
from runner.ethereum import contracts, grants, installation
from runner.ethereum.address import parse_address
from runner.ethereum.calls import Call
from runner.ethereum.granted import granted_by
from runner.ethereum.modular_account import (
    PermissionRefused,
    check_permissions,
    decode_call_data,
    decode_context,
    decode_install_validation,
    decode_uninstall_validation,
    deferred_action,
    deferred_action_bytes,
    encode_call_data,
    grant_nonce,
    has_execution_hooks,
    install_validation,
    is_global,
    session_context,
    uninstall_validation,
)
from runner.ethereum.nonce import decode_nonce
from runner.ethereum.permissions import (
    AccountFunctions,
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    GasLimit,
    NativeTokenTransfer,
    Root,
)
from runner.ethereum.signature import recover_address
from runner.ethereum.typed_data import typed_data_digest


def permission(entry):
    data = entry.get("data", {})
    functions = tuple(raw(each) for each in data.get("functions", ()))
    match entry["type"]:
        case "native-token-transfer":
            return NativeTokenTransfer(integer(data["allowance"]))
        case "erc20-token-transfer":
            return Erc20TokenTransfer(parse_address(data["address"]), integer(data["allowance"]))
        case "gas-limit":
            return GasLimit(integer(data["limit"]))
        case "contract-access":
            return ContractAccess(parse_address(data["address"]))
        case "account-functions":
            return AccountFunctions(functions)
        case "functions-on-all-contracts":
            return FunctionsOnAllContracts(functions)
        case "functions-on-contract":
            return FunctionsOnContract(parse_address(data["address"]), functions)
        case "root":
            return Root()
    return entry  # what no permission is


def permissions(entries):
    return [permission(entry) for entry in entries]


def granted_of(vector):
    """
    Return the arguments that describe the grant of a vector.
    """
    wire = vector["input"]
    arguments = {"entity_id": wire["entityId"], "expiry": wire["expirySec"] or 0}
    return permissions(wire["permissions"]), arguments


@each("permissions")
def test_install_call(vector):
    granted, arguments = granted_of(vector)
    key = parse_address(vector["input"]["key"]["publicKey"])

    data = install_validation(granted, key=key, **arguments)

    assert data == raw(vector["installValidationCalldata"])
    found = decode_install_validation(data)
    assert found == installation.session_installation(granted, key=key, **arguments)
    assert found.key == key
    assert found.is_global is is_global(granted) is vector["input"]["isGlobal"]
    assert installation.encode_installation(found) == data
    back = granted_by(found)
    assert (back.key, back.entity_id, back.expiry) == (key, *arguments.values())
    assert install_validation(back.permissions, key=key, **arguments) == data


@each("permissions")
def test_grant_typed_data_and_deferred_action(vector):
    granted, arguments = granted_of(vector)
    wire = vector["input"]
    nonce = grant_nonce(
        wire["entityId"],
        global_=is_global(granted),
        parallel=integer(wire["parallelNonceKey"]),
        sequence=integer(wire["sequence"]),
    )
    call = raw(vector["installValidationCalldata"])
    signature = raw(vector["ownerSignature65"])
    action = {"nonce": nonce.value, "deadline": arguments["expiry"], "call": call}

    data = deferred_action(chain_id=wire["chainId"], account=wire["account"], **action)
    hooks = has_execution_hooks(granted)
    carried = deferred_action_bytes(execution_hooks=hooks, signature=signature, **action)

    assert nonce.value == integer(vector["nonce"])
    expected = vector["typedData"]
    expected["message"]["call"] = expected["message"]["call"].lower()
    assert wire_form(data) == expected
    assert typed_data_digest(data) == raw(vector["eip712Digest"])
    assert recover_address(raw(vector["eip712Digest"]), signature) == wire["owner"]
    assert carried == raw(vector["deferredActionWithOwnerSignature"])
    assert carried.startswith(raw(vector["fullPreSignatureDeferredActionDigest"]))
    parsed = vector["parsedDeferredAction"]
    assert carried[33:] == raw(parsed["deferredActionData"])
    decoded = grants.decode_deferred_action(carried)
    assert decoded.execution_hooks is hooks is parsed["hasAssociatedExecHooks"]
    assert (decoded.nonce, decoded.deadline, decoded.call) == tuple(action.values())
    assert decode_nonce(decoded.nonce).entity_id == parsed["entityId"]


def wire_form(data):
    """
    Write a grant's typed data as the wire has it.
    """
    call = "0x" + data.message["call"].hex()
    assert set(data.message) == {"nonce", "deadline", "call"}
    return {
        "domain": dict(data.domain),
        "types": {
            name: [field._asdict() for field in fields] for name, fields in data.types.items()
        },
        "primaryType": data.primary_type,
        "message": data.message | {"nonce": hex(data.message["nonce"]), "call": call},
    }


@each("permissions")
def test_uninstall_call(vector):
    granted, arguments = granted_of(vector)

    found = decode_uninstall_validation(uninstall_validation(granted, **arguments))

    installed_hooks = decode_install_validation(raw(vector["installValidationCalldata"])).hooks
    entity = arguments["entity_id"]
    assert (found.module, found.entity_id) == (contracts.SINGLE_SIGNER_MODULE, entity)
    assert found.uninstall_data == entity.to_bytes(32, "big")
    backwards = installed_hooks[::-1]
    last_first = sorted(backwards, key=lambda hook: not hook.in_validation)
    assert list(found.hook_data) == [
        hook.init_data
        if hook.module == contracts.ALLOWLIST_MODULE
        else hook.entity_id.to_bytes(32, "big")
        for hook in last_first
    ]


@each("permission_errors")
def test_builder_error(vector):
    expected = vector.get("errorName")
    assert refusal(vector["input"]) == (expected and expected.removeprefix("PermissionBuilder: "))


def refusal(wire):
    """
    Return the name of the error with which the permissions of a vector are refused, or None.
    """
    granted = permissions(wire["permissions"])
    if "selectors" in wire:  # account functions that the builder takes apart from permissions
        granted.insert(0, AccountFunctions(tuple(raw(each) for each in wire["selectors"])))
    try:
        parse_address(wire.get("publicKey", "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF"))
    except EncodingError:
        return "InvalidAddressError"
    try:
        check_permissions(
            granted,
            expiry=wire.get("deadline", 4102444800),
            now=1_800_000_000,
            account=parse_address(wire["account"]),
            entity_id=wire.get("entity", 1),
        )
    except PermissionRefused as error:
        return error.name
    return None


@each("contexts")
def test_context(vector):
    wire, encoded = vector["decoded"], raw(vector["encoded"])
    match wire["contextVersion"]:
        case "REMOTE_MODE_DEFERRED_ACTION":
            context = grants.RemoteContext(raw(wire["sessionId"]), raw(wire["signature"]))
            assert session_context(context.session_id, context.signature) == encoded
        case "LOCAL_MODE_DEFERRED_ACTION":
            context = grants.LocalContext(raw(wire["deferredAction"]))
            assert grants.local_context(context.deferred_action) == encoded
        case "NON_DEFERRED_ACTION":
            context = grants.InstalledContext(integer(wire["entityId"]), wire["isGlobalValidation"])
            assert grants.installed_context(context.entity_id, global_=context.is_global) == encoded
    assert decode_context(encoded) == context
    for again in filter(None, (vector.get("reDecoded"), vector.get("fromSessionIdForm"))):
        assert {**wire, **again} == wire  # two more ways of the SDK to say the same


@each("contexts", "oddInputs")
def test_odd_context(vector):
    if "error" in vector:
        with pytest.raises(EncodingError):
            decode_context(raw(vector["input"]))
    else:
        wire = vector["decoded"]
        assert decode_context(raw(vector["input"])) == grants.InstalledContext(
            integer(wire["entityId"]), wire["isGlobalValidation"]
        )


@each("contexts", "signatureKeyTypePrefix")
def test_signature_type_prefix(vector):
    if vector["keyType"] in ("ecdsa", "secp256k1"):
        assert grants.EOA_SIGNATURE + raw(vector["in"]) == raw(vector["out"])
    else:
        assert not raw(vector["out"]).startswith(grants.EOA_SIGNATURE)


@each("contexts", "isGlobal")
def test_is_global(vector):
    assert is_global(permissions(vector["permissions"])) is vector["isGlobalValidation"]


def cases(keep):
    """
    Parametrize over the recorded verdicts that have what a test looks at.
    """
    return over([case for case in load("oracle-verdicts")["cases"] if keep(case)])


@cases(lambda case: "installCallData" in case["grant"])
def test_install_call_taken_by_the_chain(vector):
    """
    The grants that were tried on the deployed contracts are made of the same bytes.
    """
    grant = vector["grant"]
    granted = permissions(grant["permissions"])

    data = install_validation(
        granted,
        key=load("oracle-verdicts")["labels"]["sessionKey"],
        entity_id=grant["entityId"],
        expiry=grant["deadline"],
    )

    expected = raw(grant["installCallData"])
    if "timeRangeHook" not in grant:  # those have a time range that no grant of ours has
        assert data == expected
    assert installation.encode_installation(decode_install_validation(expected)) == expected
    assert is_global(granted) is grant["global"]
    assert has_execution_hooks(granted) is grant["executionHooks"]
    assert grant_nonce(grant["entityId"], global_=grant["global"]).value == integer(grant["nonce"])


@cases(lambda case: case["outcome"] == "grant_refused")
def test_refused_grant(vector):
    wire = {"permissions": vector["grant"]["permissions"], "account": vector["account"]["address"]}
    if "expirySec" in vector["grant"]:
        wire["deadline"] = vector["grant"]["expirySec"]
    assert refusal(wire) == vector["error"]["name"]


def wrapped(step):
    return step.get("encodedAs") in ("execute", "executeBatch", "direct self-call") and (
        step.get("executeUserOp") in (True, False)
    )


@cases(lambda case: any(map(wrapped, case.get("steps", ()))))
def test_call_data_taken_by_the_chain(vector):
    for step in filter(wrapped, vector["steps"]):
        calls = [
            Call(parse_address(c["to"]), integer(c.get("value", 0)), raw(c["data"]))
            for c in step["calls"]
        ]
        form = "executeBatch" if step["encodedAs"] == "executeBatch" else "execute"
        hooks = step["executeUserOp"]
        account = vector["account"]["address"]

        bare = step["encodedAs"] == "direct self-call"
        if bare and calls[0].value:  # the SDK drops the value without a word, we refuse
            with pytest.raises(EncodingError):
                encode_call_data(calls, account=account, execution_hooks=hooks, single=form)
            continue
        data = encode_call_data(calls, account=account, execution_hooks=hooks, single=form)

        assert data == raw(step["callData"])
        if not bare:
            decoded = decode_call_data(data)
            assert (list(decoded.calls), decoded.form) == (calls, form)
            assert decoded.user_op_context is hooks
