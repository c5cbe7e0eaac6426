"""One HTTP/2 connection to a provider, as pyreqwest (Rust's reqwest and hyper) keeps it.

A client of pyreqwest holds one connection for each origin and opens the next when that one is
gone. How many calls a connection carries is kept here: pyreqwest does not tell what the provider
allows, and lets what is beyond that wait unseen.
"""

import ssl
from datetime import timedelta
from typing import Protocol

import msgspec
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.http import HeaderMap
from pyreqwest.request import StreamRequest

from headrace.limits import (
    H2_PING_S,
    H2_PING_TIMEOUT_S,
    H2_STREAM_WINDOW_BYTES,
    H2_STREAMS_MAX,
)
from headrace.upstream.h1 import RawHeaders, Timeouts
from headrace.upstream.h2_parts import Parts

# Beyond the limits that are kept here: after that the stream is reset, if nothing else did it.
_MARGIN_S = 5.0


class ChannelLimits(Timeouts, Protocol):
    """What a connection has to know of its pool's limits."""

    @property
    def keepalive_s(self) -> float: ...
    @property
    def connect_timeout_s(self) -> float: ...


class Trust(msgspec.Struct, frozen=True):
    """How to verify a provider: whether at all, and by which authorities beside the system's."""

    verifies: bool = True
    authorities: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, tls: ssl.SSLContext | None) -> "Trust":
        """What a context of Python's own says, in pyreqwest's terms."""
        if tls is None:
            return cls()
        return cls(tls.verify_mode != ssl.CERT_NONE, tuple(tls.get_ca_certs(binary_form=True)))


class Channel:
    """One connection, or the place for it.

    Args:
        origin: scheme, host and port.
        limits: its time limits.
        trust: how to verify it, for https.
        now_s: when it was made.

    Attributes:
        streams: calls it carries, given up ones that are not known to be gone among them.
        served: calls it has answered.
    """

    __slots__ = ("_client", "_origin", "_timeout", "idle_since_s", "made_s", "served", "streams")

    def __init__(self, origin: str, limits: ChannelLimits, trust: Trust, now_s: float) -> None:
        self._origin = origin
        self._client = _build(limits, trust)
        self._timeout = timedelta(seconds=limits.total_timeout_s + _MARGIN_S)
        self.made_s = self.idle_since_s = now_s
        self.streams = self.served = 0

    def request(self, parts: Parts) -> StreamRequest:
        """A request to be sent over it; its answer is handed on as it comes."""
        builder = self._client.request(parts.method, self._origin + parts.target)
        builder = builder.headers(list(parts.headers)).timeout(self._timeout)
        if parts.body:
            builder = builder.body_bytes(parts.body)
        return builder.streamed_read_buffer_limit(0).build_streamed()


def headers_of(headers: HeaderMap) -> RawHeaders:
    """The headers of an answer; what pyreqwest cannot read, which is not ASCII, is left out."""
    try:
        return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    except ValueError:
        return [pair for name in dict.fromkeys(headers) for pair in _readable(headers, name)]


def _readable(headers: HeaderMap, name: str) -> RawHeaders:
    try:
        return [(name.encode(), value.encode("latin-1")) for value in headers.getall(name)]
    except ValueError:
        return []


def _build(limits: ChannelLimits, trust: Trust) -> Client:
    silence_s = max(limits.first_byte_timeout_s, limits.idle_timeout_s) + _MARGIN_S
    builder = (
        ClientBuilder()
        .http2_prior_knowledge()
        .no_proxy()
        .follow_redirects(enable=False)
        .referer(enable=False)
        .gzip(enable=False)
        .brotli(enable=False)
        .zstd(enable=False)
        .deflate(enable=False)
        .connect_timeout(timedelta(seconds=limits.connect_timeout_s))
        .read_timeout(timedelta(seconds=silence_s))
        .pool_idle_timeout(timedelta(seconds=limits.keepalive_s))
        .http2_keep_alive_interval(timedelta(seconds=H2_PING_S))
        .http2_keep_alive_timeout(timedelta(seconds=H2_PING_TIMEOUT_S))
        # Room for what every slow reader holds back, or they would stop the others (9113, 5.2.2).
        .http2_initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
        .http2_initial_connection_window_size(H2_STREAM_WINDOW_BYTES * H2_STREAMS_MAX)
        .danger_accept_invalid_certs(enable=not trust.verifies)
    )
    for authority in trust.authorities:
        builder = builder.add_root_certificate_der(authority)
    return builder.build()
