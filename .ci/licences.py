"""
The packages that an installation brings along, with their licences: `docs/licences.md`.

`python .ci/licences.py` prints the page, `--check` fails when the page is out of date, or when a
licence is none of those that ask for no more than to be named.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "licences.md"
HEAD = """\
# Licences

What `pip install smart-wallet-runner` brings along, as each package declares it. Written by
`python .ci/licences.py`; the check fails when it is out of date.

| package | licence |
|---|---|
"""
_ROOT = "smart-wallet-runner"
_KNOWN = (
    "MIT",
    "BSD",
    "Apache",
    "PSF",
    "Python Software Foundation",
    "ISC",
    "MPL",
    "CC0",
    "Unlicense",
)
"""Of the MPL: it binds changes of its own files alone."""

_READ = {
    "pyrevm": "not declared; the sandbox alone uses it",
}
"""What a person has read where a package declares nothing."""


def needed(name: str, seen: dict[str, str]) -> None:
    """The packages that one needs here, without extras, and so on."""
    for wish in distribution(name).requires or ():
        if re.search(r";.*\bextra\b", wish):
            continue
        found = re.match(r"[A-Za-z0-9._-]+", wish)
        other = "" if found is None else re.sub(r"[-_.]+", "-", found[0]).lower()
        if not other or other in seen:
            continue
        try:
            seen[other] = licence_of(other)
        except PackageNotFoundError:  # for another system or an older Python
            continue
        needed(other, seen)


def licence_of(name: str) -> str:
    """As an SPDX expression, else by its classifiers, else by its first line."""
    about = distribution(name).metadata
    if name in _READ:
        return _READ[name]
    if found := about.get("License-Expression"):
        return str(found)
    classified = [
        one.rpartition(" :: ")[2]
        for one in about.get_all("Classifier") or ()
        if one.startswith("License :: ") and not one.endswith("OSI Approved")
    ]
    if classified:
        return ", ".join(classified)
    return str(about.get("License") or "not declared").strip().split("\n")[0]


def main() -> int:
    seen: dict[str, str] = {}
    needed(_ROOT, seen)
    lines = [f"| {name} | {licence} |\n" for name, licence in sorted(seen.items())]
    page = HEAD + "".join(lines)
    strange = [
        name
        for name, text in seen.items()
        if name not in _READ and not any(one in text for one in _KNOWN)
    ]
    if "--check" not in sys.argv:
        sys.stdout.write(page)
        return 0
    if strange:
        sys.stderr.write(f"licences to look at: {', '.join(sorted(strange))}\n")
    stale = page != PAGE.read_text(encoding="utf-8")
    if stale:
        sys.stderr.write("docs/licences.md is out of date: python .ci/licences.py\n")
    return int(bool(strange) or stale)


if __name__ == "__main__":
    sys.exit(main())
