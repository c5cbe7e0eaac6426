"""What a caller of the library says about the cache, checked. Pure."""

import math
from collections.abc import Sequence
from typing import Final

from headrace.cache.purges import ALL
from headrace.cache.scopes import checked_scope, checked_tags
from headrace.errors import InvalidRequest
from headrace.gateway.call import Hints

_HOW: Final = (
    "`scope` is what to purge: 'all', 'key:HEX', 'tag:NAME', 'model:PROVIDER/MODEL' or "
    "'tenant:NAME'."
)


def read_hints(
    *, use_cache: bool, use_batching: bool, ttl_s: float | None, tags: Sequence[str]
) -> Hints:
    """Hints for one call; the arguments are those of `Adapter.generate`.

    Raises:
        InvalidRequest: `ttl_s` or `tags` cannot be used.
    """
    if ttl_s is not None and not (ttl_s >= 0 and math.isfinite(ttl_s)):
        raise InvalidRequest(
            f"`ttl_s` is {ttl_s}: it is a number of seconds, 0 or more.",
            param="ttl_s",
            code="invalid_value",
        )
    if isinstance(tags, str) or not all(isinstance(tag, str) for tag in tags):
        raise InvalidRequest("`tags` is a list of names.", param="tags", code="invalid_value")
    return Hints(
        looks_up=use_cache,
        stores=use_cache,
        joins=use_batching,
        ttl_s=ttl_s,
        tags=checked_tags(tags, "tags") if tags else (),
    )


def read_scope(scope: str) -> str:
    """A scope to purge, if it is one.

    Raises:
        InvalidRequest: it is none.
    """
    if not isinstance(scope, str):
        raise InvalidRequest(_HOW, param="scope", code="bad_scope")
    if scope == ALL:
        return scope
    kind, _, value = scope.partition(":")
    return checked_scope(kind, value, _HOW)
