import zlib

import pytest

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.pace import AT_ONCE, Pace
from headrace.sim.play import Ending, faulty, good
from headrace.sim.reply import Reply

HEAD = b"HTTP/1.1 200 OK\r\n"
WHOLE = Reply(model="m", tokens=3, body=b'{"a":"b"}')
STREAM = Reply(stream=True, tokens=3, lead=b"<", frames=(b"1", b"2", b"3"), tail=b">")
STEADY = Pace(0.1, 0.01)


def payload(wire: bytes) -> bytes:
    """What the chunks hold, and `!` where the body ends properly."""
    _, _, rest = wire.partition(b"\r\n\r\n")
    data = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        if size == b"0":
            return data + b"!"
        data += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return data


def test_a_whole_answer_is_one_write_after_its_service_time():
    play = good(HEAD, WHOLE, STEADY)
    assert play.writes == (
        b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"a":"b"}',
    )
    assert play.delay_s == pytest.approx(0.12)
    assert play.ending is Ending.KEEP


def test_a_stream_is_one_write_for_each_token():
    play = good(HEAD, STREAM, STEADY)
    assert len(play.writes) == 3
    assert payload(play.writes[0]) == b"<1"
    assert play.writes[1] == b"1\r\n2\r\n"
    assert payload(b"".join(play.writes)) == b"<123>!"
    assert (play.delay_s, play.interval_s) == (0.1, 0.01)


def test_a_stream_without_latency_is_one_write():
    (wire,) = good(HEAD, STREAM, AT_ONCE).writes
    assert payload(wire) == b"<123>!"


@pytest.mark.parametrize(
    ("kind", "chunks", "sent", "ending"),
    [
        (FaultKind.RESET_MID, 0, b"", Ending.RESET),
        (FaultKind.RESET_MID, 2, b"<12", Ending.RESET),
        (FaultKind.CUT, 1, b"<1", Ending.CLOSE),
        (FaultKind.CUT, 9, b"<123", Ending.CLOSE),
        (FaultKind.STALL_MID, 2, b"<12", Ending.STALL),
        (FaultKind.END_EARLY, 0, b"!", Ending.KEEP),
        (FaultKind.END_EARLY, 2, b"<12!", Ending.KEEP),
        (FaultKind.SLOW, 0, b"<123>!", Ending.KEEP),
    ],
)
@pytest.mark.parametrize("pace", [AT_ONCE, STEADY])
def test_broken_streams(kind: FaultKind, chunks: int, sent: bytes, ending: Ending, pace: Pace):
    play = faulty(Fault(kind=kind, after_chunks=chunks, delay_ms=50), HEAD, STREAM, pace)
    assert payload(b"".join(play.writes)) == sent
    assert play.ending is ending
    assert play.delay_s == pytest.approx(pace.ttft_s + 0.05)


def test_a_malformed_stream_has_a_broken_event_in_its_middle_and_ends_properly():
    play = faulty(Fault(kind=FaultKind.MALFORMED, after_chunks=2), HEAD, STREAM, AT_ONCE)
    sent = payload(b"".join(play.writes))
    assert sent.startswith(b"<12data: {")
    assert sent.endswith(b"\n\n3>!")


@pytest.mark.parametrize(
    ("kind", "body", "length", "ending"),
    [
        (FaultKind.CUT, b'{"a"', b"9", Ending.CLOSE),
        (FaultKind.STALL_MID, b'{"a"', b"9", Ending.STALL),
        (FaultKind.RESET_MID, b"", b"9", Ending.RESET),
        (FaultKind.MALFORMED, b'{"a"', b"4", Ending.KEEP),
    ],
)
def test_broken_whole_answers(kind: FaultKind, body: bytes, length: bytes, ending: Ending):
    play = faulty(Fault(kind=kind), HEAD, WHOLE, AT_ONCE)
    head, _, sent = b"".join(play.writes).partition(b"\r\n\r\n")
    assert sent == body
    assert head.endswith(b"content-length: " + length)
    assert play.ending is ending


def test_gzip_unpacks_to_the_same_bytes_event_by_event():
    play = faulty(Fault(kind=FaultKind.GZIP), HEAD, STREAM, STEADY)
    assert b"content-encoding: gzip" in play.writes[0]
    unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert unpack.decompress(payload(play.writes[0])) == b"<1"
    packed = payload(b"".join(play.writes)).removesuffix(b"!")
    assert zlib.decompress(packed, 16 + zlib.MAX_WBITS) == b"<123>"
    whole = b"".join(faulty(Fault(kind=FaultKind.GZIP), HEAD, WHOLE, STEADY).writes)
    assert zlib.decompress(whole.partition(b"\r\n\r\n")[2], 16 + zlib.MAX_WBITS) == WHOLE.body
