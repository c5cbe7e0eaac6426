-- Steps are quarters of an hour since 1970.

-- name: tell
-- for: what a gateway has answered so far in one step; it only grows
INSERT INTO headrace_slo_counts (level, step, holder, good, answers)
VALUES (:level, :step, :holder, :good, :answers)
ON CONFLICT (level, step, holder) DO UPDATE SET
    good = excluded.good,
    answers = excluded.answers
WHERE excluded.answers > headrace_slo_counts.answers;

-- name: sums
-- for: what all gateways have answered in a window, and in which step the first of it
-- index: headrace_slo_counts_pkey
SELECT
    CAST(COALESCE(SUM(good), 0) AS BIGINT) AS good,
    CAST(COALESCE(SUM(answers), 0) AS BIGINT) AS answers,
    MIN(step) AS first_step
FROM headrace_slo_counts
WHERE level = :level AND step > :after AND step <= :until;

-- name: forget
-- for: forgetting steps that no window reaches any more
DELETE FROM headrace_slo_counts WHERE step < :step;
