-- Files that callers keep.

-- name: add
-- for: a file that has come, where its tenant has room for it
INSERT INTO headrace_files (id, tenant, purpose, filename, bytes, created_s, expires_s, place)
SELECT CAST(:id AS TEXT), CAST(:tenant AS TEXT), CAST(:purpose AS TEXT), CAST(:filename AS TEXT),
    CAST(:bytes AS BIGINT), CAST(:created_s AS DOUBLE PRECISION),
    CAST(:expires_s AS DOUBLE PRECISION), CAST(:place AS TEXT)
WHERE (SELECT coalesce(sum(bytes), 0) FROM headrace_files WHERE tenant = :tenant)
    + CAST(:bytes AS BIGINT) <= CAST(:bytes_max AS BIGINT)
ON CONFLICT (id) DO NOTHING;

-- name: keep
-- for: what a batch has written, whatever room there is
INSERT INTO headrace_files (id, tenant, purpose, filename, bytes, created_s, expires_s, place)
VALUES (:id, :tenant, :purpose, :filename, :bytes, :created_s, :expires_s, :place)
ON CONFLICT (id) DO NOTHING;

-- name: held
-- for: how much a tenant keeps
-- index: headrace_files_by_tenant
SELECT coalesce(sum(bytes), 0) AS bytes FROM headrace_files WHERE tenant = :tenant;

-- name: find
-- for: one file of a tenant
SELECT id, tenant, purpose, filename, bytes, created_s, expires_s, place FROM headrace_files
WHERE id = :id AND tenant = :tenant;

-- name: page_down
-- for: a page of a tenant's files, the newest first
-- index: headrace_files_by_tenant
-- standby: yes
SELECT id, tenant, purpose, filename, bytes, created_s, expires_s, place FROM headrace_files
WHERE tenant = :tenant AND id < :after AND (:purpose = '' OR purpose = :purpose)
ORDER BY tenant, id DESC LIMIT :limit;

-- name: page_up
-- for: a page of a tenant's files, the oldest first
-- index: headrace_files_by_tenant
-- standby: yes
SELECT id, tenant, purpose, filename, bytes, created_s, expires_s, place FROM headrace_files
WHERE tenant = :tenant AND id > :after AND (:purpose = '' OR purpose = :purpose)
ORDER BY tenant, id LIMIT :limit;

-- name: expired
-- for: files of one data directory whose time is over
-- index: headrace_files_by_expiry
SELECT id, tenant FROM headrace_files
WHERE place = :place AND expires_s IS NOT NULL AND expires_s <= :now_s
ORDER BY expires_s LIMIT 100;

-- name: known
-- for: which of the files on a disk are kept for somebody, some of them at a time
SELECT id FROM headrace_files WHERE id >= :first AND id <= :last AND place = :place;

-- name: meet
-- for: a data directory whose first file comes
INSERT INTO headrace_places (place, first_file) VALUES (:place, :id)
ON CONFLICT (place) DO NOTHING;

-- name: met
-- for: since which file a data directory is known
SELECT first_file FROM headrace_places WHERE place = :place;

-- name: remove
-- for: a file that is wanted no more
DELETE FROM headrace_files WHERE id = :id AND tenant = :tenant;
