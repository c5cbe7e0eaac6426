"""Cache keys: a digest of the scope and of what was asked.

Two keys lead to one answer. The repeat key digests the body as it came and finds byte-identical
repeats before any JSON is read. The canonical key digests the decoded request in one fixed
encoding, so that neither the order of fields, white space, escapes nor the spelling of numbers
tells two equal requests apart, and nothing else makes two different ones equal.
"""

from hashlib import blake2b
from math import isfinite
from typing import Any

import msgspec

from headrace.dialects.duplicates import find_duplicate, has_duplicates
from headrace.errors import InvalidRequest

_SCOPE_BYTES = 32
_KEY_BYTES = 20
_REPEAT = b"\x00"
_CANONICAL = b"\x01"
# Beyond it a float no longer names a single integer.
_EXACT_INTEGER_MAX = 2.0**53


def _read_float(text: str) -> float | int:
    value = float(text)
    if value.is_integer():
        return int(value) if abs(value) <= _EXACT_INTEGER_MAX else value
    if not isfinite(value):
        raise ValueError(f"number {text[:40]} is out of range")
    return value


_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=_read_float)
_encode = msgspec.json.Encoder(order="deterministic").encode
_encode_in_order = msgspec.json.Encoder().encode


def decode_document(body: bytes) -> dict[str, Any]:
    """Decode a request body; `1`, `1.0` and `1e0` decode alike.

    Raises:
        InvalidRequest: the body is not a JSON object, holds what JSON cannot carry, or the same
            name twice in one object.
    """
    if not body:
        raise _invalid(body, "it is empty", "send one JSON object")
    try:
        document = _DECODER.decode(body)
        if has_duplicates(body, _encode_in_order(document)):
            raise _doubled(body)
    except UnicodeDecodeError:
        raise _invalid(body, _describe_utf8(body), "encode it as UTF-8") from None
    except RecursionError:
        raise too_deep() from None
    except msgspec.ValidationError as error:
        raise _invalid(body, _without_path(str(error)), "send one JSON object") from None
    except msgspec.DecodeError as error:
        raise _invalid(body, str(error), "send one JSON object") from None
    return document


def scope_digest(*parts: bytes) -> bytes:
    """Digest who asks whom (tenant, provider, base URL, operation, headers that change answers).

    Returns:
        32 bytes, different for every different sequence of parts.
    """
    digest = blake2b(digest_size=_SCOPE_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def repeat_key(scope: bytes, body: bytes) -> bytes:
    """The key of a body as it came, 20 bytes; `scope` comes from `scope_digest`."""
    # Cut from the full digest: asking for a shorter one takes twice as long for small bodies.
    return blake2b(scope + _REPEAT + body).digest()[:_KEY_BYTES]


def canonical_key(
    scope: bytes, document: dict[str, Any], uncounted: frozenset[str], model: str
) -> bytes:
    """The key of a decoded request, 20 bytes.

    Args:
        scope: from `scope_digest`, so that keys of different scopes never meet.
        document: from `decode_document`, which is what makes numbers alike and finite.
        uncounted: top-level fields that cannot change the answer.
        model: the model as the provider names it; stands in for the document's own.

    Raises:
        InvalidRequest: the document is nested too deeply to encode.
    """
    counted = {field: value for field, value in document.items() if field not in uncounted}
    counted["model"] = model
    try:
        encoded = _encode(counted)
    except RecursionError:
        raise too_deep() from None
    return blake2b(scope + _CANONICAL + encoded).digest()[:_KEY_BYTES]


def too_deep() -> InvalidRequest:
    """Why a body that is nested too deeply is not read."""
    return _invalid(b"", "it is nested too deeply", "send fewer levels")


def without_marks(document: dict[str, Any], marks: tuple[str, ...]) -> dict[str, Any]:
    """A request without what only tells the provider which beginning to keep.

    Args:
        document: the request, which is left alone.
        marks: names of the fields of blocks that do so.
    """
    plain = dict(document)
    for section in ("tools", "system"):
        if section in plain:
            plain[section] = _unmarked(plain[section], marks)
    if isinstance(plain.get("messages"), list):
        plain["messages"] = [
            {**message, "content": _unmarked(message["content"], marks)}
            if isinstance(message, dict) and isinstance(message.get("content"), list)
            else message
            for message in plain["messages"]
        ]
    return plain


def _unmarked(blocks: Any, marks: tuple[str, ...]) -> Any:
    if not isinstance(blocks, list):
        return blocks
    plain = []
    for block in blocks:
        if isinstance(block, dict):
            block = {name: value for name, value in block.items() if name not in marks}
            if isinstance(block.get("content"), list):  # parts of a tool's result may be marked
                block["content"] = _unmarked(block["content"], marks)
        plain.append(block)
    return plain


def _invalid(body: bytes, found: str, remedy: str) -> InvalidRequest:
    size = f" of {len(body)} bytes" if body else ""
    return InvalidRequest(
        f"The body{size} cannot be read: {found}. Correct it: {remedy}.", code="invalid_json"
    )


def _doubled(body: bytes) -> InvalidRequest:
    path = find_duplicate(body)
    what = "A name" if path is None else f"`{path}`"
    return InvalidRequest(
        f"{what} is written twice in one object, and readers differ in which value they take. "
        "Correct it: write each name once.",
        param=path,
        code="invalid_json",
    )


def _describe_utf8(body: bytes) -> str:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return f"it is not UTF-8 (byte {error.start})"
    return "it is not UTF-8"


def _without_path(message: str) -> str:
    # The decoder writes the path to a value as `$[...]`, which helps nobody.
    return message.partition(" - at `")[0]
