"""What `headrace batch` makes of the lines of a file. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

_KEYS: Final[Mapping[str, str]] = {
    "/v1/chat/completions": "messages",
    "/v1/embeddings": "input",
    "/v1/messages": "messages",
}
_MAX_TOKENS: Final = 1024  # Anthropic's dialect wants to be told how many there may be
_encode: Final = msgspec.json.Encoder().encode


class Unclear(ValueError):
    """A line is neither a request nor a prompt; the message says why."""


def batch_line(raw: bytes, number: int, endpoint: str, model: str | None) -> bytes | None:
    """A line as the gateway wants it; nothing for an empty one.

    Args:
        raw: a line of a batch, the body of a request, `{"prompt": ...}`, or plain text.
        number: of the line, from 1.
        endpoint: what all lines ask.
        model: for lines that name none.

    Raises:
        Unclear: it is none of these, or names no model and none is given.
    """
    text = raw.strip()
    if not text:
        return None
    if not text.startswith((b"{", b'"')):
        return _wrapped(
            _prompted(text.decode("utf-8", "replace"), endpoint), number, endpoint, model
        )
    try:
        told = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unclear(f"it begins like JSON, and is none: {error}") from None
    if isinstance(told, str):
        return _wrapped(_prompted(told, endpoint), number, endpoint, model)
    if "custom_id" in told:
        return _completed(told, model)
    if _KEYS[endpoint] in told:
        return _wrapped(told, number, endpoint, model)
    if isinstance(told.get("prompt"), str):
        prompt = told.pop("prompt")
        return _wrapped({**_prompted(prompt, endpoint), **told}, number, endpoint, model)
    raise Unclear(f"there is neither `custom_id`, `{_KEYS[endpoint]}` nor `prompt` in it")


def _prompted(text: str, endpoint: str) -> dict[str, Any]:
    if endpoint == "/v1/embeddings":
        return {"input": text}
    body: dict[str, Any] = {"messages": [{"role": "user", "content": text}]}
    return {**body, "max_tokens": _MAX_TOKENS} if endpoint == "/v1/messages" else body


def _wrapped(body: dict[str, Any], number: int, endpoint: str, model: str | None) -> bytes:
    line = {"custom_id": f"line-{number}", "method": "POST", "url": endpoint, "body": body}
    return _completed(line, model)


def _completed(line: dict[str, Any], model: str | None) -> bytes:
    body = line.get("body")
    if isinstance(body, dict) and "model" not in body:
        if model is None:
            raise Unclear("it names no model: say which with --model")
        line = {**line, "body": {"model": model, **body}}
    return _encode(line)
