"""Every session on PostgreSQL is bounded: nobody waits for ever, and who is frozen in a transaction
holds nobody up."""

import asyncio
from pathlib import Path
from typing import Final

import psycopg
from sqlalchemy import make_url
from tests.support.stores import UNHURRIED

from headrace.store.postgresql import PostgresDatabase
from headrace.store.records.postgres_links import PostgresLinks
from headrace.store.records.steps import migration
from headrace.store.workflow_engine import make_workflow_engine

BOUNDS: Final = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
LOOK: Final = """
SELECT count(*) FROM pg_settings WHERE setting::bigint > 0 AND name IN (
    'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'
)
"""


def test_sessions_of_records(own_url: str) -> None:
    async def main() -> int:
        pool = PostgresLinks(own_url, UNHURRIED, 30.0).pool()
        await pool.open()
        try:
            async with pool.connection() as connection:
                (row,) = await (await connection.execute(LOOK)).fetchall()
        finally:
            await pool.close()
        return int(row["count"])

    assert asyncio.run(main()) == len(BOUNDS)


def test_sessions_of_stored_answers(own_url: str) -> None:
    database = PostgresDatabase(make_url(own_url), 30.0, 30.0)
    with database.connect(writes=True) as connection:
        assert connection.exec_driver_sql(LOOK).scalar() == len(BOUNDS)


def test_sessions_of_steps_of_jobs(own_url: str, tmp_path: Path) -> None:
    engine = make_workflow_engine(own_url, tmp_path)
    with engine.connect() as connection:
        assert connection.exec_driver_sql(LOOK).scalar() == len(BOUNDS)
    engine.dispose()


def test_who_is_frozen_while_it_makes_tables_is_not_waited_for(own_url: str) -> None:
    work = migration("postgresql", "a database")
    with psycopg.connect(own_url, autocommit=True) as connection:
        statement = next(work)
        while "advisory" not in statement:
            rows = connection.execute(statement.encode())
            statement = work.send(rows.fetchall() if rows.description else [])
        bounds = BOUNDS[1:]  # an index may take its time
        found = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in bounds]
    assert found == [("1min",), ("1min",)]
