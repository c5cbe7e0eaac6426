"""The engine of the database in which DBOS records the steps of jobs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from headrace.store.faults import StoreBusy
from headrace.store.sqlite_module import sqlite_module
from headrace.store.sqlite_ways import make_private

WORKFLOWS_FILE: Final = "jobs.sqlite3"
_BUSY_MS: Final = 30_000
_POOL: Final = 8
# A process that is frozen in a transaction must not hold up all the others, and nobody waits for
# ever: a step that could not be recorded is tried again.
_LIMITS_MS: Final[Mapping[str, int]] = {
    "idle_in_transaction_session_timeout": 5_000,
    "lock_timeout": 15_000,
    "statement_timeout": 30_000,
}


def make_workflow_engine(url: str, data_dir: Path) -> Engine:
    """An engine, not yet connected.

    Args:
        url: `sqlite` for a file in `data_dir`, or `postgresql://...`.
        data_dir: where the file is kept.

    Raises:
        SettingsInvalid: this Python's SQLite is too old.
        StoreBusy: the file cannot be made now.
    """
    if url != "sqlite":
        return _postgres_engine(url)
    try:
        return _sqlite_engine(data_dir / WORKFLOWS_FILE)
    except OSError as error:
        raise StoreBusy(f"Steps cannot be recorded now: {error}") from error


@contextmanager
def workflow_faults() -> Iterator[None]:
    """What the engine raises is a fault of the store.

    Raises:
        StoreBusy: steps cannot be recorded now.
    """
    try:
        yield
    except SQLAlchemyError as error:
        why = str(getattr(error, "orig", error)).partition("\n")[0]
        raise StoreBusy(f"Steps cannot be recorded now: {why}") from error


def _prepare_with(engine: Engine, prepare: Callable[[Any], None]) -> Engine:
    """Have each new connection prepared; what the driver raises meanwhile is SQLAlchemy's too."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        try:
            prepare(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise OperationalError(None, None, error) from error

    return engine


def _postgres_engine(url: str) -> Engine:
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=_POOL,
        max_overflow=0,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"application_name": "headrace jobs"},
    )

    def prepare(connection: Any) -> None:
        for name, limit_ms in _LIMITS_MS.items():
            connection.execute(f"SET {name} = {limit_ms}")
        connection.commit()

    return _prepare_with(engine, prepare)


def _sqlite_engine(path: Path) -> Engine:
    path.parent.mkdir(parents=True, exist_ok=True)
    make_private(path)
    engine = create_engine(
        f"sqlite:///{path}",
        module=sqlite_module(),
        # Writers of one process wait here, and not in SQLite, which has them sleep and try again.
        pool_size=1,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"timeout": _BUSY_MS / 1000},
    )

    def prepare(connection: Any) -> None:
        # As DBOS has it where it makes the engine: writers take turns from their first statement.
        connection.isolation_level = "IMMEDIATE"
        for pragma in (
            "journal_mode=WAL",
            # A killed process loses nothing; a power cut may lose the last steps, done again then.
            "synchronous=NORMAL",
            f"busy_timeout={_BUSY_MS}",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()

    return _prepare_with(engine, prepare)
