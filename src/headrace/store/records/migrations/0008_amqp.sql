-- Jobs that came as messages: what their senders call them, and what they have been told.
CREATE TABLE headrace_job_messages (
    job TEXT PRIMARY KEY,
    correlation_id TEXT NOT NULL,
    seen {number} NOT NULL
){clustered};
