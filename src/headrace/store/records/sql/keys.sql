-- name: change
-- for: whether keys have changed since they were looked at last; asked several times a second
SELECT number FROM headrace_key_changes WHERE id = 1;

-- name: changed
-- for: making every gateway look at the keys again
INSERT INTO headrace_key_changes (id, number) VALUES (1, 1)
ON CONFLICT (id) DO UPDATE SET number = headrace_key_changes.number + 1;

-- name: live
-- for: the keys that count, or may
SELECT * FROM headrace_keys WHERE revoked_s IS NULL ORDER BY id LIMIT :most;

-- name: any
-- for: whether there has ever been a key
SELECT id FROM headrace_keys LIMIT 1;

-- name: count
-- for: whether there is room for another key
SELECT COUNT(*) AS number FROM headrace_keys WHERE revoked_s IS NULL;

-- name: page_up
-- for: keys for people to look at, the oldest first
-- standby: yes
SELECT * FROM headrace_keys WHERE id > :after ORDER BY id LIMIT :most;

-- name: page_down
-- for: keys for people to look at, the newest first
-- standby: yes
SELECT * FROM headrace_keys WHERE id < :after ORDER BY id DESC LIMIT :most;

-- name: tenant_up
-- for: those of a tenant, the oldest first
-- standby: yes
SELECT * FROM headrace_keys WHERE tenant = :tenant AND id > :after ORDER BY id LIMIT :most;

-- name: tenant_down
-- for: those of a tenant, the newest first
-- standby: yes
SELECT * FROM headrace_keys WHERE tenant = :tenant AND id < :after ORDER BY id DESC LIMIT :most;

-- name: find
-- for: one key
SELECT * FROM headrace_keys WHERE id = :id;

-- name: named
-- for: the keys of a name that count, for whoever does not know the id
SELECT * FROM headrace_keys WHERE name = :name AND revoked_s IS NULL ORDER BY id LIMIT 2;

-- name: add
-- for: a new key; nothing where its name is taken, or where it is there already
INSERT INTO headrace_keys (id, name, tenant, digest, terms, created_s, expires_s)
VALUES (:id, :name, :tenant, :digest, :terms, :created_s, :expires_s)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: alter
-- for: what a key may, and how long; nothing where its name would be taken
UPDATE headrace_keys
SET name = :name, tenant = :tenant, terms = :terms, expires_s = :expires_s
WHERE id = :id AND revoked_s IS NULL AND NOT EXISTS (
    SELECT 1 FROM headrace_keys AS other
    WHERE other.tenant = :tenant AND other.name = :name
    AND other.revoked_s IS NULL AND other.id <> :id
)
RETURNING id;

-- name: revoke
-- for: a key that is not to count any more; one that was revoked stays so since then
UPDATE headrace_keys SET revoked_s = COALESCE(revoked_s, :revoked_s), old_digest = NULL
WHERE id = :id
RETURNING id;

-- name: rotate
-- for: another key in the place of one; twice is the same as once
UPDATE headrace_keys
SET digest = :digest, old_digest = :before, old_until_s = :old_until_s, rotated_s = :rotated_s
WHERE id = :id AND revoked_s IS NULL AND digest IN (:before, :digest)
RETURNING id;

-- name: use
-- for: when a key was used last
UPDATE headrace_keys SET used_s = :used_s
WHERE id = :id AND (used_s IS NULL OR used_s < :used_s);
