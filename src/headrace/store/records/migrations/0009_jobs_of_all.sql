-- Jobs of all tenants in one state. Of an expression, so that no other query can use it: of the bare
-- column, SQLite without statistics takes it in the place of the small indexes of those that wait.
CREATE INDEX headrace_jobs_of_all ON headrace_jobs ((state || ''), id);
