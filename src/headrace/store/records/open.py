"""The door of the records. Drivers are loaded when it is opened, and only those that are needed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from headrace.clock import Clock
from headrace.errors import SettingsInvalid
from headrace.store.records.bounds import RecordBounds
from headrace.store.records.query_watch import QueryMeter, QueryWatch
from headrace.store.records.sessions import SessionTable
from headrace.store.voice import Say, Voice

if TYPE_CHECKING:
    from headrace.store.records.records import RecordDriver, Records

RECORDS_FILE: Final = "records.sqlite3"
_DEFAULT_BOUNDS: Final = RecordBounds()


def open_records(
    url: str,
    data_dir: Path,
    *,
    clock: Clock,
    bounds: RecordBounds = _DEFAULT_BOUNDS,
    say: Say | None = None,
    replicas: Sequence[str] = (),
    meter: QueryMeter | None = None,
    sessions: SessionTable | None = None,
) -> "Records":
    """Records that are opened by their first use, or by `Records.ready`.

    Args:
        url: `sqlite` for a file in `data_dir`, or `postgresql://...`.
        data_dir: where the file is kept; made where it is missing.
        clock: the time.
        bounds: how long they may take, how many may wait.
        say: told on the loop what happens, such as a slow query.
        replicas: URLs of the server's standbys.
        meter: counts queries.
        sessions: how far tenants have written, where several processes keep that together.

    Raises:
        SettingsInvalid: the URL is of neither kind, or the packages for it are not installed.
    """
    try:
        driver = _driver(url, data_dir, clock, bounds, Voice(say), replicas)
    except ImportError as error:
        extra = "store" if url == "sqlite" else "postgres"
        raise SettingsInvalid(
            f"store.url: a package is missing ({error}). "
            f"Install what this store needs: pip install 'headrace[{extra}]'"
        ) from error
    from headrace.store.records.queries import load_queries
    from headrace.store.records.records import Records

    watch = QueryWatch(clock, bounds.slow_s, say, meter) if say is not None else None
    return Records(driver, load_queries(driver.dialect), watch, sessions)


def _driver(
    url: str,
    data_dir: Path,
    clock: Clock,
    bounds: RecordBounds,
    voice: Voice,
    replicas: Sequence[str],
) -> "RecordDriver":
    if url == "sqlite":
        from headrace.store.records.sqlite_driver import SqliteRecords
        from headrace.store.sqlite_ways import version_problem

        if problem := version_problem():
            raise SettingsInvalid(f"store.url: {problem}")
        return SqliteRecords(data_dir / RECORDS_FILE, bounds, voice)
    if not url.startswith(("postgresql://", "postgres://")):
        raise SettingsInvalid("store.url: either sqlite or a URL that begins with postgresql://")
    import psycopg

    from headrace.store.records.postgres_driver import PostgresRecords

    try:
        return PostgresRecords(url, bounds, clock, voice, replicas)
    except psycopg.ProgrammingError:
        # The URL is not told: it may hold a password.
        raise SettingsInvalid(
            "store.url or store.replicas: this is not a URL that can be read"
        ) from None
