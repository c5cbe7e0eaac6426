"""Every statement that a request or the upkeep runs finds its rows by an index."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import Connection, Executable, create_engine, event, make_url
from tests.support.postgres import Databases
from tests.support.stores import NOW_S, Place, key, row

from headrace.store import answer_statements as sql
from headrace.store import leases, purges
from headrace.store.answer_table import scope_digest
from headrace.store.open import CACHE_FILE
from headrace.store.store import Store

ROWS = 3000

# Statement, its parameters, and the index that each database has to use.
CASES: tuple[tuple[str, Executable, Mapping[str, Any], str, str], ...] = (
    (
        "get",
        sql.GET,
        {"key": key(7), "now_s": NOW_S},
        "USING INDEX sqlite_autoindex_headrace_answers_1 (key=?)",
        "using headrace_answers_key_key",
    ),
    (
        "get many",
        sql.GET_MANY,
        {"keys": [key(7), key(8)], "now_s": NOW_S},
        "USING INDEX sqlite_autoindex_headrace_answers_1 (key=?)",
        "using headrace_answers_key_key",
    ),
    (
        "sizes",
        sql.SIZES,
        {"keys": [key(7), key(8)]},
        "USING INDEX sqlite_autoindex_headrace_answers_1 (key=?)",
        "using headrace_answers_key_key",
    ),
    (
        "use",
        sql.USE,
        {"of_key": key(7), "times": 1, "now_s": NOW_S, "age": 0.0},
        "USING INDEX sqlite_autoindex_headrace_answers_1 (key=?)",
        "using headrace_answers_key_key",
    ),
    (
        "drop scopes",
        sql.DROP_SCOPES,
        {"keys": [key(7)]},
        "USING COVERING INDEX headrace_answer_scopes_by_answer (answer=?)",
        "headrace_answer_scopes_by_answer",
    ),
    (
        "in scope",
        sql.IN_SCOPE,
        {"scope": scope_digest("tag:rare"), "limit": 256},
        "USING PRIMARY KEY (scope=?)",
        "Index Only Scan using headrace_answer_scopes_pkey",
    ),
    (
        "expired",
        sql.EXPIRED,
        {"now_s": NOW_S + 10.0, "limit": 256},
        "USING COVERING INDEX headrace_answers_by_expiry (expires_s<?)",
        "Index Only Scan using headrace_answers_by_expiry",
    ),
    (
        "least",
        sql.LEAST,
        {"limit": 256},
        "USING COVERING INDEX headrace_answers_by_rank",
        "Index Only Scan using headrace_answers_by_rank",
    ),
    (
        "top",
        sql.TOP,
        {"limit": 10, "now_s": NOW_S},
        "USING COVERING INDEX headrace_answers_by_saved",
        "Index Only Scan using headrace_answers_by_saved",
    ),
    (
        "remove by id",
        sql.REMOVE_BY_ID,
        {"ids": [1, 2]},
        "USING INTEGER PRIMARY KEY (rowid=?)",
        "headrace_answers_pkey",
    ),
    (
        "purges after",
        purges.AFTER,
        {"after": 10**12, "upto": 10**15, "limit": 100},
        "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
        "headrace_purges_pkey",
    ),
    (
        "old leases",
        leases.OLD,
        {"now_s": NOW_S - 1e6, "limit": 100},
        "USING COVERING INDEX headrace_leases_by_expiry (expires_s<?)",
        "headrace_leases_by_expiry",
    ),
)


async def fill(store: Store) -> None:
    """Enough of everything that reading all of it would be the worse plan."""
    await store.answers.put_many(
        [
            row(n, expires_s=NOW_S + n, worth_usd=n / 1e5, value=bytes(400), scopes=scopes_of(n))
            for n in range(1, ROWS)
        ],
        NOW_S,
    )
    for n in range(0, ROWS, 10):
        store.answers.note_use(key(n))
    await store.answers.maintain(NOW_S)


def scopes_of(number: int) -> tuple[str, ...]:
    return (f"tenant:t{number % 2}", *(["tag:rare"] if number % 500 == 0 else []))


def explain(connection: Connection, statement: Executable, parameters: Mapping[str, Any]) -> str:
    """The plan for what the driver is given when a statement is run."""
    given: list[tuple[str, Any]] = []

    @event.listens_for(connection, "before_cursor_execute")
    def note(_c: Connection, _cursor: object, text: str, values: Any, *_rest: object) -> None:
        given.append((text, values))

    connection.execute(statement, parameters).close()
    text, values = given[0]
    words = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    rows = connection.exec_driver_sql(f"{words} {text}", values).all()
    event.remove(connection, "before_cursor_execute", note)
    return "\n".join(str(each[-1]) for each in rows)


@pytest.fixture(scope="module")
def sqlite_connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    place = Place("sqlite", tmp_path_factory.mktemp("plans"))
    place.use(fill)
    engine = create_engine(f"sqlite:///{place.folder / CACHE_FILE}")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture(scope="module")
def postgres_connection(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connection]:
    with databases.fresh() as url:
        Place(url, tmp_path_factory.mktemp("plans")).use(fill)
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # As the server's own upkeep does sooner or later.
            connection.exec_driver_sql("VACUUM ANALYZE")
            yield connection
        engine.dispose()


@pytest.mark.parametrize(
    ("statement", "parameters", "wanted"),
    [(statement, given, wanted) for _, statement, given, wanted, _ in CASES],
    ids=[name for name, *_ in CASES],
)
def test_sqlite_uses_the_index(
    sqlite_connection: Connection, statement: Executable, parameters: Any, wanted: str
) -> None:
    plan = explain(sqlite_connection, statement, parameters)
    assert wanted in plan
    scanned = [line for line in plan.splitlines() if line.startswith("SCAN")]
    assert all("INDEX" in line for line in scanned), plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize(
    ("statement", "parameters", "wanted"),
    [(statement, given, wanted) for _, statement, given, _, wanted in CASES],
    ids=[name for name, *_ in CASES],
)
def test_postgresql_can_use_the_index(
    postgres_connection: Connection, statement: Executable, parameters: Any, wanted: str
) -> None:
    # Tables of a test are so small that reading all of them may be the better plan.
    postgres_connection.exec_driver_sql("SET enable_seqscan = off")
    plan = explain(postgres_connection, statement, parameters)
    assert wanted in plan
    assert "Sort" not in plan


def test_an_index_is_made_for_each_way_to_leave(sqlite_connection: Connection) -> None:
    rows = sqlite_connection.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'index'")
    ours = {name for (name,) in rows if not name.startswith("sqlite_")}
    used = {name for name in ours if any(name in wanted for *_, wanted, _ in CASES)}
    assert used == ours - {"headrace_purges_by_time"}
