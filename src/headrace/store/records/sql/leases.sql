-- Leases are timed by the database's own clock where machines share it.

-- name: take [sqlite]
-- for: becoming, or staying, the only one who does some work
INSERT INTO headrace_record_leases AS held (name, holder, token, expires_s)
VALUES (:name, :holder, 1, :now_s + :ttl_s)
ON CONFLICT (name) DO UPDATE SET
    token = held.token + (held.holder <> excluded.holder),
    holder = excluded.holder,
    expires_s = excluded.expires_s
WHERE held.holder = excluded.holder OR held.expires_s <= :now_s
RETURNING token;

-- name: take [postgresql]
-- for: becoming, or staying, the only one who does some work
INSERT INTO headrace_record_leases AS held (name, holder, token, expires_s)
VALUES (:name, :holder, 1, extract(epoch FROM clock_timestamp()) + CAST(:ttl_s AS FLOAT8))
ON CONFLICT (name) DO UPDATE SET
    token = held.token + CASE WHEN held.holder = excluded.holder THEN 0 ELSE 1 END,
    holder = excluded.holder,
    expires_s = excluded.expires_s
WHERE held.holder = excluded.holder
    OR held.expires_s <= extract(epoch FROM clock_timestamp())
RETURNING token;

-- name: held [sqlite]
-- for: how long a lease of another one lasts yet
SELECT expires_s, expires_s - :now_s AS left_s FROM headrace_record_leases WHERE name = :name;

-- name: held [postgresql]
-- for: how long a lease of another one lasts yet
SELECT expires_s, expires_s - extract(epoch FROM clock_timestamp())::FLOAT8 AS left_s
FROM headrace_record_leases WHERE name = :name;

-- name: end
-- for: a lease that lasts longer than any was taken for, if nobody has renewed it
UPDATE headrace_record_leases SET expires_s = 0 WHERE name = :name AND expires_s = :expires_s;

-- name: give_back
-- for: letting another do the work at once
UPDATE headrace_record_leases SET expires_s = 0 WHERE name = :name AND holder = :holder;
