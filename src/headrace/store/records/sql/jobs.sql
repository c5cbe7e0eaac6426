-- Jobs: submitted and asked for by callers, taken and ended by workers.

-- name: submit
-- for: a new job; nothing where this one, or one with the same key of its tenant, is there
INSERT INTO headrace_jobs
    (id, tenant, caller, kind, queue, priority, state, input, digest, once_key, created_s, due_s,
     attempts_max, trace)
VALUES
    (:id, :tenant, :caller, :kind, :queue, :priority, :state, :input, :digest,
     CAST(:once_key AS TEXT), :created_s, :due_s, :attempts_max, :trace)
ON CONFLICT DO NOTHING;

-- name: find
-- for: one job by its id
SELECT * FROM headrace_jobs WHERE id = :id;

-- name: version
-- for: whether anything has changed of a job
SELECT version FROM headrace_jobs WHERE id = :id;

-- name: find_once
-- for: the job that was submitted with this key
-- index: headrace_jobs_once
SELECT * FROM headrace_jobs WHERE tenant = :tenant AND once_key = :once_key;

-- name: page_down
-- for: a tenant's jobs, the latest first, without what may be large
-- index: headrace_jobs_by_tenant
-- standby: yes
SELECT
    id, tenant, caller, kind, queue, priority, state, digest, once_key, created_s, due_s,
    started_s, ended_s, attempts, attempts_max, losses, fence, worker, cancel_s, share, doing,
    code, reason, version
FROM headrace_jobs
WHERE tenant = :tenant AND id < :after AND id >= :reach
    AND (:kind = '' OR kind = :kind) AND (:queue = '' OR queue = :queue)
ORDER BY id DESC LIMIT :limit;

-- name: page_up
-- for: a tenant's jobs, the first one first
-- index: headrace_jobs_by_tenant
-- standby: yes
SELECT
    id, tenant, caller, kind, queue, priority, state, digest, once_key, created_s, due_s,
    started_s, ended_s, attempts, attempts_max, losses, fence, worker, cancel_s, share, doing,
    code, reason, version
FROM headrace_jobs
WHERE tenant = :tenant AND id > :after AND id <= :reach
    AND (:kind = '' OR kind = :kind) AND (:queue = '' OR queue = :queue)
ORDER BY id ASC LIMIT :limit;

-- name: state_down
-- for: a tenant's jobs in one state, the latest first
-- index: headrace_jobs_by_state
-- standby: yes
SELECT
    id, tenant, caller, kind, queue, priority, state, digest, once_key, created_s, due_s,
    started_s, ended_s, attempts, attempts_max, losses, fence, worker, cancel_s, share, doing,
    code, reason, version
FROM headrace_jobs
WHERE tenant = :tenant AND state = :state AND id < :after AND id >= :reach
    AND (:kind = '' OR kind = :kind) AND (:queue = '' OR queue = :queue)
ORDER BY id DESC LIMIT :limit;

-- name: state_up
-- for: a tenant's jobs in one state, the first one first
-- index: headrace_jobs_by_state
-- standby: yes
SELECT
    id, tenant, caller, kind, queue, priority, state, digest, once_key, created_s, due_s,
    started_s, ended_s, attempts, attempts_max, losses, fence, worker, cancel_s, share, doing,
    code, reason, version
FROM headrace_jobs
WHERE tenant = :tenant AND state = :state AND id > :after AND id <= :reach
    AND (:kind = '' OR kind = :kind) AND (:queue = '' OR queue = :queue)
ORDER BY id ASC LIMIT :limit;

-- name: all_down
-- for: the jobs of all tenants, the latest first
-- index: headrace_jobs_pkey
-- standby: yes
SELECT
    id, tenant, caller, kind, queue, priority, state, digest, once_key, created_s, due_s,
    started_s, ended_s, attempts, attempts_max, losses, fence, worker, cancel_s, share, doing,
    code, reason, version
FROM headrace_jobs
WHERE id < :after AND id >= :reach
    AND (:kind = '' OR kind = :kind) AND (:queue = '' OR queue = :queue)
ORDER BY id DESC LIMIT :limit;

-- name: all_up
-- for: the jobs of all tenants, the oldest first
-- index: headrace_jobs_pkey
-- standby: yes
SELECT
    id, tenant, caller, kind, queue, priority, state, digest, once_key, created_s, due_s,
    started_s, ended_s, attempts, attempts_max, losses, fence, worker, cancel_s, share, doing,
    code, reason, version
FROM headrace_jobs
WHERE id > :after AND id <= :reach
    AND (:kind = '' OR kind = :kind) AND (:queue = '' OR queue = :queue)
ORDER BY id ASC LIMIT :limit;

-- name: all_state_down [sqlite]
-- for: those in one state, the latest first
-- index: headrace_jobs_of_all
-- standby: yes
SELECT
    id, tenant, caller, kind, queue, priority, state, digest, once_key, created_s, due_s,
    started_s, ended_s, attempts, attempts_max, losses, fence, worker, cancel_s, share, doing,
    code, reason, version
FROM headrace_jobs
WHERE (state || '') = :state AND id < :after AND id >= :reach
    AND (:kind = '' OR kind = :kind) AND (:queue = '' OR queue = :queue)
ORDER BY id DESC LIMIT :limit;

-- name: all_state_down [postgresql]
-- for: those in one state, the latest first
-- index: headrace_jobs_of_all
-- standby: yes
SELECT
    id, tenant, caller, kind, queue, priority, state, digest, once_key, created_s, due_s,
    started_s, ended_s, attempts, attempts_max, losses, fence, worker, cancel_s, share, doing,
    code, reason, version
FROM headrace_jobs
-- as rows, or it would go through all jobs by their ids
WHERE ((state || ''), id) < (:state, :after) AND ((state || ''), id) >= (:state, :reach)
    AND (:kind = '' OR kind = :kind) AND (:queue = '' OR queue = :queue)
ORDER BY (state || '') DESC, id DESC LIMIT :limit;

-- name: all_state_up [sqlite]
-- for: those in one state, the oldest first
-- index: headrace_jobs_of_all
-- standby: yes
SELECT
    id, tenant, caller, kind, queue, priority, state, digest, once_key, created_s, due_s,
    started_s, ended_s, attempts, attempts_max, losses, fence, worker, cancel_s, share, doing,
    code, reason, version
FROM headrace_jobs
WHERE (state || '') = :state AND id > :after AND id <= :reach
    AND (:kind = '' OR kind = :kind) AND (:queue = '' OR queue = :queue)
ORDER BY id ASC LIMIT :limit;

-- name: all_state_up [postgresql]
-- for: those in one state, the oldest first
-- index: headrace_jobs_of_all
-- standby: yes
SELECT
    id, tenant, caller, kind, queue, priority, state, digest, once_key, created_s, due_s,
    started_s, ended_s, attempts, attempts_max, losses, fence, worker, cancel_s, share, doing,
    code, reason, version
FROM headrace_jobs
-- as rows, or it would go through all jobs by their ids
WHERE ((state || ''), id) > (:state, :after) AND ((state || ''), id) <= (:state, :reach)
    AND (:kind = '' OR kind = :kind) AND (:queue = '' OR queue = :queue)
ORDER BY (state || '') ASC, id ASC LIMIT :limit;

-- name: reach_all_down
-- for: how far a search among all jobs, the latest first, goes at once
-- index: headrace_jobs_pkey
-- standby: yes
SELECT id FROM headrace_jobs
WHERE id < :after
ORDER BY id DESC LIMIT 1 OFFSET :walk;

-- name: reach_all_up
-- for: how far a search among all jobs, the oldest first, goes at once
-- index: headrace_jobs_pkey
-- standby: yes
SELECT id FROM headrace_jobs
WHERE id > :after
ORDER BY id ASC LIMIT 1 OFFSET :walk;

-- name: reach_all_state_down [sqlite]
-- for: how far a search among those in one state, the latest first, goes at once
-- index: headrace_jobs_of_all
-- standby: yes
SELECT id FROM headrace_jobs
WHERE (state || '') = :state AND id < :after
ORDER BY id DESC LIMIT 1 OFFSET :walk;

-- name: reach_all_state_down [postgresql]
-- for: how far a search among those in one state, the latest first, goes at once
-- index: headrace_jobs_of_all
-- standby: yes
SELECT id FROM headrace_jobs
WHERE ((state || ''), id) < (:state, :after) AND ((state || ''), id) > (:state, '')
ORDER BY (state || '') DESC, id DESC LIMIT 1 OFFSET :walk;

-- name: reach_all_state_up [sqlite]
-- for: how far a search among those in one state, the oldest first, goes at once
-- index: headrace_jobs_of_all
-- standby: yes
SELECT id FROM headrace_jobs
WHERE (state || '') = :state AND id > :after
ORDER BY id ASC LIMIT 1 OFFSET :walk;

-- name: reach_all_state_up [postgresql]
-- for: how far a search among those in one state, the oldest first, goes at once
-- index: headrace_jobs_of_all
-- standby: yes
SELECT id FROM headrace_jobs
WHERE ((state || ''), id) > (:state, :after) AND ((state || ''), id) < (:state, 'z')
ORDER BY (state || '') ASC, id ASC LIMIT 1 OFFSET :walk;

-- name: reach_page_down
-- for: how far a search among a tenant's jobs, the latest first, goes at once
-- index: headrace_jobs_by_tenant
-- standby: yes
SELECT id FROM headrace_jobs
WHERE tenant = :tenant AND id < :after
ORDER BY id DESC LIMIT 1 OFFSET :walk;

-- name: reach_page_up
-- for: how far a search among a tenant's jobs, the oldest first, goes at once
-- index: headrace_jobs_by_tenant
-- standby: yes
SELECT id FROM headrace_jobs
WHERE tenant = :tenant AND id > :after
ORDER BY id ASC LIMIT 1 OFFSET :walk;

-- name: reach_state_down
-- for: how far a search among a tenant's jobs in one state, the latest first, goes at once
-- index: headrace_jobs_by_state
-- standby: yes
SELECT id FROM headrace_jobs
WHERE tenant = :tenant AND state = :state AND id < :after
ORDER BY id DESC LIMIT 1 OFFSET :walk;

-- name: reach_state_up
-- for: how far a search among a tenant's jobs in one state, the oldest first, goes at once
-- index: headrace_jobs_by_state
-- standby: yes
SELECT id FROM headrace_jobs
WHERE tenant = :tenant AND state = :state AND id > :after
ORDER BY id ASC LIMIT 1 OFFSET :walk;

-- name: events
-- for: what happened to a job since a number
SELECT number, at_s, event, data FROM headrace_job_events
WHERE job = :job AND number > :after ORDER BY number LIMIT 200;

-- name: cancel
-- for: a job that nobody should do; one that is being done is ended by its worker
UPDATE headrace_jobs SET
    state = CASE WHEN state = 'running' THEN 'running' ELSE 'cancelled' END,
    ended_s = CASE WHEN state = 'running' THEN NULL ELSE CAST(:now_s AS DOUBLE PRECISION) END,
    cancel_s = :now_s, version = version + 1
WHERE id = :id AND tenant = :tenant AND state IN ('waiting', 'delayed', 'running')
    AND (cancel_s IS NULL OR state <> 'running');

-- name: retry
-- for: a job that failed or was cancelled, from the beginning of its tries
UPDATE headrace_jobs SET
    state = 'waiting', due_s = :now_s, attempts = 0, losses = 0, ended_s = NULL, cancel_s = NULL,
    share = 0, doing = '', code = NULL, reason = NULL, version = version + 1
WHERE id = :id AND tenant = :tenant AND state IN ('failed', 'cancelled');

-- name: depth
-- for: how much waits in each queue, and since when; counted up to a bound
SELECT queue, count(*) AS waiting, min(due_s) AS oldest_s
FROM (SELECT queue, due_s FROM headrace_jobs WHERE state = 'waiting' LIMIT :limit) AS few
GROUP BY queue;

-- name: running
-- for: how many are being done, counted up to a bound
SELECT count(*) AS jobs
FROM (SELECT 1 FROM headrace_jobs WHERE state = 'running' LIMIT :limit) AS few;

-- name: ended
-- for: how many have ended in a span of time, by how
-- index: headrace_jobs_by_end
SELECT state, count(*) AS jobs FROM headrace_jobs
WHERE ended_s > :since_s AND ended_s <= :until_s GROUP BY state;

-- name: open
-- for: how much has yet to be done, counted up to a bound
SELECT count(*) AS jobs
FROM (SELECT 1 FROM headrace_jobs WHERE state IN ('waiting', 'delayed', 'running') LIMIT :limit)
    AS few;

-- name: ripen
-- for: jobs whose time has come
-- index: headrace_jobs_delayed
UPDATE headrace_jobs SET state = 'waiting', version = version + 1
WHERE state = 'delayed' AND due_s <= :now_s;

-- name: ripen_stranded
-- for: tries that are due later than any is put off: the clock was ahead, and was put back
-- index: headrace_jobs_delayed
UPDATE headrace_jobs SET state = 'waiting', version = version + 1
WHERE state = 'delayed' AND due_s > :latest_s AND fence > 0;

-- name: due
-- for: whether anything waits in a queue
-- index: headrace_jobs_waiting
SELECT 1 AS one FROM headrace_jobs WHERE state = 'waiting' AND queue = :queue LIMIT 1;

-- name: ripe
-- for: whether the time of any job has come
-- index: headrace_jobs_delayed
SELECT 1 AS one FROM headrace_jobs WHERE state = 'delayed' AND due_s <= :now_s LIMIT 1;

-- name: fill
-- for: what a queue may start, in millionths; holds others off it until this transaction ends
INSERT INTO headrace_job_queues (name, micros, filled_s)
VALUES (:queue, CAST(:micros_max AS BIGINT), CAST(:now_s AS DOUBLE PRECISION))
ON CONFLICT (name) DO UPDATE SET
    micros = CASE
        WHEN excluded.filled_s <= headrace_job_queues.filled_s THEN headrace_job_queues.micros
        WHEN (excluded.filled_s - headrace_job_queues.filled_s) * :micros_per_s
            > excluded.micros - headrace_job_queues.micros
        THEN excluded.micros
        ELSE headrace_job_queues.micros + CAST(
            (excluded.filled_s - headrace_job_queues.filled_s) * :micros_per_s AS BIGINT
        )
    END,
    filled_s = excluded.filled_s;

-- name: claim [postgresql]
-- for: the next jobs of a queue without limits, as many as the worker has room for
WITH chosen AS MATERIALIZED (
    SELECT id FROM headrace_jobs WHERE state = 'waiting' AND queue = :queue
    ORDER BY priority, due_s, id LIMIT :room FOR UPDATE SKIP LOCKED
)
UPDATE headrace_jobs SET
    state = 'running', worker = :worker, claim = :claim, fence = fence + 1,
    attempts = attempts + 1, started_s = :now_s, version = version + 1
WHERE id IN (SELECT id FROM chosen);

-- name: claim [sqlite]
-- for: the next jobs of a queue without limits, as many as the worker has room for
WITH chosen AS MATERIALIZED (
    SELECT id FROM headrace_jobs WHERE state = 'waiting' AND queue = :queue
    ORDER BY priority, due_s, id LIMIT :room
)
UPDATE headrace_jobs SET
    state = 'running', worker = :worker, claim = :claim, fence = fence + 1,
    attempts = attempts + 1, started_s = :now_s, version = version + 1
WHERE id IN (SELECT id FROM chosen);

-- name: claim_limited
-- for: the next jobs of a limited queue, after `fill`
WITH bounds AS (
    SELECT CAST(:room AS BIGINT) AS jobs
    UNION ALL
    SELECT CAST(:concurrency AS BIGINT) - count(*) AS jobs
    FROM headrace_jobs WHERE state = 'running' AND queue = :queue
    UNION ALL
    SELECT micros / 1000000 AS jobs FROM headrace_job_queues WHERE name = :queue
),
chosen AS MATERIALIZED (
    SELECT id FROM headrace_jobs WHERE state = 'waiting' AND queue = :queue
    ORDER BY priority, due_s, id
    LIMIT (SELECT CASE WHEN min(jobs) > 0 THEN min(jobs) ELSE 0 END FROM bounds)
)
UPDATE headrace_jobs SET
    state = 'running', worker = :worker, claim = :claim, fence = fence + 1,
    attempts = attempts + 1, started_s = :now_s, version = version + 1
-- where nothing locks what was chosen, it may have been cancelled meanwhile
WHERE id IN (SELECT id FROM chosen) AND state = 'waiting';

-- name: spend
-- for: what a claim has started, taken from what its queue may start
UPDATE headrace_job_queues SET micros = micros - 1000000 * (
    SELECT count(*) FROM headrace_jobs
    WHERE state = 'running' AND worker = :worker AND claim = :claim
)
WHERE name = :queue;

-- name: claimed
-- for: the jobs of a claim
-- index: headrace_jobs_running
SELECT * FROM headrace_jobs
WHERE state = 'running' AND worker = :worker AND claim = :claim
ORDER BY priority, due_s, id;

-- name: held
-- for: what a worker is believed to do, and what of that nobody wants any more
-- index: headrace_jobs_running
SELECT id, fence, started_s, cancel_s FROM headrace_jobs
WHERE state = 'running' AND worker = :worker;

-- name: holds
-- for: whether a job is still in the hands of whoever claimed it
SELECT 1 AS one FROM headrace_jobs WHERE id = :id AND fence = :fence AND state = 'running';

-- name: tell
-- for: how far a job is
UPDATE headrace_jobs SET share = :share, doing = :doing, version = version + 1
WHERE id = :id AND fence = :fence AND state = 'running';

-- name: note
-- for: an event, with the number of the change that it belongs to
INSERT INTO headrace_job_events (job, number, at_s, event, data)
SELECT id, version, :now_s, :event, :data FROM headrace_jobs
WHERE id = :id AND fence = :fence AND state <> 'cancelled'
ON CONFLICT DO NOTHING;

-- name: finish
-- for: how a job ended, if it was still in the hands of whoever ended it
UPDATE headrace_jobs SET
    state = :state, ended_s = :now_s, result = CAST(:result AS TEXT), code = CAST(:code AS TEXT),
    reason = CAST(:reason AS TEXT), share = CASE WHEN :state = 'succeeded' THEN 1 ELSE share END,
    worker = NULL, claim = NULL, version = version + 1
WHERE id = :id AND fence = :fence AND state = 'running';

-- name: later
-- for: a job that is to be tried again, unless somebody wanted it cancelled meanwhile
UPDATE headrace_jobs SET
    state = CASE WHEN cancel_s IS NULL THEN 'delayed' ELSE 'cancelled' END,
    ended_s = CASE WHEN cancel_s IS NULL THEN NULL ELSE CAST(:now_s AS DOUBLE PRECISION) END,
    due_s = :due_s,
    code = CASE WHEN cancel_s IS NULL THEN CAST(:code AS TEXT) ELSE 'cancelled' END,
    reason = CASE WHEN cancel_s IS NULL THEN CAST(:reason AS TEXT) ELSE 'It was cancelled.' END,
    attempts = attempts - :uncounted, losses = losses + :lost,
    worker = NULL, claim = NULL, version = version + 1
WHERE id = :id AND fence = :fence AND state = 'running';

-- name: beat
-- for: a worker that lives
INSERT INTO headrace_job_workers (id, host, queues, started_s, beat_s, beats)
VALUES (:id, :host, :queues, CAST(:now_s AS DOUBLE PRECISION), CAST(:now_s AS DOUBLE PRECISION), 1)
ON CONFLICT (id) DO UPDATE SET
    beats = headrace_job_workers.beats + 1, beat_s = excluded.beat_s;

-- name: beat_on
-- for: a worker that lives, unless it was given up
UPDATE headrace_job_workers SET beats = beats + 1, beat_s = :now_s
WHERE id = :id AND beats > 0
RETURNING beats;

-- name: workers
-- for: who works
SELECT id, host, queues, started_s, beat_s, beats FROM headrace_job_workers ORDER BY id;

-- name: give_up
-- for: a worker that has shown no life since these beats
UPDATE headrace_job_workers SET beats = -1 WHERE id = :id AND beats = :beats;

-- name: orphans
-- for: the jobs of workers that were given up, and of those that nobody knows
-- index: headrace_jobs_running
UPDATE headrace_jobs SET
    state = CASE
        WHEN cancel_s IS NOT NULL THEN 'cancelled'
        WHEN losses >= :losses_max THEN 'failed'
        ELSE 'delayed'
    END,
    ended_s = CASE
        WHEN cancel_s IS NOT NULL OR losses >= :losses_max THEN CAST(:now_s AS DOUBLE PRECISION)
        ELSE NULL
    END,
    due_s = :now_s + CASE WHEN losses < 2 THEN 0 ELSE losses * losses END,
    code = 'worker_lost', reason = :reason, losses = losses + 1, attempts = attempts - 1,
    worker = NULL, claim = NULL, fence = fence + 1, version = version + 1
WHERE state = 'running' AND NOT EXISTS (
    SELECT 1 FROM headrace_job_workers
    WHERE headrace_job_workers.id = headrace_jobs.worker AND headrace_job_workers.beats > 0
);

-- name: forget_worker
-- for: a worker that has ended, or whose jobs were given to others
DELETE FROM headrace_job_workers WHERE id = :id AND (beats < 0 OR CAST(:ended AS BIGINT) = 1);

-- name: old
-- for: jobs that ended long ago
-- index: headrace_jobs_by_end
SELECT id, kind FROM headrace_jobs WHERE ended_s < :before_s ORDER BY ended_s LIMIT :limit;

-- name: forget
-- for: a job that ended long ago
DELETE FROM headrace_jobs WHERE id = :id AND ended_s IS NOT NULL;

-- name: forget_events
-- for: what happened to it
DELETE FROM headrace_job_events WHERE job = :id;
