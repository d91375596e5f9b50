"""
Function signatures as people write them, and calldata.

    deposit(uint256 amount)
    function pay((address to, uint256 value)[] calls) external payable returns (bool)

Reading signatures and checking arguments needs no encoder; eth-abi is loaded at the first call
that is encoded. What `decode_call` reads with `abi_types` it has encoded again by eth-abi: two
readings of the standard that must agree byte for byte.

Source: Solidity documentation, "Contract ABI Specification"; ethers, "Human-Readable ABI".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from runner.errors import EncodingError
from runner.ethereum.abi_types import (
    DEEPEST,
    AbiType,
    make_array,
    make_tuple,
    parse_atom,
    parse_type,
    read_all,
    split_list,
)
from runner.ethereum.hashing import keccak256
from runner.frozen import frozen

_LONGEST = 4000  # characters of a signature
_HEAD = re.compile(r"\s*(?:function\s+)?(?P<name>[A-Za-z_$][A-Za-z0-9_$]*)\s*\(")
_ATOM = re.compile(r"[a-z]+[0-9]*")
_SUFFIX = re.compile(r"(?P<dimensions>(?:\[[0-9]*\])*)(?:\s+(?P<words>.*))?", re.DOTALL)
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_LOCATIONS = frozenset({"memory", "calldata", "storage", "payable"})
_MODIFIERS = frozenset({"external", "public", "view", "pure", "payable", "nonpayable"})


@frozen
class Parameter:
    """One input: `type` in canonical spelling (`uint256`, `(address,uint256)[]`)."""

    name: str | None
    type: str


@frozen
class Function:
    """A function of a contract, as far as calls need it."""

    name: str
    inputs: tuple[Parameter, ...]

    @property
    def signature(self) -> str:
        """`deposit(uint256)`: the name and the canonical types."""
        return f"{self.name}({','.join(parameter.type for parameter in self.inputs)})"

    @property
    def selector(self) -> bytes:
        """The 4 bytes that calldata starts with."""
        return _selector(self.signature)


def parse_function(text: str) -> Function:
    """
    Read a human-readable signature.

    Args:
        text: Name and parameters, with or without parameter names, a leading `function` and
            trailing `external`, `view`, `payable`, `returns (…)`. `uint` means `uint256`.

    Raises:
        EncodingError: Not such a signature, or two parameters of one name.
    """
    head = _HEAD.match(text) if len(text) <= _LONGEST else None
    if head is None:
        raise EncodingError(
            f"not a function signature: {text[:80]!r}",
            hint='write it like "deposit(uint256 amount)"',
        )
    inner, rest = _parenthesized(text[head.end() - 1 :])
    _check_suffix(rest)
    inputs = tuple(_parameter(part) for part in split_list(inner))
    names = [parameter.name for parameter in inputs if parameter.name is not None]
    if len(names) != len(set(names)):
        raise EncodingError(f"{head['name']} has two parameters of one name")
    return Function(head["name"], inputs)


def check_argument(type: str, value: Any, where: str = "argument") -> None:  # noqa: A002 (ABI's word)
    """
    Check a value against an ABI type: int in range, bool, bytes of the exact length, text,
    address (checksum included), list or tuple.

    Args:
        type: Canonical spelling, as in `Parameter.type`.
        value: The value.
        where: Its name in the error message.

    Raises:
        EncodingError: The value is not of this type, or there is no such type.
    """
    parse_type(type).check(value, where)


def encode_call(function: Function, args: Sequence[Any]) -> bytes:
    """
    Return the calldata of a call.

    Raises:
        EncodingError: An argument is missing, superfluous or not of its type.
    """
    if len(args) != len(function.inputs):
        count = len(function.inputs)
        raise EncodingError(f"{function.signature} takes {count} arguments, not {len(args)}")
    for index, (parameter, value) in enumerate(zip(function.inputs, args, strict=True)):
        where = parameter.name or f"argument {index + 1}"
        check_argument(parameter.type, value, f"{function.name}: {where}")
    return function.selector + _encode([parameter.type for parameter in function.inputs], args)


def decode_call(function: Function, data: bytes) -> tuple[Any, ...]:
    """
    Return the arguments of a call; `encode_call` turns them into the same bytes again.

    Raises:
        EncodingError: Not a call of this function, or not as an encoder would write it.
    """
    if data[:4] != function.selector:
        raise EncodingError(f"not a call of {function.signature}: 0x{data[:4].hex()}…")
    values = read_all([parse_type(parameter.type) for parameter in function.inputs], data[4:])
    if encode_call(function, values) != data:
        raise EncodingError(f"a call of {function.signature} in an unusual spelling")
    return values


def _encode(types: Sequence[str], values: Sequence[Any]) -> bytes:
    from eth_abi.abi import encode  # noqa: PLC0415 (0.17 s to load, and few commands encode)

    return encode(types, values)


@lru_cache(maxsize=1024)
def _selector(signature: str) -> bytes:
    return keccak256(signature.encode())[:4]


def _parenthesized(text: str) -> tuple[str, str]:
    """Split text that starts with `(` into what is inside the pair, and what follows it."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if not depth:
            return text[1:place], text[place + 1 :]
    raise EncodingError("a parenthesis is not closed")


def _parameter(text: str) -> Parameter:
    kind, words = _typed(text, 0)
    while words and words[0] in _LOCATIONS:
        words = words[1:]
    if len(words) > 1 or not all(_IDENTIFIER.fullmatch(word) for word in words):
        raise EncodingError(f"not a parameter: {text.strip()[:80]!r}")
    return Parameter(words[0] if words else None, kind.name)


def _typed(text: str, depth: int) -> tuple[AbiType, list[str]]:
    """Read the type at the start of a parameter; return it and the words that follow."""
    if depth > DEEPEST:
        raise EncodingError(f"a type nests deeper than {DEEPEST} levels")
    text = text.strip()
    kind: AbiType
    if text.startswith(("(", "tuple(")):
        inner, rest = _parenthesized(text.removeprefix("tuple"))
        kind = make_tuple([_component(part, depth + 1) for part in split_list(inner)])
    else:
        atom = _ATOM.match(text)
        if atom is None:
            raise EncodingError(f"not a parameter: {text[:80]!r}")
        kind, rest = parse_atom(atom[0]), text[atom.end() :]
    suffix = _SUFFIX.fullmatch(rest)
    if suffix is None:
        raise EncodingError(f"not a parameter: {text[:80]!r}")
    return _dimensioned(kind, suffix["dimensions"]), (suffix["words"] or "").split()


def _component(text: str, depth: int) -> AbiType:
    kind, words = _typed(text, depth)
    if len(words) > 1 or not all(_IDENTIFIER.fullmatch(word) for word in words):
        raise EncodingError(f"not a tuple component: {text.strip()[:80]!r}")
    return kind


def _dimensioned(kind: AbiType, dimensions: str) -> AbiType:
    # The canonical spelling is read once more, so that both ways of writing a type (here and
    # in `check_argument`) hold the same limits.
    for length in re.findall(r"\[([0-9]*)\]", dimensions)[: DEEPEST + 1]:
        kind = make_array(kind, int(length[:9]) if length else None)
    return parse_type(kind.name)


def _check_suffix(text: str) -> None:
    words = text.strip().removesuffix(";")
    if "returns" in words:
        words, _, results = words.partition("returns")
        inner, rest = _parenthesized(results.strip() or "(")
        for part in split_list(inner):
            _parameter(part)
        words += rest
    unknown = [word for word in words.split() if word not in _MODIFIERS]
    if unknown:
        raise EncodingError(f"unknown word in a function signature: {unknown[0][:80]!r}")
