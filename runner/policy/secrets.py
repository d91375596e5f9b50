"""
Secrets that have no place in a file: private keys, seed phrases, keys of providers.

Whoever finds one says so and never repeats it. A wrong alarm costs a line in a file, a missed
one costs a treasury: so 64 hex digits count as a private key wherever a field does not expect
exactly that.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_PRIVATE_KEY = re.compile(r"(?<![0-9a-fA-F])(?:0[xX])?[0-9a-fA-F]{64}(?![0-9a-fA-F])")

_PROVIDER_KEY = re.compile(
    r"""
      -----BEGIN[ ][A-Z ]{0,30}PRIVATE[ ]KEY-----
    | \b[xyz]prv[1-9A-HJ-NP-Za-km-z]{100,}
    | (?:alchemy\.com|alchemyapi\.io)/v2/[A-Za-z0-9_-]{10,}
    | infura\.io/(?:ws/)?v3/[0-9a-fA-F]{16,}
    | (?:quiknode\.pro|ankr\.com/[a-z0-9_]+|drpc\.org/[a-z0-9_-]+)/[A-Za-z0-9_-]{16,}
    | \balch[a-z]?_[A-Za-z0-9_-]{16,}
    | \b(?:sk|pk|rk)[_-](?:live|test|proj)[_-][A-Za-z0-9]{12,}
    | \bAKIA[0-9A-Z]{16}\b
    | \bgh[pousr]_[A-Za-z0-9]{20,}
    | \beyJ[A-Za-z0-9_-]{8,400}\.eyJ[A-Za-z0-9_-]{8}
    | \b[a-z][a-z0-9+.-]{1,20}://[^/\s:@"']{0,64}:[^/\s@"']{1,128}@
    """,
    re.VERBOSE,
)
_TOKEN = re.compile(r"(?<![\w-])[A-Za-z0-9_-]{32}(?![\w-])")
_MIXED = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))
_WORDS = re.compile(r"(?<![a-z])[a-z]{3,8}(?:[\s,]+[a-z]{3,8}){11,}(?![a-z])", re.IGNORECASE)
_PHRASE = 12  # words of the shortest seed phrase


def find_secret(text: str, *, hex64: bool = True) -> str | None:
    """
    Say which kind of secret a text holds, or None.

    Args:
        text: Any text.
        hex64: Whether 64 hex digits count as a private key.
    """
    if hex64 and _PRIVATE_KEY.search(text):
        return "a private key"
    if _PROVIDER_KEY.search(text) or any(map(_is_token, _TOKEN.finditer(text))):
        return "the key of a provider"
    if len(text) > 3 * _PHRASE and any(_phrases(text)):
        return "a seed phrase"
    return None


def masked(line: str) -> str:
    """Return a line with everything that looks like a secret blotted out, at its length."""
    for pattern in (_PRIVATE_KEY, _PROVIDER_KEY):
        line = pattern.sub(lambda match: "*" * len(match[0]), line)
    line = _TOKEN.sub(lambda match: "*" * len(match[0]) if _is_token(match) else match[0], line)
    if len(line) > 3 * _PHRASE:
        for start, end in _phrases(line):
            line = line[:start] + "*" * (end - start) + line[end:]
    return line


def _is_token(match: re.Match[str]) -> bool:
    """Tell a random token from a word: capitals, small letters and digits are mixed."""
    return all(pattern.search(match[0]) for pattern in _MIXED)


def _phrases(text: str) -> list[tuple[int, int]]:
    """Return where twelve or more words of the BIP-39 list follow each other."""
    found = []
    for match in _WORDS.finditer(text):
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
    spec = find_spec("eth_account")
    if spec is None or spec.origin is None:
        return frozenset()
    path = Path(spec.origin).parent / "hdaccount" / "wordlist" / "english.txt"
    return frozenset(path.read_text("ascii").split()) if path.is_file() else frozenset()
