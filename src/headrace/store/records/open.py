"""The door of the records. Drivers are loaded when it is opened, and only those that are needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from headrace.clock import Clock
from headrace.errors import SettingsInvalid
from headrace.store.records.bounds import RecordBounds
from headrace.store.voice import Say, Voice

if TYPE_CHECKING:
    from headrace.store.records.records import Records

RECORDS_FILE: Final = "records.sqlite3"
_DEFAULT_BOUNDS: Final = RecordBounds()


def open_records(
    url: str,
    data_dir: Path,
    *,
    clock: Clock,
    bounds: RecordBounds = _DEFAULT_BOUNDS,
    say: Say | None = None,
) -> "Records":
    """Records that are opened by their first use, or by `Records.ready`.

    Args:
        url: `sqlite` for a file in `data_dir`, or `postgresql://...`.
        data_dir: where the file is kept; made where it is missing.
        clock: the time.
        bounds: how long they may take, how many may wait.
        say: told on the loop what happens, such as a damaged file.

    Raises:
        SettingsInvalid: the URL is of neither kind, or the packages for it are not installed.
    """
    try:
        return _open(url, data_dir, clock, bounds, Voice(say))
    except ImportError as error:
        extra = "store" if url == "sqlite" else "postgres"
        raise SettingsInvalid(
            f"store.url: a package is missing ({error}). "
            f"Install what this store needs: pip install 'headrace[{extra}]'"
        ) from error


def _open(url: str, data_dir: Path, clock: Clock, bounds: RecordBounds, voice: Voice) -> "Records":
    from headrace.store.records.queries import load_queries
    from headrace.store.records.records import Records

    if url == "sqlite":
        from headrace.store.records.sqlite_driver import SqliteRecords
        from headrace.store.sqlite_ways import version_problem

        if problem := version_problem():
            raise SettingsInvalid(f"store.url: {problem}")
        sqlite = SqliteRecords(data_dir / RECORDS_FILE, bounds, voice)
        return Records(sqlite, load_queries(sqlite.dialect))
    if not url.startswith(("postgresql://", "postgres://")):
        raise SettingsInvalid("store.url: either sqlite or a URL that begins with postgresql://")
    import psycopg

    from headrace.store.records.postgres_driver import PostgresRecords

    try:
        postgres = PostgresRecords(url, bounds, clock)
    except psycopg.ProgrammingError:
        # The URL is not told: it may hold a password.
        raise SettingsInvalid("store.url: this is not a URL that can be read") from None
    return Records(postgres, load_queries(postgres.dialect))
