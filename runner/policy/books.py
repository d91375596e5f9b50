"""
The books of a policy: tokens, contacts, groups; and what a name or an amount means by them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from runner.errors import EncodingError
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.units import format_units, parse_units
from runner.policy.addresses import address_hint, looks_like_address, read_address
from runner.policy.amounts import NUMBER, amount_hint
from runner.policy.codes import Code
from runner.policy.faults import Moot, Refusal, did_you_mean, listed, lookalike, meant, shown
from runner.policy.language import TOKEN
from runner.policy.model import Asset, Money, Token
from runner.policy.nodes import Mapping, Node, Scalar
from runner.policy.reader import Reader
from runner.policy.record import Record
from runner.policy.scalars import CHAIN_NAMES, ETHER_CHAINS, parse_chain, parse_count

NATIVE = Asset("native", None, 18)
"""The coin of whatever chain an amount is on."""

NOBODY = (ZERO_ADDRESS, "")
"""Stands in for a party that could not be read."""

COIN_UNITS = {"native": 18, "ether": 18, "gwei": 9, "wei": 0}
"""The units of every chain's coin, and their decimals."""

_HEX_START = re.compile(r"0[xX]")
_MOST_DECIMALS = 36


@dataclass(slots=True)
class Books:
    """
    What names stand for. `chain` None, in the methods, is a chain that could not be read.

    Attributes:
        declared: The keys at which tokens, contacts and groups are declared; those of included
            books stand in another file.
        used: Contacts that something has named.
        unsound: Tokens whose declaration has a fault: nothing more is refused because of them.
        whole: All that is declared could be read; else an unknown name may be among the rest.
        strays: Keys of the policy that are none; names among them have left their section.
    """

    reader: Reader
    tokens: dict[str, Token] = field(default_factory=dict)
    contacts: dict[str, Address] = field(default_factory=dict)
    groups: dict[str, tuple[Address, ...]] = field(default_factory=dict)
    accounts: dict[str, Address | None] = field(default_factory=dict)
    declared: dict[str, Scalar] = field(default_factory=dict)
    unsound: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    whole: bool = True
    strays: AbstractSet[str] = frozenset()
    _assets: dict[tuple[str, int | None], Asset] = field(default_factory=dict)
    _amounts: dict[tuple[str, int | None, Asset | None], tuple[Asset, int]] = field(
        default_factory=dict
    )

    def asset(self, token: Token, chain: int | None) -> Asset:
        """
        Return a token as it is on one chain.

        Raises:
            Refusal: It has no address there.
        """
        known = self._assets.get((token.name, chain))
        if known is not None:
            return known
        address = token.address if chain is None else token.on(chain)
        if address is None and chain is not None and token.name not in self.unsound:
            on = CHAIN_NAMES.get(chain, str(chain))
            raise Refusal(
                Code.NOT_ON_CHAIN,
                f"token `{token.name}` has no address on {on}",
                f"add `{on}: 0x…` to the token's addresses",
            )
        asset = Asset(token.name, address or ZERO_ADDRESS, token.decimals)
        self._assets[token.name, chain] = asset
        return asset

    def all_assets(self, chains: list[int]) -> tuple[Asset, ...]:
        """Return the coin and every token on the chains in use."""
        assets = {NATIVE: None}
        for chain in chains:
            for token in self.tokens.values():
                if token.on(chain) is not None:
                    assets[self.asset(token, chain)] = None
        return tuple(assets)

    def address(self, text: str, chain: int | None) -> Address:
        """
        Read an address, or a name that stands for one.

        Raises:
            Refusal: Neither.
        """
        if _HEX_START.match(text):
            return read_address(text)
        if text in self.contacts:
            self.used.add(text)
            return self.contacts[text]
        if text in self.tokens:
            return self.asset(self.tokens[text], chain).address or ZERO_ADDRESS
        if text in self.groups:
            what = f"`{text}` is a group; one address is needed here"
            raise Refusal(Code.NOT_ONE_RECEIVER, what, "name one contact, or write one call each")
        if text in self.accounts:
            own = self.accounts[text]
            if own is not None:
                return own
            hint = f"write `address: 0x…` at the account `{text}`, or name a contact"
            what = f"the address of the account `{text}` is not known here"
            raise Refusal(Code.UNKNOWN_CONTACT, what, hint)
        if not self.whole or text in self.strays:
            raise Moot
        raise Refusal(
            Code.UNKNOWN_CONTACT, f"there is no contact {shown(text)}", self._contact_hint(text)
        )

    def _contact_hint(self, text: str) -> str:
        if looks_like_address(text):
            return address_hint(text)
        names = [*self.contacts, *self.groups, *self.tokens, *self.accounts]
        words = re.split(r"[\s,;]+", text)
        if len(words) > 1 and all(word in names for word in words):
            return f"these are several: in a list, {', '.join(words)}; else one call each"
        close = meant(text, names)
        if close is not None:
            return f"did you mean `{close}`?{lookalike(text)}"
        if text.endswith(".eth"):
            return address_hint(text)
        if text == "*":
            return "there is no sign for everybody: name each; `receivers: any` is the default"
        return f"declare it below `contacts`, or write an address; there are: {_names(self)}"

    def party(self, node: Node | None, chain: int | None) -> tuple[Address, str]:
        """Read an address or a name, and what was written; nobody after a fault."""
        if node is None:
            return NOBODY

        def parse(text: str) -> tuple[Address, str]:
            return self.address(text, chain), text

        return self.reader.read(node, parse, NOBODY)

    def receivers(self, text: str, chain: int | None) -> tuple[Address, ...]:
        """Read an address, a contact or a group."""
        return self.groups[text] if text in self.groups else (self.address(text, chain),)

    def money(self, node: Node, chain: int | None, *, bare: Asset | None = None) -> Money:
        """
        Read an amount, `2500 usdc`; after a fault, a stand-in.

        Args:
            node: The scalar.
            chain: The EIP-155 id of the chain it is spent on.
            bare: What a number without unit counts: 0 of it for a plain `0`.
        """
        instead = (bare or NATIVE, -1)

        def parse(text: str) -> tuple[Asset, int]:
            found = self._amounts.get((text, chain, bare))
            if found is None:
                found = self._amounts[text, chain, bare] = self.amount(text, chain, bare)
            return found

        asset, amount = self.reader.read(node, parse, instead)
        return Money(asset, amount, node.mark)

    def coin(self, node: Node, chain: int | None) -> Money:
        """Read an amount of the chain's coin."""
        money = self.money(node, chain, bare=NATIVE)
        if money.asset.address is not None:
            what = f"`{money.asset.name}` is a token; the chain's coin is needed here"
            self.reader.fault(Code.WRONG_ASSET, what, node, "write it in native, gwei or wei")
            return Money(NATIVE, -1, money.mark)
        return money

    def moneys(self, node: Node, chain: int | None, *, single: bool = False) -> tuple[Money, ...]:
        """Read a list of amounts, no asset twice; or one amount, where that is enough."""
        if single and isinstance(node, Scalar):
            money = self.money(node, chain)
            return (money,) if money.amount >= 0 else ()
        sequence = self.reader.sequence(node)
        if sequence is None:
            return ()
        if not sequence.items:
            self.reader.fault(Code.EMPTY, "the list is empty", node, "delete the key instead")
            node.broken = True
        found: dict[Asset, Money] = {}
        for item in sequence:
            money = self.money(item, chain)
            if money.amount >= 0 and money.asset in found:
                what = f"two amounts of `{money.asset.name}` in one list"
                self.reader.fault(Code.AMOUNT_TWICE, what, item, "keep the one that is meant")
            if money.amount >= 0:
                found.setdefault(money.asset, money)
        return tuple(found.values())

    def amount(self, text: str, chain: int | None, bare: Asset | None) -> tuple[Asset, int]:
        """
        Read `2500 usdc` as an asset and base units.

        Raises:
            Refusal: Not an amount, or not one of this chain.
        """
        number, _, unit = text.partition(" ")
        unit = unit.strip()
        if not unit:
            return self._bare(text, bare)
        if not NUMBER.fullmatch(number) or " " in unit:
            raise Refusal(
                Code.NOT_AN_AMOUNT, f"{shown(text)} is not an amount", self._amount_hint(text)
            )
        if unit in self.tokens:
            token = self.tokens[unit]
            return self.asset(token, chain), self._units(number, token.decimals, unit)
        if unit not in COIN_UNITS:
            raise self.no_unit(unit, [*self.tokens, *COIN_UNITS], "units")
        if unit == "ether" and chain is not None and chain not in ETHER_CHAINS:
            on = CHAIN_NAMES.get(chain, f"chain {chain}")
            what = f"the coin of {on} is not known to be ether"
            raise Refusal(Code.WRONG_ASSET, what, f"write {number} native for the chain's coin")
        return NATIVE, self._units(number, COIN_UNITS[unit], unit)

    def no_unit(self, text: str, names: Sequence[str], kind: str) -> Refusal:
        """
        Return the refusal of an unknown unit or token.

        Raises:
            Moot: It may be declared where nothing could be read.
        """
        if not self.whole or text in self.strays:
            raise Moot
        hint = did_you_mean(text, names, kind)
        if text.casefold() not in (name.casefold() for name in names):
            hint += "; other tokens are declared below `tokens`"
        what = f"there is no {kind.removesuffix('s')} {shown(text)}"
        return Refusal(Code.UNKNOWN_UNIT, what, hint)

    def _bare(self, text: str, bare: Asset | None) -> tuple[Asset, int]:
        if not NUMBER.fullmatch(text):
            raise Refusal(
                Code.NOT_AN_AMOUNT, f"{shown(text)} is not an amount", self._amount_hint(text)
            )
        if bare is not None and (bare is not NATIVE or not text.strip("0_.")):
            return bare, self._units(text, bare.decimals, bare.name)
        what = f"{shown(text)} has no unit"
        if bare is NATIVE:
            hint = f"write {text} native, {text} gwei or {text} wei, whichever is meant"
            raise Refusal(Code.NO_UNIT, what, hint)
        units = [*self.tokens, "native"]
        raise Refusal(Code.NO_UNIT, what, f"write {text} {units[0]}" + _or(units[1:]))

    def _amount_hint(self, text: str) -> str:
        return amount_hint(text, next(iter(self.tokens), "native"), {*self.tokens, *COIN_UNITS})

    @staticmethod
    def _units(number: str, decimals: int, unit: str) -> int:
        try:
            return parse_units(number, decimals)
        except EncodingError as error:
            called = shown(f"{number} {unit}")
            if "decimals" in error.what:
                what = f"{called} is finer than the {decimals} decimals of {unit}"
                least = format_units(1, decimals)
                hint = f"amounts are never rounded; the smallest is {least} {unit}"
                raise Refusal(Code.TOO_FINE, what, hint) from None
            what = f"{called} is more than can be counted: 2**256 - 1 base units"
            raise Refusal(Code.TOO_MUCH, what, "look at the number of digits") from None


def _names(books: Books) -> str:
    return listed(sorted([*books.contacts, *books.groups])) or "none"


def _or(units: list[str]) -> str:
    return f", or another of: {', '.join(units[:6])}" if units else ""


def read_books(
    reader: Reader, record: Record | None, included: Sequence[Books] = (), *, whole: bool = True
) -> Books:
    """
    Read `tokens`, `contacts` and `groups` of a policy or a book.

    Args:
        record: The policy or book; None if it is no map.
        included: Books whose names hold as well; none of them is declared in two of them.
        whole: Whether all books that are named could be read.
    """
    books = Books(reader, whole=whole and record is not None)
    for book in included:
        books.whole &= book.whole
        books.tokens |= book.tokens
        books.contacts |= book.contacts
        books.groups |= book.groups
        books.declared |= book.declared
        books.unsound |= book.unsound
    if record is None:
        return books
    books.strays = record.strays
    for name, key, node in reader.named(record.get("tokens"), TOKEN):
        if name in COIN_UNITS:
            what = f"`{name}` is a unit of the chain's coin"
            reader.fault(Code.NAME_TWICE, what, key, "name the token otherwise")
        _declare(books, name, key)
        books.tokens[name] = _read_token(books, name, node)
    for name, key, node in reader.named(record.get("contacts")):
        if _HEX_START.match(name):
            hint = "write `name: 0x…`"
            reader.fault(Code.BAD_NAME, "a contact's name comes first", key, hint)
        _declare(books, name, key)
        books.contacts[name] = reader.read(node, read_address, ZERO_ADDRESS)
    books.whole &= all(record.declared(each).whole for each in ("tokens", "contacts"))
    for name, key, node in reader.named(record.get("groups")):
        _declare(books, name, key)
        books.groups[name] = _read_group(reader, books, node)
    books.whole &= record.declared("groups").whole
    return books


def _declare(books: Books, name: str, key: Scalar) -> None:
    first = books.declared.setdefault(name, key)
    if first is not key:
        where = f"line {first.mark.line}" if first.source is key.source else f"{first.mark}"
        what = f"{shown(name)} is declared twice; first in {where}"
        hint = "tokens, contacts and groups share their names, with those of included books"
        books.reader.fault(Code.NAME_TWICE, what, key, hint)


def _read_token(books: Books, name: str, node: Node) -> Token:
    reader = books.reader
    before = len(reader.faults.errors)
    record = reader.record(node, TOKEN)
    if record is None:
        books.unsound.add(name)
        return Token(name, _MOST_DECIMALS, None)
    decimals = record.read("decimals", _parse_decimals, _MOST_DECIMALS)
    written = record.get("address")
    address, by_chain = None, {}
    if isinstance(written, Mapping):
        if not written.entries:
            reader.fault(Code.EMPTY, "the token has no address", written, "add `base: 0x…`")
        for text, key, value in reader.named(written, names=False):
            chain = reader.read(key, parse_chain, 0)
            if chain in by_chain:
                what = f"chain {shown(text)} is written twice under another name"
                reader.fault(Code.DUPLICATE_KEY, what, key, "keep one of them")
            by_chain[chain] = reader.read(value, read_address, ZERO_ADDRESS)
    elif written is not None:
        address = reader.read(written, read_address, ZERO_ADDRESS)
    if len(reader.faults.errors) > before:
        books.unsound.add(name)
    return Token(name, decimals, address, by_chain)


def _parse_decimals(text: str) -> int:
    decimals = parse_count(text)
    if decimals > _MOST_DECIMALS:
        what = f"{shown(text)} decimals are more than any token has"
        raise Refusal(Code.OUT_OF_RANGE, what, f"write 0 to {_MOST_DECIMALS}")
    return decimals


def _read_group(reader: Reader, books: Books, node: Node) -> tuple[Address, ...]:
    sequence = reader.sequence(node)
    if sequence is None:
        return ()
    if not sequence.items:
        reader.fault(Code.EMPTY, "the group is empty", node, "name its contacts: [alice, bob]")
    members = (
        reader.read(item, lambda text: books.address(text, None), ZERO_ADDRESS) for item in sequence
    )
    return tuple(dict.fromkeys(members))
