"""How much a store holds and how long it may take."""

import msgspec


class StoreBounds(msgspec.Struct, frozen=True, kw_only=True):
    """Every bound of a store.

    Attributes:
        bytes_max: answers held, in bytes; those of the least worth per byte leave above it.
        read_limit_s: how long a read may take, waiting for its turn included.
        write_limit_s: the same for one transaction that writes.
        connect_limit_s: how long PostgreSQL may take to accept a connection.
        readers: threads that read; writing has one.
        reads_waiting_max: batches of reads that may wait or run; more are refused at once.
        writes_waiting_max: the same for transactions that write.
    """

    bytes_max: int = 10 * 1024**3
    read_limit_s: float = 0.25
    write_limit_s: float = 2.0
    connect_limit_s: float = 2.0
    readers: int = 2
    reads_waiting_max: int = 64
    writes_waiting_max: int = 64
