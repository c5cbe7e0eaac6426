-- Jobs that came as messages, until it was told how they ended.

-- name: expect
-- for: a job whose sender wants to hear of it; twice is once
INSERT INTO headrace_job_messages (job, correlation_id, seen)
VALUES (:job, :correlation_id, 1) ON CONFLICT DO NOTHING;

-- name: running
-- for: what has changed of jobs that are being done
-- index: headrace_jobs_running
SELECT headrace_jobs.*, correlation_id, seen
FROM headrace_jobs JOIN headrace_job_messages ON headrace_job_messages.job = headrace_jobs.id
WHERE state = 'running' AND version > seen
LIMIT :limit;

-- name: ended
-- for: jobs that ended of late, and of which that has not been told
-- index: headrace_jobs_by_end
SELECT headrace_jobs.*, correlation_id, seen
FROM headrace_jobs JOIN headrace_job_messages ON headrace_job_messages.job = headrace_jobs.id
WHERE ended_s >= :since_s AND ended_s IS NOT NULL
ORDER BY ended_s, headrace_jobs.id LIMIT :limit;

-- name: told
-- for: what has been told of a job
UPDATE headrace_job_messages SET seen = :seen WHERE job = :job AND seen < :seen;

-- name: done
-- for: a job of which all has been told
DELETE FROM headrace_job_messages WHERE job = :job;

-- name: sweep
-- for: jobs that were forgotten before anything could be told of them
DELETE FROM headrace_job_messages
WHERE NOT EXISTS (SELECT 1 FROM headrace_jobs WHERE headrace_jobs.id = headrace_job_messages.job);
