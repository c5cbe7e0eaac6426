"""Bringing the tables of the records to the newest version by hand, step by step."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import psycopg

from headrace.errors import SettingsInvalid
from headrace.store.faults import StoreFault
from headrace.store.postgres_faults import first_line
from headrace.store.records.sqlite_link import RecordFile
from headrace.store.records.steps import Tell, migration

_BUSY_TIMEOUT_S: Final = 60.0
# So many rows of each index are looked at: enough for plans, and fast whatever a table holds.
_ANALYSIS_ROWS: Final = 1000


def migrate_file(path: Path, tell: Tell) -> None:
    """Bring a file to the newest version, made where it is missing.

    Args:
        path: of the file.
        tell: told of each step before it runs.

    Raises:
        StoreFault: it cannot be done; nothing has changed.
    """
    file = RecordFile(path, _BUSY_TIMEOUT_S)
    try:
        with closing(file.open(writes=True, tell=tell)) as connection:
            connection.execute(f"PRAGMA analysis_limit = {_ANALYSIS_ROWS}")
            connection.execute("ANALYZE")
    except (sqlite3.Error, OSError) as error:
        raise file.fault_of(error) from error


def migrate_server(url: str, tell: Tell) -> None:
    """Bring the tables of a server to the newest version.

    Args:
        url: `postgresql://...`.
        tell: told of each step before it runs.

    Raises:
        StoreFault: it cannot be done; nothing has changed.
    """
    steps = migration("postgresql", "", tell=tell)
    try:
        with psycopg.connect(url, autocommit=True, application_name="headrace db") as connection:
            statement = next(steps)
            while True:
                # Statements are those of our files, whole: nothing is bound.
                cursor = connection.execute(statement.encode())
                statement = steps.send(cursor.fetchall() if cursor.description else [])
    except StopIteration:
        return
    except psycopg.ProgrammingError as error:
        if error.sqlstate is None:  # the URL is not told: it may hold a password
            raise SettingsInvalid("store.url: this is not a URL that can be read") from None
        raise StoreFault(f"the server was not migrated: {first_line(error)}") from error
    except psycopg.Error as error:
        raise StoreFault(f"the server was not migrated: {first_line(error)}") from error
