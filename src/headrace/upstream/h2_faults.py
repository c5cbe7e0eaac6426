"""What pyreqwest says went wrong, as the faults that HTTP/1.1 knows too.

Its classes tell little apart; the words of hyper, h2 and rustls below them do. Words that are
not known count as a connection that broke.
"""

import re

from pyreqwest.exceptions import PyreqwestError, RequestError, RequestTimeoutError

from headrace.upstream.faults import SPEAKS_PLAIN, FaultKind, Tells, UpstreamFault

_OS_ERROR = re.compile(r" \(os error \d+\)$")
_NO_H2: Tells = (
    "does not speak HTTP/2 at its port",
    "write http: 1.1 in its settings, or check its base_url",
)


def fault_of(error: PyreqwestError, provider: str, *, received: bool) -> UpstreamFault:
    """What went wrong with a call.

    Args:
        error: as pyreqwest raised it.
        provider: the provider's name in the settings.
        received: whether the head of an answer had come.
    """
    said = _causes(error)
    if received:
        kind: FaultKind = "timeout_idle" if isinstance(error, RequestTimeoutError) else "cut"
        return UpstreamFault(kind, provider, received=True)
    if "client error (Connect)" in said:
        return _not_connected(error, provider, said[-1])
    if isinstance(error, RequestTimeoutError):
        return UpstreamFault("timeout_first_byte", provider)
    if said[-1].startswith("connection error detected: "):
        return UpstreamFault("garbage", provider, received=True, tells=_NO_H2)
    if said[-1].startswith("stream error detected: "):
        return UpstreamFault("garbage", provider, received=True)
    return UpstreamFault("reset", provider)


def is_of_stream(error: PyreqwestError) -> bool:
    """Whether the provider gave up this one call, and not the connection."""
    return _causes(error)[-1].startswith("stream error")


def _not_connected(error: PyreqwestError, provider: str, why: str) -> UpstreamFault:
    if isinstance(error, RequestTimeoutError):
        return UpstreamFault("timeout_connect", provider)
    if why.startswith("invalid peer certificate: "):
        return UpstreamFault("tls", provider, why=why.partition(": ")[2])
    if why.endswith("InvalidContentType"):
        return UpstreamFault("tls", provider, tells=SPEAKS_PLAIN)
    if "alert" in why or "handshake" in why:
        return UpstreamFault("tls", provider, why=why)
    why = _OS_ERROR.sub("", why)
    return UpstreamFault("connect", provider, why=why.rpartition(": ")[2])


def _causes(error: PyreqwestError) -> list[str]:
    details = error.details if isinstance(error, RequestError) else None
    causes = (details["causes"] if details is not None else None) or ()
    return [cause["message"] for cause in causes] or [str(error)]
