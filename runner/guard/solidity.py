"""
Read ABI arguments as a Solidity contract does, not as an encoder would write them.

Trailing bytes, shared tails and odd offsets are fine to a contract; short data, offsets beyond
2^64 - 1 and dirty bits in a narrow type make it revert. Predicting contracts needs just that;
whoever decides what to sign reads canonically (`runner.ethereum.abi`).

Source: Solidity documentation, "Contract ABI Specification", Strict Encoding Mode.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.ethereum.address import Address, address_from_bytes
from runner.frozen import frozen

_LARGEST_OFFSET = 2**64 - 1


class UndecodableError(Exception):
    """A contract would revert here, without revert data."""


@frozen
class Arguments:
    """
    The head of a tuple inside `data`, starting at byte `start`; `index` counts its words.

    Raises:
        UndecodableError: From every method, where the contract's decoder would revert.
    """

    data: bytes
    start: int = 0

    def word(self, index: int) -> bytes:
        """Return 32 raw bytes."""
        begin = self.start + 32 * index
        word = self.data[begin : begin + 32]
        if len(word) != 32:
            raise UndecodableError
        return word

    def uint(self, index: int, bits: int = 256) -> int:
        """Return an unsigned integer of that width."""
        value = int.from_bytes(self.word(index), "big")
        if value >> bits:
            raise UndecodableError
        return value

    def boolean(self, index: int) -> bool:
        """Return a bool; anything but 0 and 1 reverts."""
        return bool(self.uint(index, 1))

    def address(self, index: int) -> Address:
        """Return an address."""
        return address_from_bytes(self.uint(index, 160).to_bytes(20, "big"))

    def fixed(self, index: int, size: int) -> bytes:
        """Return a `bytesN`, which stands at the left of its word."""
        word = self.word(index)
        if any(word[size:]):
            raise UndecodableError
        return word[:size]

    def nested(self, index: int) -> Arguments:
        """Follow an offset to a dynamic tuple or array."""
        offset = self.uint(index)
        if offset > _LARGEST_OFFSET:
            raise UndecodableError
        return Arguments(self.data, self.start + offset)

    def dynamic_bytes(self, index: int) -> bytes:
        """Follow an offset to `bytes` and return them."""
        tail = self.nested(index)
        size, begin = tail.uint(0), tail.start + 32
        content = self.data[begin : begin + size] if size <= len(self.data) else b""
        if len(content) != size:
            raise UndecodableError
        return content

    def dynamic_items(self, index: int) -> Iterator[Arguments]:
        """Follow an offset to an array of dynamic tuples and walk them."""
        body, count = self._array(index)
        for position in range(count):
            yield body.nested(position)

    def bytes_items(self, index: int) -> tuple[bytes, ...]:
        """Follow an offset to a `bytes[]` and return its items."""
        body, count = self._array(index)
        return tuple(body.dynamic_bytes(position) for position in range(count))

    def fixed_items(self, index: int, size: int) -> tuple[bytes, ...]:
        """Follow an offset to a `bytesN[]` and return its items."""
        body, count = self._array(index)
        return tuple(body.fixed(position, size) for position in range(count))

    def _array(self, index: int) -> tuple[Arguments, int]:
        head = self.nested(index)
        count = head.uint(0)
        if count > len(self.data) // 32:
            raise UndecodableError
        return Arguments(self.data, head.start + 32), count
