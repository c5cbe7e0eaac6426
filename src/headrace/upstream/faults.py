"""What can go wrong on the way to a provider, as errors a caller can act on."""

import os
import socket
import ssl
from collections.abc import Mapping
from typing import Literal

from headrace.errors import UpstreamBroken

FaultKind = Literal[
    "connect",
    "tls",
    "timeout_connect",
    "timeout_first_byte",
    "timeout_idle",
    "timeout_total",
    "reset",
    "cut",
    "garbage",
    "too_large",
    "shutdown",
]

_TELLS: Mapping[FaultKind, tuple[str, str]] = {
    "connect": (
        "could not be reached",
        "check its base_url and that it is up",
    ),
    "tls": (
        "could not be reached over TLS",
        "check its certificate, or set ca_file for a private authority",
    ),
    "timeout_connect": (
        "did not accept a connection in time",
        "try again, or raise connect_timeout_s",
    ),
    "timeout_first_byte": (
        "did not begin to answer in time",
        "try again, or raise first_byte_timeout_s",
    ),
    "timeout_idle": (
        "stopped in the middle of its answer",
        "try again, or raise idle_timeout_s",
    ),
    "timeout_total": (
        "did not finish its answer in time",
        "ask for fewer tokens, or raise total_timeout_s",
    ),
    "reset": ("closed the connection before it answered", "try again"),
    "cut": ("broke off in the middle of its answer", "try again"),
    "garbage": ("answered with something that is not HTTP", "check its base_url"),
    "shutdown": ("was not asked any more: the gateway is shutting down", "try again"),
    "too_large": ("gave an answer above answer_mb_max", "ask for less, or raise answer_mb_max"),
}


class UpstreamFault(UpstreamBroken):
    """A call to a provider failed on the way; 502, or 504 where a time limit passed.

    Args:
        kind: what happened.
        provider: the provider's name in the settings.
        received: whether any byte of an answer had come.
        why: the reason in the system's words, where it gave one; callers read it.
    """

    def __init__(
        self, kind: FaultKind, provider: str, *, received: bool = False, why: str = ""
    ) -> None:
        what, advice = _TELLS[kind]
        reason = f" ({why})" if why else ""
        super().__init__(
            f"Provider '{provider}' {what}{reason}; {advice}.", code=f"upstream_{kind}"
        )
        self.kind: FaultKind = kind
        self.received = received
        self.status = 504 if kind.startswith("timeout") else 502


def why_unreachable(error: OSError) -> str:
    """What the system says of a connection that could not be made, without any address in it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.rstrip(".")
    if isinstance(error, ssl.SSLError):
        return (error.reason or "").replace("_", " ").lower()
    if isinstance(error, socket.gaierror):
        return error.strerror or ""
    return os.strerror(error.errno) if error.errno else ""
