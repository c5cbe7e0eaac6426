"""The calls that are made and the answers the mock upstream gives."""

import json
import random
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

MODEL = "bench"
COUNTER_DIGITS = 15


class Call(msgspec.Struct, frozen=True):
    """How a target wants to be called.

    Attributes:
        port: its loopback port.
        path: where chat completions live.
        model: the model's name in the body.
        headers: headers beyond host, content-type and content-length.
        history: messages before the question.
        fields: further fields of the body; those that are `None` are left out.
    """

    port: int
    path: str = "/v1/chat/completions"
    model: str = MODEL
    headers: tuple[tuple[str, str], ...] = ()
    history: Sequence[Mapping[str, Any]] = ()
    fields: Mapping[str, Any] = {}


class Template(msgspec.Struct, frozen=True):
    """A request of constant length with room for a counter of `COUNTER_DIGITS` digits."""

    before: bytes
    after: bytes

    def request(self, number: int) -> bytes:
        """The whole request, headers included, with `number` in its text."""
        return b"%b%0*d%b" % (self.before, COUNTER_DIGITS, number, self.after)


def new_nonce() -> str:
    """A word no earlier run has used, so that no answer of it can be remembered."""
    return secrets.token_hex(6)


def chat_request(
    call: Call, nonce: str, *, stream_chunks: int | None = None, chunk_every: int = 1
) -> Template:
    """A chat completion, of about 300 bytes where nothing more is asked for.

    Args:
        call: the target.
        nonce: a word that makes the texts of this run its own.
        stream_chunks: ask for a stream of so many chunks; a whole answer where left out.
        chunk_every: ask the streaming mock for a chunk on every so many-th interval.
    """
    mark = "#" * COUNTER_DIGITS
    document: dict[str, Any] = {
        "model": call.model,
        "messages": [
            {"role": "system", "content": "You answer in one short sentence and name no sources."},
            *call.history,
            {
                "role": "user",
                "content": f"Case {nonce}-{mark}: which of the three rivers carries the most water"
                " to the mill in a dry summer?",
            },
        ],
        "temperature": 0.2,
        "max_tokens": stream_chunks or 64,
    }
    if stream_chunks is not None:
        document["stream"] = True
    if chunk_every > 1:
        document["metadata"] = {"chunk_every": str(chunk_every)}
    document |= call.fields
    document = {name: value for name, value in document.items() if value is not None}
    body = json.dumps(document, separators=(",", ":"))
    lines = [
        f"POST {call.path} HTTP/1.1",
        f"host: 127.0.0.1:{call.port}",
        *(f"{name}: {value}" for name, value in call.headers),
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    text = "\r\n".join(lines) + "\r\n\r\n" + body
    before, _, after = text.partition(mark)
    return Template(before.encode(), after.encode())


def completion(content: str = "The middle one, fed by the lake.") -> str:
    """A chat completion, as the mock upstream answers it: about 320 bytes around the content."""
    answer = {
        "id": "chatcmpl-9f2c7d1be4",
        "object": "chat.completion",
        "created": 1760000000,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 41, "completion_tokens": 9, "total_tokens": 50},
        "system_fingerprint": "fp_6b1d",
    }
    return json.dumps(answer, separators=(",", ":"))


def long_completion(length: int) -> str:
    """A chat completion of `length` bytes, of words that compress about as much as English does.

    Raises:
        ValueError: it would be shorter than an empty one.
    """
    room = length - len(completion(""))
    if room < 0:
        raise ValueError(f"no completion has {length} bytes")
    dice = random.Random(length)
    known = ["".join(dice.choices("etaoinshrdlu", k=dice.randint(2, 9))) for _ in range(500)]
    text = " ".join(dice.choices(known, k=room))
    return completion(text[:room])


def stream_event(delta: dict[str, str], finish_reason: str | None) -> bytes:
    """One server-sent event of a chat completion stream, about 180 bytes."""
    chunk = {
        "id": "chatcmpl-9f2c7d1be4",
        "object": "chat.completion.chunk",
        "created": 1760000000,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"
