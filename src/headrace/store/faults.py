"""What a store may fail with. Nothing else leaves it, whatever the driver below raises."""

from headrace.errors import HeadraceError


class StoreFault(HeadraceError):
    """The store could not do what it was asked."""

    status = 503
    default_code = "store_unavailable"


class StoreBusy(StoreFault):
    """Too many wait for the store already, or another process holds what is needed."""


class StoreTimeout(StoreFault):
    """The time limit passed. What had begun by then goes on by itself, and may still succeed."""


class StoreFull(StoreFault):
    """There is no room on the disk. What is held can still be read."""


class StoreRefused(StoreFault):
    """The database does not take these values, however often it is asked."""


class StoreLost(StoreFault):
    """The connection, or what it led to, is gone; on a new one the same may succeed."""


class StoreCorrupt(StoreLost):
    """The file is damaged. It is moved aside, and a new one is begun."""


class SchemaTooNew(StoreFault):
    """A newer version of Headrace made the tables, and this one must not touch them."""

    default_code = "store_too_new"


class StoreClosed(StoreFault):
    """The store was closed."""
