"""Lines of a batch: what each asks for, or what is wrong with it. Pure."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET

from headrace.dialects.base import Operation

ENDPOINTS: Final[Mapping[str, Operation]] = {
    "/v1/chat/completions": Operation.CHAT,
    "/v1/embeddings": Operation.EMBEDDINGS,
    "/v1/messages": Operation.MESSAGES,
}
"""Which operation each endpoint of a batch is."""

CUSTOM_ID_CHARS_MAX: Final = 512
_BOM: Final = b"\xef\xbb\xbf"
_OTHER_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")


class Line(msgspec.Struct, frozen=True):
    """A request of a batch.

    Attributes:
        number: of the line, from 1.
        custom_id: what its caller calls it.
        body: the request, as it stands there.
    """

    number: int
    custom_id: str
    body: bytes


class LineFault(msgspec.Struct, frozen=True):
    """A line that is no request.

    Attributes:
        line: its number, from 1.
        code: stable and machine-readable.
        message: what is wrong with it, and what to do.
        param: the field at fault.
        custom_id: what its caller calls it, where that can be told.
    """

    line: int
    code: str
    message: str
    param: str | None = None
    custom_id: str | None = None


class _Raw(msgspec.Struct):
    custom_id: Any = UNSET
    method: Any = UNSET
    url: Any = UNSET
    body: msgspec.Raw = msgspec.Raw()


class _Body(msgspec.Struct):
    model: Any = UNSET
    stream: Any = UNSET


_read_line = msgspec.json.Decoder(_Raw).decode
_read_body = msgspec.json.Decoder(_Body).decode


class LineReader:
    """Reads the lines of one batch, in order.

    Args:
        endpoint: what all of them ask.
        line_bytes_max: the longest line.
    """

    def __init__(self, endpoint: str, line_bytes_max: int) -> None:
        self._endpoint = endpoint
        self._line_bytes_max = line_bytes_max
        self._seen: set[bytes] = set()

    def read(self, number: int, raw: bytes | None) -> Line | LineFault | None:
        """What a line says; nothing where it is empty.

        Args:
            number: of the line, from 1.
            raw: the line; `None` for one that is too long.
        """
        if raw is None:
            return LineFault(
                number,
                "line_too_long",
                f"The line is above {self._line_bytes_max} bytes; make the request shorter, or "
                "raise listen.body_bytes_max.",
            )
        if number == 1:
            if raw.startswith(_OTHER_BOMS):
                return LineFault(number, "invalid_json", "The file is in UTF-16; send UTF-8.")
            raw = raw.removeprefix(_BOM)
        raw = raw.strip()
        if not raw:
            return None
        try:
            line = _read_line(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return LineFault(number, "invalid_json", f"The line is no JSON object: {error}.")
        return self._checked(number, line)

    def _checked(self, number: int, line: _Raw) -> Line | LineFault:
        named = line.custom_id if isinstance(line.custom_id, str) else None
        problem = self._problem(line) or _body_problem(bytes(line.body))
        if problem is not None:
            code, message, param = problem
            return LineFault(number, code, message, param, named and named[:CUSTOM_ID_CHARS_MAX])
        digest = hashlib.blake2b(line.custom_id.encode(), digest_size=8).digest()
        if digest in self._seen:
            message = "Another line has this `custom_id`; each needs one of its own."
            return LineFault(number, "duplicate_custom_id", message, "custom_id", named)
        self._seen.add(digest)
        return Line(number, line.custom_id, bytes(line.body))

    def _problem(self, line: _Raw) -> tuple[str, str, str] | None:
        custom_id = line.custom_id
        if not isinstance(custom_id, str) or not custom_id:
            return "missing_custom_id", "`custom_id` is missing: add it as a text.", "custom_id"
        if len(custom_id) > CUSTOM_ID_CHARS_MAX:
            message = f"`custom_id` has more than {CUSTOM_ID_CHARS_MAX} characters."
            return "invalid_custom_id", message, "custom_id"
        try:
            custom_id.encode()
        except UnicodeEncodeError:
            return "invalid_custom_id", "`custom_id` holds half a character.", "custom_id"
        if line.method != "POST":
            return "invalid_method", "`method` has to be `POST`.", "method"
        if line.url != self._endpoint:
            message = f"`url` has to be the batch's endpoint, `{self._endpoint}`."
            return "invalid_url", message, "url"
        return None


def _body_problem(raw: bytes) -> tuple[str, str, str] | None:
    try:
        body = _read_body(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "invalid_body", "`body` is missing: add the request as an object.", "body"
    if not isinstance(body.model, str) or not body.model:
        return "missing_model", "`body.model` is missing: add it as a text.", "body.model"
    if body.stream is not UNSET and body.stream not in (False, None):
        return (
            "stream_not_allowed",
            "A batch has no streams: leave out `body.stream`.",
            ("body.stream"),
        )
    return None
