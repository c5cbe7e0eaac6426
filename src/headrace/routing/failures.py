"""How a target failed, in words that settings know: what leads to another target. Pure."""

from collections.abc import Mapping
from typing import Final

from headrace.model import Failure

PASSING: Final[frozenset[Failure]] = frozenset(
    {
        "open",
        "no_room",
        "rate_limited",
        "overloaded",
        "server_error",
        "unreachable",
        "timeout",
        "broken",
    }
)
"""What is the target's trouble and not the request's; by itself, what leads to the next one."""

_STATUSES: Final[Mapping[int, Failure]] = {
    401: "denied",
    402: "denied",
    403: "denied",
    404: "denied",
    408: "timeout",
    409: "server_error",
    413: "too_long",
    429: "rate_limited",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_FAULTS: Final[Mapping[str, Failure]] = {
    "connect": "unreachable",
    "tls": "unreachable",
    "timeout_connect": "unreachable",
    "timeout_first_byte": "timeout",
    "timeout_idle": "timeout",
    "timeout_total": "timeout",
}


def failure_of_status(status: int) -> Failure:
    """How a target failed that answered with `status`, 400 or more."""
    return _STATUSES.get(status) or ("server_error" if status >= 500 else "refused")


def failure_of_fault(kind: str) -> Failure:
    """How a target failed on the way.

    Args:
        kind: what happened, as `UpstreamFault.kind` says it.
    """
    return _FAULTS.get(kind, "broken")
