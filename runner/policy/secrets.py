"""
Secrets that have no place in a file: private keys, seed phrases, keys of providers.

Whoever finds one says so and never repeats it. A wrong alarm costs a line in a file, a missed
one costs a treasury: so 64 hex digits count as a private key wherever a field does not expect
exactly that.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_PRIVATE_KEY = (
    r"(?<![0-9a-fA-F])(?![0-9]{64}(?![0-9a-fA-F]))(?:0[xX])?[0-9a-fA-F]{64}(?![0-9a-fA-F])"
)
"""Sixty-four decimal digits are an amount: one key in 10^13 has no letter."""

_MIXED_WORD = r"(?<![\w-])[A-Za-z0-9_-]{32}(?![\w-])"
_MIXED = ("[a-z]", "[A-Z]", "[0-9]")
_PAYMENT_KEY = r"\b(?:sk|pk|rk)[_-](?:live|test|proj)[_-][A-Za-z0-9]{12,}"
_PROVIDER_KEYS = (
    ("PRIVATE KEY-----", r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----"),
    ("prv", r"\b[xyz]prv[1-9A-HJ-NP-Za-km-z]{100,}"),
    ("/v2/", r"(?:alchemy\.com|alchemyapi\.io)/v2/[A-Za-z0-9_-]{10,}"),
    ("infura.io/", r"infura\.io/(?:ws/)?v3/[0-9a-fA-F]{16,}"),
    ("quiknode.pro/", r"quiknode\.pro/[A-Za-z0-9_-]{16,}"),
    ("ankr.com/", r"ankr\.com/[a-z0-9_]+/[A-Za-z0-9_-]{16,}"),
    ("drpc.org/", r"drpc\.org/[a-z0-9_-]+/[A-Za-z0-9_-]{16,}"),
    ("alch", r"\balch[a-z]?_[A-Za-z0-9_-]{16,}"),
    *((f"{word}{mark}", _PAYMENT_KEY) for word in ("live", "test", "proj") for mark in "_-"),
    ("AKIA", r"\bAKIA[0-9A-Z]{16}\b"),
    ("gh", r"\bgh[pousr]_[A-Za-z0-9]{20,}"),
    ("eyJ", r"\beyJ[A-Za-z0-9_-]{8,400}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),
    ("://", r"://[^/\s:@\"']{0,64}:[^/\s@\"']{1,128}@"),
)
"""Patterns, each behind a piece without which it cannot match: that is found much faster."""

A_PHRASE = "a seed phrase"
"""One kind of secret; the words may stand apart."""

_PHRASE = 11  # words of the shortest seed phrase, less one that YAML takes for something else
_WORDS = r"(?i)(?<![a-z])[a-z]{3,8}(?:(?:[\s,\"']|-(?=\s))+[a-z]{3,8}){10,}(?![a-z])"
"""In a sentence, or as a list: between commas, quotes, behind dashes."""


def find_secret(text: str, *, hex64: bool = True) -> str | None:
    """
    Say which kind of secret a text holds, or None.

    Every file is looked through, and hardly one has a secret: patterns are tried, and compiled,
    only where one could match at all.

    Args:
        text: Any text.
        hex64: Whether 64 hex digits count as a private key.
    """
    words = _split(text)
    long = [word for word in words if len(word) >= 32]
    if hex64 and any(len(word) >= 64 and re.search(_PRIVATE_KEY, word) for word in long):
        return "a private key"
    if any(piece in text and re.search(pattern, text) for piece, pattern in _PROVIDER_KEYS):
        return "the key of a provider"
    if any(_is_token(match) for word in long for match in re.finditer(_MIXED_WORD, word)):
        return "the key of a provider"
    if _has_many_words(words) and _phrases(text):
        return A_PHRASE
    return None


def masked(line: str) -> str:
    """Return a line with everything that looks like a secret blotted out, at its length."""
    for pattern in (_PRIVATE_KEY, *(pattern for _, pattern in _PROVIDER_KEYS)):
        line = re.sub(pattern, _stars, line)
    line = re.sub(_MIXED_WORD, lambda word: _stars(word) if _is_token(word) else word[0], line)
    if _has_many_words(_split(line)):
        for start, end in _phrases(line):
            line = line[:start] + "*" * (end - start) + line[end:]
    return line


def _split(text: str) -> list[str]:
    """Return the words of a text, without what parts them in lists."""
    text = text.replace(",", " ")
    if '"' in text or "'" in text:
        text = text.replace('"', " ").replace("'", " ")
    return text.split()


def _stars(match: re.Match[str]) -> str:
    return "*" * len(match[0])


def _has_many_words(words: list[str]) -> bool:
    """Look for words in a row, as many as a seed phrase has between its first and its last."""
    row = 0
    for word in words:
        if word == "-":
            continue
        row = row + 1 if 3 <= len(word) <= 8 and word.isalpha() else 0
        if row == _PHRASE - 2:
            return True
    return False


def _is_token(match: re.Match[str]) -> bool:
    """Tell a random token from a word: capitals, small letters and digits are mixed."""
    return all(re.search(pattern, match[0]) for pattern in _MIXED)


def _phrases(text: str) -> list[tuple[int, int]]:
    """Return where twelve or more words of the BIP-39 list follow each other."""
    found = []
    for match in re.finditer(_WORDS, text):
        run: list[re.Match[str]] = []
        for word in re.finditer(r"[A-Za-z]+", match[0]):
            if word[0].lower() in _word_list():
                run.append(word)
                continue
            if len(run) >= _PHRASE:
                found.append((match.start() + run[0].start(), match.start() + run[-1].end()))
            run = []
        if len(run) >= _PHRASE:
            found.append((match.start() + run[0].start(), match.start() + run[-1].end()))
    return found


@cache
def _word_list() -> frozenset[str]:
    # The list of eth-account, read as a file: importing the package would take half a second.
    from importlib.util import find_spec  # noqa: PLC0415 (hardly ever needed)

    spec = find_spec("eth_account")
    if spec is None or spec.origin is None:
        return frozenset()
    path = Path(spec.origin).parent / "hdaccount" / "wordlist" / "english.txt"
    return frozenset(path.read_text("ascii").split()) if path.is_file() else frozenset()
