-- What every gateway has spent, and how much of each budget it has leased.
CREATE TABLE headrace_spend (
    period {number} NOT NULL,
    number {number} NOT NULL,
    name TEXT NOT NULL,
    holder TEXT NOT NULL,
    spent {number} NOT NULL,
    calls {number} NOT NULL,
    input_tokens {number} NOT NULL,
    output_tokens {number} NOT NULL,
    PRIMARY KEY (period, number, name, holder)
){clustered};
CREATE TABLE headrace_budget_leases (
    period {number} NOT NULL,
    number {number} NOT NULL,
    name TEXT NOT NULL,
    holder TEXT NOT NULL,
    granted {number} NOT NULL,
    lent {number} NOT NULL,
    busy {number} NOT NULL,
    PRIMARY KEY (period, number, name, holder)
){clustered};
CREATE INDEX headrace_budget_leases_by_holder ON headrace_budget_leases (holder);
CREATE TABLE headrace_spend_holders (
    id TEXT PRIMARY KEY NOT NULL,
    signs {number} NOT NULL
){clustered};
CREATE TABLE headrace_spend_turns (
    id {number} PRIMARY KEY NOT NULL,
    number {number} NOT NULL
);
