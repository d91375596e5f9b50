"""
Reading the arguments of a function call: YAML nodes → values of the contract ABI.

`uint256` takes digits, hex, or an amount with a unit (`40 usdc`); `address` takes names; `bool`
takes true and false; bytes take hex; arrays and tuples take lists.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from runner.errors import EncodingError
from runner.ethereum.abi import Function, Parameter
from runner.ethereum.abi_types import (
    AbiType,
    AddressType,
    ArrayType,
    BoolType,
    BytesType,
    FixedBytesType,
    IntegerType,
    StringType,
    TupleType,
    parse_type,
)
from runner.ethereum.address import ZERO_ADDRESS, Address, parse_address
from runner.ethereum.units import parse_units
from runner.policy.books import Books
from runner.policy.codes import Code
from runner.policy.faults import Refusal, article, did_you_mean, shown
from runner.policy.nodes import Mapping, Node
from runner.policy.nodes import Sequence as ListNode
from runner.policy.reader import Reader
from runner.policy.scalars import parse_boolean, parse_hex, parse_text

_HEX = re.compile(r"0x[0-9a-fA-F]{1,64}")
WRONG: Any = object()
"""Stands for a value that could not be read; the fault has been reported."""


class ArgumentsReader:
    """Reads the arguments of calls on one chain."""

    def __init__(self, reader: Reader, books: Books, chain: int | None) -> None:
        self.reader = reader
        self.books = books
        self.chain = chain

    def read(self, function: Function, node: Node | None, at: Node) -> tuple[Any, ...] | None:
        """
        Read all arguments of a call.

        Args:
            function: What is called.
            node: The list or map, or None if no `args` are written.
            at: Where the call stands.

        Returns:
            The values by position; None after a fault.
        """
        nodes = self._by_position(function.inputs, node, at)
        if nodes is None:
            return None
        values = [
            self.value(parse_type(parameter.type), each)
            for parameter, each in zip(function.inputs, nodes, strict=True)
        ]
        return None if any(value is WRONG for value in values) else tuple(values)

    def _by_position(
        self, inputs: Sequence[Parameter], node: Node | None, at: Node
    ) -> list[Node] | None:
        if isinstance(node, Mapping):
            return self._by_name(inputs, node)
        items: list[Node] = []
        if node is not None:
            sequence = self.reader.sequence(node)
            if sequence is None:
                return None
            items = sequence.items
        if len(items) != len(inputs):
            wanted = ", ".join(_spelled(parameter) for parameter in inputs)
            what = f"the function takes {_count(len(inputs), 'argument')}, not {len(items)}"
            hint = f"write `args: [{wanted}]`" if inputs else "delete `args`"
            self.reader.fault(Code.WRONG_ARGUMENTS, what, node or at, hint)
            return None
        return items

    def _by_name(self, inputs: Sequence[Parameter], node: Mapping) -> list[Node] | None:
        names = [parameter.name for parameter in inputs if parameter.name is not None]
        if len(names) != len(inputs):
            what = "the signature does not name all of its parameters"
            hint = "name them, as in deposit(uint256 amount), or write `args` as a list"
            self.reader.fault(Code.WRONG_ARGUMENTS, what, node.key or node, hint)
            return None
        sound = True
        for text, (key, _) in node.entries.items():
            if text not in names:
                hint = did_you_mean(text, names, "parameters")
                what = f"the function has no parameter {shown(text)}"
                self.reader.fault(Code.WRONG_ARGUMENTS, what, key, hint)
                sound = False
        missing = [name for name in names if name not in node.entries]
        if missing and sound:
            what = f"the argument `{missing[0]}` is missing"
            hint = f"add `{missing[0]}: …`"
            self.reader.fault(Code.WRONG_ARGUMENTS, what, node.key or node, hint)
        if missing or not sound:
            return None
        return [node.entries[name][1] for name in names]

    def value(self, kind: AbiType, node: Node) -> Any:
        """Read one value of an ABI type; a marker after a fault."""
        if isinstance(kind, ArrayType):
            return self._items(node, kind, [kind.item] * self._length(kind, node))
        if isinstance(kind, TupleType):
            return self._items(node, kind, kind.items)
        wide = kind.name in ("uint256", "int256", "bytes32", "bytes")
        return self.reader.read(node, lambda text: self._scalar(kind, text), WRONG, hex64=wide)

    def _length(self, kind: ArrayType, node: Node) -> int:
        written = len(node.items) if isinstance(node, ListNode) else 0
        return written if kind.length is None else kind.length

    def _items(self, node: Node, kind: AbiType, kinds: Sequence[AbiType]) -> Any:
        if isinstance(node, Mapping) and isinstance(kind, TupleType):
            what = f"{shown(kind.name)} takes its parts by their order, not by name"
            hint = f"write [{', '.join(node.entries)}], with their values"
            self.reader.fault(Code.WRONG_TYPE, what, node, hint)
            return WRONG
        sequence = self.reader.sequence(node)
        if sequence is None:
            return WRONG
        if len(sequence.items) != len(kinds):
            count = len(sequence.items)
            what = f"{shown(kind.name)} takes {_count(len(kinds), 'item')}, not {count}"
            hint = f"write [{', '.join(each.name for each in kinds[:8])}]"
            self.reader.fault(Code.BAD_ARGUMENT, what, node, hint)
            return WRONG
        values = [self.value(each, item) for each, item in zip(kinds, sequence.items, strict=True)]
        return WRONG if any(value is WRONG for value in values) else tuple(values)

    def _scalar(self, kind: AbiType, text: str) -> Any:
        value: Any
        match kind:
            case AddressType():
                value = self._address(text)
            case BoolType():
                value = parse_boolean(text)
            case IntegerType():
                value = self._integer(kind, text)
            case StringType():
                value = parse_text(text)
            case FixedBytesType() | BytesType():
                value = parse_hex(text)
        try:
            kind.check(value, "the value")
        except EncodingError:
            what = f"{shown(text)} is not {article(kind.name)}"
            raise Refusal(Code.BAD_ARGUMENT, what, _bounds(kind, text)) from None
        return value

    def _address(self, text: str) -> Address:
        # As an argument nobody's address has its uses: "no referrer", "the coin itself".
        if re.fullmatch(r"0x0{40}", text):
            return ZERO_ADDRESS
        if text.startswith("0x"):
            try:
                return parse_address(text)
            except EncodingError:
                pass  # told better by the books
        return self.books.address(text, self.chain)

    def _integer(self, kind: IntegerType, text: str) -> int:
        if _HEX.fullmatch(text):
            return int(text, 16)
        if " " in text:
            return self.books.amount(text, self.chain, None)[1]
        sign = -1 if text.startswith("-") else 1
        try:
            return sign * parse_units(text[1:] if sign < 0 else text, 0)
        except EncodingError:
            hint = "write digits, hex, or an amount with its unit, as 40 usdc"
            if re.fullmatch(r"-?[0-9][0-9_]*", text):
                hint = _bounds(kind, text)
            what = f"{shown(text)} is not {article(kind.name)}"
            raise Refusal(Code.BAD_ARGUMENT, what, hint) from None


def _bounds(kind: AbiType, text: str) -> str:
    """Return what a type takes, for a value that is near."""
    if isinstance(kind, IntegerType):
        if text.startswith("-") and not kind.signed:
            return "it has no sign"
        low = -(2 ** (kind.bits - 1)) if kind.signed else 0
        high = 2 ** (kind.bits - kind.signed) - 1
        if kind.bits <= 64:
            return f"write {low} to {high}"
        least = f"-2**{kind.bits - 1}" if kind.signed else "0"
        return f"write {least} to 2**{kind.bits - kind.signed} - 1"
    if isinstance(kind, FixedBytesType):
        size = int(kind.name.removeprefix("bytes"))
        return f"write 0x and {2 * size} hex digits, not {len(text) - 2}"
    return f"this argument is {article(kind.name)}"


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def _spelled(parameter: Parameter) -> str:
    return f"{parameter.type} {parameter.name}" if parameter.name else parameter.type
