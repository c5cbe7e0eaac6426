-- Keys of callers, as digests, and how often they were changed.
CREATE TABLE headrace_keys (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    tenant TEXT NOT NULL,
    digest TEXT NOT NULL,
    terms TEXT NOT NULL,
    created_s {real} NOT NULL,
    expires_s {real},
    revoked_s {real},
    rotated_s {real},
    old_digest TEXT,
    old_until_s {real},
    used_s {real}
);
CREATE UNIQUE INDEX headrace_keys_by_digest ON headrace_keys (digest);
CREATE UNIQUE INDEX headrace_keys_by_name ON headrace_keys (tenant, name) WHERE revoked_s IS NULL;
CREATE TABLE headrace_key_changes (
    id {number} PRIMARY KEY NOT NULL,
    number {number} NOT NULL
);
