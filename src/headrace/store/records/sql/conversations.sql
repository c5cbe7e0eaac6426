-- Everything is asked for by its tenant: what belongs to another is as good as not there.

-- name: response
-- for: one response, without what was said
-- index: headrace_responses_pkey
SELECT id, created_s, conversation, previous, turns, bytes, body FROM headrace_responses
WHERE id = :id AND tenant = :tenant;

-- name: chain
-- for: all that was said up to a response, the oldest first; the response before the first is told
-- index: headrace_items_by_response
WITH RECURSIVE chain (id, previous, depth) AS (
    SELECT id, previous, 0 FROM headrace_responses WHERE id = :id AND tenant = :tenant
    UNION ALL
    SELECT r.id, r.previous, chain.depth + 1
    FROM headrace_responses AS r JOIN chain ON r.id = chain.previous
    WHERE r.tenant = :tenant AND chain.depth < :turns
)
SELECT chain.previous, i.body
FROM chain LEFT JOIN headrace_items AS i ON i.response = chain.id
ORDER BY chain.depth DESC, i.place;

-- name: outputs
-- for: what a response said
-- index: headrace_items_by_response
SELECT id, body FROM headrace_items
WHERE response = :response AND tenant = :tenant AND is_output = 1 ORDER BY place;

-- name: inputs_up
-- for: what a response was given, the oldest first
-- index: headrace_items_by_response
SELECT id, body FROM headrace_items
WHERE response = :response AND tenant = :tenant AND is_output = 0 AND place > :place
ORDER BY place LIMIT :many;

-- name: inputs_down
-- for: what a response was given, the newest first
-- index: headrace_items_by_response
SELECT id, body FROM headrace_items
WHERE response = :response AND tenant = :tenant AND is_output = 0 AND place < :place
ORDER BY place DESC LIMIT :many;

-- name: items_up
-- for: what was said in a conversation, the oldest first
-- index: headrace_items_by_conversation
SELECT id, body FROM headrace_items
WHERE conversation = :conversation AND tenant = :tenant AND place > :place
ORDER BY place LIMIT :many;

-- name: items_down
-- for: what was said in a conversation, the newest first
-- index: headrace_items_by_conversation
SELECT id, body FROM headrace_items
WHERE conversation = :conversation AND tenant = :tenant AND place < :place
ORDER BY place DESC LIMIT :many;

-- name: item
-- for: one item, wherever it is
-- index: headrace_items_by_id
SELECT id, response, conversation, place, body FROM headrace_items
WHERE id = :id AND tenant = :tenant;

-- name: sizes [sqlite]
-- for: how large items are that a request only names
-- index: headrace_items_by_id
SELECT id, bytes FROM headrace_items
WHERE id IN (SELECT value FROM json_each(:ids)) AND tenant = :tenant;

-- name: sizes [postgresql]
-- for: how large items are that a request only names
-- index: headrace_items_by_id
SELECT id, bytes FROM headrace_items
WHERE id IN (SELECT jsonb_array_elements_text(CAST(:ids AS JSONB))) AND tenant = :tenant;

-- name: named [sqlite]
-- for: items that a request only names
-- index: headrace_items_by_id
SELECT id, body FROM headrace_items
WHERE id IN (SELECT value FROM json_each(:ids)) AND tenant = :tenant;

-- name: named [postgresql]
-- for: items that a request only names
-- index: headrace_items_by_id
SELECT id, body FROM headrace_items
WHERE id IN (SELECT jsonb_array_elements_text(CAST(:ids AS JSONB))) AND tenant = :tenant;

-- name: find
-- for: one conversation
-- index: headrace_conversations_pkey | headrace_conversations_by_tenant
SELECT id, created_s, metadata, places, bytes FROM headrace_conversations
WHERE id = :id AND tenant = :tenant;

-- name: page_up
-- for: the conversations of a tenant, the oldest first
-- index: headrace_conversations_by_tenant
-- standby: yes
SELECT id, created_s, metadata FROM headrace_conversations
WHERE tenant = :tenant AND id > :after ORDER BY id LIMIT :many;

-- name: page_down
-- for: the conversations of a tenant, the newest first
-- index: headrace_conversations_by_tenant
-- standby: yes
SELECT id, created_s, metadata FROM headrace_conversations
WHERE tenant = :tenant AND id < :after ORDER BY id DESC LIMIT :many;

-- name: found_up [postgresql]
-- for: the conversations of a tenant in which words were said, the oldest first
-- index: headrace_items_by_words
-- standby: yes
WITH found AS MATERIALIZED (
    SELECT conversation FROM headrace_items
    WHERE found @@ plainto_tsquery('simple', :words) AND tenant = :tenant
)
SELECT id, created_s, metadata FROM headrace_conversations
WHERE tenant = :tenant AND id > :after AND id IN (SELECT conversation FROM found)
ORDER BY id LIMIT :many;

-- name: found_up [sqlite]
-- for: the conversations of a tenant in which words were said, the oldest first
-- standby: yes
SELECT id, created_s, metadata FROM headrace_conversations
WHERE tenant = :tenant AND id > :after AND id IN (
    SELECT i.conversation FROM headrace_item_words AS w JOIN headrace_items AS i ON i.number = w.rowid
    WHERE w.words MATCH :words AND i.tenant = :tenant
) ORDER BY id LIMIT :many;

-- name: found_down [postgresql]
-- for: the conversations of a tenant in which words were said, the newest first
-- index: headrace_items_by_words
-- standby: yes
WITH found AS MATERIALIZED (
    SELECT conversation FROM headrace_items
    WHERE found @@ plainto_tsquery('simple', :words) AND tenant = :tenant
)
SELECT id, created_s, metadata FROM headrace_conversations
WHERE tenant = :tenant AND id < :after AND id IN (SELECT conversation FROM found)
ORDER BY id DESC LIMIT :many;

-- name: found_down [sqlite]
-- for: the conversations of a tenant in which words were said, the newest first
-- standby: yes
SELECT id, created_s, metadata FROM headrace_conversations
WHERE tenant = :tenant AND id < :after AND id IN (
    SELECT i.conversation FROM headrace_item_words AS w JOIN headrace_items AS i ON i.number = w.rowid
    WHERE w.words MATCH :words AND i.tenant = :tenant
) ORDER BY id DESC LIMIT :many;

-- name: begin
-- for: a new conversation
INSERT INTO headrace_conversations (id, tenant, created_s, used_s, metadata, places, bytes)
VALUES (:id, :tenant, :now_s, :now_s, :metadata, 0, 0) ON CONFLICT (id) DO NOTHING;

-- name: describe
-- for: other metadata of a conversation
UPDATE headrace_conversations SET metadata = :metadata WHERE id = :id AND tenant = :tenant
RETURNING id, created_s, metadata;

-- name: make_room
-- for: places for items at the end of a conversation; who writes at the same time waits here
UPDATE headrace_conversations
SET places = places + :many, bytes = bytes + :bytes, used_s = :now_s
WHERE id = :id AND tenant = :tenant RETURNING id;

-- name: add_response
-- for: a response, if what it belongs to and goes on from is still there
INSERT INTO headrace_responses
    (id, tenant, created_s, conversation, previous, turns, bytes, body)
SELECT CAST(:id AS TEXT), CAST(:tenant AS TEXT), :now_s, CAST(:conversation AS TEXT),
    CAST(:previous AS TEXT), :turns, :bytes, CAST(:body AS TEXT)
WHERE (CAST(:conversation AS TEXT) IS NULL
    OR EXISTS (SELECT 1 FROM headrace_conversations WHERE id = :conversation AND tenant = :tenant))
AND (CAST(:previous AS TEXT) IS NULL
    OR EXISTS (SELECT 1 FROM headrace_responses WHERE id = :previous AND tenant = :tenant))
ON CONFLICT (id) DO UPDATE SET body = excluded.body
RETURNING id;

-- name: add_answer
-- for: what was given to a response and what it said, outside of any conversation
INSERT INTO headrace_items
    (id, tenant, response, conversation, is_output, place, created_s, bytes, body, words)
SELECT CAST(:id AS TEXT), CAST(:tenant AS TEXT), CAST(:response AS TEXT), NULL, :is_output, :place,
    :now_s, :bytes, CAST(:body AS TEXT), CAST(:words AS TEXT)
WHERE EXISTS (SELECT 1 FROM headrace_responses WHERE id = :response AND tenant = :tenant)
ON CONFLICT (id) DO NOTHING;

-- name: add_item
-- for: what was said in a conversation, at a place that was made for it
INSERT INTO headrace_items
    (id, tenant, response, conversation, is_output, place, created_s, bytes, body, words)
SELECT CAST(:id AS TEXT), CAST(:tenant AS TEXT), CAST(:response AS TEXT), id, :is_output,
    places - :behind, :now_s, :bytes, CAST(:body AS TEXT), CAST(:words AS TEXT)
FROM headrace_conversations WHERE id = :conversation AND tenant = :tenant
ON CONFLICT (id) DO NOTHING;

-- name: drop_response
-- for: a response that is not to be kept any longer
DELETE FROM headrace_responses WHERE id = :id AND tenant = :tenant RETURNING id;

-- name: drop_answer
-- for: what a response was given and said; what belongs to a conversation stays there
DELETE FROM headrace_items WHERE response = :id AND tenant = :tenant AND conversation IS NULL;

-- name: part
-- for: items of a conversation whose response is gone
UPDATE headrace_items SET response = NULL
WHERE response = :id AND tenant = :tenant AND conversation IS NOT NULL;

-- name: drop_item
-- for: one item of a conversation
DELETE FROM headrace_items
WHERE id = :id AND tenant = :tenant AND conversation = :conversation RETURNING bytes;

-- name: give_room
-- for: the bytes of an item that is gone
UPDATE headrace_conversations SET bytes = (
    SELECT coalesce(sum(i.bytes), 0) FROM headrace_items AS i WHERE i.conversation = :id
) WHERE id = :id AND tenant = :tenant RETURNING id, created_s, metadata;

-- name: drop
-- for: a conversation that is not to be kept any longer
DELETE FROM headrace_conversations WHERE id = :id AND tenant = :tenant RETURNING id;

-- name: drop_items
-- for: all that was said in a conversation
-- index: headrace_items_by_conversation
DELETE FROM headrace_items WHERE conversation = :id AND tenant = :tenant;

-- name: drop_responses
-- for: the responses of a conversation
-- index: headrace_responses_by_conversation
DELETE FROM headrace_responses WHERE conversation = :id AND tenant = :tenant;

-- name: old_responses
-- for: responses whose time is over
-- index: headrace_responses_by_age
SELECT id, tenant FROM headrace_responses
WHERE conversation IS NULL AND created_s < :before_s ORDER BY created_s LIMIT :many;

-- name: old
-- for: conversations that nobody has used for their time
-- index: headrace_conversations_by_use
SELECT id, tenant FROM headrace_conversations
WHERE used_s < :before_s ORDER BY used_s LIMIT :many;

-- name: index_item [sqlite]
-- for: finding an item by its words; twice is once
INSERT INTO headrace_item_words (rowid, words) SELECT number, words FROM headrace_items
WHERE id = :id
AND NOT EXISTS (SELECT 1 FROM headrace_item_words_docsize AS d WHERE d.id = headrace_items.number);

-- name: unindex_answer [sqlite]
-- for: not finding any more what is dropped next
INSERT INTO headrace_item_words (headrace_item_words, rowid, words)
SELECT 'delete', number, words FROM headrace_items
WHERE response = :id AND tenant = :tenant AND conversation IS NULL;

-- name: unindex_item [sqlite]
-- for: not finding any more what is dropped next
INSERT INTO headrace_item_words (headrace_item_words, rowid, words)
SELECT 'delete', number, words FROM headrace_items
WHERE id = :id AND tenant = :tenant AND conversation = :conversation;

-- name: unindex_items [sqlite]
-- for: not finding any more what is dropped next
INSERT INTO headrace_item_words (headrace_item_words, rowid, words)
SELECT 'delete', number, words FROM headrace_items
WHERE conversation = :id AND tenant = :tenant;
