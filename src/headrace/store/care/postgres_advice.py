"""What a PostgreSQL server's answers mean, and what helps."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from headrace.store.care.findings import Finding

Row = Mapping[str, Any]

OPEN_S_MIN: Final = 5.0
_OPEN_S_WARNING: Final = 300.0
_WAIT_S_WARNING: Final = 5.0
_ROWS_LARGE: Final = 10_000
_FULL_READS_MIN: Final = 50
_INDEX_BYTES_MIN: Final = 1024 * 1024
_DEAD_MIN: Final = 10_000
_DEAD_SHARE_MAX: Final = 0.2
_BLOCKS_MIN: Final = 100_000
_HIT_SHARE_MIN: Final = 0.95
_CONNECTIONS_SHARE_MAX: Final = 0.8
_LAG_S_MAX: Final = 10.0
_SLOT_BYTES_MAX: Final = 1024**3
# Counters that were set to zero a short time ago say little.
_COUNTED_S_MIN: Final = 86_400.0
_SHARED_BUFFERS_MIN: Final = 128 * 1024 * 1024
_AGE_MAX: Final = 1_000_000_000
_VERSION_MIN: Final = 130_000


def of_server(server: Row) -> Iterator[Finding]:
    """How it is set."""
    if server["version_number"] < _VERSION_MIN:
        yield Finding(
            level="problem",
            about="version",
            what=f"PostgreSQL {server['version']}",
            advice="run 13 or newer",
        )
    if not server["fsync"]:
        yield Finding(
            level="warning",
            about="fsync",
            what="off: a power cut may destroy everything",
            advice="set fsync = on, and restart",
        )
    if server["synchronous_commit"] == "off":
        yield Finding(
            level="warning",
            about="synchronous_commit",
            what="off: a crash of the server loses what was told to be written",
            advice="set synchronous_commit = on for this database",
        )
    if not server["autovacuum"]:
        yield Finding(
            level="warning",
            about="autovacuum",
            what="off: tables grow, and plans go by old numbers",
            advice="set autovacuum = on",
        )
    if server["shared_buffers_bytes"] < min(_SHARED_BUFFERS_MIN, server["size_bytes"]):
        yield Finding(
            level="hint",
            about="shared_buffers",
            what=f"{server['shared_buffers']}, less than the database has",
            advice="a quarter of the machine's memory is usual",
        )
    if server["random_page_cost"] >= 4:  # the default
        yield Finding(
            level="hint",
            about="random_page_cost",
            what="4, as for disks that turn",
            advice="set 1.1 where the disk is an SSD, so that indexes are used earlier",
        )


def of_connections(activity: Row, server: Row, pool_size: int) -> Iterator[Finding]:
    """Whether there are connections left.

    Args:
        activity: who is connected.
        server: how it is set.
        pool_size: connections that one gateway may hold.
    """
    connections, most = activity["connections"], server["connections_max"]
    if connections >= _CONNECTIONS_SHARE_MAX * most:
        yield Finding(
            level="warning",
            about="connections",
            what=f"{connections} of {most} are in use",
            advice="lower store.pool_size, or raise max_connections",
        )
    if activity["ours"] >= pool_size and activity["active"] >= pool_size:
        yield Finding(
            level="hint",
            about="pool",
            what=f"{activity['active']} of {activity['ours']} connections of gateways work at once",
            advice="look at the slowest statements first; a larger pool makes each slower",
        )
    if activity["idle_in_transaction"]:
        yield Finding(
            level="warning",
            about="idle in transaction",
            what=f"{activity['idle_in_transaction']} connections hold a transaction and do nothing",
            advice="find them under long transactions; end one by pg_terminate_backend(pid)",
        )


def of_transactions(rows: Sequence[Row]) -> Iterator[Finding]:
    """Which are open for long."""
    for row in rows:
        if row["open_s"] >= _OPEN_S_WARNING:
            yield Finding(
                level="warning",
                about=f"transaction of {row['pid']}",
                what=f"open for {row['open_s']:.0f} s ({row['application'] or row['who']})",
                advice=f"dead rows stay meanwhile: SELECT pg_terminate_backend({row['pid']})",
            )


def of_locks(rows: Sequence[Row]) -> Iterator[Finding]:
    """Who waits for whom."""
    for row in rows:
        if row["waits_s"] >= _WAIT_S_WARNING:
            yield Finding(
                level="warning",
                about=f"lock of {row['pid']}",
                what=f"has waited {row['waits_s']:.0f} s for {row['blocked_by']}",
                advice="see what those do; end one by pg_terminate_backend",
            )


def of_traffic(traffic: Row) -> Iterator[Finding]:
    """How much was found in memory, and what went wrong."""
    blocks = traffic["blks_hit"] + traffic["blks_read"]
    if blocks >= _BLOCKS_MIN and traffic["blks_hit"] < _HIT_SHARE_MIN * blocks:
        yield Finding(
            level="hint",
            about="memory",
            what=f"{traffic['blks_hit'] / blocks:.1%} of pages were found in it",
            advice="raise shared_buffers, or give the machine more memory",
        )
    if traffic["deadlocks"]:
        yield Finding(
            level="hint",
            about="deadlocks",
            what=f"{traffic['deadlocks']} since counters were set to zero",
            advice="the server's log tells who; the gateway tries again by itself",
        )
    if traffic["temp_files"]:
        yield Finding(
            level="hint",
            about="temporary files",
            what=f"{traffic['temp_files']}, {traffic['temp_bytes'] / 1024**2:.0f} MiB",
            advice="sorting did not fit into work_mem",
        )


def of_tables(rows: Sequence[Row]) -> Iterator[Finding]:
    """Tables that are read whole, carry dead rows along, or grow old."""
    for row in rows:
        name = row["name"]
        per_read = row["full_read_rows"] / row["full_reads"] if row["full_reads"] else 0
        if (
            row["rows"] >= _ROWS_LARGE
            and row["full_reads"] >= _FULL_READS_MIN
            and per_read >= _ROWS_LARGE / 2
        ):
            yield Finding(
                level="warning",
                about=name,
                what=f"read as a whole {row['full_reads']:,} times, {per_read:,.0f} rows each",
                advice="an index is missing: look for its statements in the list by time",
            )
        if row["dead"] >= _DEAD_MIN and row["dead"] >= _DEAD_SHARE_MAX * max(1, row["live"]):
            yield Finding(
                level="warning",
                about=name,
                what=f"{row['dead']:,} dead rows beside {row['live']:,} that live",
                advice=f"VACUUM (ANALYZE) {name}; then see what keeps autovacuum from it",
            )
        if row["rows"] >= _ROWS_LARGE and row["analyze_s"] is None:
            yield Finding(
                level="hint",
                about=name,
                what="never analysed, so plans are guesses",
                advice=f"ANALYZE {name}",
            )
        if row["is_vacuum_off"]:
            yield Finding(
                level="warning",
                about=name,
                what="autovacuum is off for it",
                advice=f"ALTER TABLE {name} RESET (autovacuum_enabled)",
            )
        if row["age"] >= _AGE_MAX:
            yield Finding(
                level="problem",
                about=name,
                what=f"{row['age']:,} transactions old; the server stops at two billion",
                advice=f"VACUUM (FREEZE) {name}",
            )


def of_indexes(rows: Sequence[Row], counted_s: float | None) -> Iterator[Finding]:
    """Indexes that are not valid, stand twice, or are not read.

    Args:
        rows: indexes.
        counted_s: since when reads are counted; None since the server was made.
    """
    for row in rows:
        name = row["name"]
        if not row["is_valid"]:
            yield Finding(
                level="problem",
                about=name,
                what="is not valid: it was not made to the end, and is not used",
                advice=f"REINDEX INDEX CONCURRENTLY {name}",
            )
        elif row["same_as"]:
            yield Finding(
                level="warning",
                about=name,
                what=f"has the columns of {row['same_as']}",
                advice=f"DROP INDEX CONCURRENTLY {name}, if it was not made by Headrace",
            )
        elif (
            not row["is_constraint"]
            and row["reads"] == 0
            and row["size_bytes"] >= _INDEX_BYTES_MIN
            and (counted_s is None or counted_s >= _COUNTED_S_MIN)
        ):
            yield Finding(
                level="hint",
                about=name,
                what=f"not read since counters were set to zero, {row['size_bytes'] >> 20} MiB",
                advice="standbys count by themselves; drop it only if it was not made by Headrace",
            )


def of_standbys(standbys: Sequence[Row], slots: Sequence[Row], replicas: int) -> Iterator[Finding]:
    """Whether those that follow do.

    Args:
        standbys: who follows.
        slots: places kept for them.
        replicas: how many the settings name.
    """
    if replicas > len(standbys):
        yield Finding(
            level="warning",
            about="standbys",
            what=f"{len(standbys)} follow this server, and store.replicas names {replicas}",
            advice="see the logs of those that are missing",
        )
    for row in standbys:
        if row["lag_s"] >= _LAG_S_MAX:
            yield Finding(
                level="warning",
                about=f"standby {row['name']}",
                what=f"{row['lag_s']:.1f} s late",
                advice="see its disk and processor, and long queries on it",
            )
    for row in slots:
        if not row["active"] and row["kept_bytes"] >= _SLOT_BYTES_MAX:
            yield Finding(
                level="problem",
                about=f"slot {row['name']}",
                what=f"nobody uses it, and {row['kept_bytes'] / 1024**3:.1f} GiB of log are kept",
                advice=f"SELECT pg_drop_replication_slot('{row['name']}')",
            )


def of_statement_counts(found: Row) -> Iterator[Finding]:
    """Whether the server counts statements, and how to have it."""
    if not found["is_available"]:
        yield Finding(
            level="hint",
            about="pg_stat_statements",
            what="is not installed, so nobody knows which statements take the time",
            advice="install PostgreSQL's contrib package",
        )
    elif not found["is_loaded"]:
        yield Finding(
            level="hint",
            about="pg_stat_statements",
            what="is not loaded, so nobody knows which statements take the time",
            advice="shared_preload_libraries = 'pg_stat_statements', restart, and then"
            " CREATE EXTENSION pg_stat_statements",
        )
    elif not found["is_made"]:
        yield Finding(
            level="hint",
            about="pg_stat_statements",
            what="is loaded, and not made in this database",
            advice="CREATE EXTENSION pg_stat_statements",
        )
