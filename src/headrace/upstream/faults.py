"""What can go wrong on the way to a provider, as errors a caller can act on."""

import os
import socket
import ssl
from collections.abc import Mapping
from typing import Literal

from headrace.errors import Overloaded, UpstreamBroken

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

Tells = tuple[str, str]  # what happened, and what to do about it

_TELLS: Mapping[FaultKind, Tells] = {
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

# Where the port and base_url do not agree about TLS.
SPEAKS_PLAIN: Tells = (
    "does not speak TLS at its port, and its base_url says https://",
    "write http:// in its base_url, or the port where it speaks TLS",
)
_SPEAKS_TLS: Tells = (
    "speaks TLS at its port, and its base_url says http://",
    "write https:// in its base_url, or the port where it speaks plain HTTP",
)
_CLOSED_IN_HANDSHAKE: Tells = (
    "closed the connection before TLS was agreed on",
    "try again, or write http:// in its base_url if it speaks plain HTTP at its port",
)
_CLOSED_PLAIN: Tells = (
    _TELLS["reset"][0],
    "try again, or write https:// in its base_url if it speaks TLS at its port",
)

# How OpenSSL calls an answer that is not TLS; the last one since 3.2 (urllib3 looks for the same).
_NOT_TLS_REASONS = frozenset({"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"})

_TLS_ALERT = b"\x15\x03"  # content type and major version of the record (RFC 8446, 5.1)

# What servers write in plain HTTP when a port of theirs that speaks TLS is asked in plain HTTP.
_WANT_TLS = (
    b"plain HTTP request was sent to HTTPS port",  # nginx
    b"HTTP request to an HTTPS server",  # Go
    b"plain HTTP to an SSL-enabled server port",  # Apache
    b"host and port requires TLS",  # Tomcat
)


class UpstreamFault(UpstreamBroken):
    """A call to a provider failed on the way; 502, or 504 where a time limit passed.

    Args:
        kind: what happened.
        provider: the provider's name in the settings.
        received: whether any byte of an answer had come.
        why: the reason in the system's words, where it gave one; callers read it.
        tells: what happened and what to do, where more is known than the kind says.
    """

    def __init__(
        self,
        kind: FaultKind,
        provider: str,
        *,
        received: bool = False,
        why: str = "",
        tells: Tells | None = None,
    ) -> None:
        what, advice = tells or _TELLS[kind]
        reason = f" ({why})" if why else ""
        super().__init__(
            f"Provider '{provider}' {what}{reason}; {advice}.", code=f"upstream_{kind}"
        )
        self.kind: FaultKind = kind
        self.received = received
        self.status = 504 if kind.startswith("timeout") else 502

    @property
    def is_unsent(self) -> bool:
        """Whether there was no connection that the call could have been sent over."""
        return self.kind in ("connect", "timeout_connect") or (
            self.kind == "tls" and not self.received
        )


def unreachable(provider: str, error: OSError, *, is_tls: bool) -> UpstreamFault:
    """A connection could not be made; what the system says of it is told without any address.

    Args:
        provider: the provider's name in the settings.
        error: what the system said.
        is_tls: whether TLS was to be spoken.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return UpstreamFault("tls", provider, why=error.verify_message.rstrip("."))
    if isinstance(error, ssl.SSLError):
        if error.reason in _NOT_TLS_REASONS:
            return UpstreamFault("tls", provider, tells=SPEAKS_PLAIN)
        why = (error.reason or "").replace("_", " ").lower()
        return UpstreamFault("tls", provider, why=why)
    if is_tls and isinstance(error, ConnectionResetError):
        return UpstreamFault("tls", provider, tells=_CLOSED_IN_HANDSHAKE)
    return UpstreamFault("connect", provider, why=_why(error))


def broken(
    kind: FaultKind, provider: str, *, received: bool, is_plain: bool, data: bytes = b""
) -> UpstreamFault:
    """An open connection failed in the middle of a call.

    Args:
        kind: what happened.
        provider: the provider's name in the settings.
        received: whether any byte of an answer had come.
        is_plain: whether plain HTTP was spoken.
        data: what came and was not understood.
    """
    if is_plain and kind == "garbage" and data.startswith(_TLS_ALERT):
        return speaks_tls(provider)
    tells = _CLOSED_PLAIN if is_plain and kind == "reset" else None
    return UpstreamFault(kind, provider, received=received, tells=tells)


def speaks_tls(provider: str) -> UpstreamFault:
    """A provider was asked in plain HTTP where it speaks TLS."""
    return UpstreamFault("tls", provider, received=True, tells=_SPEAKS_TLS)


def wants_tls(body: bytes) -> bool:
    """Whether the body of a 400 says that plain HTTP is not spoken at this port."""
    return any(told in body for told in _WANT_TLS)


def too_many_wait(provider: str) -> Overloaded:
    """A call that would have to wait for a connection, behind too many others."""
    return Overloaded(
        f"Every connection to provider '{provider}' is in use and too many calls "
        "wait for one; try again later, or raise connections_max.",
        code="pool_exhausted",
        retry_after_s=1,
    )


def none_came_free(provider: str) -> Overloaded:
    """A call has waited for a connection as long as it may."""
    return Overloaded(
        f"No connection to provider '{provider}' came free in time; try again "
        "later, or raise connections_max.",
        code="pool_exhausted",
        retry_after_s=1,
    )


def _why(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return error.strerror or ""
    return os.strerror(error.errno) if error.errno else ""
