"""The door of the records. Drivers are loaded when it is opened, and only those that are needed."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from headrace.clock import Clock
from headrace.errors import SettingsInvalid
from headrace.settings import Settings
from headrace.settings.places import data_dir
from headrace.settings.store import pool_share
from headrace.store.records.bounds import RecordBounds
from headrace.store.records.query_watch import QueryMeter, QueryWatch
from headrace.store.records.roster import ReplicaBounds
from headrace.store.records.sessions import SessionTable
from headrace.store.voice import Say, Voice

if TYPE_CHECKING:
    from headrace.store.records.records import RecordDriver, Records

RECORDS_FILE: Final = "records.sqlite3"
_DEFAULT_BOUNDS: Final = RecordBounds()


def open_records(
    url: str,
    folder: Path,
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
        folder: where the file is kept; made where it is missing.
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
        driver = _driver(url, folder, clock, bounds, Voice(say), replicas)
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


def records_of(
    settings: Settings,
    *,
    clock: Clock,
    say: Say | None = None,
    meter: QueryMeter | None = None,
    sessions: SessionTable | None = None,
) -> "Records":
    """The records of one worker, as the settings want them; otherwise as `open_records`."""
    store = settings.store
    return open_records(
        store.url.reveal(),
        data_dir(settings),
        clock=clock,
        bounds=bounds_of(settings, len(os.sched_getaffinity(0))),
        say=say,
        replicas=[each.reveal() for each in store.replicas],
        meter=meter,
        sessions=sessions,
    )


def bounds_of(settings: Settings, cores: int) -> RecordBounds:
    """The bounds of one worker's records.

    Args:
        settings: what is set.
        cores: of this machine.
    """
    store = settings.store
    return RecordBounds(
        read_limit_s=store.statement_timeout_s,
        write_limit_s=store.statement_timeout_s,
        pool_size=pool_share(store, cores, settings.listen.workers),
        slow_s=store.slow_query_ms / 1000.0,
        replicas=ReplicaBounds(
            wait_ms_max=store.replica_wait_ms,
            lag_s_max=store.replica_lag_s_max,
            # What is left is for the primary to answer in.
            answer_s_max=min(1.0, store.statement_timeout_s / 2),
        ),
    )


def _driver(
    url: str,
    folder: Path,
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
        return SqliteRecords(folder / RECORDS_FILE, bounds, voice, clock)
    if not url.startswith(("postgresql://", "postgres://")):
        raise SettingsInvalid("store.url: either sqlite or a URL that begins with postgresql://")
    import psycopg

    from headrace.store.records.postgres_driver import PostgresRecords

    # Faults are told by us; without a handler the logging of a process prints them as well.
    logging.getLogger(psycopg.__name__).addHandler(logging.NullHandler())
    try:
        return PostgresRecords(url, bounds, clock, voice, replicas)
    except psycopg.ProgrammingError:
        # The URL is not told: it may hold a password.
        raise SettingsInvalid(
            "store.url or store.replicas: this is not a URL that can be read"
        ) from None
