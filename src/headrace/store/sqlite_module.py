"""Which module speaks to SQLite for DBOS. Apart, since asking must not load SQLAlchemy."""

import sqlite3
import sys
from types import ModuleType
from typing import Final

from headrace.errors import SettingsInvalid

# On newer Pythons DBOS asks for `unixepoch('subsec')`, which SQLite has from this version on.
_VERSION_MIN: Final = (3, 42, 0)
_PYTHON_MIN: Final = (3, 12)


def sqlite_module(
    python: tuple[int, ...] = sys.version_info[:2],
    version: tuple[int, int, int] = sqlite3.sqlite_version_info,
) -> ModuleType:
    """The module, `pysqlite3` where the one that Python was built with is too old.

    Args:
        python: the version of Python.
        version: of its SQLite.

    Raises:
        SettingsInvalid: there is none that is new enough.
    """
    if python < _PYTHON_MIN or version >= _VERSION_MIN:
        return sqlite3
    try:
        import pysqlite3
    except ImportError:
        found, needed = (".".join(map(str, each)) for each in (version, _VERSION_MIN))
        raise SettingsInvalid(
            f"Python here has SQLite {found}, and jobs need {needed}: "
            "pip install pysqlite3, or let store.url name a PostgreSQL"
        ) from None
    driver: ModuleType = pysqlite3
    return driver
