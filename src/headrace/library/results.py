"""What callers of the library get: frozen, with the provider's own bytes beside what was read."""

import base64
import binascii
import struct
from typing import Any

import msgspec

from headrace.cache.entry import Answer, Shape
from headrace.dialects.base import Dialect, Operation
from headrace.dialects.decoding import decode_or_none
from headrace.errors import UpstreamBroken, UpstreamRefused
from headrace.gateway.headers import is_encoded
from headrace.gateway.reader import Fallback, Source
from headrace.limits import NUMBER_DIGITS_MAX
from headrace.model import CacheResult, Usage

Json = dict[str, Any]

_OBJECT = msgspec.json.Decoder(Json)
_QUOTED_CHARACTERS_MAX = 500


class Completion(msgspec.Struct, frozen=True):
    """A whole answer of a model; `str()` of it is its text.

    Attributes:
        text: the text of the first choice, empty where it has none.
        finish_reason: why it ended, in the provider's own words.
        tool_calls: the tool calls as the provider sent them.
        usage: tokens as the provider counted them, `None` where it did not.
        model: what the provider calls the model that was asked.
        provider: name of the provider in the settings.
        cache: where the answer came from: `l1`, `joined`, `miss` or `bypass`.
        cost_usd: what this call cost in US dollars; 0 where nobody had to be asked, `None` where
            its price is not known.
        attempts: calls made to the provider for it.
        raw: the provider's JSON.
        fallback: `text` where nobody answered and this is the model's `fallback_text`, `continued`
            where a stream broke off and went on in another call.
    """

    text: str
    finish_reason: str | None
    tool_calls: tuple[Json, ...]
    usage: Usage | None
    model: str
    provider: str
    cache: CacheResult
    cost_usd: float | None
    attempts: int
    raw: bytes
    fallback: Fallback | None = None

    def __str__(self) -> str:
        return self.text

    def json(self) -> Json:
        """`raw`, decoded."""
        return _OBJECT.decode(self.raw)


class Embeddings(msgspec.Struct, frozen=True):
    """Vectors of texts, in the order of the texts.

    Attributes:
        vectors: one for each text.

    The other attributes are those of `Completion`.
    """

    vectors: tuple[tuple[float, ...], ...]
    usage: Usage | None
    model: str
    provider: str
    cache: CacheResult
    cost_usd: float | None
    attempts: int
    raw: bytes

    def json(self) -> Json:
        """`raw`, decoded."""
        return _OBJECT.decode(self.raw)


class _Vector(msgspec.Struct, gc=False):
    embedding: tuple[float, ...] | str
    index: int = 0


class _Vectors(msgspec.Struct, gc=False):
    data: list[_Vector]


_VECTORS = msgspec.json.Decoder(_Vectors)


def read_completion(
    answer: Answer, source: Source, dialect: Dialect, operation: Operation
) -> Completion:
    """The completion in an answer, whole or the transcript of a stream.

    Raises:
        UpstreamRefused: the answer is an error.
        UpstreamBroken: it cannot be read.
    """
    body = whole_body(answer, dialect, operation)
    document = decode_or_none(body, _OBJECT)
    if document is None:
        raise _unreadable(source.provider, "something that is no JSON object")
    read = _read_message if dialect.name == "anthropic" else _read_chat
    text, finish_reason, tool_calls = read(document)
    return Completion(
        text,
        finish_reason,
        tool_calls,
        answer.usage,
        source.model,
        source.provider,
        source.cache,
        0.0 if source.is_free else answer.cost_usd,
        source.attempts,
        body,
        source.fallback,
    )


def read_embeddings(
    answer: Answer, source: Source, dialect: Dialect, operation: Operation
) -> Embeddings:
    """The vectors in an answer.

    Raises:
        UpstreamRefused: the answer is an error.
        UpstreamBroken: it cannot be read.
    """
    body = whole_body(answer, dialect, operation)
    read = decode_or_none(body, _VECTORS)
    if read is None:
        raise _unreadable(source.provider, "something that holds no vectors")
    ordered = sorted(read.data, key=lambda vector: vector.index)
    return Embeddings(
        tuple(_floats(vector.embedding, source.provider) for vector in ordered),
        answer.usage,
        source.model,
        source.provider,
        source.cache,
        0.0 if source.is_free else answer.cost_usd,
        source.attempts,
        body,
    )


def whole_body(answer: Answer, dialect: Dialect, operation: Operation) -> bytes:
    """The JSON of an answer that is no error; raises as `read_completion`."""
    check(answer)
    if answer.shape is Shape.WHOLE and not is_transcript(answer):
        return answer.body
    return dialect.assemble(operation, answer.body)


def transcript(answer: Answer, dialect: Dialect, operation: Operation) -> bytes:
    """The events of an answer that is no error; raises as `read_completion`."""
    check(answer)
    if answer.shape is not Shape.WHOLE or is_transcript(answer):
        return answer.body
    return dialect.disassemble(operation, answer.body, include_usage=True)


def check(answer: Answer) -> None:
    """See to it that an answer is one.

    Raises:
        UpstreamRefused: it is an error of the provider.
        UpstreamBroken: it is compressed, which nobody asked for.
    """
    if answer.status != 200:
        raise refused(answer.provider, answer.status, answer.body, answer.headers)
    if is_encoded(answer.headers):
        raise _unreadable(answer.provider, "a compressed body that nobody asked for")


def is_transcript(answer: Answer) -> bool:
    """Whether an answer's body is events, whatever was asked for."""
    return (b"content-type", b"text/event-stream") in (
        (name, value.partition(b";")[0].strip().lower()) for name, value in answer.headers
    )


def refused(
    provider: str, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> UpstreamRefused:
    """The error for a provider's own, which it quotes."""
    document = decode_or_none(body, _OBJECT) or {}
    error = document.get("error")
    said = error.get("message") if isinstance(error, dict) else error or document.get("message")
    if not isinstance(said, str) or not said:
        said = body.decode("utf-8", "replace") or "(nothing)"
    if len(said) > _QUOTED_CHARACTERS_MAX:
        said = said[:_QUOTED_CHARACTERS_MAX] + "…"
    refusal = UpstreamRefused(
        f"Provider '{provider}' answered with status {status}: {said}",
        upstream_status=status,
        body=body,
    )
    for name, value in headers:
        if name == b"retry-after" and value.isdigit() and len(value) <= NUMBER_DIGITS_MAX:
            refusal.retry_after_s = float(value)
    return refusal


def _unreadable(provider: str, what: str) -> UpstreamBroken:
    return UpstreamBroken(
        f"Provider '{provider}' answered with {what}; check its base_url.", code="upstream_garbage"
    )


def _read_chat(document: Json) -> tuple[str, str | None, tuple[Json, ...]]:
    choice = next(iter(_objects(document.get("choices"))), {})
    message = choice.get("message")
    if not isinstance(message, dict):
        message = {}
    content = message.get("content")
    text = content if isinstance(content, str) else _joined(_objects(content))
    return text, _word(choice.get("finish_reason")), _objects(message.get("tool_calls"))


def _read_message(document: Json) -> tuple[str, str | None, tuple[Json, ...]]:
    blocks = _objects(document.get("content"))
    text = _joined(tuple(block for block in blocks if block.get("type") == "text"))
    tool_calls = tuple(block for block in blocks if block.get("type") == "tool_use")
    return text, _word(document.get("stop_reason")), tool_calls


def _objects(value: object) -> tuple[Json, ...]:
    items = value if isinstance(value, list) else []
    return tuple(item for item in items if isinstance(item, dict))


def _joined(parts: tuple[Json, ...]) -> str:
    texts = (part.get("text") for part in parts)
    return "".join(text for text in texts if isinstance(text, str))


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _floats(embedding: tuple[float, ...] | str, provider: str) -> tuple[float, ...]:
    if not isinstance(embedding, str):
        return embedding
    try:
        packed = base64.b64decode(embedding, validate=True)
        return struct.unpack(f"<{len(packed) // 4}f", packed)
    except (binascii.Error, ValueError, struct.error):
        raise _unreadable(provider, "vectors that are no base64 of floats") from None
