-- What was said: items, the responses that they came with, and the conversations they belong to.
CREATE TABLE headrace_conversations (
    id TEXT PRIMARY KEY NOT NULL,
    tenant TEXT NOT NULL,
    created_s {real} NOT NULL,
    used_s {real} NOT NULL,
    metadata TEXT NOT NULL,
    places {number} NOT NULL,
    bytes {number} NOT NULL
);
CREATE INDEX headrace_conversations_by_tenant ON headrace_conversations (tenant, id);
CREATE INDEX headrace_conversations_by_use ON headrace_conversations (used_s);
CREATE TABLE headrace_responses (
    id TEXT PRIMARY KEY NOT NULL,
    tenant TEXT NOT NULL,
    created_s {real} NOT NULL,
    conversation TEXT,
    previous TEXT,
    turns {number} NOT NULL,
    bytes {number} NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX headrace_responses_by_age ON headrace_responses (created_s) WHERE conversation IS NULL;
CREATE INDEX headrace_responses_by_conversation ON headrace_responses (conversation) WHERE conversation IS NOT NULL;
CREATE TABLE headrace_items (
    number {id},
    id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    response TEXT,
    conversation TEXT,
    is_output {number} NOT NULL,
    place {number} NOT NULL,
    created_s {real} NOT NULL,
    bytes {number} NOT NULL,
    body TEXT NOT NULL,
    words TEXT NOT NULL
);
CREATE UNIQUE INDEX headrace_items_by_id ON headrace_items (id);
CREATE INDEX headrace_items_by_response ON headrace_items (response, place) WHERE response IS NOT NULL;
CREATE INDEX headrace_items_by_conversation ON headrace_items (conversation, place) WHERE conversation IS NOT NULL;
-- only: postgresql
ALTER TABLE headrace_items ADD COLUMN found TSVECTOR GENERATED ALWAYS AS (to_tsvector('simple', words)) STORED;
-- only: postgresql
CREATE INDEX headrace_items_by_words ON headrace_items USING GIN (found);
-- only: sqlite
CREATE VIRTUAL TABLE headrace_item_words USING fts5 (words, content = 'headrace_items', content_rowid = 'number');
