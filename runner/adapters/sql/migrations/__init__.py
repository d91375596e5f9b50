"""
From the schema of an older ledger to today's, one revision at a time, forward only.

Each step is a module with `upgrade()`, written in Alembic's operations; it is never edited after
its release. Alembic is imported by `upgrade` alone, so by nobody whose ledger is of today.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from sqlalchemy import Connection, update

from runner.adapters.sql.tables import REVISION, meta

STEPS: Final = {
    2: "r0002_verbs",
    3: "r0003_laws",
    4: "r0004_approvals",
    5: "r0005_paid_at",
    6: "r0006_alerts",
    7: "r0007_names",
    8: "r0008_votes",
    9: "r0009_included",
    10: "r0010_quick",
}
"""By the revision that a step leads to."""

FIRST: Final = 1
"""The oldest revision that can be brought to today's."""


def upgrade(connection: Connection, found: int) -> None:
    """Bring a ledger of revision `found` to today's, in the transaction that is open."""
    from alembic.migration import MigrationContext  # noqa: PLC0415  (slow, and seldom needed)
    from alembic.operations import Operations  # noqa: PLC0415  (as above)

    with Operations.context(MigrationContext.configure(connection)):
        for revision in range(found + 1, REVISION + 1):
            import_module(f"{__name__}.{STEPS[revision]}").upgrade()
    connection.execute(update(meta).where(meta.c.key == "revision").values(value=str(REVISION)))
