"""What can go wrong on the way to a server, as errors a caller can act on. They hold no secret:
of the address they tell scheme, host and port."""

import os
import socket
import ssl
from collections.abc import Mapping
from typing import Final

from headrace.errors import NotRunning, Overloaded, UpstreamBroken
from headrace.toolkit.connections.address import Origin
from headrace.upstream.faults import FaultKind

Tells = tuple[str, str]  # what happened, and what to do about it

_TELLS: Final[Mapping[FaultKind, Tells]] = {
    "connect": ("could not be reached", "check the address, and that it is up"),
    "tls": (
        "could not be reached over TLS",
        "check its certificate, or give ca_file for a private authority",
    ),
    "timeout_connect": (
        "did not accept a connection in time",
        "try again, or raise connect_timeout_s",
    ),
    "timeout_first_byte": (
        "did not begin to answer in time",
        "try again, or raise read_timeout_s",
    ),
    "timeout_idle": (
        "stopped in the middle of its answer",
        "try again, or raise read_timeout_s",
    ),
    "timeout_total": (
        "did not finish its answer in time",
        "try again, or raise total_timeout_s",
    ),
    "reset": ("closed the connection before it answered", "try again"),
    "cut": ("broke off in the middle of its answer", "try again"),
    "garbage": ("answered with something that is not HTTP/1.1", "check the address"),
    "too_large": (
        "gave an answer above answer_bytes_max",
        "read it as a stream, or raise answer_bytes_max",
    ),
}
_SPEAKS_PLAIN: Final = (
    "does not speak TLS at its port",
    "write http:// in the URL, or the port where it speaks TLS",
)
_SPEAKS_TLS: Final = (
    "speaks TLS at its port",
    "write https:// in the URL, or the port where it speaks plain HTTP",
)
_CLOSED_PLAIN: Final = (
    _TELLS["reset"][0],
    "try again, or write https:// in the URL if it speaks TLS at its port",
)
# How OpenSSL calls an answer that is not TLS; the last one since 3.2 (urllib3 looks for the same).
_NOT_TLS_REASONS: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"}
)
_TLS_ALERT: Final = b"\x15\x03"  # content type and major version of the record (RFC 8446, 5.1)


class CallFault(UpstreamBroken):
    """A call failed on the way; 502, or 504 where a time limit passed.

    Args:
        kind: what happened.
        origin: where the call went.
        why: the reason in the system's words, where it gave one.
        tells: what happened and what to do, where more is known than the kind says.

    Attributes:
        kind: what happened.
        is_final: whether no other attempt can do better, whatever the kind says.
        attempts: how often the call went out, or tried to.
    """

    def __init__(
        self, kind: FaultKind, origin: Origin, *, why: str = "", tells: Tells | None = None
    ) -> None:
        if kind == "reset" and origin.scheme == "http":
            tells = _CLOSED_PLAIN
        what, advice = tells or _TELLS[kind]
        reason = f" ({why})" if why else ""
        super().__init__(f"{origin} {what}{reason}; {advice}.", code=f"upstream_{kind}")
        self.kind: FaultKind = kind
        self.status = 504 if kind.startswith("timeout") else 502
        self.is_final = False
        self.attempts = 1

    @property
    def is_unsent(self) -> bool:
        """Whether there was no connection that the call could have been sent over."""
        return self.kind in ("connect", "timeout_connect")


def unreachable(origin: Origin, error: OSError) -> CallFault:
    """A connection could not be made; what the system says of it is told."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return CallFault("tls", origin, why=error.verify_message.rstrip("."))
    if isinstance(error, ssl.SSLError):
        if error.reason in _NOT_TLS_REASONS:
            return CallFault("tls", origin, tells=_SPEAKS_PLAIN)
        return CallFault("tls", origin, why=(error.reason or "").replace("_", " ").lower())
    if isinstance(error, socket.gaierror):
        fault = CallFault("connect", origin, why=error.strerror or "")
        fault.is_final = error.errno != socket.EAI_AGAIN
        return fault
    return CallFault("connect", origin, why=os.strerror(error.errno) if error.errno else "")


def not_understood(origin: Origin, data: bytes) -> CallFault:
    """What came is not HTTP."""
    if origin.scheme == "http" and data.startswith(_TLS_ALERT):
        return CallFault("tls", origin, tells=_SPEAKS_TLS)
    return CallFault("garbage", origin)


def crowded(origin: Origin, why: str) -> Overloaded:
    """Every connection is in use, and there is no waiting for one, or no more of it."""
    return Overloaded(
        f"Every connection to {origin} is in use and {why}; try again later, or raise pool_size.",
        code="pool_exhausted",
        retry_after_s=1,
    )


def closed() -> NotRunning:
    """The pool is closed, before or while it was used."""
    return NotRunning("The pool is closed: make another one.", code="closed")
