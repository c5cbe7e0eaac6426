-- Jobs, what happened to them, who works on them, and how fast their queues may go.
CREATE TABLE headrace_jobs (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    caller TEXT NOT NULL,
    kind TEXT NOT NULL,
    queue TEXT NOT NULL,
    priority {number} NOT NULL,
    state TEXT NOT NULL,
    input TEXT NOT NULL,
    digest TEXT NOT NULL,
    once_key TEXT,
    created_s {real} NOT NULL,
    due_s {real} NOT NULL,
    started_s {real},
    ended_s {real},
    attempts {number} NOT NULL DEFAULT 0,
    attempts_max {number} NOT NULL,
    losses {number} NOT NULL DEFAULT 0,
    fence {number} NOT NULL DEFAULT 0,
    worker TEXT,
    claim TEXT,
    cancel_s {real},
    share {real} NOT NULL DEFAULT 0,
    doing TEXT NOT NULL DEFAULT '',
    result TEXT,
    code TEXT,
    reason TEXT,
    version {number} NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX headrace_jobs_once ON headrace_jobs (tenant, once_key) WHERE once_key IS NOT NULL;
CREATE INDEX headrace_jobs_waiting ON headrace_jobs (queue, priority, due_s, id) WHERE state = 'waiting';
CREATE INDEX headrace_jobs_delayed ON headrace_jobs (due_s) WHERE state = 'delayed';
CREATE INDEX headrace_jobs_running ON headrace_jobs (worker, queue) WHERE state = 'running';
CREATE INDEX headrace_jobs_by_tenant ON headrace_jobs (tenant, id);
CREATE INDEX headrace_jobs_by_state ON headrace_jobs (tenant, state, id);
CREATE INDEX headrace_jobs_by_end ON headrace_jobs (ended_s) WHERE ended_s IS NOT NULL;
CREATE TABLE headrace_job_events (
    job TEXT NOT NULL,
    number {number} NOT NULL,
    at_s {real} NOT NULL,
    event TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (job, number)
){clustered};
CREATE TABLE headrace_job_workers (
    id TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    queues TEXT NOT NULL,
    started_s {real} NOT NULL,
    beat_s {real} NOT NULL,
    beats {number} NOT NULL
);
CREATE TABLE headrace_job_queues (
    name TEXT PRIMARY KEY,
    micros {number} NOT NULL,
    filled_s {real} NOT NULL
);
