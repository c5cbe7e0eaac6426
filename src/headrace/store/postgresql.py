"""PostgreSQL: one database that several machines share, through psycopg."""

import threading
from typing import Any, Final

import psycopg
from sqlalchemy import URL, Connection, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from headrace.store.database import DRIVER_ERRORS, PURGE_CHANNEL, wait_readable
from headrace.store.faults import StoreFault, StoreLost
from headrace.store.migrations import migrate
from headrace.store.postgres_faults import fault_of, first_line, is_elsewhere

# What processes that migrate at once take turns by: "headrace", in ASCII.
_MIGRATION_LOCK: Final = 0x6865616472616365
_MIGRATION_WAIT_MS: Final = 60_000
# A connection whose other end is gone without a word is found out in about this many seconds.
_SILENCE_S: Final = 10


class PostgresDatabase:
    """One database.

    Args:
        url: `postgresql://...`; what its query says of the connection goes before what we say.
        statement_timeout_s: after which the server gives up on a statement.
        connect_timeout_s: for each address; whole seconds, at least 2.
    """

    dialect = "postgresql"

    def __init__(self, url: URL, statement_timeout_s: float, connect_timeout_s: float) -> None:
        host = url.host or url.query.get("host") or "localhost"
        self.name = f"{host}:{url.port or 5432}/{url.database or ''}"
        self.generation = 0
        self._timeout_ms = max(1, round(statement_timeout_s * 1000))
        self._engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            # Each thread keeps its connection, so there is nothing to pool.
            poolclass=NullPool,
            hide_parameters=True,
            use_native_hstore=False,
            connect_args=_connect_args(url, connect_timeout_s),
        )
        event.listen(self._engine, "connect", self._prepare)
        self._lock = threading.Lock()
        self._is_ready = False

    def connect(self, *, writes: bool) -> Connection:
        """Connect, and make the tables where they are missing.

        Raises:
            StoreFault: the server cannot be reached, or the tables are of a newer version.
        """
        generation = self.generation
        try:
            self._make_ready()
            connection = self._engine.connect()
            if not writes:
                # Saves a way to the server and back for each read.
                connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        except DRIVER_ERRORS as error:
            fault = self.fault_of(error, generation)
            # A second attempt at once would fail for the same reason.
            raise StoreFault(fault.message) if isinstance(fault, StoreLost) else fault from error
        return connection

    def fault_of(self, error: Exception, generation: int) -> StoreFault:
        """What an error means."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        fault = fault_of(cause, self.name)
        if is_elsewhere(cause):
            self._renew(generation)
        return fault

    def tidy(self, connection: Connection) -> None:
        """The server's own upkeep does it all."""

    def await_hint(self, connection: Connection, stop_fd: int, timeout_s: float) -> None:
        """Wait for a notification, `stop_fd`, or until time is up.

        Raises:
            StoreLost: the connection broke.
        """
        driver = connection.connection.driver_connection
        if not isinstance(driver, psycopg.Connection):
            raise StoreLost(f"The connection to the store {self.name} is closed")
        try:
            driver.execute(f"LISTEN {PURGE_CHANNEL}")
            wait_readable((driver.fileno(), stop_fd), timeout_s)
            # What was notified is a hint and no more; the number is read from its table.
            for _ in driver.notifies(timeout=0):
                pass
        except (psycopg.Error, OSError, ValueError) as error:
            raise StoreLost(f"The store {self.name} failed: {first_line(error)}") from error

    def _prepare(self, connection: Any, _record: object) -> None:
        timeout = f"{self._timeout_ms}ms"
        settings = {
            "statement_timeout": timeout,
            "lock_timeout": timeout,
            # A process that is frozen in a transaction must not hold up all the others.
            "idle_in_transaction_session_timeout": timeout,
            # As in SQLite: the last commits may be lost in a crash of the server, nothing else.
            "synchronous_commit": "off",
        }
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        connection.commit()

    def _make_ready(self) -> None:
        """Make the tables, once for each generation."""
        with self._lock:
            if self._is_ready:
                return
            with self._engine.connect() as connection, connection.begin():
                # Making an index may take longer than any statement of a request.
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_MIGRATION_WAIT_MS}")
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(:number)"), {"number": _MIGRATION_LOCK}
                )
                migrate(connection, self.name)
            self._is_ready = True

    def _renew(self, generation: int) -> None:
        with self._lock:
            if generation == self.generation:
                self.generation += 1
                self._is_ready = False


def _connect_args(url: URL, connect_timeout_s: float) -> dict[str, object]:
    ours: dict[str, object] = {
        "connect_timeout": max(2, round(connect_timeout_s)),
        "application_name": "headrace",
        "keepalives_idle": _SILENCE_S // 2,
        "keepalives_interval": 1,
        "keepalives_count": _SILENCE_S // 2,
        "tcp_user_timeout": _SILENCE_S * 1000,
    }
    return {name: value for name, value in ours.items() if name not in url.query}
