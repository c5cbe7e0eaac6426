"""A request worded for HTTP/1.1, taken apart for HTTP/2 (RFC 9113, 8.2.2 and 8.3.1)."""

import msgspec

# Of the connection, or said by other means in HTTP/2.
_LEFT_OUT = frozenset(
    {"host", "content-length", "connection", "keep-alive", "transfer-encoding", "upgrade"}
)


class Parts(msgspec.Struct, frozen=True):
    """A request, however it is sent."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def take_apart(request: bytes) -> Parts:
    """The parts of a request that an endpoint worded.

    Args:
        request: the bytes of a whole HTTP/1.1 request, its body sized by `content-length`.
    """
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    headers = tuple((name, value.strip(" ")) for name, _, value in pairs if name not in _LEFT_OUT)
    return Parts(method, target, headers, body)
