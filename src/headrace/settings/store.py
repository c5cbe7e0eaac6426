"""What can be set of the store."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from headrace.settings.bounded import FilledSecret, Seconds
from headrace.settings.values import Secret

_PER_WORKER_MIN: Final = 2
_POSTGRES: Final = ("postgresql://", "postgres://")


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where what must survive is kept; URLs may hold a password and so do not print.

    Attributes:
        url: `sqlite` for a file in `data_dir`, or `postgresql://...`.
        replicas: standbys of that server, as URLs like the first.
        replica_wait_ms: how long a read waits for a standby to have what its session has written.
        replica_lag_s_max: standbys that are later are left out.
        pool_size: connections to PostgreSQL of all workers; `None` goes by cores and spindles.
        spindles: disks that turn, in the machine of the database; 1 for one without any.
        statement_timeout_s: after which the database gives a statement up.
        slow_query_ms: slower ones are told in the log; 0 tells of none.
    """

    url: FilledSecret = Secret("sqlite")
    replicas: tuple[FilledSecret, ...] = ()
    replica_wait_ms: Annotated[float, Meta(ge=0, le=1000)] = 5.0
    replica_lag_s_max: Annotated[float, Meta(gt=0, le=86_400)] = 10.0
    pool_size: Annotated[int, Meta(ge=1, le=1000)] | None = None
    spindles: Annotated[int, Meta(ge=0, le=1000)] = 1
    statement_timeout_s: Seconds = 5.0
    slow_query_ms: Annotated[int, Meta(ge=0, le=3_600_000)] = 200


def replicas_problem(store: StoreSettings) -> str | None:
    """What is wrong with the standbys that are set, if anything; tells no URL."""
    if store.replicas and store.url.reveal() == "sqlite":
        return "expected none while store.url is sqlite: these are standbys of a PostgreSQL server"
    for at, replica in enumerate(store.replicas):
        if not replica.reveal().startswith(_POSTGRES):
            return f"expected URLs that begin with postgresql://, and number {at} does not"
    return None


def pool_share(store: StoreSettings, cores: int, workers: int) -> int:
    """How many connections one worker may hold.

    More connections than the database has hands make each of them slower: twice its cores and its
    spindles is where it does most ("Number Of Database Connections", PostgreSQL wiki). The cores
    counted are those of this machine.

    Args:
        store: what is set.
        cores: of this machine.
        workers: among whom they are shared; each has two at least, to read while it writes.
    """
    size = store.pool_size or cores * 2 + store.spindles
    return max(min(_PER_WORKER_MIN, size), size // workers)
