"""One call by hand, to see that a target does what its row says before it is measured."""

import socket

import msgspec

from benchmarks import processes

ANSWER_BYTES_MAX = 1 << 20


class Answer(msgspec.Struct, frozen=True):
    """Status and header fields of an answer, names in lower case."""

    status: int
    headers: dict[str, str]


def call(port: int, request: bytes, *, seconds_max: float = 30.0) -> Answer:
    """Send a request and read the head of its answer.

    Raises:
        ChildFailed: the target closed the connection or did not answer in time.
    """
    received = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds_max) as connection:
            connection.sendall(request)
            while b"\r\n\r\n" not in received and len(received) < ANSWER_BYTES_MAX:
                part = connection.recv(65_536)
                if not part:
                    break
                received += part
    except OSError as error:
        raise processes.ChildFailed(f"port {port} did not answer a probe: {error}") from error
    return parse_head(received)


def parse_head(received: bytes) -> Answer:
    """Read status line and header fields.

    Raises:
        ChildFailed: this is not the head of an HTTP answer.
    """
    head, separator, _ = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(maxsplit=2)
    if not separator or len(words) < 2 or not words[1].isdigit():
        raise processes.ChildFailed(f"no HTTP answer to a probe, but {received[:200]!r}")
    fields = (line.partition(":") for line in lines[1:])
    return Answer(int(words[1]), {name.strip().lower(): text.strip() for name, _, text in fields})
