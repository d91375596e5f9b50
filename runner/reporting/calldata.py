"""
Calldata, read as far as it can be read, for the eyes of whoever is to sign it.

What is not known is said to be unknown, and what is not spelled as an encoder would spell it is
said to be odd: nothing is guessed.

Source: mav2.md §6 and §12.
"""

from __future__ import annotations

from typing import Any, Final

from runner.errors import EncodingError
from runner.ethereum import contracts
from runner.ethereum.abi import decode_call
from runner.ethereum.calls import Call
from runner.ethereum.erc20 import decode_approve, decode_transfer
from runner.ethereum.modular_account import decode_call_data
from runner.reporting.functions import known_function, name_of
from runner.reporting.installations import read_installation, read_uninstallation
from runner.reporting.values import Report, hexed, plain

UNLIMITED: Final = 2**255
"""An approval from here on is never used up."""

DEEPEST: Final = 8
"""How deep calls within calls are read."""


def read_calldata(data: bytes, depth: int = 0) -> Report:
    """
    Read calldata.

    Returns:
        `function` (its signature, None if unknown), `does` in words, and what was found inside:
        `calls`, `installation`, `uninstallation` or `arguments`; `odd` says why it was not read
        further.
    """
    if not data:
        return {"function": None, "does": "nothing but send value"}
    if len(data) < 4:
        odd = "shorter than a selector: whatever the contract does without one"
        return {"function": None, "does": "calls no function", "odd": odd}
    report: Report = {"selector": hexed(data[:4]), "function": None, "does": "an unknown function"}
    try:
        report |= _read(data, depth)
    except EncodingError as error:
        report |= {"does": f"looks like {name_of(_inner(data))}", "odd": error.what}
    if report["function"] is None:
        report["arguments"] = hexed(data[4:])
    return report


def read_call(call: Call, depth: int = 0) -> Report:
    """Read one call of an account: `does` says it in one sentence."""
    inner = read_calldata(call.data, depth + 1) if depth < DEEPEST else {"odd": "nested too deep"}
    report: Report = {
        "to": call.to,
        "value": str(call.value),
        "data": hexed(call.data),
        "does": _sentence(call, inner),
    }
    approval = decode_approve(call.data)
    if approval is not None and approval[1] >= UNLIMITED:
        report["danger"] = f"lets {approval[0]} take all of token {call.to}, now and later"
    return report | ({"reads": inner} if call.data else {})


def warnings_of(report: Report) -> list[str]:
    """What whoever signs should not overlook, in the order in which it stands."""
    found = [report["danger"]] if "danger" in report else []
    if "odd" in report:
        found.append(f"{report.get('does', 'this')}: {report['odd']}")
    for name in ("reads", "installation", "uninstallation", "call_data"):
        inner = report.get(name)
        if isinstance(inner, dict):
            found += warnings_of(inner)
    for place, call in enumerate(report.get("calls", ())):
        found += [f"call {place + 1}: {text}" for text in warnings_of(call)]
    return found + list(report.get("warnings", ()))


def _inner(data: bytes) -> bytes:
    """The selector that counts: behind the prefix that asks for the operation as context."""
    return data[4:8] if data[:4] == contracts.EXECUTE_USER_OP else data[:4]


def _read(data: bytes, depth: int) -> Report:
    if data[:4] == contracts.EXECUTE_USER_OP and depth == 0:
        return {"user_op_context": True, **_read_body(data[4:], depth)}
    return _read_body(data, depth)


def _read_body(data: bytes, depth: int) -> Report:
    match data[:4]:
        case contracts.EXECUTE | contracts.EXECUTE_BATCH:
            return _read_calls(data, depth)
        case contracts.INSTALL_VALIDATION:
            found = read_installation(data)
            name = name_of(data[:4])
            return {"function": name, "does": found["does"], "installation": found}
        case contracts.UNINSTALL_VALIDATION:
            gone = read_uninstallation(data)
            name = name_of(data[:4])
            return {"function": name, "does": gone["does"], "uninstallation": gone}
    known = known_function(data[:4])
    if known is None:
        return {"selector": hexed(data[:4])}
    function, danger = known
    values = decode_call(function, data)
    arguments = {
        parameter.name or str(place): plain(value)
        for place, (parameter, value) in enumerate(zip(function.inputs, values, strict=True))
    }
    report: Report = {
        "function": function.signature,
        "does": f"{function.name}({', '.join(map(_shown, arguments.values()))})",
        "arguments": arguments,
    }
    if danger is not None:
        report["danger"] = f"{function.name} {danger}"
    return report


def _read_calls(data: bytes, depth: int) -> Report:
    decoded = decode_call_data(data)
    calls = [read_call(call, depth) for call in decoded.calls]
    many = {0: "no calls: installs or burns", 1: "one call"}.get(len(calls), f"{len(calls)} calls")
    return {"function": name_of(data[:4]), "does": many, "calls": calls}


def _sentence(call: Call, inner: Report) -> str:
    """What a call does, with the token's amounts in base units: decimals are not in the bytes."""
    value = f" with {call.value} wei" if call.value else ""
    transfer, approval = decode_transfer(call.data), decode_approve(call.data)
    if transfer is not None:
        receiver, amount = transfer
        return f"transfer {amount} base units of token {call.to} to {receiver}{value}"
    if approval is not None:
        spender, amount = approval
        most = "any amount" if amount >= UNLIMITED else f"{amount} base units"
        return f"let {spender} spend {most} of token {call.to}{value}"
    if not call.data:
        return f"send {call.value} wei to {call.to}"
    if inner.get("function") is None:
        selector = inner.get("selector", hexed(call.data))
        return f"call the unknown function {selector} of {call.to}{value}"
    return f"call {inner['does']} of {call.to}{value}"


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 66 else f"{text[:62]}…"
