"""
Secrets in comments: whoever keeps an old key there has given it to all who read the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from runner.policy.codes import Code
from runner.policy.faults import Faults
from runner.policy.nodes import Source
from runner.policy.secrets import find_secret, masked

_COMMENT = re.compile(r"(?:^|(?<=\s))#[^\n]*", re.MULTILINE)


def refuse_in_comments(source: Source, written: Iterable[tuple[int, int]], faults: Faults) -> None:
    """
    Report each secret that stands in a comment, without repeating it.

    Args:
        written: Where the values and keys of the file stand, in their order.
    """
    for start, comment in _comments(source.text, written):
        kind = find_secret(comment)
        if kind is not None:
            pairs = enumerate(zip(comment, masked(comment), strict=True))
            at = start + next((place for place, (one, other) in pairs if one != other), 0)
            what = f"this comment holds what looks like {kind}; it has no place in this file"
            hint = "delete it here and treat it as known to others; keys belong to signers"
            faults.add(Code.SECRET, what, source.mark(at), hint)


def _comments(text: str, written: Iterable[tuple[int, int]]) -> Iterator[tuple[int, str]]:
    """Go through the comments of a file and where each begins: they stand between its texts."""
    last = 0
    for start, end in (*written, (len(text), len(text))):
        for found in _COMMENT.finditer(text, last, start):
            yield found.start(), found[0]
        last = max(last, end)
