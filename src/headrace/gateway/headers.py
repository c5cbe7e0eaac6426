"""Which headers go on: a provider's to the caller, and a caller's to the provider."""

from collections.abc import Iterable, Mapping

from headrace.cache.entry import Headers
from headrace.upstream.h1 import RawHeaders

# Hop-by-hop headers (RFC 9110, 7.6.1), framing that is written anew, and what speaks of the
# provider's own connection, cookies or host rather than of the answer.
DROPPED = frozenset(
    {
        b"alt-svc",
        b"connection",
        b"content-length",
        b"date",
        b"keep-alive",
        b"nel",
        b"proxy-authenticate",
        b"proxy-connection",
        b"report-to",
        b"server",
        b"set-cookie",
        b"strict-transport-security",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"via",
    }
)

# What `connection` usually says, none of which names a header.
_ORDINARY = frozenset({b"keep-alive", b"close"})

# What says how a body is to be read is no connection's own, whatever a sender claims: without it
# the very bytes would mean something else.
_OF_THE_BODY = frozenset({b"content-type", b"content-encoding"})

# The gateway's to say: whose pages may read its answers is a matter of its settings.
OURS = (b"x-headrace-", b"access-control-")

# But for these: whether it is an answer at all, and the one that was wanted, another Headrace
# behind this one knows best.
TEXT_MARK = (b"x-headrace-fallback", b"text")
SLO = b"x-headrace-slo"
_SECOND_BEST = frozenset({TEXT_MARK[0], SLO})

# The caller's request id is the gateway's; the provider's own stays readable beside it.
RENAMED: Mapping[bytes, bytes] = {
    b"x-request-id": b"x-upstream-request-id",
    b"request-id": b"x-upstream-request-id",
}


def end_to_end(headers: RawHeaders) -> Headers:
    """The headers that go to the caller, names in lower case."""
    kept = []
    for pair in headers:
        name = pair[0]
        if name in DROPPED or name.startswith(OURS):
            if name == b"connection" and pair[1].lower() not in _ORDINARY:
                return end_to_end(_without_named(headers))
            if name not in _SECOND_BEST:
                continue
        kept.append((RENAMED[name], pair[1]) if name in RENAMED else pair)
    return tuple(kept)


def named_by_connection(values: Iterable[bytes]) -> frozenset[bytes]:
    """The headers that only the next hop is to see (RFC 9110, 7.6.1).

    Args:
        values: of the `connection` headers.

    Returns:
        Their names in lower case; some may be options that are no header.
    """
    options = b",".join(values).lower().split(b",")
    return frozenset(option.strip() for option in options) - _OF_THE_BODY


def _without_named(headers: RawHeaders) -> RawHeaders:
    values = [value for name, value in headers if name == b"connection"]
    gone = named_by_connection(values) | {b"connection"}
    return [pair for pair in headers if pair[0] not in gone]


def is_second_best(headers: Headers) -> bool:
    """Whether another Headrace says that something was given in place of what was wanted."""
    return any(name in _SECOND_BEST for name, _ in headers)


def is_encoded(headers: Headers) -> bool:
    """Whether the body is compressed or otherwise not what it stands for."""
    return any(name == b"content-encoding" and value != b"identity" for name, value in headers)


def content_type(headers: Headers) -> bytes:
    """The content type in lower case, empty where there is none."""
    for name, value in headers:
        if name == b"content-type":
            return value.lower()
    return b""
