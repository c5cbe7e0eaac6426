"""Every statement on answers, made once. Values are bound, never written into the text."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Executable,
    Select,
    bindparam,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from headrace.store.schema import ANSWERS as A
from headrace.store.schema import SCOPES as S
from headrace.store.schema import TOTALS as T

# An answer of unknown price is worth this much, so that the small and often used ones stay.
WORTH_USD_MIN: Final = 1e-6

_KEYS: Final[BindParameter[Sequence[bytes]]] = bindparam("keys", expanding=True)
_IDS: Final[BindParameter[Sequence[int]]] = bindparam("ids", expanding=True)
_LIMIT: Final[BindParameter[int]] = bindparam("limit")

GET: Final = select(A.c.value).where(
    A.c.key == bindparam("key"), A.c.expires_s > bindparam("now_s")
)
GET_MANY: Final = select(A.c.key, A.c.value).where(
    A.c.key.in_(_KEYS), A.c.expires_s > bindparam("now_s")
)

# Who writes answers holds this row until the end, so that one writes at a time, in all processes:
# totals are exact, and nobody waits for another who waits for them.
LOCK_TOTALS: Final = select(T.c.bytes, T.c.entries, T.c.age).with_for_update()
TOTALS: Final = select(T.c.bytes, T.c.entries, T.c.age)
ADD_TO_TOTALS: Final = update(T).values(
    bytes=T.c.bytes + bindparam("more_bytes"),
    entries=T.c.entries + bindparam("more_entries"),
    age=bindparam("new_age"),
)
NOTHING_HELD: Final = update(T).values(bytes=0, entries=0)

SIZES: Final = select(func.coalesce(func.sum(A.c.size), 0), func.count()).where(A.c.key.in_(_KEYS))
DROP_SCOPES: Final = delete(S).where(S.c.answer.in_(select(A.c.id).where(A.c.key.in_(_KEYS))))
ADD_SCOPE: Final = insert(S).from_select(
    ["scope", "answer"],
    select(bindparam("scope", type_=S.c.scope.type), A.c.id).where(A.c.key == bindparam("of_key")),
)

# Greedy dual size frequency (Cherkasova 1998): dollars per byte, and what leaves raises the floor
# for those who come, so that what was dear once and is not used any more leaves in the end.
USE: Final = (
    update(A)
    .where(A.c.key == bindparam("of_key"))
    .values(
        hits=A.c.hits + bindparam("times"),
        used_s=bindparam("now_s"),
        saved_usd=A.c.saved_usd + A.c.worth_usd * bindparam("times"),
        rank=bindparam("age", type_=A.c.rank.type)
        + (A.c.worth_usd + WORTH_USD_MIN) * (A.c.hits + bindparam("times") + 1) / A.c.size,
    )
)

REMOVE_BY_KEY: Final = delete(A).where(A.c.key.in_(_KEYS)).returning(A.c.size)
REMOVE_BY_ID: Final = delete(A).where(A.c.id.in_(_IDS)).returning(A.c.size)


def _batch(*, where: ColumnElement[bool] | None, by: ColumnElement[float]) -> Select[int]:
    """Identifiers of answers in some order, as many as a batch takes."""
    statement = select(A.c.id).order_by(by, A.c.id).limit(_LIMIT)
    return statement if where is None else statement.where(where)


EXPIRED: Final = _batch(where=A.c.expires_s <= bindparam("now_s"), by=A.c.expires_s)
ANY: Final = select(A.c.id).order_by(A.c.id).limit(_LIMIT)
IN_SCOPE: Final = select(S.c.answer).where(S.c.scope == bindparam("scope")).limit(_LIMIT)
LEAST: Final = select(A.c.id, A.c.size, A.c.rank).order_by(A.c.rank, A.c.size, A.c.id).limit(_LIMIT)

# Zero stands in the text, since a partial index is used only where its condition is seen.
TOP: Final = (
    select(A.c.key, A.c.size, A.c.saved_usd, A.c.expires_s)
    .where(A.c.saved_usd > literal_column("0"), A.c.expires_s > bindparam("now_s"))
    .order_by(A.c.saved_usd.desc())
    .limit(_LIMIT)
)


def put(dialect: str) -> Executable:
    """Hold an answer in place of what its key held; what that one has saved still counts.

    Args:
        dialect: `sqlite` or `postgresql`, who have it in a grammar of their own.
    """
    make = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = make(A).values(
        key=bindparam("key"),
        value=bindparam("value"),
        size=bindparam("size"),
        stored_s=bindparam("now_s"),
        used_s=bindparam("now_s"),
        expires_s=bindparam("expires_s"),
        worth_usd=bindparam("worth_usd"),
        saved_usd=literal(0.0),
        hits=literal(0),
        rank=bindparam("rank"),
    )
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[A.c.key],
        set_={
            "value": new.value,
            "size": new.size,
            "stored_s": new.stored_s,
            "expires_s": new.expires_s,
            "worth_usd": new.worth_usd,
            "rank": new.rank + (new.worth_usd + WORTH_USD_MIN) * A.c.hits / new.size,
        },
    )
