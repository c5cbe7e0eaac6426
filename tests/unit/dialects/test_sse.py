"""Server-sent events: what providers send around their data."""

import pytest

from headrace.dialects.sse import Event, read_events, read_payloads, write_event


@pytest.mark.parametrize(
    ("transcript", "events"),
    [
        (b"", []),
        (b"data: a\n\n", [Event(b"", b"a")]),
        (b"data:a\n\n", [Event(b"", b"a")]),
        (b"data:  a\n\n", [Event(b"", b" a")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [Event(b"", b"a"), Event(b"", b"b")]),
        (b"data: a\r\rdata: b\r\r", [Event(b"", b"a"), Event(b"", b"b")]),
        (b"data: a\ndata: b\n\n", [Event(b"", b"a\nb")]),
        (b"event: x\ndata: a\n\n", [Event(b"x", b"a")]),
        (b"data: a\nevent:x\nid: 3\nretry: 9\n\n", [Event(b"x", b"a")]),
        (b": keep-alive\n\ndata: a\n\n: again\n\n", [Event(b"", b"a")]),
        (b": note\ndata: a\n\n", [Event(b"", b"a")]),
        (b"\n\n\n\ndata: a\n\n\n\n\ndata: b\n\n", [Event(b"", b"a"), Event(b"", b"b")]),
        (b"event: ping\n\ndata: a\n\n", [Event(b"", b"a")]),
        (b"data\n\ndata:\n\ndata: \n\ndata: a\n\n", [Event(b"", b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event(b"", b"a")]),
        (b"data: a\n\ndata: cut off", [Event(b"", b"a")]),
        (b"data: a\n\ndata: cut off\n", [Event(b"", b"a")]),
        (b"nonsense\n\ndata: a\n\n", [Event(b"", b"a")]),
        (b"data: a: b\n\n", [Event(b"", b"a: b")]),
    ],
)
def test_events_are_read_as_a_client_reads_them(transcript: bytes, events: list[Event]) -> None:
    assert read_events(transcript) == events
    assert read_payloads(transcript) == [event.data for event in events]


def test_written_events_are_read_back() -> None:
    written = write_event(b'{"a":1}') + write_event(b"[DONE]", b"end")
    assert written == b'data: {"a":1}\n\nevent: end\ndata: [DONE]\n\n'
    assert read_events(written) == [Event(b"", b'{"a":1}'), Event(b"end", b"[DONE]")]
