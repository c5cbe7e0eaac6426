"""Server-sent events as bytes: a transcript is the body of a streamed answer, joined."""

from typing import NamedTuple

_BOM = b"\xef\xbb\xbf"
_BLANK_LINES = (b"\n\n", b"\r\n\r\n", b"\r\r")


class Event(NamedTuple):
    """One dispatched event.

    Attributes:
        name: the `event:` field, empty where there is none.
        data: the `data:` lines joined by newlines, never empty.
    """

    name: bytes
    data: bytes


def split_blocks(transcript: bytes) -> list[bytes]:
    """The terminated blocks of a transcript, newlines made LF, without their blank lines.

    A block without a blank line after it never reached the reader and is left out.
    """
    if b"\r" in transcript:
        transcript = transcript.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    blocks = transcript.removeprefix(_BOM).split(b"\n\n")
    blocks.pop()
    return blocks


def cut_off(data: bytes) -> tuple[bytes, bytes]:
    """The part of a transcript that ends with a whole event, and what follows it."""
    if data.endswith(b"\n\n"):
        return data, b""
    end = max((data.rfind(mark) + len(mark) for mark in _BLANK_LINES if mark in data), default=0)
    return data[:end], data[end:]


def read_block(block: bytes) -> Event | None:
    """The event in a block, `None` for a comment or an event without data."""
    if block.startswith(b"data: ") and b"\n" not in block:
        return Event(b"", block[6:]) if len(block) > 6 else None
    name = b""
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    joined = b"\n".join(data)
    return Event(name, joined) if joined else None


def read_events(transcript: bytes) -> list[Event]:
    """Every event of a transcript that a client would have dispatched."""
    events = map(read_block, split_blocks(transcript))
    return [event for event in events if event is not None]


def read_payloads(transcript: bytes) -> list[bytes]:
    """The data of every event of a transcript, whatever the events are called."""
    if transcript.startswith(b"data: ") and transcript.endswith(b"\n\n"):
        payloads = transcript[6:-2].split(b"\n\ndata: ")
        # Every newline ends an event, so nothing but bare one-line events is in there.
        if transcript.count(b"\n") == 2 * len(payloads) and b"\r" not in transcript:
            return [payload for payload in payloads if payload]
    return [event.data for event in read_events(transcript)]


def write_event(data: bytes, name: bytes = b"") -> bytes:
    """An event of one data line; `data` holds no newline."""
    if name:
        return b"event: " + name + b"\ndata: " + data + b"\n\n"
    return b"data: " + data + b"\n\n"
