"""
Reading calls: `pay`, `call`, `approve` and `raw`, in their long and short forms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runner.errors import EncodingError
from runner.ethereum.abi import Function, parse_function
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.policy import unsupported
from runner.policy.arguments import ArgumentsReader
from runner.policy.books import NATIVE, Books
from runner.policy.codes import Code
from runner.policy.faults import Refusal, did_you_mean, shown
from runner.policy.language import APPROVE, CALL, ITEM, PAY, RAW, Level
from runner.policy.model import Approve, Asset, Invoke, Money, Pay, PolicyCall, Raw
from runner.policy.nodes import Mapping, Node, Scalar
from runner.policy.reader import Reader, Record
from runner.policy.scalars import parse_hex, parse_text

KINDS = ("pay", "call", "approve", "raw", "pay_each", "top_up", "sweep")
"""What a call can be."""

_UNLIMITED = 2**128 - 1
"""From here on an approval is one of the customary ways of writing "any amount"."""

_NOBODY = (ZERO_ADDRESS, "")


@dataclass(frozen=True, slots=True)
class _Notes:
    """What people and programs attach to a call."""

    memo: str | None = None
    ref: str | None = None


class CallsReader:
    """Reads the calls of one schedule, whose account lives on `chain`."""

    def __init__(
        self,
        reader: Reader,
        books: Books,
        chain: int | None,
        receivers: tuple[Address, ...] | None,
    ) -> None:
        self.reader = reader
        self.books = books
        self.chain = chain
        self.receivers = receivers
        self.arguments = ArgumentsReader(reader, books, chain)

    def items(self, node: Node) -> Iterator[PolicyCall]:
        """Read the list below `calls`."""
        sequence = self.reader.sequence(node)
        if sequence is None:
            return
        if not sequence.items:
            what = "the list of calls is empty"
            self.reader.fault(Code.EMPTY, what, node, "write at least one: - pay: {…}")
        for item in sequence:
            yield from self._item(item)

    def _item(self, item: Node) -> Iterator[PolicyCall]:
        record = self.reader.record(item, ITEM)
        if record is None:
            return
        kinds = [name for name in record.mapping.entries if name in KINDS]
        if len(kinds) != 1:
            at = record.mapping.entries[kinds[1]][0] if kinds else record.mapping
            what = "two kinds of call in one item" if kinds else "this item names no kind of call"
            hint = "begin each call with its own `- `"
            if not kinds:
                if any(name not in ITEM.keys for name in record.mapping.entries):
                    return  # the unknown key has been reported: it was to be the kind
                hint = "write pay, call, approve or raw"
            self.reader.fault(Code.NOT_ONE_KIND, what, at, hint)
            return
        notes = _Notes(record.read("memo", parse_text, None), record.read("ref", parse_text, None))
        value = record.get(kinds[0])
        if value is not None:
            yield from self.one(kinds[0], value, notes)

    def one(self, kind: str, node: Node, notes: _Notes = _Notes()) -> Iterator[PolicyCall]:
        """Read what stands below one kind's key; the short form may hold several."""
        mapping = self.reader.mapping(node)
        if mapping is None or ("item", kind) in unsupported.KEYS:
            return
        match kind:
            case "pay" if not _is_long(mapping, PAY):
                yield from self._pay_short(mapping, notes)
            case "approve" if not _is_long(mapping, APPROVE):
                yield from self._approve_short(mapping, notes)
            case _:
                level = {"pay": PAY, "call": CALL, "approve": APPROVE, "raw": RAW}[kind]
                record = self.reader.record(mapping, level)
                if record is not None:
                    yield from self._long(kind, record, self._notes(record, notes))

    def _long(self, kind: str, record: Record, notes: _Notes) -> Iterator[PolicyCall]:
        match kind:
            case "pay":
                to, amount = record.get("to"), record.get("amount")
                if to is not None:
                    yield from self._pay(self._party(to), to, amount, record.place, notes)
            case "approve":
                spender, amount = record.get("spender"), record.get("amount")
                if spender is not None and amount is not None:
                    token = record.read("token", self._token, None)
                    party = self._party(spender)
                    yield from self._approve(party, amount, token, record.place, notes)
            case "call":
                yield from self._invoke(record, notes)
            case _:
                yield from self._raw(record, notes)

    def _notes(self, record: Record, outer: _Notes) -> _Notes:
        for key, above in (("memo", outer.memo), ("ref", outer.ref)):
            if above is not None and key in record:
                at = record.mapping.entries[key][0]
                what = f"`{key}` is written twice for this call"
                self.reader.fault(Code.DUPLICATE_KEY, what, at, "delete one of them")
        return _Notes(
            record.read("memo", parse_text, outer.memo), record.read("ref", parse_text, outer.ref)
        )

    def _party(self, node: Node) -> tuple[Address, str]:
        """Read an address or a name; return it with what was written."""

        def parse(text: str) -> tuple[Address, str]:
            return self.books.address(text, self.chain), text

        return self.reader.read(node, parse, _NOBODY)

    def _pay_short(self, mapping: Mapping, notes: _Notes) -> Iterator[PolicyCall]:
        for key, value in self._pairs(mapping, "`pay: {alice: 10 usdc}`", PAY):
            yield from self._pay(self._party(key), key, value, key, notes)

    def _approve_short(self, mapping: Mapping, notes: _Notes) -> Iterator[PolicyCall]:
        for key, value in self._pairs(mapping, "`approve: {vault: 10 usdc}`", APPROVE):
            yield from self._approve(self._party(key), value, None, key, notes)

    def _pairs(self, mapping: Mapping, example: str, level: Level) -> Iterator[tuple[Scalar, Node]]:
        if not mapping.entries:
            keys = " and ".join(f"`{key}`" for key in level.required)
            hint = f"write {example}, or {keys}"
            self.reader.fault(Code.EMPTY, "the map is empty", mapping, hint)
        for text, key, value in self.reader.named(mapping, names=False):
            close = did_you_mean(text, level.keys, "")
            if close.startswith("did you mean") and not self._is_known(text):
                what = f"{level.article} has no key {shown(text)}, nor is it a contact"
                self.reader.fault(Code.UNKNOWN_KEY, what, key, close)
            else:
                yield key, value

    def _is_known(self, text: str) -> bool:
        books = self.books
        known = text in books.contacts or text in books.tokens or text in books.groups
        return known or text in books.accounts or text.startswith("0x")

    def _pay(
        self, to: tuple[Address, str], at: Node, amount: Node | None, place: Node, notes: _Notes
    ) -> Iterator[PolicyCall]:
        address, name = to
        if address != ZERO_ADDRESS and self.receivers is not None:
            self._check_receiver(address, name, at)
        money = None if amount is None else self.books.money(amount, self.chain)
        if money is None or amount is None or money.amount < 0:
            return
        if money.amount == 0:
            what = "a payment of nothing"
            self.reader.fault(Code.NOT_ABOVE_ZERO, what, amount, "amounts of `pay` are above 0")
            return
        yield Pay(address, name, money.asset, money.amount, place.mark, notes.memo, notes.ref)

    def _check_receiver(self, address: Address, name: str, at: Node) -> None:
        if self.receivers is not None and address not in self.receivers:
            what = f"{shown(name)} is not among the session's receivers"
            hint = "add it to `receivers` of the session, or pay from another session"
            self.reader.fault(Code.NOT_A_RECEIVER, what, at, hint)

    def _token(self, text: str) -> Asset:
        if text not in self.books.tokens:
            hint = did_you_mean(text, self.books.tokens, "tokens")
            raise Refusal(Code.UNKNOWN_UNIT, f"there is no token {shown(text)}", hint)
        return self.books.asset(self.books.tokens[text], self.chain)

    def _approve(
        self,
        spender: tuple[Address, str],
        amount: Node,
        token: Asset | None,
        place: Node,
        notes: _Notes,
    ) -> Iterator[PolicyCall]:
        money = self.books.money(amount, self.chain, bare=token)
        if money.amount < 0:
            return
        if money.asset.address is None or (token is not None and money.asset != token):
            what = f"`{money.asset.name}` cannot be approved here"
            hint = "write an amount of the token" if token is None else f"token is `{token.name}`"
            self.reader.fault(Code.WRONG_ASSET, what, amount, hint)
            return
        if money.amount >= _UNLIMITED:
            what = "an approval without limit is refused"
            hint = "approve what the spender needs; the full amount counts as spent (B7)"
            self.reader.fault(Code.UNLIMITED_APPROVAL, what, amount, hint)
            return
        address, name = spender
        yield Approve(money.asset, address, name, money.amount, place.mark, notes.memo, notes.ref)

    def _invoke(self, record: Record, notes: _Notes) -> Iterator[PolicyCall]:
        contract, written = record.get("contract"), record.get("function")
        address, name = _NOBODY if contract is None else self._party(contract)
        function = None if written is None else self.reader.read(written, _parse_function, None)
        value = self._value(record)
        if function is None:
            return
        signature, parsed = function
        args = self.arguments.read(parsed, record.get("args"), record.place)
        if args is None or value is None:
            return
        yield Invoke(
            address, name, signature, args, value.amount, record.mark, notes.memo, notes.ref
        )

    def _raw(self, record: Record, notes: _Notes) -> Iterator[PolicyCall]:
        to = record.get("to")
        address, name = _NOBODY if to is None else self._party(to)
        data = record.read("data", parse_hex, b"", hex64=True)
        value = self._value(record)
        if value is not None:
            yield Raw(address, name, value.amount, data, record.mark, notes.memo, notes.ref)

    def _value(self, record: Record) -> Money | None:
        node = record.get("value")
        if node is None:
            return Money(NATIVE, 0, record.mark)
        money = self.books.coin(node, self.chain)
        return money if money.amount >= 0 else None


def _is_long(mapping: Mapping, level: Level) -> bool:
    return any(key in level.keys for key in mapping.entries)


def _parse_function(text: str) -> tuple[str, Function]:
    try:
        return " ".join(text.split()), parse_function(text)
    except EncodingError as error:
        hint = error.hint or 'write it like "deposit(uint256 amount)"'
        raise Refusal(Code.NOT_A_SIGNATURE, error.what, hint) from None
