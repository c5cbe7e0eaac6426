"""What the reader of requests counts, where the wire alone would not show it."""

import pytest
from tests.support.connection import LISTEN, Client

from headrace.server.reading import CHUNK_FRAMING_BYTES

CHUNKED = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
SIZED = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b"


def answers(*reads: bytes) -> list[int]:
    """The status of each answer to a client whose bytes come in these reads."""
    client = Client()
    for read in reads:
        client.connection.data_received(read)
    heads = client.transport.held.split(b"HTTP/1.1 ")[1:]
    return [int(head[:3]) for head in heads]


def test_a_body_is_not_counted_as_the_head_behind_it():
    whole = SIZED % (LISTEN.header_bytes_max, b"x" * LISTEN.header_bytes_max)
    assert answers(whole[:40], whole[40:] + b"GET /hea", b"lthz HTTP/1.1\r\nhost: ") == [200]


def test_any_number_of_offers_to_upgrade_may_come_at_once():
    offer = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"
    assert answers(offer * 2000) == [200] * 2000


def test_framing_of_small_chunks_is_free():
    chunk = b"0001;a=b\r\nx\r\n"
    assert len(chunk) - 1 <= CHUNK_FRAMING_BYTES
    count = 2 * LISTEN.header_bytes_max // len(chunk)
    assert answers(CHUNKED, chunk * count, b"0\r\n\r\n") == [200]


def test_extensions_are_counted_over_all_chunks():
    chunk = b"1;%b\r\nx\r\n" % (b"x" * 1000)
    few = LISTEN.header_bytes_max // len(chunk)
    assert answers(CHUNKED, *[chunk] * few, b"0\r\n\r\n") == [200]
    assert answers(CHUNKED, *[chunk] * (few + 2), b"0\r\n\r\n") == [431]


@pytest.mark.parametrize(
    "trailers",
    [b"x: %b\r\n" % (b"x" * LISTEN.header_bytes_max), b"x: y\r\n" * (LISTEN.header_count_max + 1)],
    ids=["long", "many"],
)
def test_trailers_are_counted_however_they_come(trailers: bytes):
    ends = b"0\r\n%b\r\n" % trailers
    assert answers(CHUNKED + ends) == [431]
    assert answers(CHUNKED, ends) == [431]
    assert answers(CHUNKED, ends[:20], ends[20:-2], ends[-2:]) == [431]


def test_the_body_of_a_sized_request_has_no_framing():
    size = LISTEN.header_bytes_max * 2
    whole = SIZED % (size, b"x" * size)
    assert answers(whole[:100], whole[100:5000], whole[5000:]) == [200]
