"""
Saved plans: what a plan was made on, so that it is carried out exactly or refused as stale.

A plan goes stale when a policy means something else, when the ledger has other grants or
schedules, or when the settings lead elsewhere. Payments that go on meanwhile do not matter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from runner.errors import PlanError
from runner.frozen import frozen
from runner.planning.facts import Facts
from runner.policy.fingerprint import fingerprint
from runner.policy.model import Policy

FORMAT = 1
"""Of saved plans; a reader refuses any other."""


@frozen
class Basis:
    """
    What a plan depends on.

    Attributes:
        policies: Fingerprints by name.
        revision: Of the ledger's schema; None where there was no ledger.
        serial: Of the ledger's grants and schedules.
        settings: Facts of runner.yaml by path, none of them secret.
    """

    policies: Mapping[str, str]
    revision: int | None
    serial: str
    settings: Mapping[str, str]


def basis_of(policies: Sequence[Policy], facts: Facts, settings: Mapping[str, str]) -> Basis:
    """What a plan made now depends on."""
    prints = {one.name: fingerprint(one) for one in policies}
    return Basis(prints, facts.revision, facts.serial, dict(settings))


def to_document(basis: Basis, plan: Any, *, made_by: str, at: datetime) -> dict[str, Any]:
    """
    The file of a saved plan.

    Args:
        plan: The plan itself, as scripts read it.
        made_by: The program's version.
    """
    body = {
        "format": FORMAT,
        "made_by": made_by,
        "made_at": at.isoformat().replace("+00:00", "Z"),
        "basis": asdict(basis),
        "plan": plan,
    }
    return body | {"digest": _digest(body)}


def read_document(text: str) -> Basis:
    """
    What a saved plan depends on.

    Raises:
        PlanError: it is no saved plan, of another format, or it was changed since.
    """
    hint = "make a new one: runner plan --out FILE"
    try:
        document = json.loads(text)
        body = {key: value for key, value in document.items() if key != "digest"}
        made, digest = document["format"], document["digest"]
    except (ValueError, AttributeError, KeyError, TypeError):
        raise PlanError("this is no saved plan", hint=hint) from None
    if made != FORMAT:
        raise PlanError(f"the saved plan has format {made}, this program reads {FORMAT}", hint=hint)
    if digest != _digest(body):
        raise PlanError("the saved plan was changed after it was made", hint=hint)
    basis = body["basis"]
    return Basis(basis["policies"], basis["revision"], basis["serial"], basis["settings"])


def stale(saved: Basis, current: Basis) -> tuple[str, ...]:
    """Why a saved plan must not be carried out any more; empty while it may."""
    return tuple(_differences(saved, current))


def _differences(saved: Basis, current: Basis) -> Iterator[str]:
    for name in sorted({*saved.policies, *current.policies}):
        if name not in current.policies:
            yield f"the policy `{name}` is gone"
        elif name not in saved.policies:
            yield f"the policy `{name}` is new"
        elif saved.policies[name] != current.policies[name]:
            yield f"the policy `{name}` was changed"
    if saved.revision != current.revision:
        made = saved.revision is None
        yield "there is a ledger by now" if made else "the ledger is another one"
    elif saved.serial != current.serial:
        yield "grants or schedules of the ledger were changed"
    for path in sorted({*saved.settings, *current.settings}):
        if saved.settings.get(path) != current.settings.get(path):
            yield f"runner.yaml says something else about {path}"


def _digest(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
