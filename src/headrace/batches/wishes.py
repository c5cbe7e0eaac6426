"""What callers say when they ask for a batch, or for a page of a list. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET

from headrace.batches.files import expiry_s, wrong_expiry
from headrace.batches.lines import ENDPOINTS
from headrace.batches.tables import Page
from headrace.errors import InvalidRequest

METADATA_PAIRS_MAX: Final = 16
METADATA_NAME_CHARS_MAX: Final = 64
METADATA_VALUE_CHARS_MAX: Final = 512
WINDOW_H_MAX: Final = 168
PAGE_MAX: Final = 100
_WINDOW: Final = re.compile(r"([1-9]\d{0,2})h")
_ID: Final = re.compile(r"[a-z]{1,16}_[0-9a-z]{1,64}")


class Wish(msgspec.Struct, frozen=True):
    """A batch that is asked for.

    Attributes:
        window_s: how long it may take, in seconds.
        metadata: the caller's own, as JSON.
        keep_s: how long its results are kept; `None` for as long as is usual here.
    """

    input_file: str
    endpoint: str
    window_s: float
    metadata: str = "null"
    keep_s: float | None = None


class _Document(msgspec.Struct):
    input_file_id: Any = UNSET
    endpoint: Any = UNSET
    completion_window: Any = UNSET
    metadata: Any = None
    output_expires_after: Any = None


_read: Final = msgspec.json.Decoder(_Document).decode


def read_wish(body: bytes) -> Wish:
    """The batch that a request asks for.

    Raises:
        InvalidRequest: something of it is not as it has to be.
    """
    try:
        document = _read(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is no JSON object: {error}.", code="invalid_json") from None
    return Wish(
        _text(document.input_file_id, "input_file_id"),
        _endpoint(_text(document.endpoint, "endpoint")),
        _window_s(_text(document.completion_window, "completion_window")),
        _metadata(document.metadata),
        _keep_s(document.output_expires_after),
    )


def read_page(query: Mapping[str, str]) -> Page:
    """The page that a query asks for.

    Raises:
        InvalidRequest: it cannot be.
    """
    limit, after, order = query.get("limit", "20"), query.get("after", ""), query.get("order")
    if not (
        limit.isascii() and limit.isdigit() and len(limit) <= 3 and 1 <= int(limit) <= PAGE_MAX
    ):
        raise _wrong("limit", f"a number from 1 to {PAGE_MAX}")
    if after and not _ID.fullmatch(after):
        raise _wrong("after", "an id")
    if order not in (None, "asc", "desc"):
        raise _wrong("order", "`asc` or `desc`")
    return Page(int(limit), after, is_ascending=order == "asc")


def _text(told: object, name: str) -> str:
    if told is UNSET:
        raise InvalidRequest(f"`{name}` is missing.", code="missing_field", param=name)
    if not isinstance(told, str):
        raise _wrong(name, "a text")
    return told


def _endpoint(endpoint: str) -> str:
    if endpoint not in ENDPOINTS:
        raise _wrong("endpoint", "one of " + ", ".join(f"`{name}`" for name in ENDPOINTS))
    return endpoint


def _window_s(told: str) -> float:
    hours = _WINDOW.fullmatch(told)
    if hours is None or int(hours[1]) > WINDOW_H_MAX:
        raise _wrong("completion_window", f"hours, such as `24h`, up to `{WINDOW_H_MAX}h`")
    return int(hours[1]) * 3600.0


def _metadata(told: object) -> str:
    if told is None:
        return "null"
    if not isinstance(told, dict) or len(told) > METADATA_PAIRS_MAX:
        raise _wrong("metadata", f"an object of up to {METADATA_PAIRS_MAX} texts")
    for name, value in told.items():
        if len(name) > METADATA_NAME_CHARS_MAX:
            raise _wrong("metadata", f"names of up to {METADATA_NAME_CHARS_MAX} characters")
        if not isinstance(value, str) or len(value) > METADATA_VALUE_CHARS_MAX:
            raise _wrong("metadata", f"texts of up to {METADATA_VALUE_CHARS_MAX} characters")
    return msgspec.json.encode(told).decode()


def _keep_s(told: object) -> float | None:
    if told is None:
        return None
    if not isinstance(told, dict) or told.get("anchor", "created_at") != "created_at":
        raise _wrong("output_expires_after", "an object of `anchor: created_at` and `seconds`")
    seconds = told.get("seconds")
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise wrong_expiry()
    return expiry_s(seconds)


def _wrong(name: str, wanted: str) -> InvalidRequest:
    return InvalidRequest(f"`{name}` has to be {wanted}.", code="invalid_value", param=name)
