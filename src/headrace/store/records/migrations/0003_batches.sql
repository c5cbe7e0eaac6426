-- Files that callers keep here, and batches of requests. The ids sort by time; what is in a file is
-- in the data directory that `place` names.
CREATE TABLE headrace_files (
    id TEXT PRIMARY KEY NOT NULL,
    tenant TEXT NOT NULL,
    purpose TEXT NOT NULL,
    filename TEXT NOT NULL,
    bytes {number} NOT NULL,
    created_s {real} NOT NULL,
    expires_s {real},
    place TEXT NOT NULL
){clustered};

CREATE INDEX headrace_files_by_tenant ON headrace_files (tenant, id, bytes);

CREATE INDEX headrace_files_by_expiry ON headrace_files (place, expires_s)
WHERE expires_s IS NOT NULL;

CREATE TABLE headrace_batches (
    id TEXT PRIMARY KEY NOT NULL,
    tenant TEXT NOT NULL,
    key_name TEXT NOT NULL,
    key_digest {blob} NOT NULL,
    key_models TEXT NOT NULL,
    place TEXT NOT NULL,
    state TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    input_file TEXT NOT NULL,
    output_file TEXT NOT NULL,
    error_file TEXT NOT NULL,
    has_output {number} NOT NULL,
    has_errors {number} NOT NULL,
    keep_s {real} NOT NULL,
    metadata TEXT NOT NULL,
    faults TEXT NOT NULL,
    total {number} NOT NULL,
    completed {number} NOT NULL,
    failed {number} NOT NULL,
    input_tokens {number} NOT NULL,
    output_tokens {number} NOT NULL,
    cached_tokens {number} NOT NULL,
    window_s {real} NOT NULL,
    created_s {real} NOT NULL,
    in_progress_s {real},
    finalizing_s {real},
    cancelling_s {real},
    ended_s {real}
){clustered};

CREATE INDEX headrace_batches_by_tenant ON headrace_batches (tenant, id);

CREATE INDEX headrace_batches_pending ON headrace_batches (place, id)
WHERE state IN ('validating', 'in_progress', 'finalizing', 'cancelling');

CREATE INDEX headrace_batches_by_end ON headrace_batches (place, ended_s)
WHERE ended_s IS NOT NULL;
