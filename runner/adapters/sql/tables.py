"""
The ledger's tables (SQLAlchemy Core): the only truth about the past.

Instants are integers, microseconds since the epoch; amounts, nonces and fees are decimal text,
since they may need 256 bits; what ends in `_sealed` is encrypted by the vault. Nothing here is
beyond PostgreSQL.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    event,
    text,
)

from runner.adapters.sql import laws

REVISION = 10
"""Revision of this schema; a ledger of another one is refused until it is migrated."""

_ELSEWHERE = "where"
"""Of a partial index: its condition where booleans are none of SQLite's numbers."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """Aware UTC datetime ↔ integer microseconds since the epoch."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        del dialect
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        del dialect
        return None if value is None else _EPOCH + value * _MICROSECOND


class Whole(TypeDecorator[int]):
    """Integer of up to 256 bits ↔ decimal text."""

    impl = String(78)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        del dialect
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        del dialect
        return None if value is None else int(value)


metadata = MetaData()

meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", Text))

incarnations = Table(
    "incarnations",
    metadata,
    Column("id", String, primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("pid", Integer, nullable=False),
    Column("host", String, nullable=False),
    Column("version", String, nullable=False),
    Column("role", String, nullable=False, server_default="daemon"),  # daemon | verb
)

events = Table(
    "events",
    metadata,
    Column("incarnation", String, ForeignKey("incarnations.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("data", Text, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Index("events_subject", "subject"),
)

revisions = Table(
    "revisions",
    metadata,
    Column("digest", String, primary_key=True),
    Column("policy", String, nullable=False),
    Column("installed_at", Instant, nullable=False),
)

schedules = Table(
    "schedules",
    metadata,
    Column("uid", String, primary_key=True),
    Column("session", String, nullable=False),
    Column("account", String, nullable=False, server_default=""),
    Column("trigger", Text, nullable=False),
    Column("anchor", Instant, nullable=False),
    Column("decided_until", Instant, nullable=False),
    Column("state", String, nullable=False),  # active | completed | removed
    Column("runs", Integer, nullable=False, server_default="0"),
    Column("failures_in_row", Integer, nullable=False, server_default="0"),
    Column("paid_at", Instant),  # its last success
    Column("paused_reason", Text),
    Column("paused_at", Instant),
    Column("paused_until", Instant),
    Column("revision", String, nullable=False),
    Index(
        "schedules_paused",
        "uid",
        sqlite_where=text("paused_reason IS NOT NULL"),
        info={_ELSEWHERE: "paused_reason IS NOT NULL"},
    ),
)

occurrences = Table(
    "occurrences",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("schedule", String, ForeignKey("schedules.uid"), nullable=False),
    Column("slot", String, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("decision", String, nullable=False),
    Column("reason", String),
    Column("by_slot", String),
    Column("decided_at", Instant, nullable=False),
    Column("count", Integer, nullable=False, server_default="1"),
    Column("last_slot", String),
    Column("last_due_at", Instant),
    UniqueConstraint("schedule", "slot"),
    Index("occurrences_due", "due_at"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String, primary_key=True),  # 0x, S1; activations: activation:SESSION#GENERATION
    Column("kind", String, nullable=False),  # payment | activation
    Column("occurrence", Integer, ForeignKey("occurrences.id")),
    Column("schedule", String, nullable=False),
    Column("session", String, nullable=False),
    Column("part", Integer, nullable=False, server_default="0"),
    Column("attempt", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String),
    Column("detail", Text),
    Column("running", Boolean, nullable=False),
    Column("exclusive", Boolean, nullable=False, server_default=text("1")),  # overlap <> allow
    Column("by_hand", Boolean, nullable=False, server_default=text("0")),  # an operator's: O4, M10
    Column("due_at", Instant, nullable=False),
    Column("claimed_at", Instant, nullable=False),
    Column("deadline_at", Instant),
    Column("expires_at", Instant),  # end of the catch-up window
    Column("charged_at", Instant),  # whose periods its budgets are, if not those of due_at (O5)
    Column("cancelled_at", Instant),  # from here on it is burned (X4)
    Column("intent", Text),
    Column("revision", String),
    Column("grant_id", Integer),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("incarnation", String, nullable=False),
    Column("closed_at", Instant),
    UniqueConstraint("occurrence", "part", "attempt"),
    Index("runs_open", "closed_at", "state"),
    Index("runs_schedule", "schedule", "due_at"),
    # M7 and X14: the database, not the scheduler, lets one run of a schedule be open at a time.
    Index(
        "runs_one_running",
        "schedule",
        unique=True,
        sqlite_where=text("running = 1 AND exclusive = 1"),
        info={_ELSEWHERE: "running AND exclusive"},
    ),
)

transfers = Table(
    "transfers",
    metadata,
    Column("run", String, ForeignKey("runs.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("token", String, nullable=False),  # checksummed address, or `native`
    Column("symbol", String, nullable=False),
    Column("decimals", Integer, nullable=False),
    Column("receiver", String, nullable=False),
    Column("receiver_name", String, nullable=False),
    Column("amount", Whole, nullable=False),
    Column("kind", String, nullable=False),  # pay | value | approve
    Column("memo", Text),
    Column("ref", Text),
)

operations = Table(
    "operations",
    metadata,
    Column("hash", String, primary_key=True),
    Column("run", String, ForeignKey("runs.id"), nullable=False),
    Column("kind", String, nullable=False),  # payment | activation | burn
    Column("call_id", String, nullable=False),
    Column("chain", BigInteger, nullable=False),
    Column("sender", String, nullable=False),
    Column("nonce", Whole, nullable=False),
    Column("max_fee_per_gas", Whole, nullable=False),
    Column("max_priority_fee_per_gas", Whole, nullable=False),
    Column("max_cost", Whole, nullable=False),
    Column("sponsored", Boolean, nullable=False),
    Column("request_sealed", LargeBinary, nullable=False),
    Column("status", String, nullable=False),  # signed, sent, unknown, included, success, reverted,
    # and dead once its run is closed by another operation or by proof
    Column("signed_at", Instant, nullable=False),
    Column("from_block", BigInteger, nullable=False),
    Column("block_number", BigInteger),
    Column("block_hash", String),
    Column("block_at", Instant),
    Column("transaction_hash", String),
    Column("gas_cost", Whole),
    Column("detail", Text),
    Index("operations_run", "run"),
    Index("operations_status", "status"),
    Index("operations_fees", "chain", "sender", "signed_at"),
    Index(
        "operations_included",
        "chain",
        "block_number",
        sqlite_where=text("block_number IS NOT NULL"),
    ),
)

fences = Table(
    "fences",
    metadata,
    Column("chain", BigInteger, primary_key=True),
    Column("sender", String, primary_key=True),
    Column("nonce", Whole, primary_key=True),
    Column("run", String, nullable=False),
    Column("part", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    UniqueConstraint("run", "part", "attempt"),
)

grants = Table(
    "grants",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("session", String, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("chain", BigInteger, nullable=False),
    Column("account", String, nullable=False),
    Column("wallet", String, nullable=False),
    Column("key_address", String, nullable=False),
    Column("key_sealed", LargeBinary),
    Column("permissions", Text, nullable=False),
    Column("scope", String, nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("next_renewal_at", Instant),
    Column("session_id", String),
    Column("entity_id", Integer),
    Column("nonce", Whole),
    Column("context_sealed", LargeBinary),
    Column("activated_at", Instant),
    Column("draining_at", Instant),
    Column("closed_at", Instant),
    Column("detail", Text),
    Column("version", Integer, nullable=False, server_default="1"),
    UniqueConstraint("session", "generation"),
    Index(
        "grants_one_active",
        "session",
        unique=True,
        sqlite_where=text("state = 'active'"),
        info={_ELSEWHERE: "state = 'active'"},
    ),
)

budgets = Table(
    "budgets",
    metadata,
    Column("budget", String, primary_key=True),
    Column("period", String, primary_key=True),
    Column("token", String, primary_key=True),
    Column("reserved", Whole, nullable=False),
    Column("spent", Whole, nullable=False),
)

reservations = Table(
    "reservations",
    metadata,
    Column("run", String, ForeignKey("runs.id"), primary_key=True),
    Column("budget", String, primary_key=True),
    Column("period", String, primary_key=True),
    Column("token", String, primary_key=True),
    Column("amount", Whole, nullable=False),
    Column("state", String, nullable=False),  # reserved | spent | released
)

pins = Table(
    "pins",
    metadata,
    Column("wallet", String, primary_key=True),
    Column("chain", BigInteger, primary_key=True),
    Column("paymaster", String, nullable=False),
    Column("pinned_at", Instant, nullable=False),
)

commands = Table(
    "commands",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String, nullable=False),  # run.retry, schedule.skip, …
    Column("target", String, nullable=False),
    Column("arguments", Text, nullable=False),  # JSON, each kind its own
    Column("author", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("state", String, nullable=False),  # asked | done | refused
    Column("answer", Text),
    Column("data", Text),  # JSON: what came of it, for scripts
    Column("acted_at", Instant),
    Index("commands_asked", "id", sqlite_where=text("state = 'asked'")),
)

pauses = Table(
    "pauses",
    metadata,
    Column("scope", String, primary_key=True),  # session | account | all | stop
    Column("target", String, primary_key=True),  # a uid; empty for `all` and `stop`
    Column("reason", Text, nullable=False),
    Column("author", String, nullable=False),
    Column("paused_at", Instant, nullable=False),
    Column("paused_until", Instant),
)

laws.attach(metadata)

names = Table(
    "names",
    metadata,
    Column("kind", String, primary_key=True),  # schedule | session
    Column("uid", String, primary_key=True),  # as first applied (S1)
    Column("name", String, nullable=False),  # today's, where it is another (T10)
    UniqueConstraint("kind", "name"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("schedule", String, primary_key=True),
    Column("slot", String, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("digest", String, primary_key=True),  # of the intent: another one needs another approval
    Column("due_at", Instant, nullable=False),
    Column("detail", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("approvers", Integer, nullable=False, server_default="1"),  # as many persons (B9)
    Column("approved_at", Instant),
    Column("author", String),
    Column("reason", Text),
    Index("approvals_open", "due_at", sqlite_where=text("approved_at IS NULL")),
)

votes = Table(  # who has said yes to what several persons have to approve
    "votes",
    metadata,
    Column("schedule", String, primary_key=True),
    Column("slot", String, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("digest", String, primary_key=True),
    Column("author", String, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

receivers = Table(
    "receivers",
    metadata,
    Column("policy", String, primary_key=True),
    Column("name", String, primary_key=True),  # as the policy wrote it
    Column("receiver", String, primary_key=True),
    Column("paid_at", Instant, nullable=False),  # last
    Index("receivers_address", "policy", "receiver"),
)

breaches = Table(
    "breaches",
    metadata,
    Column("schedule", String, primary_key=True),
    Column("signal", String, primary_key=True),  # late_after, …, long_pause
    Column("subject", String, primary_key=True),  # a slot, a run, a day
    Column("since", Instant, nullable=False),
    Column("detail", Text, nullable=False),
)

incidents = Table(
    "incidents",
    metadata,
    Column("kind", String, primary_key=True),
    Column("subject", String, primary_key=True),  # a schedule, a session, a venue, …
    Column("severity", String, nullable=False),  # info | warning | critical
    Column("what", Text, nullable=False),
    Column("detail", Text),
    Column("hint", Text),
    Column("run", String),
    Column("opened_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("count", Integer, nullable=False),
    Column("told", Integer, nullable=False),
    Column("told_at", Instant),
    Column("told_severity", String),
    Column("tell_at", Instant),
    Column("lapse_at", Instant),
    Column("resolved_at", Instant),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("message", String, nullable=False),
    Column("destination", String, nullable=False),  # by what refers to it, never its URL
    Column("severity", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON, for scripts
    Column("attachments", Text, nullable=False),  # JSON
    Column("good", Boolean, nullable=False),
    Column("written_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("error", Text),  # of the last attempt
    Column("sent_at", Instant),
    Column("given_up_at", Instant),
    UniqueConstraint("message", "destination"),
    Index(
        "outbox_waiting",
        "destination",
        "id",
        sqlite_where=text("sent_at IS NULL AND given_up_at IS NULL"),
    ),
)


@event.listens_for(metadata, "before_create")
def _complete(_target: MetaData, connection: Connection, **_: Any) -> None:
    """Conditions for another dialect than SQLite's: naming it above would import it at a start."""
    dialect = connection.dialect.name
    if dialect == "sqlite":
        return
    for index in (index for table in metadata.tables.values() for index in table.indexes):
        if _ELSEWHERE in index.info:
            index.dialect_options[dialect]["where"] = text(index.info[_ELSEWHERE])
