-- Who does what only one process shall do. The token grows with every new holder.
CREATE TABLE headrace_record_leases (
    name TEXT PRIMARY KEY NOT NULL,
    holder TEXT NOT NULL,
    token {number} NOT NULL,
    expires_s {real} NOT NULL
){clustered};
