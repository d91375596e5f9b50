"""What is in the newest blocks is found without a look at all that was ever paid."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def upgrade() -> None:
    """An index of what is in a block, by that."""
    op.create_index(
        "operations_included",
        "operations",
        ["chain", "block_number"],
        sqlite_where=sa.text("block_number IS NOT NULL"),
    )
