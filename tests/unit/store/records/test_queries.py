"""Queries by name: what files say, and how values are bound."""

import pytest

from headrace.store.faults import StoreFault
from headrace.store.records.queries import (
    DIALECTS,
    Copy,
    bind,
    load_queries,
    parse_queries,
)

FILE = """-- What the file is about.

-- name: find
-- for: finding
-- index: by_id
SELECT *
FROM t -- not a head
WHERE id = :id;

-- name: add [sqlite]
-- for: adding
-- copy: t (id, word)
INSERT INTO t VALUES (:id, :word);
-- name: add [postgresql]
-- for: adding, otherwise
INSERT INTO t VALUES (:id, :word) RETURNING id;
"""


def test_a_file_gives_queries_of_one_database() -> None:
    find, add = parse_queries("room", FILE, "sqlite")
    assert (find.name, find.purpose, find.index) == ("room.find", "finding", "by_id")
    assert find.values == {"id"}
    assert add.copy == Copy("t", ("id", "word"), "INSERT INTO t VALUES (?1, ?2)")
    assert list(parse_queries("room", FILE, "postgresql"))[1].text.endswith("RETURNING id")


@pytest.mark.parametrize(
    ("statement", "sqlite", "postgresql", "values"),
    [
        ("SELECT :a, :b_2", "SELECT :a, :b_2", "SELECT %(a)s, %(b_2)s", {"a", "b_2"}),
        ("SELECT ':a' || ':' || :a", None, "SELECT ':a' || ':' || %(a)s", {"a"}),
        ("SELECT 'it''s :x'", None, "SELECT 'it''s :x'", set()),
        ("SELECT 5 % :a LIKE '%x'", None, "SELECT 5 %% %(a)s LIKE '%%x'", {"a"}),
        ("SELECT x::text, y :: int", None, "SELECT x::text, y :: int", set()),
    ],
)
def test_values_are_bound(
    statement: str, sqlite: str | None, postgresql: str, values: set[str]
) -> None:
    assert bind(statement, "sqlite") == (sqlite or statement, values)
    assert bind(statement, "postgresql") == (postgresql, values)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("SELECT 1;", r"room\.sql:1: a statement without a name"),
        ("-- name: Bad Name\nSELECT 1;", r"room\.sql:1: expected `-- name: NAME`"),
        ("-- name: a [oracle]\nSELECT 1;", "expected"),
        ("-- name: a\nSELECT 1;", "room.a lacks"),
        ("-- name: a\n-- for: b\n", "room.a lacks"),
        ("-- name: a\n-- for: b\nSELECT 1;\n-- name: a\n-- for: b\nSELECT 2;", "there twice"),
        ("-- name: a\n-- for: b\n-- copy: t id\nSELECT 1;", "expected `-- copy"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        list(parse_queries("room", text, "sqlite"))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_all_that_ship_can_be_read(dialect: str) -> None:
    queries = load_queries(dialect)
    assert queries["leases.take"].values >= {"name", "holder", "ttl_s"}
    with pytest.raises(StoreFault, match=r"no query room\.missing"):
        queries["room.missing"]


def test_both_databases_have_the_same_queries() -> None:
    in_sqlite, in_postgresql = (
        {query.name for query in load_queries(dialect)} for dialect in DIALECTS
    )
    # PostgreSQL makes its index of words with the rows; SQLite's is a table of its own.
    by_hand = {
        f"conversations.{name}"
        for name in ("index_item", "unindex_answer", "unindex_item", "unindex_items")
    }
    assert in_sqlite - in_postgresql == by_hand
    assert in_postgresql - in_sqlite == set()
