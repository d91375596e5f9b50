"""The ledger's schema in the words of another database."""

from sqlalchemy import create_mock_engine

from runner.adapters.sql.tables import metadata


def test_x14_partial_indexes_keep_their_condition_on_postgresql():
    """
    One open run of a schedule, one active grant of a session, whoever keeps the ledger; and the
    few schedules that are paused are found among many.
    """
    said = []
    engine = create_mock_engine(
        "postgresql://", lambda ddl, *_, **__: said.append(str(ddl.compile(dialect=engine.dialect)))
    )

    metadata.create_all(engine, checkfirst=False)

    assert sorted(one for one in said if "WHERE" in one) == [
        "CREATE INDEX schedules_paused ON schedules (uid) WHERE paused_reason IS NOT NULL",
        "CREATE UNIQUE INDEX grants_one_active ON grants (session) WHERE state = 'active'",
        "CREATE UNIQUE INDEX runs_one_running ON runs (schedule) WHERE running AND exclusive",
    ]
