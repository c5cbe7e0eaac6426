-- Money is in whole billionths of a US dollar; periods are 0 for days and 1 for months.

-- name: turn
-- for: having gateways that lease take turns; the row stays locked until the transaction ends
INSERT INTO headrace_spend_turns (id, number) VALUES (1, 1)
ON CONFLICT (id) DO UPDATE SET number = headrace_spend_turns.number + 1;

-- name: holders
-- for: which gateways there are, and how often each was heard of; asked several times a second
SELECT id, signs FROM headrace_spend_holders;

-- name: sign
-- for: being heard of; any change means the same
INSERT INTO headrace_spend_holders (id, signs) VALUES (:holder, :signs)
ON CONFLICT (id) DO UPDATE SET signs = excluded.signs;

-- name: tell
-- for: what a gateway has spent so far of one thing in one day or month
INSERT INTO headrace_spend
    (period, number, name, holder, spent, calls, input_tokens, output_tokens)
VALUES
    (:period, :number, :name, :holder, :spent, :calls, :input_tokens, :output_tokens)
ON CONFLICT (period, number, name, holder) DO UPDATE SET
    spent = excluded.spent,
    calls = excluded.calls,
    input_tokens = excluded.input_tokens,
    output_tokens = excluded.output_tokens;

-- name: sums
-- for: what all other gateways have spent, lately enough to count
SELECT period, number, name,
    CAST(SUM(spent) AS BIGINT) AS spent,
    CAST(SUM(calls) AS BIGINT) AS calls,
    CAST(SUM(input_tokens) AS BIGINT) AS input_tokens,
    CAST(SUM(output_tokens) AS BIGINT) AS output_tokens
FROM headrace_spend
WHERE period = :period AND number >= :number AND holder <> :holder
GROUP BY period, number, name;

-- name: leases
-- for: what all other gateways have leased, lately enough to count
SELECT period, number, name, granted, lent, busy FROM headrace_budget_leases
WHERE period = :period AND number >= :number AND holder <> :holder;

-- name: lease
-- for: as much of a budget as is wanted and others have left; what is used in any case
WITH others AS (
    SELECT CAST(:most AS BIGINT) - CAST(COALESCE(SUM(granted + lent), 0) AS BIGINT) AS room
    FROM headrace_budget_leases
    WHERE period = :period AND number = :number AND name = :name AND holder <> :holder
), kept AS (
    SELECT room, CASE
        WHEN room < CAST(:used AS BIGINT) THEN CAST(:used AS BIGINT)
        WHEN room < CAST(:granted AS BIGINT) THEN room
        ELSE CAST(:granted AS BIGINT)
    END AS granted
    FROM others
)
INSERT INTO headrace_budget_leases (period, number, name, holder, granted, lent, busy)
SELECT
    CAST(:period AS BIGINT), CAST(:number AS BIGINT), CAST(:name AS TEXT), CAST(:holder AS TEXT),
    granted,
    CASE
        WHEN room - granted < 0 THEN 0
        WHEN room - granted < CAST(:lent AS BIGINT) THEN room - granted
        ELSE CAST(:lent AS BIGINT)
    END,
    CAST(:busy AS BIGINT)
FROM kept
WHERE TRUE
ON CONFLICT (period, number, name, holder) DO UPDATE SET
    granted = excluded.granted, lent = excluded.lent, busy = excluded.busy
RETURNING period, number, name, granted, lent;

-- name: lapse
-- for: taking back what was lent to a gateway that is not heard of any more
-- index: headrace_budget_leases_by_holder
UPDATE headrace_budget_leases SET lent = 0, busy = 0
WHERE holder = :holder AND (lent > 0 OR busy > 0) AND EXISTS (
    SELECT 1 FROM headrace_spend_holders WHERE id = :holder AND signs = :signs
);

-- name: reclaim
-- for: taking back the whole lease of such a gateway, but what it told of as spent
-- index: headrace_budget_leases_by_holder
UPDATE headrace_budget_leases SET lent = 0, busy = 0, granted = COALESCE((
    SELECT spent FROM headrace_spend AS told
    WHERE told.period = headrace_budget_leases.period
    AND told.number = headrace_budget_leases.number
    AND told.name = headrace_budget_leases.name
    AND told.holder = headrace_budget_leases.holder
), 0)
WHERE holder = :holder AND EXISTS (
    SELECT 1 FROM headrace_spend_holders WHERE id = :holder AND signs = :signs
);

-- name: bury
-- for: forgetting a gateway that is not heard of any more
DELETE FROM headrace_spend_holders WHERE id = :holder AND signs = :signs;

-- name: leave
-- for: forgetting a gateway that ends
DELETE FROM headrace_spend_holders WHERE id = :holder;

-- name: forget_sums
-- for: forgetting days and months that nobody asks for any more
DELETE FROM headrace_spend WHERE period = :period AND number < :number;

-- name: forget_leases
-- for: the same, of leases
DELETE FROM headrace_budget_leases WHERE period = :period AND number < :number;
