"""How a target failed, in words that settings know: what leads to another target. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

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
# OpenAI's code and those after it, and what OpenAI, Anthropic, Google and vLLM say of it in words.
_TOO_LONG: Final = re.compile(
    r"context_(length|window)_exceeded|maximum context length|prompt is too long|input is too long"
    r"|exceeds? (the |this )?(\S+ )?(context (length|window|size)|maximum number of tokens)"
)
_REFUSAL_BYTES_MAX: Final = 65536
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


def failure_of_refusal(body: bytes) -> Failure:
    """How a target failed that answered 400.

    Providers say in their own words that a prompt is too long for a model. They are looked for in
    the fields that are theirs, not in what may be quoted of the request.

    Args:
        body: of the answer.
    """
    if len(body) > _REFUSAL_BYTES_MAX:
        return "refused"
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "refused"
    return "too_long" if _TOO_LONG.search(_words(told).lower()) else "refused"


def _words(told: Any) -> str:
    """Code, type and message of an error, in whichever of the usual shapes it comes."""
    if type(told) is list and told:
        told = told[0]
    if type(told) is dict:
        inner = told.get("error")
        told = inner if inner is not None else told
    if type(told) is dict:
        return " ".join(str(told.get(name, "")) for name in ("code", "type", "message"))
    return told if type(told) is str else ""


def failure_of_fault(kind: str) -> Failure:
    """How a target failed on the way.

    Args:
        kind: what happened, as `UpstreamFault.kind` says it.
    """
    return _FAULTS.get(kind, "broken")
