-- What a PostgreSQL server tells of itself. Sizes are left out of what somebody has locked against
-- being read, since whoever asks would wait for that.

-- name: server
-- for: what kind of server this is, how large, and how it is set
SELECT current_setting('server_version') AS version,
    current_setting('server_version_num')::int AS version_number,
    pg_is_in_recovery() AS is_standby,
    extract(epoch FROM now() - pg_postmaster_start_time())::float8 AS up_s,
    pg_database_size(current_database()) AS size_bytes,
    current_setting('max_connections')::int AS connections_max,
    current_setting('shared_buffers') AS shared_buffers,
    pg_size_bytes(current_setting('shared_buffers')) AS shared_buffers_bytes,
    current_setting('effective_cache_size') AS effective_cache_size,
    current_setting('work_mem') AS work_mem,
    current_setting('random_page_cost')::float8 AS random_page_cost,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('fsync') = 'on' AS fsync,
    current_setting('autovacuum') = 'on' AS autovacuum,
    current_setting('track_io_timing') = 'on' AS track_io_timing,
    current_setting('data_checksums') = 'on' AS checksums;

-- name: activity
-- for: who is connected, and whether the connections suffice
SELECT count(*) AS connections,
    count(*) FILTER (WHERE application_name LIKE 'headrace%') AS ours,
    count(*) FILTER (WHERE state = 'active') AS active,
    count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction,
    count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting_for_locks
FROM pg_stat_activity
WHERE backend_type = 'client backend';

-- name: long_transactions
-- for: transactions that keep old rows from being cleared away
SELECT pid, coalesce(usename, '') AS who, coalesce(application_name, '') AS application,
    coalesce(state, '') AS state,
    extract(epoch FROM clock_timestamp() - xact_start)::float8 AS open_s
FROM pg_stat_activity
WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    AND clock_timestamp() - xact_start > make_interval(secs => :open_s_min)
ORDER BY xact_start
LIMIT 20;

-- name: locks
-- for: who waits for a lock, and for whom
SELECT waiting.pid, pg_blocking_pids(waiting.pid)::text AS blocked_by,
    coalesce(waiting.application_name, '') AS application,
    extract(epoch FROM clock_timestamp() - waiting.query_start)::float8 AS waits_s
FROM pg_stat_activity AS waiting
WHERE waiting.wait_event_type = 'Lock'
ORDER BY waiting.query_start
LIMIT 20;

-- name: traffic
-- for: how much was found in memory, and what went wrong since the counters were set to zero
SELECT blks_hit, blks_read, xact_commit, xact_rollback, deadlocks, conflicts, temp_files,
    temp_bytes,
    extract(epoch FROM now() - stats_reset)::float8 AS counted_s
FROM pg_stat_database
WHERE datname = current_database();

-- name: tables
-- for: how large tables are, how they are read, and what they carry along
SELECT stat.relname AS name,
    greatest(class.reltuples, stat.n_live_tup)::float8 AS rows,
    CASE WHEN stat.relid NOT IN (SELECT relation FROM pg_locks
            WHERE mode = 'AccessExclusiveLock' AND relation IS NOT NULL)
        THEN pg_total_relation_size(stat.relid) END AS size_bytes,
    stat.seq_scan AS full_reads, stat.seq_tup_read AS full_read_rows,
    coalesce(stat.idx_scan, 0) AS index_reads,
    stat.n_live_tup AS live, stat.n_dead_tup AS dead,
    stat.n_mod_since_analyze AS changed,
    extract(epoch FROM now() - greatest(stat.last_vacuum, stat.last_autovacuum))::float8
        AS vacuum_s,
    extract(epoch FROM now() - greatest(stat.last_analyze, stat.last_autoanalyze))::float8
        AS analyze_s,
    coalesce('autovacuum_enabled=false' = ANY (class.reloptions), false) AS is_vacuum_off,
    age(class.relfrozenxid) AS age
FROM pg_stat_user_tables AS stat
JOIN pg_class AS class ON class.oid = stat.relid
ORDER BY size_bytes DESC NULLS FIRST
LIMIT 100;

-- name: indexes
-- for: indexes that nothing reads, that are not valid, or that stand twice
SELECT class.relname AS name, tables.relname AS table_name,
    CASE WHEN class.oid NOT IN (SELECT relation FROM pg_locks
            WHERE mode = 'AccessExclusiveLock' AND relation IS NOT NULL)
        THEN pg_relation_size(class.oid) ELSE 0 END AS size_bytes,
    coalesce(stat.idx_scan, 0) AS reads,
    index.indisunique OR index.indisprimary AS is_constraint,
    index.indisvalid AND index.indisready AS is_valid,
    (SELECT other.indexrelid::regclass::text FROM pg_index AS other
        WHERE other.indrelid = index.indrelid AND other.indexrelid < index.indexrelid
            AND other.indkey = index.indkey AND other.indclass = index.indclass
            AND other.indoption = index.indoption
            AND other.indpred IS NOT DISTINCT FROM index.indpred
            AND other.indexprs IS NOT DISTINCT FROM index.indexprs
            AND other.indnkeyatts = index.indnkeyatts
        LIMIT 1) AS same_as
FROM pg_index AS index
JOIN pg_class AS class ON class.oid = index.indexrelid
JOIN pg_class AS tables ON tables.oid = index.indrelid
JOIN pg_namespace AS space ON space.oid = class.relnamespace
LEFT JOIN pg_stat_user_indexes AS stat ON stat.indexrelid = index.indexrelid
WHERE space.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')
ORDER BY size_bytes DESC
LIMIT 500;

-- name: standbys
-- for: who follows this server, and how far behind
SELECT coalesce(nullif(application_name, ''), client_addr::text, 'standby') AS name, state,
    sync_state,
    pg_wal_lsn_diff(pg_current_wal_flush_lsn(), replay_lsn)::float8 AS behind_bytes,
    coalesce(extract(epoch FROM replay_lag), 0)::float8 AS lag_s
FROM pg_stat_replication
ORDER BY 1;

-- name: slots
-- for: places that are kept for standbys and fill the disk when those are gone
SELECT slot_name AS name, active,
    pg_wal_lsn_diff(pg_current_wal_flush_lsn(), restart_lsn)::float8 AS kept_bytes
FROM pg_replication_slots
WHERE restart_lsn IS NOT NULL
ORDER BY 3 DESC
LIMIT 20;

-- name: has_statements
-- for: whether the server counts statements
SELECT current_setting('pg_stat_statements.max', true) IS NOT NULL AS is_loaded,
    EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'pg_stat_statements') AS is_made,
    EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'pg_stat_statements')
        AS is_available;

-- name: statements
-- for: which statements took most of the server's time
SELECT query, calls, total_exec_time AS total_ms, mean_exec_time AS mean_ms,
    max_exec_time AS max_ms, rows,
    CASE WHEN shared_blks_hit + shared_blks_read > 0
        THEN shared_blks_hit / (shared_blks_hit + shared_blks_read)::float8 END AS hit_share,
    100 * total_exec_time / nullif(sum(total_exec_time) OVER (), 0) AS share
FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND query ~* '^\s*(select|insert|update|delete|with|copy|merge)\M'
ORDER BY total_exec_time DESC
LIMIT :count;

-- name: relations
-- for: which tables and indexes of ours there are
SELECT class.relname AS name,
    CASE WHEN class.relkind IN ('i', 'I') THEN 'index' ELSE 'table' END AS kind,
    coalesce(index.indisvalid, true) AS is_valid
FROM pg_class AS class
LEFT JOIN pg_index AS index ON index.indexrelid = class.oid
WHERE class.relnamespace = current_schema()::text::regnamespace
    AND class.relkind IN ('r', 'p', 'i', 'I') AND class.relname LIKE 'headrace\_%'
ORDER BY 1;

-- name: prepared
-- for: what a statement takes that is prepared to see its plan
SELECT parameter_types::text[] AS types FROM pg_prepared_statements WHERE name = 'headrace_plan';

-- name: partition_indexes
-- for: what the indexes of partitions are called, and those of their tables
SELECT child.relname AS name, parent.relname AS parent
FROM pg_inherits
JOIN pg_class AS child ON child.oid = pg_inherits.inhrelid
JOIN pg_class AS parent ON parent.oid = pg_inherits.inhparent
WHERE parent.relkind = 'I';
