"""
Variables of the environment in values: `${NAME}` and `${NAME:-default}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from runner.policy.codes import Code
from runner.policy.faults import Refusal, listed, meant, shown

_VARIABLE = r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}"
_OTHERWISE = (
    r"\$\(?(?P<shell>[A-Za-z_]\w*)\)?|%(?P<windows>[A-Za-z_]\w*)%"
    r"|\{\{\s*\.?(?P<template>\w+)[^}]*\}\}"
)
"""As shells and templates write them."""


def expand(text: str, environment: Mapping[str, str]) -> str:
    """
    Return a text with its variables replaced.

    Raises:
        Refusal: One is not set, or not written as they are here; or nothing is left.
    """
    found = re.findall(_VARIABLE, text)
    if len(found) != text.count("${"):
        what = f"{shown(text)} holds no variable as they are written here"
        raise Refusal(Code.BAD_VARIABLE, what, "write ${NAME}, or ${NAME:-default}")
    unset = dict.fromkeys(
        name for name, _ in found if name not in environment and f"${{{name}:-" not in text
    )
    if unset:
        raise _not_set(list(unset), environment)
    expanded = re.sub(_VARIABLE, lambda match: environment.get(match[1]) or match[2] or "", text)
    if not expanded:
        what = f"the value of {shown(text)} is empty"
        raise Refusal(Code.NO_VALUE, what, "set the variable, or give it a default")
    return expanded


def is_disclosed(text: str, environment: Mapping[str, str]) -> bool:
    """Tell whether what a text expands to stands in the file itself: in its defaults."""
    return not any(environment.get(name) for name, _ in re.findall(_VARIABLE, text))


def otherwise(text: str) -> str | None:
    """Return how a variable is written here that was written as in a shell or a template."""
    match = re.fullmatch(_OTHERWISE, text.strip())
    if match is None:
        return None
    name = match["shell"] or match["windows"] or match["template"]
    return f'a variable of the environment is written "${{{name}}}"'


def _not_set(names: list[str], environment: Mapping[str, str]) -> Refusal:
    if len(names) > 1:
        what = f"the variables {listed(f'`{name}`' for name in names)} are not set"
        return Refusal(Code.UNSET_VARIABLE, what, "set them, or give them defaults: ${NAME:-…}")
    name = names[0]
    hint = f"set it, or write ${{{name}:-default}}"
    close = meant(name, environment)
    if close is not None:
        hint += f"; did you mean `{close}`?"
    return Refusal(Code.UNSET_VARIABLE, f"the variable `{name}` is not set", hint)
