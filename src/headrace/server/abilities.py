"""What a client says that it can do, or waits for, in the head of its request. Pure."""

from collections.abc import Mapping

_HTTP10 = "1.0"


def takes_trailers(version: str, fields: Mapping[bytes, bytes]) -> bool:
    """Whether a client says that it reads trailers (RFC 9110, 10.1.4)."""
    if version == _HTTP10 or b"te" not in fields:
        return False
    return any(coding.strip() == b"trailers" for coding in fields[b"te"].lower().split(b","))


def expects_continue(version: str, fields: Mapping[bytes, bytes]) -> bool:
    """Whether a client waits for leave to send its body; nothing in HTTP/1.0 (RFC 9110, 10.1.1)."""
    return version != _HTTP10 and fields.get(b"expect", b"").lower() == b"100-continue"
