-- The ledger. A batch is the records of a segment of a journal from one position to another. It is
-- stored in one transaction together with its sums and the position, so it counts once whatever
-- becomes of whoever stores it: sums are added only where the position is still the one it begins
-- at, and whoever comes first holds the row of the position until it is done.

-- name: reached
-- for: up to where a segment has been taken
-- index: headrace_ledger_reached_pkey
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
-- copy: headrace_calls (id, at_s, tenant, key_name, operation, asked, model, provider, cache, status, streams, attempts, duration_us, first_byte_us, upstream_us, input_tokens, cached_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, is_estimated, cost_nano, saved_nano, error, purpose, intent, template, priority, answer_key, stages)
INSERT INTO headrace_calls (
    id, at_s, tenant, key_name, operation, asked, model, provider, cache, status, streams,
    attempts, duration_us, first_byte_us, upstream_us, input_tokens, cached_tokens,
    cache_write_tokens, cache_write_1h_tokens, output_tokens, is_estimated, cost_nano,
    saved_nano, error, purpose, intent, template, priority, answer_key, stages
) VALUES (
    :id, :at_s, :tenant, :key_name, :operation, :asked, :model, :provider, :cache, :status,
    :streams, :attempts, :duration_us, :first_byte_us, :upstream_us, :input_tokens,
    :cached_tokens, :cache_write_tokens, :cache_write_1h_tokens, :output_tokens, :is_estimated,
    :cost_nano, :saved_nano, :error, :purpose, :intent, :template, :priority, :answer_key,
    :stages
) ON CONFLICT DO NOTHING;

-- name: add_calls_again
-- for: a batch of calls of which some may be there
INSERT INTO headrace_calls (
    id, at_s, tenant, key_name, operation, asked, model, provider, cache, status, streams,
    attempts, duration_us, first_byte_us, upstream_us, input_tokens, cached_tokens,
    cache_write_tokens, cache_write_1h_tokens, output_tokens, is_estimated, cost_nano,
    saved_nano, error, purpose, intent, template, priority, answer_key, stages
) VALUES (
    :id, :at_s, :tenant, :key_name, :operation, :asked, :model, :provider, :cache, :status,
    :streams, :attempts, :duration_us, :first_byte_us, :upstream_us, :input_tokens,
    :cached_tokens, :cache_write_tokens, :cache_write_1h_tokens, :output_tokens, :is_estimated,
    :cost_nano, :saved_nano, :error, :purpose, :intent, :template, :priority, :answer_key,
    :stages
) ON CONFLICT DO NOTHING;

-- name: add_contents
-- for: what was said in some calls
INSERT INTO headrace_call_contents (id, at_s, tenant, prompt, answer)
VALUES (:id, :at_s, :tenant, :prompt, :answer) ON CONFLICT DO NOTHING;

-- name: add_to_day [sqlite]
-- for: what a batch adds to the sums of a day, as one statement
INSERT INTO headrace_usage_daily AS held (
    day, tenant, key_name, model, provider, cache, intent, purpose, calls, errors, estimated,
    unpriced, input_tokens, cached_tokens, cache_write_tokens, output_tokens, cost_nano,
    saved_nano, duration_us, upstream_us
)
SELECT
    json_extract(value, '$.day'),
    json_extract(value, '$.tenant'),
    json_extract(value, '$.key_name'),
    json_extract(value, '$.model'),
    json_extract(value, '$.provider'),
    json_extract(value, '$.cache'),
    json_extract(value, '$.intent'),
    json_extract(value, '$.purpose'),
    json_extract(value, '$.calls'),
    json_extract(value, '$.errors'),
    json_extract(value, '$.estimated'),
    json_extract(value, '$.unpriced'),
    json_extract(value, '$.input_tokens'),
    json_extract(value, '$.cached_tokens'),
    json_extract(value, '$.cache_write_tokens'),
    json_extract(value, '$.output_tokens'),
    json_extract(value, '$.cost_nano'),
    json_extract(value, '$.saved_nano'),
    json_extract(value, '$.duration_us'),
    json_extract(value, '$.upstream_us')
FROM json_each(:groups)
WHERE EXISTS (
    SELECT 1 FROM headrace_ledger_reached WHERE segment = :segment AND position = :begins
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

-- name: add_to_month [sqlite]
-- for: what a batch adds to the sums of a month, as one statement
INSERT INTO headrace_usage_monthly AS held (
    month, tenant, key_name, model, provider, cache, intent, purpose, calls, errors, estimated,
    unpriced, input_tokens, cached_tokens, cache_write_tokens, output_tokens, cost_nano,
    saved_nano, duration_us, upstream_us
)
SELECT
    json_extract(value, '$.month'),
    json_extract(value, '$.tenant'),
    json_extract(value, '$.key_name'),
    json_extract(value, '$.model'),
    json_extract(value, '$.provider'),
    json_extract(value, '$.cache'),
    json_extract(value, '$.intent'),
    json_extract(value, '$.purpose'),
    json_extract(value, '$.calls'),
    json_extract(value, '$.errors'),
    json_extract(value, '$.estimated'),
    json_extract(value, '$.unpriced'),
    json_extract(value, '$.input_tokens'),
    json_extract(value, '$.cached_tokens'),
    json_extract(value, '$.cache_write_tokens'),
    json_extract(value, '$.output_tokens'),
    json_extract(value, '$.cost_nano'),
    json_extract(value, '$.saved_nano'),
    json_extract(value, '$.duration_us'),
    json_extract(value, '$.upstream_us')
FROM json_each(:groups)
WHERE EXISTS (
    SELECT 1 FROM headrace_ledger_reached WHERE segment = :segment AND position = :begins
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

-- name: add_to_day [postgresql]
-- for: what a batch adds to the sums of a day, as one statement
INSERT INTO headrace_usage_daily AS held (
    day, tenant, key_name, model, provider, cache, intent, purpose, calls, errors, estimated,
    unpriced, input_tokens, cached_tokens, cache_write_tokens, output_tokens, cost_nano,
    saved_nano, duration_us, upstream_us
)
SELECT
    day, tenant, key_name, model, provider, cache, intent, purpose, calls, errors, estimated,
    unpriced, input_tokens, cached_tokens, cache_write_tokens, output_tokens, cost_nano,
    saved_nano, duration_us, upstream_us
FROM json_to_recordset(CAST(:groups AS JSON)) AS added (
    day TEXT, tenant TEXT, key_name TEXT, model TEXT, provider TEXT, cache TEXT, intent TEXT,
    purpose TEXT, calls BIGINT, errors BIGINT, estimated BIGINT, unpriced BIGINT, input_tokens
    BIGINT, cached_tokens BIGINT, cache_write_tokens BIGINT, output_tokens BIGINT, cost_nano
    BIGINT, saved_nano BIGINT, duration_us BIGINT, upstream_us BIGINT
)
WHERE EXISTS (
    SELECT 1 FROM headrace_ledger_reached
    WHERE segment = CAST(:segment AS TEXT) AND position = CAST(:begins AS BIGINT)
)
ORDER BY day, tenant, key_name, model, provider, cache, intent, purpose
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

-- name: add_to_month [postgresql]
-- for: what a batch adds to the sums of a month, as one statement
INSERT INTO headrace_usage_monthly AS held (
    month, tenant, key_name, model, provider, cache, intent, purpose, calls, errors, estimated,
    unpriced, input_tokens, cached_tokens, cache_write_tokens, output_tokens, cost_nano,
    saved_nano, duration_us, upstream_us
)
SELECT
    month, tenant, key_name, model, provider, cache, intent, purpose, calls, errors, estimated,
    unpriced, input_tokens, cached_tokens, cache_write_tokens, output_tokens, cost_nano,
    saved_nano, duration_us, upstream_us
FROM json_to_recordset(CAST(:groups AS JSON)) AS added (
    month TEXT, tenant TEXT, key_name TEXT, model TEXT, provider TEXT, cache TEXT, intent TEXT,
    purpose TEXT, calls BIGINT, errors BIGINT, estimated BIGINT, unpriced BIGINT, input_tokens
    BIGINT, cached_tokens BIGINT, cache_write_tokens BIGINT, output_tokens BIGINT, cost_nano
    BIGINT, saved_nano BIGINT, duration_us BIGINT, upstream_us BIGINT
)
WHERE EXISTS (
    SELECT 1 FROM headrace_ledger_reached
    WHERE segment = CAST(:segment AS TEXT) AND position = CAST(:begins AS BIGINT)
)
ORDER BY month, tenant, key_name, model, provider, cache, intent, purpose
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

-- name: models_of_day
-- for: which models the sums of a tenant's day tell apart, before there are too many
SELECT DISTINCT model FROM headrace_usage_daily
WHERE day = CAST(:period AS TEXT) AND tenant = CAST(:tenant AS TEXT) LIMIT :limit;

-- name: models_of_month
-- for: the same of a month
SELECT DISTINCT model FROM headrace_usage_monthly
WHERE month = CAST(:period AS TEXT) AND tenant = CAST(:tenant AS TEXT) LIMIT :limit;

-- name: usage_by_day
-- for: what calls of some days came to, told apart by whatever is wanted
-- index: headrace_usage_daily_pkey
-- standby: yes
SELECT
    CASE WHEN CAST(:by_day AS INTEGER) = 1 THEN day END AS day,
    CASE WHEN CAST(:by_tenant AS INTEGER) = 1 THEN tenant END AS tenant,
    CASE WHEN CAST(:by_key_name AS INTEGER) = 1 THEN key_name END AS key_name,
    CASE WHEN CAST(:by_model AS INTEGER) = 1 THEN model END AS model,
    CASE WHEN CAST(:by_provider AS INTEGER) = 1 THEN provider END AS provider,
    CASE WHEN CAST(:by_cache AS INTEGER) = 1 THEN cache END AS cache,
    CASE WHEN CAST(:by_intent AS INTEGER) = 1 THEN intent END AS intent,
    CASE WHEN CAST(:by_purpose AS INTEGER) = 1 THEN purpose END AS purpose,
    CAST(sum(calls) AS BIGINT) AS calls,
    CAST(sum(errors) AS BIGINT) AS errors,
    CAST(sum(estimated) AS BIGINT) AS estimated,
    CAST(sum(unpriced) AS BIGINT) AS unpriced,
    CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
    CAST(sum(cached_tokens) AS BIGINT) AS cached_tokens,
    CAST(sum(cache_write_tokens) AS BIGINT) AS cache_write_tokens,
    CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
    CAST(sum(cost_nano) AS BIGINT) AS cost_nano,
    CAST(sum(saved_nano) AS BIGINT) AS saved_nano,
    CAST(sum(duration_us) AS BIGINT) AS duration_us,
    CAST(sum(upstream_us) AS BIGINT) AS upstream_us
FROM headrace_usage_daily
WHERE day >= CAST(:first AS TEXT) AND day <= CAST(:last AS TEXT)
    AND (CAST(:tenant AS TEXT) IS NULL OR tenant = CAST(:tenant AS TEXT))
    AND (CAST(:key_name AS TEXT) IS NULL OR key_name = CAST(:key_name AS TEXT))
    AND (CAST(:model AS TEXT) IS NULL OR model = CAST(:model AS TEXT))
    AND (CAST(:provider AS TEXT) IS NULL OR provider = CAST(:provider AS TEXT))
    AND (CAST(:cache AS TEXT) IS NULL OR cache = CAST(:cache AS TEXT))
    AND (CAST(:intent AS TEXT) IS NULL OR intent = CAST(:intent AS TEXT))
    AND (CAST(:purpose AS TEXT) IS NULL OR purpose = CAST(:purpose AS TEXT))
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
ORDER BY 1, 17 DESC, 9 DESC, 2, 3, 4, 5, 6, 7, 8
LIMIT :limit;

-- name: usage_by_month
-- for: what calls of some months came to, told apart by whatever is wanted
-- index: headrace_usage_monthly_pkey
-- standby: yes
SELECT
    CASE WHEN CAST(:by_month AS INTEGER) = 1 THEN month END AS month,
    CASE WHEN CAST(:by_tenant AS INTEGER) = 1 THEN tenant END AS tenant,
    CASE WHEN CAST(:by_key_name AS INTEGER) = 1 THEN key_name END AS key_name,
    CASE WHEN CAST(:by_model AS INTEGER) = 1 THEN model END AS model,
    CASE WHEN CAST(:by_provider AS INTEGER) = 1 THEN provider END AS provider,
    CASE WHEN CAST(:by_cache AS INTEGER) = 1 THEN cache END AS cache,
    CASE WHEN CAST(:by_intent AS INTEGER) = 1 THEN intent END AS intent,
    CASE WHEN CAST(:by_purpose AS INTEGER) = 1 THEN purpose END AS purpose,
    CAST(sum(calls) AS BIGINT) AS calls,
    CAST(sum(errors) AS BIGINT) AS errors,
    CAST(sum(estimated) AS BIGINT) AS estimated,
    CAST(sum(unpriced) AS BIGINT) AS unpriced,
    CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
    CAST(sum(cached_tokens) AS BIGINT) AS cached_tokens,
    CAST(sum(cache_write_tokens) AS BIGINT) AS cache_write_tokens,
    CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
    CAST(sum(cost_nano) AS BIGINT) AS cost_nano,
    CAST(sum(saved_nano) AS BIGINT) AS saved_nano,
    CAST(sum(duration_us) AS BIGINT) AS duration_us,
    CAST(sum(upstream_us) AS BIGINT) AS upstream_us
FROM headrace_usage_monthly
WHERE month >= CAST(:first AS TEXT) AND month <= CAST(:last AS TEXT)
    AND (CAST(:tenant AS TEXT) IS NULL OR tenant = CAST(:tenant AS TEXT))
    AND (CAST(:key_name AS TEXT) IS NULL OR key_name = CAST(:key_name AS TEXT))
    AND (CAST(:model AS TEXT) IS NULL OR model = CAST(:model AS TEXT))
    AND (CAST(:provider AS TEXT) IS NULL OR provider = CAST(:provider AS TEXT))
    AND (CAST(:cache AS TEXT) IS NULL OR cache = CAST(:cache AS TEXT))
    AND (CAST(:intent AS TEXT) IS NULL OR intent = CAST(:intent AS TEXT))
    AND (CAST(:purpose AS TEXT) IS NULL OR purpose = CAST(:purpose AS TEXT))
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
ORDER BY 1, 17 DESC, 9 DESC, 2, 3, 4, 5, 6, 7, 8
LIMIT :limit;

-- name: calls_new
-- for: a page of calls, the newest first
-- index: headrace_calls_pkey
-- standby: yes
SELECT * FROM headrace_calls
WHERE (at_s, id) < (CAST(:at_s AS DOUBLE PRECISION), CAST(:id AS TEXT))
    AND (at_s, id) >= (CAST(:reach_s AS DOUBLE PRECISION), CAST(:reach AS TEXT))
    AND at_s >= CAST(:first_s AS DOUBLE PRECISION) AND at_s < CAST(:end_s AS DOUBLE PRECISION)
    AND (CAST(:key_name AS TEXT) IS NULL OR key_name = CAST(:key_name AS TEXT))
    AND (CAST(:model AS TEXT) IS NULL OR model = CAST(:model AS TEXT))
    AND (CAST(:provider AS TEXT) IS NULL OR provider = CAST(:provider AS TEXT))
    AND (CAST(:cache AS TEXT) IS NULL OR cache = CAST(:cache AS TEXT))
    AND (CAST(:intent AS TEXT) IS NULL OR intent = CAST(:intent AS TEXT))
    AND (CAST(:purpose AS TEXT) IS NULL OR purpose = CAST(:purpose AS TEXT))
    AND (CAST(:status AS BIGINT) IS NULL OR status = CAST(:status AS BIGINT))
ORDER BY at_s DESC, id DESC LIMIT :limit;

-- name: calls_old
-- for: a page of calls, the oldest first
-- index: headrace_calls_pkey
-- standby: yes
SELECT * FROM headrace_calls
WHERE (at_s, id) > (CAST(:at_s AS DOUBLE PRECISION), CAST(:id AS TEXT))
    AND (at_s, id) <= (CAST(:reach_s AS DOUBLE PRECISION), CAST(:reach AS TEXT))
    AND at_s >= CAST(:first_s AS DOUBLE PRECISION) AND at_s < CAST(:end_s AS DOUBLE PRECISION)
    AND (CAST(:key_name AS TEXT) IS NULL OR key_name = CAST(:key_name AS TEXT))
    AND (CAST(:model AS TEXT) IS NULL OR model = CAST(:model AS TEXT))
    AND (CAST(:provider AS TEXT) IS NULL OR provider = CAST(:provider AS TEXT))
    AND (CAST(:cache AS TEXT) IS NULL OR cache = CAST(:cache AS TEXT))
    AND (CAST(:intent AS TEXT) IS NULL OR intent = CAST(:intent AS TEXT))
    AND (CAST(:purpose AS TEXT) IS NULL OR purpose = CAST(:purpose AS TEXT))
    AND (CAST(:status AS BIGINT) IS NULL OR status = CAST(:status AS BIGINT))
ORDER BY at_s ASC, id ASC LIMIT :limit;

-- name: calls_new_of_tenant
-- for: a page of calls of one tenant, the newest first
-- index: headrace_calls_by_tenant
-- standby: yes
SELECT * FROM headrace_calls
WHERE (at_s, id) < (CAST(:at_s AS DOUBLE PRECISION), CAST(:id AS TEXT))
    AND (at_s, id) >= (CAST(:reach_s AS DOUBLE PRECISION), CAST(:reach AS TEXT))
    AND at_s >= CAST(:first_s AS DOUBLE PRECISION) AND at_s < CAST(:end_s AS DOUBLE PRECISION)
    AND tenant = :tenant
    AND (CAST(:key_name AS TEXT) IS NULL OR key_name = CAST(:key_name AS TEXT))
    AND (CAST(:model AS TEXT) IS NULL OR model = CAST(:model AS TEXT))
    AND (CAST(:provider AS TEXT) IS NULL OR provider = CAST(:provider AS TEXT))
    AND (CAST(:cache AS TEXT) IS NULL OR cache = CAST(:cache AS TEXT))
    AND (CAST(:intent AS TEXT) IS NULL OR intent = CAST(:intent AS TEXT))
    AND (CAST(:purpose AS TEXT) IS NULL OR purpose = CAST(:purpose AS TEXT))
    AND (CAST(:status AS BIGINT) IS NULL OR status = CAST(:status AS BIGINT))
ORDER BY at_s DESC, id DESC LIMIT :limit;

-- name: calls_old_of_tenant
-- for: a page of calls of one tenant, the oldest first
-- index: headrace_calls_by_tenant
-- standby: yes
SELECT * FROM headrace_calls
WHERE (at_s, id) > (CAST(:at_s AS DOUBLE PRECISION), CAST(:id AS TEXT))
    AND (at_s, id) <= (CAST(:reach_s AS DOUBLE PRECISION), CAST(:reach AS TEXT))
    AND at_s >= CAST(:first_s AS DOUBLE PRECISION) AND at_s < CAST(:end_s AS DOUBLE PRECISION)
    AND tenant = :tenant
    AND (CAST(:key_name AS TEXT) IS NULL OR key_name = CAST(:key_name AS TEXT))
    AND (CAST(:model AS TEXT) IS NULL OR model = CAST(:model AS TEXT))
    AND (CAST(:provider AS TEXT) IS NULL OR provider = CAST(:provider AS TEXT))
    AND (CAST(:cache AS TEXT) IS NULL OR cache = CAST(:cache AS TEXT))
    AND (CAST(:intent AS TEXT) IS NULL OR intent = CAST(:intent AS TEXT))
    AND (CAST(:purpose AS TEXT) IS NULL OR purpose = CAST(:purpose AS TEXT))
    AND (CAST(:status AS BIGINT) IS NULL OR status = CAST(:status AS BIGINT))
ORDER BY at_s ASC, id ASC LIMIT :limit;

-- name: reach_new
-- for: how far a search among calls, the newest first, goes at once
-- index: headrace_calls_pkey
-- standby: yes
SELECT id, at_s FROM headrace_calls
WHERE (at_s, id) < (CAST(:at_s AS DOUBLE PRECISION), CAST(:id AS TEXT))
    AND at_s >= CAST(:first_s AS DOUBLE PRECISION) AND at_s < CAST(:end_s AS DOUBLE PRECISION)
ORDER BY at_s DESC, id DESC LIMIT 1 OFFSET :walk;

-- name: reach_old
-- for: how far a search among calls, the oldest first, goes at once
-- index: headrace_calls_pkey
-- standby: yes
SELECT id, at_s FROM headrace_calls
WHERE (at_s, id) > (CAST(:at_s AS DOUBLE PRECISION), CAST(:id AS TEXT))
    AND at_s >= CAST(:first_s AS DOUBLE PRECISION) AND at_s < CAST(:end_s AS DOUBLE PRECISION)
ORDER BY at_s ASC, id ASC LIMIT 1 OFFSET :walk;

-- name: reach_new_of_tenant
-- for: how far a search among calls of one tenant, the newest first, goes at once
-- index: headrace_calls_by_tenant
-- standby: yes
SELECT id, at_s FROM headrace_calls
WHERE (at_s, id) < (CAST(:at_s AS DOUBLE PRECISION), CAST(:id AS TEXT))
    AND at_s >= CAST(:first_s AS DOUBLE PRECISION) AND at_s < CAST(:end_s AS DOUBLE PRECISION)
    AND tenant = :tenant
ORDER BY at_s DESC, id DESC LIMIT 1 OFFSET :walk;

-- name: reach_old_of_tenant
-- for: how far a search among calls of one tenant, the oldest first, goes at once
-- index: headrace_calls_by_tenant
-- standby: yes
SELECT id, at_s FROM headrace_calls
WHERE (at_s, id) > (CAST(:at_s AS DOUBLE PRECISION), CAST(:id AS TEXT))
    AND at_s >= CAST(:first_s AS DOUBLE PRECISION) AND at_s < CAST(:end_s AS DOUBLE PRECISION)
    AND tenant = :tenant
ORDER BY at_s ASC, id ASC LIMIT 1 OFFSET :walk;

-- name: call
-- for: one call, by its id
-- index: headrace_calls_by_id
SELECT * FROM headrace_calls WHERE id = :id ORDER BY at_s DESC LIMIT 1;

-- name: content
-- for: what was said in a call
-- index: headrace_call_contents_pkey
SELECT prompt, answer FROM headrace_call_contents WHERE id = :id ORDER BY at_s DESC LIMIT 1;

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
-- index: headrace_calls_pkey
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
