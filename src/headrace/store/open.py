"""The door of the store. Drivers are loaded when it is opened, and only those that are needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from headrace.errors import SettingsInvalid
from headrace.store.bounds import StoreBounds
from headrace.store.voice import Say, Voice

if TYPE_CHECKING:
    from headrace.store.store import Store

# Apart from whatever else will be kept: a damaged file of answers may be thrown away.
CACHE_FILE: Final = "cache.sqlite3"
_POSTGRES: Final = ("postgresql://", "postgres://")
_DEFAULT_BOUNDS: Final = StoreBounds()


def open_store(
    url: str, data_dir: Path, *, bounds: StoreBounds = _DEFAULT_BOUNDS, say: Say | None = None
) -> "Store":
    """A store that is opened by its first use, or by `Store.ready`.

    Args:
        url: `sqlite` for a file in `data_dir`, or `postgresql://...`.
        data_dir: where the file is kept; made where it is missing.
        bounds: how much it holds, how long it may take.
        say: told on the loop what happens, such as a damaged file.

    Raises:
        SettingsInvalid: the URL is of neither kind, or the packages for it are not installed.
    """
    voice = Voice(say)
    if url == "sqlite":
        with_extra = "store"
    elif url.startswith(_POSTGRES):
        with_extra = "postgres"
    else:
        raise SettingsInvalid("store.url: either sqlite or a URL that begins with postgresql://")
    try:
        return _open(url, data_dir, bounds, voice)
    except ImportError as error:
        raise SettingsInvalid(
            f"store.url: a package is missing ({error}). "
            f"Install what this store needs: pip install 'headrace[{with_extra}]'"
        ) from error


def _open(url: str, data_dir: Path, bounds: StoreBounds, voice: Voice) -> "Store":
    from headrace.store.store import Store

    if url == "sqlite":
        from headrace.store.sqlite import SqliteDatabase
        from headrace.store.sqlite_ways import version_problem

        if problem := version_problem():
            raise SettingsInvalid(f"store.url: {problem}")

        return Store(
            SqliteDatabase(data_dir / CACHE_FILE, bounds.write_limit_s, voice), bounds, voice
        )
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    from headrace.store.postgresql import PostgresDatabase

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The URL is not told: it may hold a password.
        raise SettingsInvalid("store.url: this is not a URL that can be read") from None
    database = PostgresDatabase(parsed, bounds.write_limit_s, bounds.connect_limit_s)
    return Store(database, bounds, voice)
