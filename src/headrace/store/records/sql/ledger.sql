-- The ledger. A batch is the records of a segment of a journal from one position to another. It is
-- stored in one transaction together with its sums and the position, so it counts once whatever
-- becomes of whoever stores it: sums are added only where the position is still the one it begins
-- at, and whoever comes first holds the row of the position until it is done.

-- name: reached
-- for: up to where a segment has been taken
-- index: headrace_ledger_reached
SELECT position FROM headrace_ledger_reached WHERE segment = :segment;

-- name: hold
-- for: taking turns at a segment, and beginning it
INSERT INTO headrace_ledger_reached AS held (segment, position, at_s)
VALUES (:segment, :begins, :now_s)
ON CONFLICT (segment) DO UPDATE SET at_s = excluded.at_s
RETURNING position;

-- name: reach
-- for: saying that a batch has been taken
UPDATE headrace_ledger_reached SET position = :ends
WHERE segment = :segment AND position = :begins;

-- name: forget_reached
-- for: segments that are gone
DELETE FROM headrace_ledger_reached WHERE at_s < :before_s;

-- name: add_calls
-- for: a batch of calls
-- copy: headrace_calls (id, at_s, tenant, key_name, operation, asked, model, provider, cache, status, streams, attempts, duration_us, first_byte_us, upstream_us, input_tokens, cached_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, is_estimated, cost_nano, saved_nano, error, purpose, intent, template, priority, answer_key)
INSERT INTO headrace_calls (
    id, at_s, tenant, key_name, operation, asked, model, provider, cache, status, streams,
    attempts, duration_us, first_byte_us, upstream_us, input_tokens, cached_tokens,
    cache_write_tokens, cache_write_1h_tokens, output_tokens, is_estimated, cost_nano,
    saved_nano, error, purpose, intent, template, priority, answer_key
) VALUES (
    :id, :at_s, :tenant, :key_name, :operation, :asked, :model, :provider, :cache, :status,
    :streams, :attempts, :duration_us, :first_byte_us, :upstream_us, :input_tokens,
    :cached_tokens, :cache_write_tokens, :cache_write_1h_tokens, :output_tokens, :is_estimated,
    :cost_nano, :saved_nano, :error, :purpose, :intent, :template, :priority, :answer_key
) ON CONFLICT DO NOTHING;

-- name: add_calls_again
-- for: a batch of calls of which some may be there
INSERT INTO headrace_calls (
    id, at_s, tenant, key_name, operation, asked, model, provider, cache, status, streams,
    attempts, duration_us, first_byte_us, upstream_us, input_tokens, cached_tokens,
    cache_write_tokens, cache_write_1h_tokens, output_tokens, is_estimated, cost_nano,
    saved_nano, error, purpose, intent, template, priority, answer_key
) VALUES (
    :id, :at_s, :tenant, :key_name, :operation, :asked, :model, :provider, :cache, :status,
    :streams, :attempts, :duration_us, :first_byte_us, :upstream_us, :input_tokens,
    :cached_tokens, :cache_write_tokens, :cache_write_1h_tokens, :output_tokens, :is_estimated,
    :cost_nano, :saved_nano, :error, :purpose, :intent, :template, :priority, :answer_key
) ON CONFLICT DO NOTHING;

-- name: add_contents
-- for: what was said in some calls
INSERT INTO headrace_call_contents (id, at_s, tenant, prompt, answer)
VALUES (:id, :at_s, :tenant, :prompt, :answer) ON CONFLICT DO NOTHING;

-- name: add_to_day
-- for: what a batch adds to the sums of a day
INSERT INTO headrace_usage_daily AS held (
    day, tenant, key_name, model, provider, cache, intent, purpose, calls, errors, estimated,
    unpriced, input_tokens, cached_tokens, cache_write_tokens, output_tokens, cost_nano,
    saved_nano, duration_us, upstream_us
)
SELECT
    CAST(:day AS TEXT), CAST(:tenant AS TEXT), CAST(:key_name AS TEXT), CAST(:model AS TEXT),
    CAST(:provider AS TEXT), CAST(:cache AS TEXT), CAST(:intent AS TEXT), CAST(:purpose AS
    TEXT), CAST(:calls AS BIGINT), CAST(:errors AS BIGINT), CAST(:estimated AS BIGINT),
    CAST(:unpriced AS BIGINT), CAST(:input_tokens AS BIGINT), CAST(:cached_tokens AS BIGINT),
    CAST(:cache_write_tokens AS BIGINT), CAST(:output_tokens AS BIGINT), CAST(:cost_nano AS
    BIGINT), CAST(:saved_nano AS BIGINT), CAST(:duration_us AS BIGINT), CAST(:upstream_us AS
    BIGINT)
WHERE EXISTS (
    SELECT 1 FROM headrace_ledger_reached
    WHERE segment = CAST(:segment AS TEXT) AND position = CAST(:begins AS BIGINT)
)
ON CONFLICT (day, tenant, key_name, model, provider, cache, intent, purpose) DO UPDATE SET
    calls = held.calls + excluded.calls,
    errors = held.errors + excluded.errors,
    estimated = held.estimated + excluded.estimated,
    unpriced = held.unpriced + excluded.unpriced,
    input_tokens = held.input_tokens + excluded.input_tokens,
    cached_tokens = held.cached_tokens + excluded.cached_tokens,
    cache_write_tokens = held.cache_write_tokens + excluded.cache_write_tokens,
    output_tokens = held.output_tokens + excluded.output_tokens,
    cost_nano = held.cost_nano + excluded.cost_nano,
    saved_nano = held.saved_nano + excluded.saved_nano,
    duration_us = held.duration_us + excluded.duration_us,
    upstream_us = held.upstream_us + excluded.upstream_us;

-- name: add_to_month
-- for: what a batch adds to the sums of a month
INSERT INTO headrace_usage_monthly AS held (
    month, tenant, key_name, model, provider, cache, intent, purpose, calls, errors, estimated,
    unpriced, input_tokens, cached_tokens, cache_write_tokens, output_tokens, cost_nano,
    saved_nano, duration_us, upstream_us
)
SELECT
    CAST(:month AS TEXT), CAST(:tenant AS TEXT), CAST(:key_name AS TEXT), CAST(:model AS TEXT),
    CAST(:provider AS TEXT), CAST(:cache AS TEXT), CAST(:intent AS TEXT), CAST(:purpose AS
    TEXT), CAST(:calls AS BIGINT), CAST(:errors AS BIGINT), CAST(:estimated AS BIGINT),
    CAST(:unpriced AS BIGINT), CAST(:input_tokens AS BIGINT), CAST(:cached_tokens AS BIGINT),
    CAST(:cache_write_tokens AS BIGINT), CAST(:output_tokens AS BIGINT), CAST(:cost_nano AS
    BIGINT), CAST(:saved_nano AS BIGINT), CAST(:duration_us AS BIGINT), CAST(:upstream_us AS
    BIGINT)
WHERE EXISTS (
    SELECT 1 FROM headrace_ledger_reached
    WHERE segment = CAST(:segment AS TEXT) AND position = CAST(:begins AS BIGINT)
)
ON CONFLICT (month, tenant, key_name, model, provider, cache, intent, purpose) DO UPDATE SET
    calls = held.calls + excluded.calls,
    errors = held.errors + excluded.errors,
    estimated = held.estimated + excluded.estimated,
    unpriced = held.unpriced + excluded.unpriced,
    input_tokens = held.input_tokens + excluded.input_tokens,
    cached_tokens = held.cached_tokens + excluded.cached_tokens,
    cache_write_tokens = held.cache_write_tokens + excluded.cache_write_tokens,
    output_tokens = held.output_tokens + excluded.output_tokens,
    cost_nano = held.cost_nano + excluded.cost_nano,
    saved_nano = held.saved_nano + excluded.saved_nano,
    duration_us = held.duration_us + excluded.duration_us,
    upstream_us = held.upstream_us + excluded.upstream_us;

-- name: make_month [postgresql]
-- for: the table of a month, made ahead
SELECT headrace_make_calls_month(CAST(:month AS TEXT)) AS is_new;

-- name: make_month [sqlite]
-- for: nothing, since one table holds all months
SELECT :month IS NULL AS is_new;

-- name: drop_months [sqlite]
-- for: nothing, since calls leave a few at once
SELECT :month IS NULL AS months;

-- name: drop_months [postgresql]
-- for: months whose time is over
SELECT headrace_drop_calls_before(CAST(:month AS TEXT)) AS months;

-- name: forget_calls [sqlite]
-- for: calls whose time is over, a few at once
-- index: headrace_calls
DELETE FROM headrace_calls WHERE (at_s, id) IN (
    SELECT at_s, id FROM headrace_calls WHERE at_s < :before_s ORDER BY at_s, id LIMIT :count
) RETURNING 1 AS gone;

-- name: forget_calls [postgresql]
-- for: calls whose time is over that are in the table of no month, a few at once
DELETE FROM headrace_calls_other WHERE (at_s, id) IN (
    SELECT at_s, id FROM headrace_calls_other WHERE at_s < :before_s ORDER BY at_s, id LIMIT :count
) RETURNING 1 AS gone;

-- name: forget_contents
-- for: what was said longer ago than it is kept, a few at once
-- index: headrace_call_contents_by_time
DELETE FROM headrace_call_contents WHERE (id, at_s) IN (
    SELECT id, at_s FROM headrace_call_contents WHERE at_s < :before_s ORDER BY at_s LIMIT :count
) RETURNING 1 AS gone;
