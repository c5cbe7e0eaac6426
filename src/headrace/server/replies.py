"""How answers look on the wire. Pure."""

import http
from collections.abc import Iterable, Mapping
from email.utils import formatdate
from functools import lru_cache

from headrace.cache.entry import Answer, Headers

STATUS_LINES: Mapping[int, bytes] = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode())
    for status in http.HTTPStatus
}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
# From here on an answer is written in two pieces: joining takes longer (benchmarks/buffers.py).
GATHERED_BYTES_MIN = 64 * 1024
JSON_LINE = b"content-type: application/json\r\n"
TRAILER_LINE = b"trailer: x-headrace-cost-usd\r\n"


def status_line(status: int) -> bytes:
    """The first line of an answer; a status without a name of its own gets none."""
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def header_lines(headers: Headers | Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as they are sent."""
    return b"".join([b"%b: %b\r\n" % pair for pair in headers])


def hit_head(answer: Answer) -> bytes:
    """The part of a stored answer's head that is the same each time it is given."""
    return (
        status_line(answer.status)
        + header_lines(answer.headers)
        + b"content-length: %d\r\nx-headrace-cache: l1\r\nx-headrace-attempts: 0\r\n"
        b"x-headrace-cost-usd: 0\r\nx-headrace-key: %b\r\n"
        % (len(answer.body), answer.key.hex().encode())
        + source_lines(answer.provider, answer.model)
    )


@lru_cache(maxsize=1024)
def source_lines(provider: str, model: str) -> bytes:
    """The header lines that say who answers."""
    return b"x-headrace-provider: %b\r\nx-headrace-model: %b\r\n" % (
        header_value(provider),
        header_value(model),
    )


def dollars(amount_usd: float) -> bytes:
    """US dollars as plain decimals, without an exponent."""
    return (b"%.9f" % amount_usd).rstrip(b"0").rstrip(b".")


def cost_line(amount_usd: float | None) -> bytes:
    """The header line that tells a cost, where it is known."""
    return b"" if amount_usd is None else b"x-headrace-cost-usd: %b\r\n" % dollars(amount_usd)


def header_value(text: str) -> bytes:
    """Text as a header value: printable ASCII, anything else as `?`."""
    if text.isascii() and text.isprintable():
        return text.encode()
    return "".join(c if " " <= c <= "~" else "?" for c in text).encode()


def timing_line(names: Iterable[str], times_ms: Iterable[float]) -> bytes:
    """`server-timing` (W3C Server Timing) with each stage's duration in milliseconds.

    Args:
        names: of stages; a parameter may follow each.
        times_ms: how long each took.
    """
    return _timing_template(tuple(names)) % tuple(times_ms)


@lru_cache(maxsize=64)
def _timing_template(names: tuple[str, ...]) -> bytes:
    shown = ", ".join([f"{name};dur=%.3f" for name in names])
    return f"server-timing: {shown}\r\n".encode()


def chunk(data: bytes) -> bytes:
    """Data in chunked framing (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def http_date(wall_s: float) -> bytes:
    """The `date` header line of a moment, seconds since the epoch."""
    return b"date: %b\r\n" % formatdate(wall_s, usegmt=True).encode()


def allow_line(methods: Iterable[bytes]) -> bytes:
    """The header line that names the methods a route takes."""
    return b"allow: %b\r\n" % _named(methods)


def _named(methods: Iterable[bytes]) -> bytes:
    return b", ".join(sorted({*methods, b"OPTIONS"}))


def preflight_lines(methods: Iterable[bytes], *, allowed: bool) -> bytes:
    """The header lines that answer OPTIONS; a page's script gets leave where it is `allowed`."""
    lines = allow_line(methods)
    if allowed:
        named = _named(methods)
        lines += (
            b"access-control-allow-methods: %b\r\naccess-control-max-age: 600\r\n"
            b"access-control-allow-headers: *, authorization, content-type\r\n" % named
        )
    return lines
