"""
What the database itself refuses, whoever asks: triggers made from the table of moves.

A run moves by `scheduling/moves.py` and by one version at a time; what is final, signed or told
stays as it is. A mistake in this program, or a hand on the file, meets an error, not a payment.

Source: SEMANTICS X1, X13, H2, H9; DESIGN §7 (append-only).
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, MetaData, event

from runner.scheduling.moves import EVIDENCE, legal_moves

_FOR_EVER: Final = {
    "runs": "1",
    "operations": "1",
    "fences": "1",
    "events": "1",
    "occurrences": "OLD.count = 1",  # a range row is cut where a slot in it is reopened (X11)
}
"""Tables from which nothing is deleted, and which of their rows that holds for."""

_AS_SIGNED: Final = ("hash", "run", "kind", "chain", "sender", "nonce", "max_cost", "signed_at")
"""Columns of an operation that say what was signed."""


def statements() -> list[str]:
    """`CREATE TRIGGER` for SQLite, in the order in which they are made."""
    made = [
        moves(),
        _trigger("events_stay", "UPDATE ON events", "1", "events are append-only"),
        _trigger("fences_stay", "UPDATE ON fences", "1", "a fence is for one run, for ever"),
        _trigger(
            "operations_stay",
            f"UPDATE OF {', '.join(_AS_SIGNED)} ON operations",
            "1",
            "what was signed stays as it was signed",
        ),
    ]
    made += [
        _trigger(
            f"{table}_are_kept", f"DELETE ON {table}", rows, f"nothing is deleted from {table}"
        )
        for table, rows in _FOR_EVER.items()
    ]
    return made


def moves() -> str:
    """
    The law of `scheduling/moves.py`.

    The moves are one text that is searched: a list after IN is made anew for each row.
    """
    move = f"'|' || {_place('OLD')} || '>' || {_place('NEW')} || '|'"
    return _trigger(
        "runs_move",
        "UPDATE ON runs",
        f"NEW.version <> OLD.version + 1 OR instr('{_legal()}', {move}) = 0",
        "a run does not move so",
    )


def attach(metadata: MetaData) -> None:
    """Make them with the tables."""

    def make(_metadata: MetaData, connection: Connection, **_: Any) -> None:
        if connection.dialect.name == "sqlite":
            for statement in statements():
                connection.exec_driver_sql(statement)

    event.listen(metadata, "after_create", make)


def _trigger(name: str, when: str, condition: str, why: str) -> str:
    return (
        f"CREATE TRIGGER {name} BEFORE {when} WHEN {condition} BEGIN "
        f"SELECT RAISE(ABORT, '{why}'); END"
    )


def _place(row: str) -> str:
    return (
        f"CASE WHEN {row}.state = 'held' AND {row}.reason = 'evidence' "
        f"THEN '{EVIDENCE}' ELSE {row}.state END"
    )


def _legal() -> str:
    return f"|{'|'.join(sorted({f'{before}>{after}' for before, after in legal_moves()}))}|"
