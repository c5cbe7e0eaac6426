"""Files of steps are cut into statements, in the grammar of one database."""

import pytest

from headrace.store.records.queries import DIALECTS
from headrace.store.records.steps import load_steps, split_statements

TEXT = """-- What it is for.
CREATE TABLE t (
    id {id},
    data {json} NOT NULL DEFAULT '{}',  -- words; and more
    word TEXT
){clustered};

-- only: sqlite
CREATE TRIGGER words AFTER INSERT ON t BEGIN
    INSERT INTO found VALUES (new.id);
END;
-- only: postgresql
CREATE FUNCTION f() RETURNS trigger AS $$
BEGIN
    RETURN new;
END;
$$ LANGUAGE plpgsql;
CREATE INDEX by_word ON t (word);
"""


def test_sqlite() -> None:
    table, trigger, index = split_statements(TEXT, "sqlite")
    assert "id INTEGER PRIMARY KEY" in table
    assert "data TEXT NOT NULL DEFAULT '{}'" in table
    assert table.endswith(") WITHOUT ROWID")
    assert trigger.endswith("END")
    assert index == "CREATE INDEX by_word ON t (word)"


def test_postgresql() -> None:
    table, function, _ = split_statements(TEXT, "postgresql")
    assert "data JSONB" in table
    assert table.endswith(")")
    assert function.endswith("$$ LANGUAGE plpgsql")


def test_an_end_that_is_missing_is_told() -> None:
    with pytest.raises(ValueError, match="without its end"):
        list(split_statements("CREATE TABLE t (id {id})", "sqlite"))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_those_that_ship_are_numbered_without_gaps(dialect: str) -> None:
    steps = load_steps(dialect)
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    assert all(step.statements for step in steps)
