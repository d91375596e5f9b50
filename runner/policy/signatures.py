"""
Functions as policies name them: a human-readable signature, or a name in a contract's ABI file.

Source: Solidity documentation, "Contract ABI Specification", JSON.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import Any

from runner.errors import EncodingError
from runner.ethereum.abi import Function, parse_function
from runner.policy.beside import Neighbour
from runner.policy.codes import Code
from runner.policy.faults import Refusal, did_you_mean, listed, shown

_DEEPEST = 16  # tuples within tuples


def parse_signature(text: str) -> tuple[str, Function]:
    """Read a signature; returns it with single blanks, and what it means."""
    try:
        return " ".join(text.split()), parse_function(text)
    except EncodingError as error:
        hint = error.hint or 'write it like "deposit(uint256 amount)"'
        raise Refusal(Code.NOT_A_SIGNATURE, error.what, hint) from None


def signatures_of(file: Neighbour) -> tuple[str, ...]:
    """
    The signatures of all functions of an ABI file, parameter names included.

    Raises:
        Refusal: It is no such file.
    """
    from runner.strict_json import parse_json  # noqa: PLC0415 (few policies name an ABI file)

    hint = "a JSON list of entries, or an object with the key `abi`, as compilers write it"
    try:
        data = parse_json(file.raw.removeprefix(BOM_UTF8))
    except ValueError:
        raise Refusal(Code.BAD_ABI, f"{file.written} is not JSON", hint) from None
    entries = data.get("abi") if isinstance(data, dict) else data
    if not isinstance(entries, list):
        raise Refusal(Code.BAD_ABI, f"{file.written} holds no ABI", hint)
    try:
        return tuple(_functions(entries))
    except (KeyError, TypeError, AttributeError):
        what = f"an entry of {file.written} lacks its name, inputs or types"
        raise Refusal(Code.BAD_ABI, what, hint) from None


def function_in(signatures: tuple[str, ...], text: str, file: str) -> tuple[str, Function]:
    """
    Find the function that a policy names in an ABI, by its name or its signature.

    Raises:
        Refusal: There is none, or more than one of this name.
    """
    name = text.partition("(")[0].removeprefix("function ").strip()
    same = [each for each in signatures if each.startswith(f"{name}(")]
    try:
        found = list(
            {one.signature: (each, one) for each, one in map(parse_signature, same)}.values()
        )
    except Refusal as refusal:
        hint = "write the file anew: compilers name the types of the ABI alone"
        raise Refusal(Code.BAD_ABI, f"{file}: {refusal.what}", hint) from None
    if "(" in text:
        wanted = parse_signature(text)[1].signature
        found = [one for one in found if one[1].signature == wanted]
    if len(found) > 1:
        choices = listed((one[1].signature for one in found), most=4)
        what = f"{file} has more than one function {shown(text)}"
        raise Refusal(Code.BAD_ABI, what, f"write the signature, one of: {choices}")
    if not found:
        names = dict.fromkeys(each.partition("(")[0] for each in signatures)
        hint = did_you_mean(name, names, "functions")
        if same:
            hint = f"it has {listed(same, most=4)}; the name is enough"
        raise Refusal(Code.BAD_ABI, f"{file} has no function {shown(text)}", hint)
    return found[0]


def _functions(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        if entry.get("type", "function") == "function":
            if not isinstance(entry["name"], str):
                raise TypeError
            inputs = ", ".join(_parameter(each, 0) for each in entry["inputs"])
            yield f"{entry['name']}({inputs})"


def _parameter(entry: Any, depth: int) -> str:
    kind, name = entry["type"], entry.get("name") or ""
    if not isinstance(kind, str) or not isinstance(name, str) or depth > _DEEPEST:
        raise TypeError
    if kind.startswith("tuple"):
        inner = ", ".join(_parameter(each, depth + 1) for each in entry["components"])
        kind = f"({inner}){kind.removeprefix('tuple')}"
    return f"{kind} {name}".rstrip()
