"""What PostgreSQL's errors mean."""

from typing import Final

import psycopg
from psycopg import errors

from headrace.store.faults import (
    StoreBusy,
    StoreFault,
    StoreFull,
    StoreLost,
    StoreRefused,
    StoreTimeout,
)

_BUSY: Final = (
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.TooManyConnections,
)
_ELSEWHERE: Final = (
    errors.UndefinedTable,
    # After a failover: this server has become one that may only be read.
    errors.ReadOnlySqlTransaction,
    errors.IdleInTransactionSessionTimeout,
)


def fault_of(error: object, name: str) -> StoreFault:
    """The fault that an error stands for.

    Args:
        error: what the driver raised.
        name: of the database, for messages.
    """
    why = f"The store {name} failed: {first_line(error)}"
    if is_elsewhere(error):
        return StoreLost(why)
    if isinstance(error, errors.QueryCanceled):
        return StoreTimeout(why)
    if isinstance(error, _BUSY):
        return StoreBusy(why)
    if isinstance(error, errors.DiskFull):
        return StoreFull(why)
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return StoreLost(why)
    if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
        return StoreRefused(why)
    return StoreFault(why)


def is_elsewhere(error: object) -> bool:
    """Whether the tables are to be looked for anew: not there, or on another server."""
    return isinstance(error, _ELSEWHERE)


def first_line(error: object) -> str:
    """What went wrong without its details, which may show what was stored."""
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        return error.diag.message_primary
    return str(error).partition("\n")[0]
