-- Where the request stood in its trace that asked for a job or a batch: a `traceparent`, or nothing.
ALTER TABLE headrace_jobs ADD COLUMN trace TEXT NOT NULL DEFAULT '';
ALTER TABLE headrace_batches ADD COLUMN trace TEXT NOT NULL DEFAULT '';
