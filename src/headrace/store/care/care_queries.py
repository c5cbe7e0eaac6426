"""The queries that tell how a database is: see `sql/`."""

from importlib import resources

from headrace.store.records.queries import Queries, parse_queries


def care_queries(dialect: str) -> Queries:
    """Those for one kind of database, as `care.NAME`.

    Args:
        dialect: `sqlite` or `postgresql`.
    """
    file = resources.files("headrace.store.care") / "sql" / f"{dialect}.sql"
    return Queries(dialect, parse_queries("care", file.read_text("utf-8"), dialect))
