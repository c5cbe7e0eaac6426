"""HTTP calls over connections that are kept: `ConnectionPool` and `SyncConnectionPool`."""
