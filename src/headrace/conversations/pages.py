"""Pages of what there is much of: after an id, never by counting."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from headrace.errors import InvalidRequest

ITEMS_MAX: Final = 100
_ITEMS: Final = 20
_ORDERS: Final = ("asc", "desc")


class Page(msgspec.Struct, frozen=True):
    """Which part is wanted.

    Attributes:
        many: how many at most.
        after: the id that comes before the first of them; empty for the beginning.
        is_up: whether the oldest come first.
    """

    many: int = _ITEMS
    after: str = ""
    is_up: bool = False

    @property
    def way(self) -> str:
        """The end of a query's name."""
        return "up" if self.is_up else "down"


def read_page(query: Mapping[str, str]) -> Page:
    """What a query string asks for.

    Raises:
        InvalidRequest: `limit` or `order` is not what it has to be.
    """
    limit, order = query.get("limit", str(_ITEMS)), query.get("order", "desc")
    if not (
        limit.isascii() and limit.isdigit() and len(limit) <= 3 and 1 <= int(limit) <= ITEMS_MAX
    ):
        raise InvalidRequest(
            f"`limit` is a whole number from 1 to {ITEMS_MAX}.", param="limit", code="invalid_value"
        )
    if order not in _ORDERS:
        raise InvalidRequest("`order` is asc or desc.", param="order", code="invalid_value")
    return Page(int(limit), query.get("after", ""), order == "asc")


def write_list(items: Sequence[dict[str, Any]], *, has_more: bool = False) -> dict[str, Any]:
    """A list as OpenAI tells it."""
    return {
        "object": "list",
        "data": list(items),
        "first_id": items[0]["id"] if items else None,
        "last_id": items[-1]["id"] if items else None,
        "has_more": has_more,
    }
