-- A row for each call, in the order of time. On PostgreSQL a table for each month, made ahead; what
-- belongs to none of them, for a clock that was wrong, goes to the last one.
-- only: sqlite
CREATE TABLE headrace_calls (
    id TEXT NOT NULL,
    at_s {real} NOT NULL,
    tenant TEXT NOT NULL,
    key_name TEXT NOT NULL,
    operation TEXT NOT NULL,
    asked TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    cache TEXT NOT NULL,
    status {number} NOT NULL,
    streams {flag} NOT NULL,
    attempts {number} NOT NULL,
    duration_us {number} NOT NULL,
    first_byte_us {number} NOT NULL,
    upstream_us {number} NOT NULL,
    input_tokens {number} NOT NULL,
    cached_tokens {number} NOT NULL,
    cache_write_tokens {number} NOT NULL,
    cache_write_1h_tokens {number} NOT NULL,
    output_tokens {number} NOT NULL,
    is_estimated {flag} NOT NULL,
    cost_nano {number},
    saved_nano {number} NOT NULL,
    error TEXT NOT NULL,
    purpose TEXT NOT NULL,
    intent TEXT NOT NULL,
    template TEXT NOT NULL,
    priority {number} NOT NULL,
    answer_key TEXT NOT NULL,
    PRIMARY KEY (at_s, id)
) WITHOUT ROWID;

-- only: postgresql
CREATE TABLE headrace_calls (
    id TEXT NOT NULL,
    at_s {real} NOT NULL,
    tenant TEXT NOT NULL,
    key_name TEXT NOT NULL,
    operation TEXT NOT NULL,
    asked TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    cache TEXT NOT NULL,
    status INTEGER NOT NULL,
    streams {flag} NOT NULL,
    attempts INTEGER NOT NULL,
    duration_us {number} NOT NULL,
    first_byte_us {number} NOT NULL,
    upstream_us {number} NOT NULL,
    input_tokens {number} NOT NULL,
    cached_tokens {number} NOT NULL,
    cache_write_tokens {number} NOT NULL,
    cache_write_1h_tokens {number} NOT NULL,
    output_tokens {number} NOT NULL,
    is_estimated {flag} NOT NULL,
    cost_nano {number},
    saved_nano {number} NOT NULL,
    error TEXT NOT NULL,
    purpose TEXT NOT NULL,
    intent TEXT NOT NULL,
    template TEXT NOT NULL,
    priority INTEGER NOT NULL,
    answer_key TEXT NOT NULL,
    PRIMARY KEY (at_s, id)
) PARTITION BY RANGE (at_s);

-- only: postgresql
CREATE TABLE headrace_calls_other PARTITION OF headrace_calls DEFAULT;

-- A call by its id, and the calls of one tenant in the order of time.
CREATE INDEX headrace_calls_by_id ON headrace_calls (id);
CREATE INDEX headrace_calls_by_tenant ON headrace_calls (tenant, at_s, id);

-- Sums over long times need no order, and read next to nothing of what is outside.
-- only: postgresql
CREATE INDEX headrace_calls_by_time ON headrace_calls USING brin (at_s) WITH (pages_per_range = 32);

-- only: postgresql
CREATE FUNCTION headrace_make_calls_month(month TEXT) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
DECLARE
    name TEXT := 'headrace_calls_' || replace(month, '-', '_');
    starts TIMESTAMPTZ := (month || '-01 00:00:00+00')::TIMESTAMPTZ;
BEGIN
    IF to_regclass(name) IS NOT NULL THEN
        RETURN FALSE;
    END IF;
    EXECUTE format(
        'CREATE TABLE %I PARTITION OF headrace_calls FOR VALUES FROM (%s) TO (%s)',
        name,
        extract(epoch FROM starts),
        extract(epoch FROM (starts AT TIME ZONE 'UTC' + INTERVAL '1 month') AT TIME ZONE 'UTC')
    );
    RETURN TRUE;
EXCEPTION
    -- Somebody else was faster, or rows of that month are among the others by now.
    WHEN duplicate_table OR check_violation OR invalid_object_definition THEN
        RETURN FALSE;
END
$$;

-- only: postgresql
CREATE FUNCTION headrace_drop_calls_before(month TEXT) RETURNS INTEGER LANGUAGE plpgsql AS $$
DECLARE
    partition TEXT;
    dropped INTEGER := 0;
BEGIN
    FOR partition IN
        SELECT child.relname
        FROM pg_inherits
        JOIN pg_class child ON child.oid = pg_inherits.inhrelid
        WHERE pg_inherits.inhparent = to_regclass('headrace_calls')
            AND child.relname ~ '^headrace_calls_[0-9]{4}_[0-9]{2}$'
            AND child.relname < 'headrace_calls_' || replace(month, '-', '_')
    LOOP
        EXECUTE format('DROP TABLE %I', partition);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

CREATE TABLE headrace_call_contents (
    id TEXT NOT NULL,
    at_s {real} NOT NULL,
    tenant TEXT NOT NULL,
    prompt TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (id, at_s)
){clustered};
CREATE INDEX headrace_call_contents_by_time ON headrace_call_contents (at_s);

-- What a day, and a month, came to.
CREATE TABLE headrace_usage_daily (
    day TEXT NOT NULL,
    tenant TEXT NOT NULL,
    key_name TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    cache TEXT NOT NULL,
    intent TEXT NOT NULL,
    purpose TEXT NOT NULL,
    calls {number} NOT NULL,
    errors {number} NOT NULL,
    estimated {number} NOT NULL,
    unpriced {number} NOT NULL,
    input_tokens {number} NOT NULL,
    cached_tokens {number} NOT NULL,
    cache_write_tokens {number} NOT NULL,
    output_tokens {number} NOT NULL,
    cost_nano {number} NOT NULL,
    saved_nano {number} NOT NULL,
    duration_us {number} NOT NULL,
    upstream_us {number} NOT NULL,
    PRIMARY KEY (day, tenant, key_name, model, provider, cache, intent, purpose)
){clustered};
CREATE TABLE headrace_usage_monthly (
    month TEXT NOT NULL,
    tenant TEXT NOT NULL,
    key_name TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    cache TEXT NOT NULL,
    intent TEXT NOT NULL,
    purpose TEXT NOT NULL,
    calls {number} NOT NULL,
    errors {number} NOT NULL,
    estimated {number} NOT NULL,
    unpriced {number} NOT NULL,
    input_tokens {number} NOT NULL,
    cached_tokens {number} NOT NULL,
    cache_write_tokens {number} NOT NULL,
    output_tokens {number} NOT NULL,
    cost_nano {number} NOT NULL,
    saved_nano {number} NOT NULL,
    duration_us {number} NOT NULL,
    upstream_us {number} NOT NULL,
    PRIMARY KEY (month, tenant, key_name, model, provider, cache, intent, purpose)
){clustered};

-- Up to where each segment of a journal has been taken.
CREATE TABLE headrace_ledger_reached (
    segment TEXT PRIMARY KEY NOT NULL,
    position {number} NOT NULL,
    at_s {real} NOT NULL
){clustered};
