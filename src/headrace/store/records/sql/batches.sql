-- Batches of requests.

-- name: add
-- for: a batch that was asked for
INSERT INTO headrace_batches (
    id, tenant, key_name, key_digest, key_models, place, state, endpoint, input_file, output_file,
    error_file, has_output, has_errors, keep_s, metadata, faults, total, completed, failed,
    input_tokens, output_tokens, cached_tokens, window_s, created_s, trace
) VALUES (
    :id, :tenant, :key_name, :key_digest, :key_models, :place, 'validating', :endpoint,
    :input_file, :output_file, :error_file, 0, 0, :keep_s, :metadata, '[]', 0, 0, 0, 0, 0, 0,
    :window_s, :created_s, :trace
) ON CONFLICT (id) DO NOTHING;

-- name: find
-- for: one batch of a tenant
SELECT * FROM headrace_batches WHERE id = :id AND tenant = :tenant;

-- name: read
-- for: one batch, for whoever runs it
SELECT * FROM headrace_batches WHERE id = :id;

-- name: page_down
-- for: a page of a tenant's batches, the newest first
-- index: headrace_batches_by_tenant
-- standby: yes
SELECT * FROM headrace_batches WHERE tenant = :tenant AND id < :after
ORDER BY tenant, id DESC LIMIT :limit;

-- name: page_up
-- for: a page of a tenant's batches, the oldest first
-- index: headrace_batches_by_tenant
-- standby: yes
SELECT * FROM headrace_batches WHERE tenant = :tenant AND id > :after
ORDER BY tenant, id LIMIT :limit;

-- name: all_down
-- for: a page of everybody's batches, for administrators, the newest first
SELECT * FROM headrace_batches WHERE id < :after AND (:tenant = '' OR tenant = :tenant)
ORDER BY id DESC LIMIT :limit;

-- name: all_up
-- for: the same, the oldest first
SELECT * FROM headrace_batches WHERE id > :after AND (:tenant = '' OR tenant = :tenant)
ORDER BY id LIMIT :limit;

-- name: pending
-- for: batches that somebody at a data directory has to run, the oldest first
-- index: headrace_batches_pending
SELECT id FROM headrace_batches
WHERE place = :place AND state IN ('validating', 'in_progress', 'finalizing', 'cancelling')
ORDER BY place, id LIMIT 100;

-- name: using
-- for: whether a batch that is not over reads a file
-- index: headrace_batches_pending
SELECT id FROM headrace_batches
WHERE place = :place AND state IN ('validating', 'in_progress', 'finalizing', 'cancelling')
    AND input_file = :file LIMIT 1;

-- name: owning
-- for: whether a batch that is not over reads a file, or writes it
-- index: headrace_batches_pending
SELECT id FROM headrace_batches
WHERE place = :place AND state IN ('validating', 'in_progress', 'finalizing', 'cancelling')
    AND (input_file = :file OR output_file = :file OR error_file = :file) LIMIT 1;

-- name: begin
-- for: lines that were looked at: now they are asked
UPDATE headrace_batches SET state = 'in_progress', in_progress_s = :now_s, total = :total,
    faults = :faults
WHERE id = :id AND state = 'validating';

-- name: tell
-- for: how far a batch is; its state tells whether it was cancelled
UPDATE headrace_batches SET completed = :completed, failed = :failed,
    input_tokens = :input_tokens, output_tokens = :output_tokens, cached_tokens = :cached_tokens
WHERE id = :id AND ended_s IS NULL RETURNING state;

-- name: finalize
-- for: a batch whose lines are all answered
UPDATE headrace_batches SET state = 'finalizing', finalizing_s = :now_s
WHERE id = :id AND state = 'in_progress';

-- name: cancel
-- for: a batch that is wanted no more
UPDATE headrace_batches SET state = 'cancelling', cancelling_s = :now_s
WHERE id = :id AND tenant = :tenant AND state IN ('validating', 'in_progress');

-- name: end
-- for: a batch that is over
UPDATE headrace_batches SET state = :state, ended_s = :now_s, faults = :faults, total = :total,
    completed = :completed, failed = :failed, input_tokens = :input_tokens,
    output_tokens = :output_tokens, cached_tokens = :cached_tokens, has_output = :has_output,
    has_errors = :has_errors
WHERE id = :id AND ended_s IS NULL;

-- name: old
-- for: batches that are over for so long that they are forgotten
-- index: headrace_batches_by_end
SELECT id FROM headrace_batches
WHERE place = :place AND ended_s IS NOT NULL AND ended_s <= :before_s
ORDER BY ended_s LIMIT 100;

-- name: forget
-- for: the same
DELETE FROM headrace_batches WHERE id = :id;

-- name: forget_lease
-- for: the lease that a batch had
DELETE FROM headrace_record_leases WHERE name = :name;
