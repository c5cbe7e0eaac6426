"""What is to be purged, as a query says it. Pure."""

from collections.abc import Sequence
from typing import Final

from headrace.cache.purges import ALL
from headrace.cache.scopes import checked_scope
from headrace.errors import InvalidRequest

_HOW: Final = (
    "Say what to purge: one of key=HEX, tag=NAME, model=PROVIDER/MODEL, tenant=NAME or all=true."
)


def read_scope(pairs: Sequence[tuple[str, str]]) -> str:
    """The scope that a query names.

    Args:
        pairs: names and values of the query, exactly one.

    Raises:
        InvalidRequest: it names none, more than one, or one there is not.
    """
    if len(pairs) != 1:
        raise InvalidRequest(_HOW, code="bad_scope")
    name, value = pairs[0]
    if name == "all" and value in ("true", "1"):
        return ALL
    return checked_scope(name, value, _HOW)
