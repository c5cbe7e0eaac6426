"""What callers say, in the head of a request, about the cache, about time and about their turn."""

from collections.abc import Mapping
from typing import Final

from headrace.cache.scopes import checked_tags
from headrace.errors import InvalidRequest
from headrace.flow.scheduler import Priority
from headrace.gateway.call import Hints
from headrace.limits import NUMBER_DIGITS_MAX

Fields = Mapping[bytes, bytes]

_PRIORITIES: Final[Mapping[bytes, Priority]] = {
    each.name.lower().encode(): each for each in Priority
}


def read_hints(fields: Fields) -> Hints:
    """What the caller says about the cache (RFC 9111, 5.2.1) and about time.

    Raises:
        InvalidRequest: a value is not what its header takes.
    """
    directives: dict[bytes, bytes] = {}
    for part in fields.get(b"cache-control", b"").lower().split(b","):
        name, _, value = part.strip().partition(b"=")
        directives[name] = value.strip(b'"')
    age_s_max = None
    if b"max-age" in directives:
        age_s_max = _number(b"cache-control: max-age", directives[b"max-age"])
    ttl_s = _optional(fields, b"x-headrace-ttl")
    deadline_ms = _optional(fields, b"x-headrace-deadline-ms")
    return Hints(
        looks_up=b"no-cache" not in directives and b"no-store" not in directives,
        stores=b"no-store" not in directives,
        cached_only=b"only-if-cached" in directives,
        age_s_max=age_s_max,
        ttl_s=ttl_s,
        deadline_s=None if deadline_ms is None else deadline_ms / 1000,
        tags=_tags(fields.get(b"x-headrace-tags", b"")),
        priority=_priority(fields.get(b"x-headrace-priority", b"normal")),
        session=fields.get(b"x-headrace-session", b""),
    )


def _priority(value: bytes) -> Priority:
    try:
        return _PRIORITIES[value.strip().lower()]
    except KeyError:
        raise InvalidRequest(
            "`x-headrace-priority` is one of " + ", ".join(name.decode() for name in _PRIORITIES),
            code="invalid_value",
        ) from None


def _tags(value: bytes) -> tuple[str, ...]:
    if not value:
        return ()
    names = (part.strip() for part in value.decode("latin-1").split(","))
    return checked_tags(names, "x-headrace-tags")


def _optional(fields: Fields, name: bytes) -> float | None:
    value = fields.get(name)
    return None if value is None else _number(name, value)


def _number(name: bytes, value: bytes) -> float:
    if value.isdigit() and len(value) <= NUMBER_DIGITS_MAX:
        return float(value)
    raise InvalidRequest(
        f"{name.decode()} takes a whole number, not '{value[:40].decode('latin-1')}'.",
        param=name.decode(),
    )
