-- What a SQLite file tells of itself.

-- name: file
-- for: how large the file is, and how it is written
SELECT (SELECT page_count FROM pragma_page_count) AS pages,
    (SELECT page_size FROM pragma_page_size) AS page_bytes,
    (SELECT freelist_count FROM pragma_freelist_count) AS free_pages,
    (SELECT journal_mode FROM pragma_journal_mode) AS journal_mode,
    (SELECT auto_vacuum FROM pragma_auto_vacuum) AS auto_vacuum,
    sqlite_version() AS version;

-- name: relations
-- for: which tables and indexes of ours there are
SELECT name, type AS kind, 1 AS is_valid
FROM sqlite_master
WHERE type IN ('table', 'index') AND name LIKE 'headrace\_%' ESCAPE '\'
ORDER BY name;

-- name: tables
-- for: what there are rows in, without the tables that an index of words is made of
SELECT t.name
FROM sqlite_master AS t
WHERE t.type = 'table' AND t.name LIKE 'headrace\_%' ESCAPE '\'
    AND NOT EXISTS (
        SELECT 1 FROM sqlite_master AS words
        WHERE words.sql LIKE 'CREATE VIRTUAL TABLE%' AND t.name LIKE words.name || '\_%' ESCAPE '\'
    )
ORDER BY t.name;

-- name: has_numbers
-- for: whether the planner has ever been told what tables hold
SELECT count(*) AS found FROM sqlite_master WHERE name = 'sqlite_stat1';

-- name: quick_check
-- for: whether what is in the file fits together
SELECT quick_check AS problem FROM pragma_quick_check(20);

-- name: integrity_check
-- for: the same, and whether indexes have what tables have
SELECT integrity_check AS problem FROM pragma_integrity_check(20);

-- name: foreign_key_check
-- for: whether rows that belong to others still have them
SELECT "table" AS name, count(*) AS rows FROM pragma_foreign_key_check GROUP BY 1 LIMIT 20;
