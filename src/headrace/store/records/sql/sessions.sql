-- name: ended
-- for: the sessions of browsers that were ended before their time, few at any time
SELECT id, key_digest, ends_s FROM headrace_ended_sessions ORDER BY ends_s DESC LIMIT :most;

-- name: count
-- for: whether there is room to end another one by itself
SELECT COUNT(*) AS number FROM headrace_ended_sessions;

-- name: end
-- for: one session that is over, or all of a key up to those that end by themselves at this time
INSERT INTO headrace_ended_sessions (id, key_digest, ends_s) VALUES (:id, :key_digest, :ends_s)
ON CONFLICT (id) DO UPDATE SET ends_s = CASE
    WHEN excluded.ends_s > headrace_ended_sessions.ends_s THEN excluded.ends_s
    -- whoever signed in after that, in the same second, has a session that ends a second later
    ELSE headrace_ended_sessions.ends_s + 1
END;

-- name: end_each
-- for: those that need no row any more, since all of their key are over
DELETE FROM headrace_ended_sessions
WHERE key_digest = :key_digest AND id <> :key_digest AND ends_s <= :ends_s;

-- name: forget
-- for: those that would have ended by themselves by now
DELETE FROM headrace_ended_sessions WHERE ends_s <= :before_s;
