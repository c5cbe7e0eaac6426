"""Who may call while no keys are set: programs on this machine, and no page from elsewhere.

A browser sends a page's requests to loopback addresses too, so a page of any site could spend the
owner's money, or, with a name of its own that resolves to a loopback address (DNS rebinding), read
the answers. Both show in the headers: the first in `origin`, the second in `host`.
"""

from collections.abc import Mapping

from headrace.errors import Forbidden


def check_visitor(fields: Mapping[bytes, bytes], cors_origins: frozenset[bytes]) -> None:
    """Let nobody in who is not of this machine, or asked in by `listen.cors_origins`.

    Args:
        fields: the request's headers, names in lower case.
        cors_origins: origins whose pages may call.

    Raises:
        Forbidden: the request comes from a page of another site.
    """
    origin = fields.get(b"origin")
    if origin is not None and (origin in cors_origins or b"*" in cors_origins):
        return
    if origin is not None and not _is_local(origin.partition(b"://")[2]):
        raise Forbidden(
            "Pages of other sites may not call while no keys are set: set keys, or name the page's "
            "origin in listen.cors_origins.",
            code="origin_not_allowed",
        )
    host = fields.get(b"host")
    if host is not None and not _is_local(host):
        raise Forbidden(
            "While no keys are set, call this gateway as localhost or by its loopback address; "
            "other names want keys.",
            code="host_not_allowed",
        )


def _is_local(authority: bytes) -> bool:
    if authority.startswith(b"["):
        return authority.partition(b"]")[0] == b"[::1"
    name = authority.partition(b":")[0].lower().rstrip(b".")
    if name == b"localhost" or name.endswith(b".localhost"):
        return True
    numbers = name.split(b".")
    return len(numbers) == 4 and numbers[0] == b"127" and all(n.isdigit() for n in numbers)


def cors_lines(origin: bytes | None, allowed: frozenset[bytes]) -> bytes:
    """The header lines that let a page of `origin` read the answer; none unless configured."""
    if not origin or not (origin in allowed or b"*" in allowed):
        return b""
    return (
        b"access-control-allow-origin: %b\r\nvary: origin\r\n"
        b"access-control-expose-headers: x-request-id, x-headrace-cache, x-headrace-provider, "
        b"x-headrace-model, x-headrace-attempts, x-headrace-cost-usd, "
        b"x-headrace-cost-estimated, x-headrace-stale, "
        b"x-headrace-fallback, x-headrace-similarity, x-headrace-key, x-headrace-tier, "
        b"x-headrace-arm, x-headrace-intent, x-headrace-template, x-headrace-compressed, "
        b"x-headrace-fitted, x-headrace-marked, server-timing, "
        b"retry-after, retry-after-ms, x-should-retry\r\n" % origin
    )
