"""Values as bytes on disk: bytes, text and JSON, so that reading them can never run code.

A value comes back as what it was, or is refused: tuples, sets, keys that are no text, NaN and the
like are not what JSON would make of them. Of a subclass, the plain value that it equals comes back.
"""

import json
from typing import Any, Final

import msgspec

from headrace.errors import HeadraceError

# How a value is written. The numbers are in files: never change one.
BYTES: Final = 0
TEXT: Final = 1
JSON: Final = 2
ODD_JSON: Final = 3  # what only the slow codec can write: text with lone surrogates


class NotStorable(HeadraceError, TypeError):
    """A value cannot be stored: it is neither bytes nor what JSON can hold."""

    status = 400
    type = "invalid_request_error"
    default_code = "not_storable"


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder()


def encode(value: object) -> tuple[int, bytes]:
    """A value as bytes.

    Raises:
        NotStorable: it would not come back as what it is.
    """
    if isinstance(value, str):
        return TEXT, str.encode(value, "utf-8", "surrogatepass")
    if isinstance(value, bytes):
        return BYTES, bytes(value)
    try:
        encoded, kind = _ENCODER.encode(value), JSON
        same = decode(kind, encoded) == value
    except UnicodeEncodeError:
        encoded, kind, same = _encode_odd(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise _refused(value, str(error)) from error
    if not same:
        raise _refused(value, "it would come back as something else")
    return kind, encoded


def decode(kind: int, encoded: bytes) -> Any:
    """The value again, a new one each time.

    Raises:
        ValueError: these are not bytes that `encode` gives.
    """
    if kind == BYTES:
        return encoded
    if kind == TEXT:
        return encoded.decode("utf-8", "surrogatepass")
    if kind == JSON:
        return _DECODER.decode(encoded)
    return json.loads(encoded)


def _encode_odd(value: object) -> tuple[bytes, int, bool]:
    try:
        encoded = json.dumps(value, allow_nan=False).encode()
        return encoded, ODD_JSON, json.loads(encoded) == value
    except (TypeError, ValueError, RecursionError) as error:
        raise _refused(value, str(error)) from error


def _refused(value: object, why: str) -> NotStorable:
    return NotStorable(
        f"A value of type {type(value).__qualname__} cannot be stored: {why}. "
        "Store bytes, or what JSON holds: text, numbers, true, false, null, lists, and mappings "
        "with text for keys."
    )
