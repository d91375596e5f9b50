"""
`RUNNER_…` variables: `RUNNER_HTTP__BIND` takes the place of `http: {bind: …}`.
"""

from __future__ import annotations

from collections.abc import Mapping

from runner.errors import Mark
from runner.policy.codes import Code
from runner.policy.faults import Faults, did_you_mean
from runner.policy.nodes import Mapping as MapNode
from runner.policy.nodes import Scalar, Source

PREFIX = "RUNNER_"
CONFIG = "RUNNER_CONFIG"
"""Names the file itself, and is no setting in it."""

_WALLET = ("wallets", "*")
_SIGNER = ("signers", "*")
_REFERENCE = ("env", "file")
PATHS = frozenset(
    {
        ("policies",),
        ("store",),
        *(("secret_key", kind) for kind in _REFERENCE),
        *((*_WALLET, key) for key in ("embedded", "state", "url", "rpc_url", "rate_limit")),
        *((*_WALLET, "api_key", kind) for kind in _REFERENCE),
        *((*_WALLET, "rpc_url", kind) for kind in _REFERENCE),
        (*_WALLET, "rpc_url", "*"),
        *((*_WALLET, "rpc_url", "*", kind) for kind in _REFERENCE),
        (*_WALLET, "gas_policies", "*"),
        *((*_WALLET, "timing", key) for key in ("inclusion", "skew", "min_lead", "clock")),
        *((*_WALLET, "timing", "finality", key) for key in ("blocks", "age")),
        *((*_SIGNER, key) for key in ("env", "file", "keystore", "sandbox_only")),
        (*_SIGNER, "private_key_for_sandbox_only"),
        *((*_SIGNER, "password", kind) for kind in _REFERENCE),
        ("http", "bind"),
        *(("http", "token", kind) for kind in _REFERENCE),
        ("log", "format"),
        ("log", "level"),
    }
)
"""What a variable can name; `*` is a name that the user chose."""


def apply_overrides(root: MapNode, environment: Mapping[str, str]) -> dict[str, Mark]:
    """
    Put the values of `RUNNER_…` variables into the tree of runner.yaml.

    Returns:
        The variables that match no path, with the mark for a warning.
    """
    ignored = {}
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or variable == CONFIG:
            continue
        parts = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        if any(_matches(path, parts) for path in PATHS):
            _put(root, parts, variable, environment[variable])
        else:
            ignored[variable] = Mark(variable, 1, 1)
    return ignored


def warn_ignored(ignored: Mapping[str, Mark], used: set[str], faults: Faults) -> None:
    """Warn of variables that name no setting, and that no setting names."""
    known = [PREFIX + "__".join(path).upper() for path in sorted(PATHS) if "*" not in path]
    for variable, mark in ignored.items():
        if variable not in used:
            what = f"the variable {variable} names no setting and is ignored"
            hint = did_you_mean(variable, known, "settings")
            faults.warn(Code.VARIABLE_IGNORED, what, mark, hint)


def _matches(path: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    return len(path) == len(parts) and all(
        want in (part, "*") and part for want, part in zip(path, parts, strict=True)
    )


def _put(root: MapNode, parts: tuple[str, ...], variable: str, value: str) -> None:
    # The source has no text of its own: a message never repeats the whole value as its line.
    source = Source(variable, "")
    mapping = root
    for part in parts[:-1]:
        name = _existing(mapping, part)
        _, inner = mapping.entries.get(name, (None, None))
        if not isinstance(inner, MapNode):
            inner = MapNode(source, 0, flow=True)
            inner.key = Scalar(source, 0, name)
            mapping.entries[name] = (inner.key, inner)
        mapping = inner
    name = _existing(mapping, parts[-1])
    scalar = Scalar(source, 0, value, '"')
    scalar.key = Scalar(source, 0, name)
    mapping.entries[name] = (scalar.key, scalar)


def _existing(mapping: MapNode, part: str) -> str:
    """Return the key that a part of a variable's name means: variables know no `-`, no case."""
    for name in mapping.entries:
        if name.lower().replace("-", "_") == part:
            return name
    return part
