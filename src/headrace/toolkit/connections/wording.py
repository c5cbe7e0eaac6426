"""A call as the bytes that go out."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from headrace.errors import InvalidRequest
from headrace.toolkit.connections.address import Target
from headrace.version import __version__

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NEVER_IN_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OURS: Final = frozenset({"content-length", "transfer-encoding"})
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_AGENT: Final = f"headrace/{__version__}"


def body_of(content: bytes | str | None, json: object) -> tuple[bytes | None, bytes]:
    """What goes out as the body, and the lines about it that a caller may replace.

    Args:
        content: the body as it is; text goes as UTF-8.
        json: what the body says, as plain data; `None` for none.

    Raises:
        InvalidRequest: `json` cannot be said in JSON.
        TypeError: both are given, or `content` is neither bytes nor text.
    """
    if json is not None:
        if content is not None:
            raise TypeError("a call has either content or json, and not both")
        try:
            return msgspec.json.encode(json), b"application/json"
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidRequest(f"It cannot be said in JSON: {error}.", param="json") from None
    if content is None or isinstance(content, bytes):
        return content, b""
    if isinstance(content, str):
        return content.encode(), b"text/plain; charset=utf-8"
    if isinstance(content, bytearray | memoryview):
        return bytes(content), b""
    raise TypeError(f"content has to be bytes or text, and is {type(content).__name__}")


def render(
    method: str,
    target: Target,
    headers: Mapping[str, str] | None,
    body: bytes | None,
    kind: bytes,
) -> bytes:
    """The whole request.

    Args:
        method: HTTP method, in upper case.
        target: where it goes.
        headers: what the caller wants said; takes the place of what would be said by itself.
        body: what goes out as the body, if anything does.
        kind: the body's type, if it is known.

    Raises:
        InvalidRequest: a header or the method cannot be sent.
    """
    if _TOKEN.fullmatch(method) is None:
        raise InvalidRequest("The method is not the name of one.", param="method")
    lines = [b"%b %b HTTP/1.1" % (method.encode(), target.path)]
    said = set() if headers is None else _add(lines, headers)
    if "host" not in said:
        lines.insert(1, b"host: " + target.host)
    if "accept-encoding" not in said:
        lines.append(b"accept-encoding: identity")
    if "user-agent" not in said:
        lines.append(b"user-agent: " + _AGENT.encode())
    if "accept" not in said:
        lines.append(b"accept: */*")
    if kind and "content-type" not in said:
        lines.append(b"content-type: " + kind)
    if body is not None or method in _WITH_BODY:
        lines.append(b"content-length: %d" % len(body or b""))
    lines.append(b"\r\n" if not body else b"\r\n" + body)
    return b"\r\n".join(lines)


def _add(lines: list[bytes], headers: Mapping[str, str]) -> set[str]:
    said = set()
    for name, value in headers.items():
        lower = _checked_name(name)
        if _NEVER_IN_VALUE.search(value):
            raise _unusable(name, "has a value that is no line of text")
        try:
            lines.append(b"%b: %b" % (name.encode(), value.strip().encode("latin-1")))
        except UnicodeEncodeError:
            raise _unusable(name, "has a value outside Latin-1: quote it") from None
        said.add(lower)
    return said


def _checked_name(name: str) -> str:
    if _TOKEN.fullmatch(name) is None:
        raise InvalidRequest("A header's name is not the name of one.", param="headers")
    lower = name.lower()
    if lower in _OURS:
        raise _unusable(name, "is said by the pool itself: leave it out")
    return lower


def _unusable(name: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"The header {name} {why}.", param=f"headers.{name}")
