"""
What the ledger wants of policies, worked out by the process that reads them.

A daemon that starts reads its policies by all processors. What follows from a policy alone is done
where it was read: its digest at once, and its text while this process makes everything ready, to be
thrown away if the ledger has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from runner.cli.spread import Parts, begin, weight_of
from runner.planning.applied import Papers
from runner.policy.model import Policy
from runner.policy.parse import Part, ReadPart

Held = Callable[[Policy], Policy]
Read = tuple[Part, Mapping[str, str]]
"""A part, and the digest of each of its policies by name."""


class PapersAhead(Papers):
    """
    The papers of the policies that are read by `spread`, and of no others.

    Args:
        held: Puts a policy within the rules above it, as it will be used.
        beside: What this process can do while others read.
    """

    def __init__(self, held: Held, beside: Callable[[], None]) -> None:
        self._held = held
        self._beside = beside
        self._parts: Parts[Read, Mapping[str, str]] | None = None

    def spread(self, read_part: ReadPart, files: Sequence[Path]) -> list[Part]:
        """Read parts of the files, in several processes if there is enough for them."""
        self._parts = begin(
            partial(_read, read_part, self._held),
            files,
            weigh=weight_of,
            beside=self._beside,
            then=partial(_texts, self._held),
        )
        return [part for part, _ in self._parts.results]

    def digests(self, policies: Sequence[Policy]) -> dict[str, str]:
        """As they were worked out; what was not is worked out now."""
        known = {} if self._parts is None else _joined(each for _, each in self._parts.results)
        return self._whole(known, policies, super().digests)

    def records(self, policies: Sequence[Policy]) -> dict[str, str]:
        """The texts; of other policies than these nobody asks any more."""
        parts, self._parts = self._parts, None
        if parts is None:
            return super().records(policies)
        try:
            if 2 * len(policies) <= sum(len(digests) for _, digests in parts.results):
                return super().records(policies)
            known = _joined(parts.later())
        finally:
            parts.close()
        return self._whole(known, policies, super().records)

    @staticmethod
    def _whole(
        known: Mapping[str, str],
        policies: Sequence[Policy],
        work_out: Callable[[Sequence[Policy]], dict[str, str]],
    ) -> dict[str, str]:
        """
        A text for each policy.

        A part that has a fault tells none, and policies of it may be used all the same: a book that
        lies among them reads as a faulty policy until it is found to be a book.
        """
        missing = [policy for policy in policies if policy.name not in known]
        texts = {**known, **(work_out(missing) if missing else {})}
        return {policy.name: texts[policy.name] for policy in policies}

    def close(self) -> None:
        """End whoever still works on them."""
        if self._parts is not None:
            self._parts.close()


def _read(read_part: ReadPart, held: Held, files: Sequence[Path]) -> Read:
    part = read_part(files)
    # What is faulty is refused as a whole, and perhaps not fit for a digest.
    return part, Papers().digests(_usable(part, held))


def _texts(held: Held, read: Read) -> Mapping[str, str]:
    return Papers().records(_usable(read[0], held))


def _usable(part: Part, held: Held) -> tuple[Policy, ...]:
    return tuple(map(held, part.policies)) if part.is_sound else ()


def _joined(each: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {name: text for one in each for name, text in one.items()}
