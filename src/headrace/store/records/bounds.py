"""How long records may take and how many may wait for them."""

import msgspec

from headrace.store.records.roster import ReplicaBounds


class RecordBounds(msgspec.Struct, frozen=True, kw_only=True):
    """Every bound of the records.

    Attributes:
        read_limit_s: how long a read may take, waiting for its turn included.
        write_limit_s: the same for a transaction that writes.
        connect_limit_s: how long PostgreSQL may take to accept a connection.
        migration_limit_s: how long making tables may take.
        readers: threads that read from SQLite; writing has one.
        pool_size: connections to PostgreSQL.
        slow_s: queries that take longer are told in the log; 0 tells of none.
        replicas: when standbys are asked.
        waiting_max: reads, and writes, that may wait or run; more are refused at once.
    """

    read_limit_s: float = 2.0
    write_limit_s: float = 5.0
    connect_limit_s: float = 2.0
    migration_limit_s: float = 600.0
    readers: int = 2
    pool_size: int = 5
    slow_s: float = 0.2
    replicas: ReplicaBounds = ReplicaBounds()
    waiting_max: int = 1024
