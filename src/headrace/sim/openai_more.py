"""The rest of OpenAI's grammar: embeddings, the model list, errors and headers."""

import array
import base64
import math
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from headrace.errors import HeadraceError, InvalidRequest
from headrace.sim.prefixes import Shelf
from headrace.sim.prompt import decode, require_model
from headrace.sim.rate import Quota
from headrace.sim.reply import Reply
from headrace.sim.text import count_tokens, seeded_bytes, split_tokens

DIMENSIONS_DEFAULT = 1536
_DIMENSIONS_MAX = 8192
_INPUTS_MAX = 2048
_FEATURES_PER_TOKEN = 16
_NOISE = 0.01
_OWNED_SINCE_S = 1_700_000_000
_TYPES: Mapping[int, str] = {
    401: "invalid_request_error",
    404: "invalid_request_error",
    429: "requests",
}
_UNLIMITED = Quota(limit=30_000, remaining=29_999, reset_s=0.002)
_UNLIMITED_TOKENS = Quota(limit=150_000_000, remaining=149_999_000, reset_s=0.0)


class EmbeddingsBody(msgspec.Struct, kw_only=True):
    """The fields of an embeddings request that the simulator looks at."""

    model: str
    input: str | list[Any]
    dimensions: int | None = None
    encoding_format: str | None = None


def embeddings(
    seed: int, body: bytes, tokens_wanted: int | None, created_s: int, shelf: Shelf | None = None
) -> Reply:
    """Answer `POST /v1/embeddings`; texts that share words lie near each other.

    Raises:
        InvalidRequest: the body is no embeddings request.
        NotFound: the model's name says that there is no such model.
    """
    del tokens_wanted, created_s, shelf  # a vector has neither length nor date nor a prefix
    request = decode(body, EmbeddingsBody)
    require_model(request.model)
    dimensions = request.dimensions or DIMENSIONS_DEFAULT
    if not 1 <= dimensions <= _DIMENSIONS_MAX:
        raise InvalidRequest(
            f"'dimensions' must be from 1 to {_DIMENSIONS_MAX}.", param="dimensions"
        )
    if request.encoding_format not in (None, "float", "base64"):
        raise InvalidRequest("'encoding_format' must be float or base64.", param="encoding_format")
    key = b"%d %b" % (seed, request.model.encode())
    texts = _inputs(request.input)
    vectors = [embed(key, text, dimensions) for text in texts]
    as_base64 = request.encoding_format == "base64"
    tokens = sum(count_tokens(text) for text in texts)
    document = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": at, "embedding": _packed(v) if as_base64 else v}
            for at, v in enumerate(vectors)
        ],
        "model": request.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    body = msgspec.json.encode(document)
    return Reply(model=request.model, charge=tokens, inputs=len(texts), body=body)


def _inputs(given: str | list[Any]) -> list[str]:
    if isinstance(given, str):
        return [given]
    if not given or len(given) > _INPUTS_MAX:
        raise InvalidRequest(f"'input' must hold 1 to {_INPUTS_MAX} texts.", param="input")
    if all(isinstance(item, int) for item in given):
        return [" ".join(map(str, given))]
    return [_input(item, at) for at, item in enumerate(given)]


def _input(item: Any, at: int) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, list) and item and all(isinstance(token, int) for token in item):
        return " ".join(map(str, item))
    raise InvalidRequest(f"'input[{at}]' must be a text or a list of tokens.", param="input")


def embed(key: bytes, text: str, dimensions: int) -> list[float]:
    """A vector of length 1: the sum of its words' directions and a little of its own."""
    noise = array.array("h", seeded_bytes(2 * dimensions, key, text.encode()))
    scale = _NOISE / 32768
    vector = [value * scale for value in noise]
    for token in split_tokens(text.lower()):
        drawn = array.array("H", seeded_bytes(2 * _FEATURES_PER_TOKEN, key, token.strip().encode()))
        for value in drawn:
            vector[(value >> 1) % dimensions] += 1.0 if value & 1 else -1.0
    norm = math.sqrt(math.fsum(value * value for value in vector)) or 1.0
    return [value / norm for value in vector]


def _packed(vector: list[float]) -> str:
    packed = array.array("f", vector)
    if sys.byteorder == "big":
        packed.byteswap()
    return base64.b64encode(packed.tobytes()).decode()


def models_body(names: tuple[str, ...]) -> bytes:
    """Answer `GET /v1/models`."""
    return msgspec.json.encode({"object": "list", "data": [_model(name) for name in names]})


def model_body(name: str) -> bytes:
    """Answer `GET /v1/models/{id}`.

    Raises:
        NotFound: the name says that there is no such model.
    """
    require_model(name)
    return msgspec.json.encode(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _OWNED_SINCE_S, "owned_by": "headrace-sim"}


class OpenAIGrammar:
    """OpenAI's error bodies and headers."""

    __slots__ = ()
    id_header: ClassVar[bytes] = b"x-request-id"

    def error_body(self, error: HeadraceError, request_id: str) -> bytes:
        """The error as OpenAI words it; the id goes into the headers only."""
        del request_id
        kind = _TYPES.get(error.status, error.type)
        told = {
            "message": error.message,
            "type": kind,
            "param": error.param,
            "code": error.code,
        }
        return msgspec.json.encode({"error": told})

    def headers(self, quota: Quota | None, processing_ms: int, wall_s: float) -> bytes:
        """Header lines as OpenAI sends them."""
        del wall_s
        told = quota or _UNLIMITED
        tokens = told.tokens or _UNLIMITED_TOKENS
        lines = (
            f"openai-processing-ms: {processing_ms}\r\n"
            "openai-version: 2020-10-01\r\nopenai-organization: headrace-sim\r\n"
            f"x-ratelimit-limit-requests: {told.limit}\r\n"
            f"x-ratelimit-remaining-requests: {told.remaining}\r\n"
            f"x-ratelimit-reset-requests: {told.reset_s:.3f}s\r\n"
            f"x-ratelimit-limit-tokens: {tokens.limit}\r\n"
            f"x-ratelimit-remaining-tokens: {tokens.remaining}\r\n"
            f"x-ratelimit-reset-tokens: {tokens.reset_s:.3g}s\r\n"
        )
        return lines.encode()
