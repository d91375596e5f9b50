"""
Reading calls, in their long and short forms.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from runner.ethereum.abi import Function
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.frozen import frozen
from runner.policy.arguments import ArgumentsReader
from runner.policy.books import NATIVE, NOBODY, Books
from runner.policy.codes import Code
from runner.policy.faults import Refusal, did_you_mean, shown
from runner.policy.language import APPROVE, ITEM, LEVELS, PAY, Level
from runner.policy.model import (
    Approve,
    Asset,
    Invoke,
    Money,
    Pay,
    PolicyCall,
    Raw,
    Sweep,
    TopUp,
)
from runner.policy.nodes import Mapping, Node, Scalar
from runner.policy.pay_each import Find, read_rows
from runner.policy.reader import Reader, Record
from runner.policy.scalars import parse_hex, parse_text
from runner.policy.signatures import function_in, parse_signature, signatures_of

KINDS = ("pay", "call", "approve", "raw", "pay_each", "top_up", "sweep")
"""What a call can be."""

CALL_KEYS = ("calls", *KINDS)
"""Of these a schedule has exactly one."""

_UNLIMITED = 2**128 - 1
"""From here on an approval is one of the customary ways of writing "any amount"."""


@frozen
class _Notes:
    """What people and programs attach to a call."""

    memo: str | None = None
    ref: str | None = None


_NO_NOTES = _Notes()


class CallsReader:
    """
    Reads the calls of one schedule.

    Args:
        chain: Where its account lives.
        receivers: Whom its session may pay; None for anybody.
        daily: What a budget per day bounds, of the schedule or its session.
        find: Finds a file beside the policy, by the text of its path and its ending.
    """

    def __init__(
        self,
        reader: Reader,
        books: Books,
        chain: int | None,
        receivers: tuple[Address, ...] | None,
        daily: AbstractSet[Asset],
        find: Find,
    ) -> None:
        self.reader = reader
        self.books = books
        self.chain = chain
        self.receivers = receivers
        self.daily = daily
        self.find = find
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

    def one(self, kind: str, node: Node, notes: _Notes = _NO_NOTES) -> Iterator[PolicyCall]:
        """Read what stands below one kind's key; the short form may hold several."""
        mapping = self.reader.mapping(node)
        if mapping is None:
            return
        match kind:
            case "pay" if not _is_long(mapping, PAY):
                yield from self._pay_short(mapping, notes)
            case "approve" if not _is_long(mapping, APPROVE):
                yield from self._approve_short(mapping, notes)
            case _:
                record = self.reader.record(mapping, LEVELS[kind])
                if record is not None:
                    yield from self._long(kind, record, self._notes(record, notes))

    def _long(self, kind: str, record: Record, notes: _Notes) -> Iterator[PolicyCall]:
        match kind:
            case "pay":
                to, amount = record.get("to"), record.get("amount")
                if to is not None:
                    yield from self._pay(
                        self.books.party(to, self.chain), to, amount, record.place, notes
                    )
            case "approve":
                spender, amount = record.get("spender"), record.get("amount")
                if spender is not None and amount is not None:
                    token = record.read("token", self._token, None)
                    party = self.books.party(spender, self.chain)
                    yield from self._approve(party, amount, token, record.place, notes)
            case "call":
                yield from self._invoke(record, notes)
            case "raw":
                yield from self._raw(record, notes)
            case "pay_each":
                yield from self._pay_each(record, notes)
            case "top_up":
                yield from self._top_up(record, notes)
            case _:
                yield from self._sweep(record, notes)

    def _notes(self, record: Record, outer: _Notes) -> _Notes:
        for key, above in (("memo", outer.memo), ("ref", outer.ref)):
            if above is not None and key in record:
                at = record.mapping.entries[key][0]
                what = f"`{key}` is written twice for this call"
                self.reader.fault(Code.DUPLICATE_KEY, what, at, "delete one of them")
        return _Notes(
            record.read("memo", parse_text, outer.memo), record.read("ref", parse_text, outer.ref)
        )

    def _pay_short(self, mapping: Mapping, notes: _Notes) -> Iterator[PolicyCall]:
        for key, value in self._pairs(mapping, "`pay: {alice: 10 usdc}`", PAY):
            yield from self._pay(self.books.party(key, self.chain), key, value, key, notes)

    def _approve_short(self, mapping: Mapping, notes: _Notes) -> Iterator[PolicyCall]:
        for key, value in self._pairs(mapping, "`approve: {vault: 10 usdc}`", APPROVE):
            yield from self._approve(self.books.party(key, self.chain), value, None, key, notes)

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
        self,
        to: tuple[Address, str],
        at: Node,
        amount: Node | None,
        place: Node,
        notes: _Notes,
        *,
        bare: Asset | None = None,
    ) -> Iterator[Pay]:
        address, name = to
        if address != ZERO_ADDRESS and self.receivers is not None:
            self._check_receiver(address, name, at)
        money = None if amount is None else self.books.money(amount, self.chain, bare=bare)
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
        address, name = NOBODY if contract is None else self.books.party(contract, self.chain)
        function = None if written is None else self._function(written, record)
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

    def _function(self, written: Node, record: Record) -> tuple[str, Function] | None:
        """Read the function: a signature, or beside `abi` the name of one of its functions."""
        abi = record.get("abi")
        if abi is None:
            return self.reader.read(written, parse_signature, None)

        def parse(path: str) -> tuple[tuple[str, ...], str]:
            file = self.find(path, (".json",))
            return signatures_of(file), file.name

        contract = self.reader.read(abi, parse, None)
        if contract is None:
            return None
        signatures, name = contract
        return self.reader.read(written, lambda text: function_in(signatures, text, name), None)

    def _pay_each(self, record: Record, notes: _Notes) -> Iterator[PolicyCall]:
        if "csv" not in record:
            return
        token = record.read("token", self._token, None)
        if token is None and "token" in record:
            return
        seen: dict[tuple[object, ...], Scalar] = {}
        for row in read_rows(record, self.find):
            own = _Notes(row.memo or notes.memo, row.ref or notes.ref)
            to = self.books.party(row.to, self.chain)
            for pay in self._pay(to, row.to, row.amount, row.to, own, bare=token):
                first = seen.setdefault((pay.to, pay.asset, pay.amount, row.ref), row.to)
                if first is not row.to:
                    what = f"{shown(row.to.text)} is paid the same in line {first.mark.line}"
                    hint = "delete one of the lines, or give them different `ref`s"
                    self.reader.faults.warn(Code.PAID_TWICE_IN_ONE_FILE, what, row.to, hint)
                yield pay

    def _top_up(self, record: Record, notes: _Notes) -> Iterator[PolicyCall]:
        to = record.get("to")
        address, name = NOBODY if to is None else self.books.party(to, self.chain)
        if to is not None and address != ZERO_ADDRESS:
            self._check_receiver(address, name, to)
        below, up_to, most = (self._above_zero(record, key) for key in ("below", "up_to", "max"))
        if below is None or up_to is None or most is None:
            return
        if not self._same_asset(record, below, {"up_to": up_to, "max": most}):
            return
        if up_to.amount < below.amount:
            what, hint = "`up_to` is less than `below`", "fill up to `below` at least"
            self.reader.fault(Code.OUT_OF_RANGE, what, record.fields["up_to"], hint)
            return
        self._check_daily(record, below.asset)
        yield TopUp(
            address,
            name,
            below.asset,
            below.amount,
            up_to.amount,
            most.amount,
            record.mark,
            notes.memo,
            notes.ref,
        )

    def _sweep(self, record: Record, notes: _Notes) -> Iterator[PolicyCall]:
        to = record.get("to")
        address, name = NOBODY if to is None else self.books.party(to, self.chain)
        if to is not None and address != ZERO_ADDRESS:
            self._check_receiver(address, name, to)
        asset = record.read("token", self._token_or_coin, None)
        most = self._above_zero(record, "max")
        if asset is None or most is None:
            return
        node = record.get("keep")
        keep = Money(asset, 0, record.mark)
        if node is not None:
            keep = self.books.money(node, self.chain, bare=asset)
        kept = {} if node is None else {"keep": keep}
        if keep.amount < 0 or not self._same_asset(
            record, Money(asset, 0, record.mark), {**kept, "max": most}
        ):
            return
        self._check_daily(record, asset)
        yield Sweep(
            address, name, asset, keep.amount, most.amount, record.mark, notes.memo, notes.ref
        )

    def _check_daily(self, record: Record, asset: Asset) -> None:
        """G10: what is read from the chain at run time is bounded by the day as well."""
        if asset not in self.daily:
            what = f"no limit per day bounds the `{asset.name}` that this call sends"
            hint = f"add `limits: {{per_day: [… {asset.name}]}}` to the schedule or its session"
            self.reader.fault(Code.NO_DAILY_LIMIT, what, record.place, hint)

    def _above_zero(self, record: Record, key: str) -> Money | None:
        node = record.get(key)
        if node is None:
            return None
        money = self.books.money(node, self.chain)
        if money.amount == 0:
            what = f"`{key}` of nothing"
            self.reader.fault(Code.NOT_ABOVE_ZERO, what, node, "write an amount above 0")
        return money if money.amount > 0 else None

    def _same_asset(self, record: Record, first: Money, others: dict[str, Money]) -> bool:
        for key, money in others.items():
            if money.asset != first.asset:
                what = f"`{money.asset.name}` stands beside `{first.asset.name}`"
                hint = f"write it in {first.asset.name}: one call moves one asset"
                self.reader.fault(Code.WRONG_ASSET, what, record.fields[key], hint)
                return False
        return True

    def _token_or_coin(self, text: str) -> Asset:
        return NATIVE if text == NATIVE.name else self._token(text)

    def _raw(self, record: Record, notes: _Notes) -> Iterator[PolicyCall]:
        to = record.get("to")
        address, name = NOBODY if to is None else self.books.party(to, self.chain)
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
