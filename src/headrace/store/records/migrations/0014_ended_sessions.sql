-- Sessions of browsers that somebody ended before their time: one by its id, or by the digest of a key
-- all that were begun with it. A row is of no use any more once they would have ended by themselves.
CREATE TABLE headrace_ended_sessions (
    id TEXT PRIMARY KEY NOT NULL,
    key_digest TEXT NOT NULL,
    ends_s {real} NOT NULL
){clustered};
