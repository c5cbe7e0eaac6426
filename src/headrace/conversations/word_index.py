"""The words of items, where the database does not look after them itself.

PostgreSQL makes its index of words with the rows. SQLite's stands in a table of its own, which
triggers may not touch (`trusted_schema = OFF`): it is written in the same transaction.
"""

from collections.abc import Sequence

from headrace.conversations.rows import Row
from headrace.store.records.records import Step, Values


def index_steps(dialect: str, items: Sequence[Row]) -> list[Step]:
    """What makes items findable that were put in just before."""
    if dialect != "sqlite":
        return []
    return [Step("conversations.index_item", [{"id": item["id"]} for item in items])]


def unindex_steps(dialect: str, which: str, values: Values | Sequence[Values]) -> list[Step]:
    """What makes items not to be found that are taken out just after.

    Args:
        dialect: of the database.
        which: `answer`, `item` or `items`, as the statement that takes them out is called.
        values: those of that statement.
    """
    return [Step(f"conversations.unindex_{which}", values)] if dialect == "sqlite" else []
