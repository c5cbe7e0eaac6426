"""The tables as this version works with them; migrations.py makes them."""

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Integer, LargeBinary, MetaData, Table

_META: Final = MetaData()

ANSWERS: Final = Table(
    "headrace_answers",
    _META,
    Column("id", BigInteger, primary_key=True),
    Column("key", LargeBinary),
    Column("size", BigInteger),
    Column("stored_s", Double),
    Column("used_s", Double),
    Column("expires_s", Double),
    Column("worth_usd", Double),
    Column("saved_usd", Double),
    Column("hits", BigInteger),
    Column("rank", Double),
    Column("value", LargeBinary),
)
SCOPES: Final = Table(
    "headrace_answer_scopes",
    _META,
    Column("scope", LargeBinary, primary_key=True),
    Column("answer", BigInteger, primary_key=True),
)
TOTALS: Final = Table(
    "headrace_totals",
    _META,
    Column("id", Integer, primary_key=True),
    Column("bytes", BigInteger),
    Column("entries", BigInteger),
    Column("age", Double),
)
PURGES: Final = Table(
    "headrace_purges",
    _META,
    Column("seq", BigInteger, primary_key=True),
    Column("scope", LargeBinary),
    Column("at_s", Double),
)
PURGE_COUNT: Final = Table(
    "headrace_purge_count",
    _META,
    Column("id", Integer, primary_key=True),
    Column("latest", BigInteger),
    Column("forgotten", BigInteger),
)
KNOWN_PURGES: Final = Table(
    "headrace_known_purges",
    _META,
    Column("digest", LargeBinary, primary_key=True),
    Column("scope", LargeBinary),
    Column("number", BigInteger),
)
LEASES: Final = Table(
    "headrace_leases",
    _META,
    Column("name", LargeBinary, primary_key=True),
    Column("holder", LargeBinary),
    Column("expires_s", Double),
)
