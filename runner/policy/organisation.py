"""
Reading the organisation file: rules above all policies, which their authors cannot override.

It is read by the same means as a policy, so its faults point at their places as well. Amounts
are counted in the tokens that it declares itself: a policy may call any contract `usdc`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from runner.errors import Mark, PolicyError, PolicyErrors
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.policy.books import Books, read_books
from runner.policy.codes import Code
from runner.policy.faults import Faults
from runner.policy.language import PERMISSION
from runner.policy.language.organisation import ORGANISATION, ORGANISATION_LEVELS
from runner.policy.model import Money, Organisation
from runner.policy.reader import Reader
from runner.policy.record import Record
from runner.policy.scalars import (
    between,
    choice,
    parse_chain,
    parse_duration,
    parse_text,
    parse_version,
)
from runner.policy.sessions import read_limits
from runner.policy.source import MAX_BYTES, read

T = TypeVar("T")

_MOST_APPROVERS = 2


def load_organisation(path: Path, *, name: str, environment: Mapping[str, str]) -> Organisation:
    """
    Read the file.

    Args:
        name: What messages call it.
        environment: What `${NAME}` may name.

    Raises:
        PolicyErrors: All its faults.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        what = f"the organisation's rules cannot be read: {error.strerror or 'unknown reason'}"
        hint = "check `organisation` of runner.yaml; without its rules nothing is done"
        where = Mark(name, 1, 1)
        fault = PolicyError(what, code=Code.UNREADABLE.value, where=where, hint=hint)
        raise PolicyErrors([fault]) from None
    return parse_organisation(raw, name, environment=environment)


def parse_organisation(
    text: str | bytes, file: str, *, environment: Mapping[str, str]
) -> Organisation:
    """
    Read its text; `file` is its name in messages.

    Raises:
        PolicyErrors: All its faults.
    """
    document = read(text, file)
    faults = document.faults
    found = None
    if document.root is not None:
        reader = Reader(faults, environment, ORGANISATION_LEVELS)
        record = reader.record(document.root, ORGANISATION)
        found = None if record is None else _read(reader, record, file)
    if found is None or faults.errors:
        raise PolicyErrors(_in_order(faults))
    return found


def _in_order(faults: Faults) -> list[PolicyError]:
    nowhere = Mark("", 0, 0)
    return sorted([*faults.errors, *faults.warnings], key=lambda one: one.where or nowhere)


def _read(reader: Reader, record: Record, file: str) -> Organisation:
    record.read("version", parse_version, "1")
    record.read("description", parse_text, None)
    books = read_books(reader, record)
    fee = record.get("max_fee")
    return Organisation(
        file=file,
        tokens=books.tokens,
        chains=_set(record, "chains", parse_chain, 0),
        receivers=_addresses(record, books, "receivers"),
        contracts=_addresses(record, books, "contracts"),
        forbidden_permissions=_set(record, "forbidden_permissions", _parse_kind, "") or frozenset(),
        max_lifetime=record.read("max_lifetime", parse_duration, None),
        max_exposure=_moneys(record, books, "max_exposure"),
        max_fee=None if fee is None else books.coin(fee, None).amount,
        limits=read_limits(record, books, None, "UTC"),
        approve_above=_moneys(record, books, "approve_above"),
        approvers=record.read("approvers", between(1, _MOST_APPROVERS), 1),
        written={key: node.mark for key, node in record.fields.items()},
    )


def _set(record: Record, key: str, parse: Callable[[str], T], instead: T) -> frozenset[T] | None:
    node = record.get(key)
    sequence = None if node is None else record.reader.sequence(node)
    if node is None or sequence is None:
        return None
    if not sequence.items:
        record.reader.fault(Code.EMPTY, "the list is empty", node, "delete the key, or fill it")
    return frozenset(record.reader.read(item, parse, instead) for item in sequence)


def _addresses(record: Record, books: Books, key: str) -> frozenset[Address] | None:
    nobody: tuple[Address, ...] = (ZERO_ADDRESS,)
    found = _set(record, key, lambda text: books.receivers(text, None), nobody)
    return None if found is None else frozenset(one for several in found for one in several)


def _moneys(record: Record, books: Books, key: str) -> tuple[Money, ...]:
    node = record.get(key)
    return () if node is None else books.moneys(node, None, single=True)


def _parse_kind(text: str) -> str:
    return choice(text, tuple(PERMISSION.keys))
