"""
Reading calls, in their long and short forms.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.policy.call_kinds import NO_NOTES, SOME_TOKEN, KindsReader, Notes
from runner.policy.codes import Code
from runner.policy.faults import listed, shown
from runner.policy.language import APPROVE, ITEM, LEVELS, PAY, Level
from runner.policy.language.calls import UNITS_APART
from runner.policy.model import PolicyCall
from runner.policy.nodes import Mapping, Node, Scalar
from runner.policy.record import Record
from runner.policy.scalars import parse_text

KINDS = ("pay", "call", "approve", "raw", "pay_each", "top_up", "sweep")
"""What a call can be."""

CALL_KEYS = ("calls", *KINDS)
"""Of these a schedule has exactly one."""


class CallsReader:
    """Reads the calls of one schedule, each by its kind."""

    def __init__(self, kinds: KindsReader) -> None:
        self.kinds = kinds
        self.reader = kinds.reader
        self.books = kinds.books
        self.chain = kinds.chain

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
        if self._is_bare(item):
            return
        record = self.reader.record(item, ITEM)
        if record is None:
            return
        kinds = [name for name in record.mapping.entries if name in KINDS]
        if len(kinds) != 1:
            at = record.mapping.entries[kinds[1]][0] if kinds else record.mapping
            what = "two kinds of call in one item" if kinds else "this item names no kind of call"
            hint = "begin each call with its own `- `"
            if not kinds:
                if record.mapping.partial or not record.mapping.entries.keys() <= ITEM.keys.keys():
                    return  # the unknown key has been reported: it was to be the kind
                hint = f"write one of {listed(KINDS)}"
            self.reader.fault(Code.NOT_ONE_KIND, what, at, hint)
            return
        memo, ref = (record.read(key, parse_text, None) for key in ("memo", "ref"))
        notes = Notes(memo, ref, record.mapping)
        value = record.get(kinds[0])
        if value is not None:
            yield from self.one(kinds[0], value, notes)

    def _is_bare(self, item: Node) -> bool:
        """Report what stands in an item without its `pay:` or other kind; tell if it does."""
        keys = list(item.entries) if isinstance(item, Mapping) else []
        if not isinstance(item, Mapping) or not keys or any(key in ITEM.keys for key in keys[:1]):
            return False
        first = item.entries[keys[0]][0]
        kind = next((k for k in KINDS if set(keys) <= LEVELS[k].keys.keys()), None)
        if kind is None and self._is_known(keys[0]):
            kind = "pay"
        if kind is None or set(keys) & set(KINDS):
            return False
        what = f"{shown(keys[0])} stands in an item of `calls` that names no kind of call"
        hint = f"write `{kind}:` before it, as - {kind}: {{{keys[0]}: …}}"
        self.reader.fault(Code.NOT_ONE_KIND, what, first, hint)
        return True

    def one(self, kind: str, node: Node, notes: Notes = NO_NOTES) -> Iterator[PolicyCall]:
        """Read what stands below one kind's key; the short form may hold several."""
        mapping = self.reader.mapping(node, LEVELS[kind])
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

    def _long(self, kind: str, record: Record, notes: Notes) -> Iterator[PolicyCall]:
        match kind:
            case "pay":
                to, amount = record.get("to"), record.get("amount")
                if record.strays & UNITS_APART:  # reported: the unit stands there
                    amount = None
                at = to or record.place
                yield from self.kinds.pay(
                    self.books.party(to, self.chain), at, amount, record.place, notes
                )
            case "approve":
                spender, amount = record.get("spender"), record.get("amount")
                token = record.read("token", self.kinds.token, SOME_TOKEN)
                bare = None if record.lacks("token") else token
                party = self.books.party(spender, self.chain)
                if amount is not None:
                    at = spender or record.place
                    yield from self.kinds.approve(party, at, amount, bare, record.place, notes)
            case "call":
                yield from self.kinds.invoke(record, notes)
            case "raw":
                yield from self.kinds.raw(record, notes)
            case "pay_each":
                yield from self.kinds.pay_each(record, notes)
            case "top_up":
                yield from self.kinds.top_up(record, notes)
            case _:
                yield from self.kinds.sweep(record, notes)

    def _notes(self, record: Record, outer: Notes) -> Notes:
        above = {} if outer.item is None else outer.item.entries
        for key in ("memo", "ref"):
            if key in above and key in record:
                second = max(above[key][0], record.mapping.entries[key][0], key=_place)
                what = f"`{key}` is written twice for this call"
                self.reader.fault(Code.DUPLICATE_KEY, what, second, "delete one of them")
        return Notes(
            record.read("memo", parse_text, outer.memo), record.read("ref", parse_text, outer.ref)
        )

    def _pay_short(self, mapping: Mapping, notes: Notes) -> Iterator[PolicyCall]:
        for key, value in self._pairs(mapping, "`pay: {alice: 10 usdc}`", PAY):
            yield from self.kinds.pay(self.books.party(key, self.chain), key, value, key, notes)

    def _approve_short(self, mapping: Mapping, notes: Notes) -> Iterator[PolicyCall]:
        for key, value in self._pairs(mapping, "`approve: {vault: 10 usdc}`", APPROVE):
            party = self.books.party(key, self.chain)
            yield from self.kinds.approve(party, key, value, None, key, notes)

    def _pairs(self, mapping: Mapping, example: str, level: Level) -> Iterator[tuple[Scalar, Node]]:
        if not mapping.entries:
            keys = " and ".join(f"`{key}`" for key in level.required)
            hint = f"write {example}, or {keys}"
            self.reader.fault(Code.EMPTY, "the map is empty", mapping, hint)
        for text, key, value in self.reader.named(mapping, names=False):
            if self._is_known(text) or not self._is_key(text, key, level):
                yield key, value

    def _is_key(self, text: str, key: Scalar, level: Level) -> bool:
        """Report a receiver that reads like a key, of this level or another; tell if it does."""
        from runner.policy.advice import likely_key  # noqa: PLC0415 (only messages need it)

        likely = likely_key(text, level.keys)
        if likely is None and not any(text in each.keys for each in LEVELS.values()):
            return False
        what = f"{level.article} has no key {shown(text)}, nor is it a contact"
        hint = f"did you mean `{likely}`?" if likely else f"keys are {listed(level.keys)}"
        self.reader.fault(Code.UNKNOWN_KEY, what, key, hint)
        return True

    def _is_known(self, text: str) -> bool:
        books = self.books
        known = text in books.contacts or text in books.tokens or text in books.groups
        return known or text in books.accounts or text.startswith("0x")


def _place(key: Scalar) -> int:
    return key.index


def _is_long(mapping: Mapping, level: Level) -> bool:
    return any(key in level.keys for key in mapping.entries)
