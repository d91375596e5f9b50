"""
Reading one call of each kind: what is paid, approved, called, filled up or swept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from runner.ethereum.abi import Function
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.frozen import frozen
from runner.policy.arguments import ArgumentsReader
from runner.policy.books import COIN_UNITS, NATIVE, Books
from runner.policy.codes import Code
from runner.policy.faults import Refusal, shown
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
from runner.policy.nodes import Sequence as ListNode
from runner.policy.pay_each import Find, read_rows
from runner.policy.reader import Reader
from runner.policy.record import Record
from runner.policy.scalars import parse_hex
from runner.policy.signatures import function_in, parse_signature, signatures_of

SOME_TOKEN = Asset("token", ZERO_ADDRESS, 36)
"""Stands for one that could not be read."""

_UNLIMITED = 2**128 - 1
"""From here on an approval is one of the customary ways of writing "any amount"."""

_APPROVALS = {
    "approve(address,uint256)": 1,
    "increaseAllowance(address,uint256)": 1,
    "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)": 2,
}
"""Functions that let a spender take tokens, with the place of the amount."""


@frozen
class Notes:
    """What people and programs attach to a call, and the item that they stand in."""

    memo: str | None = None
    ref: str | None = None
    item: Mapping | None = None


NO_NOTES = Notes()


class KindsReader:
    """
    Reads calls by their kind, for one schedule.

    Args:
        chain: Where its account lives.
        receivers: Whom its session may pay; None for anybody.
        daily: Tells what a budget per day bounds, of the schedule or its session; None if unknown.
        find: Finds a file beside the policy, by the text of its path and its ending.
    """

    def __init__(
        self,
        reader: Reader,
        books: Books,
        chain: int | None,
        receivers: tuple[Address, ...] | None,
        daily: Callable[[], AbstractSet[Asset] | None],
        find: Find,
    ) -> None:
        self.reader = reader
        self.books = books
        self.chain = chain
        self.receivers = receivers
        self.daily = daily
        self.find = find
        self.arguments = ArgumentsReader(reader, books, chain)

    def pay(
        self,
        to: tuple[Address, str],
        at: Node,
        amount: Node | None,
        place: Node,
        notes: Notes,
        *,
        bare: Asset | None = None,
    ) -> Iterator[Pay]:
        """Read one payment, its receiver read already."""
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

    def _check_receiver(self, address: Address, name: str, at: Node, gets: str = "") -> None:
        if self.receivers is not None and address not in self.receivers:
            what = f"{shown(name)} {gets}is not among the session's receivers"
            hint = "add it to `receivers` of the session, or pay from another session"
            self.reader.fault(Code.NOT_A_RECEIVER, what, at, hint)

    def token(self, text: str) -> Asset:
        """Read the name of a token."""
        if text in COIN_UNITS:
            what = f"`{text}` is a unit of the chain's coin, not a token"
            hint = "name a token; amounts of the coin carry their unit themselves"
            raise Refusal(Code.UNKNOWN_UNIT, what, hint)
        if text not in self.books.tokens:
            raise self.books.no_unit(text, list(self.books.tokens), "tokens")
        return self.books.asset(self.books.tokens[text], self.chain)

    def approve(
        self,
        spender: tuple[Address, str],
        at: Node,
        amount: Node,
        token: Asset | None,
        place: Node,
        notes: Notes,
    ) -> Iterator[PolicyCall]:
        """Read an approval, its spender read already."""
        address, name = spender
        if address != ZERO_ADDRESS:
            self._check_receiver(address, name, at, "may take tokens by this call, and ")
        money = self.books.money(amount, self.chain, bare=token)
        if money.amount < 0 or token is SOME_TOKEN:
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
        yield Approve(money.asset, address, name, money.amount, place.mark, notes.memo, notes.ref)

    def invoke(self, record: Record, notes: Notes) -> Iterator[PolicyCall]:
        """Read a function call."""
        contract, written = record.get("contract"), record.get("function")
        address, name = self.books.party(contract, self.chain)
        function = None if written is None else self._function(written, record)
        value = self._value(record)
        if function is None:
            return
        signature, parsed = function
        if "args" not in record and not record.lacks("args"):
            return  # reported: they are there, misspelt
        args = self.arguments.read(parsed, record.get("args"), record.place)
        if args is None or value is None or not self._is_bounded(parsed, args, record):
            return
        yield Invoke(
            address, name, signature, args, value.amount, record.mark, notes.memo, notes.ref
        )

    def _is_bounded(self, function: Function, args: Sequence[Any], record: Record) -> bool:
        """B7: an approval is one, whatever it is called by; without limit it is refused."""
        place = _APPROVALS.get(function.signature)
        if place is None or args[place] < _UNLIMITED:
            return True
        what = "an approval without limit is refused"
        hint = "approve what the spender needs; the full amount counts as spent (B7)"
        at: Node = record.place
        match record.get("args"):
            case ListNode(items=items):
                at = items[place]
            case Mapping(entries=entries):
                at = entries[function.inputs[place].name or ""][1]
        self.reader.fault(Code.UNLIMITED_APPROVAL, what, at, hint)
        return False

    def _function(self, written: Node, record: Record) -> tuple[str, Function] | None:
        """Read the function: a signature, or beside `abi` the name of one of its functions."""
        abi = record.get("abi")
        if abi is None:
            return self.reader.read(written, parse_signature, None)

        def parse(path: str) -> tuple[tuple[str, ...], str]:
            file = self.find(path, (".json",))
            return signatures_of(file), file.written

        contract = self.reader.read(abi, parse, None)
        if contract is None:
            return None
        signatures, name = contract
        return self.reader.read(written, lambda text: function_in(signatures, text, name), None)

    def pay_each(self, record: Record, notes: Notes) -> Iterator[PolicyCall]:
        """Read a payment for each row of a table."""
        if "csv" not in record:
            return
        token = record.read("token", self.token, None)
        if token is None and "token" in record:
            return
        seen: dict[tuple[object, ...], Scalar] = {}
        for row in read_rows(record, self.find):
            own = Notes(row.memo or notes.memo, row.ref or notes.ref)
            to = self.books.party(row.to, self.chain)
            for pay in self.pay(to, row.to, row.amount, row.to, own, bare=token):
                first = seen.setdefault((pay.to, pay.asset, pay.amount, row.ref), row.to)
                if first is not row.to:
                    what = f"{shown(row.to.text)} is paid the same in line {first.mark.line}"
                    hint = "delete one of the lines, or give them different `ref`s"
                    self.reader.faults.warn(Code.PAID_TWICE_IN_ONE_FILE, what, row.to, hint)
                yield pay

    def top_up(self, record: Record, notes: Notes) -> Iterator[PolicyCall]:
        """Read a call that fills a balance up."""
        to = record.get("to")
        address, name = self.books.party(to, self.chain)
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

    def sweep(self, record: Record, notes: Notes) -> Iterator[PolicyCall]:
        """Read a call that empties a balance."""
        to = record.get("to")
        address, name = self.books.party(to, self.chain)
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
        daily = self.daily()
        if daily is not None and asset not in daily:
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
        return NATIVE if text == NATIVE.name else self.token(text)

    def raw(self, record: Record, notes: Notes) -> Iterator[PolicyCall]:
        """Read a raw call."""
        to = record.get("to")
        address, name = self.books.party(to, self.chain)
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
