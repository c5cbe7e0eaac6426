"""Anthropic's messages API: requests read, answers, stream events, errors and headers written."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeVar

import msgspec

from headrace.errors import HeadraceError, InvalidRequest
from headrace.sim import anthropic_prefix
from headrace.sim.answer import Answer, Ask, Choice, ToolWish, canonical, compose
from headrace.sim.prefixes import NO_BILL, Bill, Shelf
from headrace.sim.prompt import (
    content_tokens,
    decode,
    messages_tokens,
    pick_tool,
    require_model,
)
from headrace.sim.rate import Quota
from headrace.sim.reply import Reply
from headrace.sim.tokenizers import counter_of

_ROLES = frozenset(("user", "assistant"))
_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
}
_UNLIMITED = Quota(limit=4_000, remaining=3_999, reset_s=1.0)
_UNLIMITED_TOKENS = Quota(limit=400_000, remaining=399_000, reset_s=1.0)
_encode = msgspec.json.encode

Body = TypeVar("Body", "MessagesBody", "CountBody")


class ToolChoice(msgspec.Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None


class MessagesBody(msgspec.Struct, kw_only=True):
    """The fields of a messages request that the simulator looks at."""

    model: str
    messages: list[dict[str, Any]]
    max_tokens: int
    system: str | list[Any] | None = None
    stream: bool | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: ToolChoice | None = None


class CountBody(msgspec.Struct, kw_only=True):
    """The fields of a token count request that the simulator looks at."""

    model: str
    messages: list[dict[str, Any]]
    system: str | list[Any] | None = None
    tools: list[dict[str, Any]] | None = None


def messages(
    seed: int, body: bytes, tokens_wanted: int | None, created_s: int, shelf: Shelf | None = None
) -> Reply:
    """Answer `POST /v1/messages`; with a shelf, what it holds of the prompt is billed as read.

    Raises:
        InvalidRequest: the body is no messages request.
        NotFound: the model's name says that there is no such model.
    """
    del created_s  # this dialect tells no date
    ask = read_messages(body, shelf)
    answer = compose(seed, ask, tokens_wanted)
    if ask.stream:
        return _streamed(ask, answer)
    document = _message(ask, answer, answer.choices[0])
    charge = ask.charge(answer.output_tokens)
    body = _encode(document)
    return Reply(
        model=ask.model, charge=charge, tokens=answer.output_tokens, bill=ask.bill, body=body
    )


def count(
    seed: int, body: bytes, tokens_wanted: int | None, created_s: int, shelf: Shelf | None = None
) -> Reply:
    """Answer `POST /v1/messages/count_tokens`.

    Raises:
        InvalidRequest: the body is no count request.
        NotFound: the model's name says that there is no such model.
    """
    del seed, tokens_wanted, created_s, shelf
    request = _bare(decode(body, CountBody))
    require_model(request.model)
    return Reply(model=request.model, body=b'{"input_tokens":%d}' % _input_tokens(request))


def read_messages(body: bytes, shelf: Shelf | None = None) -> Ask:
    """Read a messages request.

    Args:
        body: the request's body.
        shelf: what the caller may find in the prompt cache.

    Raises:
        InvalidRequest: the body is no messages request.
        NotFound: the model's name says that there is no such model.
    """
    request = _bare(decode(body, MessagesBody))
    require_model(request.model)
    if request.max_tokens < 1:
        raise InvalidRequest("max_tokens: must be 1 or more", param="max_tokens")
    input_tokens = _input_tokens(request)
    bill = _read_marks(body, shelf)
    return Ask(
        model=request.model,
        prompt=canonical([request.system, request.messages]),
        input_tokens=input_tokens,
        bill=bill,
        stream=bool(request.stream),
        tokens_max=request.max_tokens,
        tool=_tool(request),
    )


def _bare(request: Body) -> Body:
    """The same request without breakpoints, which change neither text nor tokens."""
    contents = (request.system, *(message.get("content") for message in request.messages))
    if not request.tools and not any(isinstance(content, list) for content in contents):
        return request
    bare = anthropic_prefix.without_marks(msgspec.structs.asdict(request))
    names = ("tools", "system", "messages")
    return msgspec.structs.replace(request, **{name: bare[name] for name in names})


def _read_marks(body: bytes, shelf: Shelf | None) -> Bill:
    if shelf is None and anthropic_prefix.MARK.encode() not in body:
        return NO_BILL
    document = msgspec.json.decode(body)
    anthropic_prefix.check_marks(document)
    return NO_BILL if shelf is None else anthropic_prefix.bill(document, shelf)


def _input_tokens(request: MessagesBody | CountBody) -> int:
    count = counter_of(request.model)
    tokens = messages_tokens(request.messages, _ROLES, count)
    if request.system is not None:
        tokens += content_tokens(request.system, "system", count)
    if request.tools:
        tokens += count(canonical(request.tools).decode())
    return tokens + 3


def _tool(request: MessagesBody) -> ToolWish | None:
    tools: dict[str, Any] = {}
    for index, tool in enumerate(request.tools or ()):
        if not isinstance(tool.get("name"), str):
            raise InvalidRequest(f"tools.{index}.name: Field required", param=f"tools[{index}]")
        tools[tool["name"]] = tool.get("input_schema")
    choice = request.tool_choice
    if choice is None or choice.type in ("auto", "none"):
        return None
    return pick_tool(tools, (choice.name or "") if choice.type == "tool" else None)


def _stop_reason(ask: Ask, choice: Choice) -> str:
    if choice.truncated:
        return "max_tokens"
    return "tool_use" if ask.tool is not None else "end_turn"


def _usage(ask: Ask, output_tokens: int) -> dict[str, Any]:
    bill = ask.bill
    written = bill.written_5m + bill.written_1h
    return {
        "input_tokens": ask.input_tokens - bill.read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": bill.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": bill.written_5m,
            "ephemeral_1h_input_tokens": bill.written_1h,
        },
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }


def _block(ask: Ask, choice: Choice, *, whole: bool) -> dict[str, Any]:
    if ask.tool is None:
        return {"type": "text", "text": choice.text if whole else ""}
    # Arguments cut by max_tokens are no JSON; the API then tells the call without them.
    arguments = msgspec.json.decode(choice.text) if whole and not choice.truncated else {}
    return {
        "type": "tool_use",
        "id": f"toolu_{choice.call_id}",
        "name": ask.tool.name,
        "input": arguments,
    }


def _message(ask: Ask, answer: Answer, choice: Choice | None) -> dict[str, Any]:
    return {
        "id": f"msg_{answer.id}",
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": [] if choice is None else [_block(ask, choice, whole=True)],
        "stop_reason": None if choice is None else _stop_reason(ask, choice),
        "stop_sequence": None,
        "usage": _usage(ask, 1 if choice is None else answer.output_tokens),
    }


def _event(name: str, document: dict[str, Any]) -> bytes:
    body = _encode({"type": name, **document})
    return b"event: %b\ndata: %b\n\n" % (name.encode(), body)


def _streamed(ask: Ask, answer: Answer) -> Reply:
    choice = answer.choices[0]
    kind, field = ("text_delta", "text")
    if ask.tool is not None:
        kind, field = ("input_json_delta", "partial_json")
    delta = b"event: content_block_delta\ndata: " + (
        b'{"type":"content_block_delta","index":0,"delta":{"type":"%b","%b":'
        % (kind.encode(), field.encode())
    )
    block = {"index": 0, "content_block": _block(ask, choice, whole=False)}
    stop = {"stop_reason": _stop_reason(ask, choice), "stop_sequence": None}
    return Reply(
        model=ask.model,
        charge=ask.charge(answer.output_tokens),
        tokens=answer.output_tokens,
        bill=ask.bill,
        stream=True,
        lead=_event("message_start", {"message": _message(ask, answer, None)})
        + _event("content_block_start", block)
        + _event("ping", {}),
        frames=tuple(b"%b%b}}\n\n" % (delta, _encode(token)) for token in choice.tokens),
        tail=_event("content_block_stop", {"index": 0})
        + _event("message_delta", {"delta": stop, "usage": {"output_tokens": answer.output_tokens}})
        + _event("message_stop", {}),
    )


def models_body(names: tuple[str, ...]) -> bytes:
    """Answer `GET /v1/models` of a caller that sends `anthropic-version`."""
    data = [
        {"type": "model", "id": n, "display_name": n, "created_at": "2025-01-01T00:00:00Z"}
        for n in names
    ]
    first, last = (names[0], names[-1]) if names else (None, None)
    return _encode({"data": data, "has_more": False, "first_id": first, "last_id": last})


class AnthropicGrammar:
    """Anthropic's error bodies and headers."""

    __slots__ = ()
    id_header: ClassVar[bytes] = b"request-id"

    def error_body(self, error: HeadraceError, request_id: str) -> bytes:
        """The error as Anthropic words it."""
        kind = _TYPES.get(error.status, "api_error")
        told = {"type": kind, "message": error.message}
        return _encode({"type": "error", "error": told, "request_id": request_id})

    def headers(self, quota: Quota | None, processing_ms: int, wall_s: float) -> bytes:
        """Header lines as Anthropic sends them."""
        del processing_ms
        told = quota or _UNLIMITED
        tokens = told.tokens or _UNLIMITED_TOKENS
        lines = (
            "anthropic-organization-id: headrace-sim\r\n"
            f"anthropic-ratelimit-requests-limit: {told.limit}\r\n"
            f"anthropic-ratelimit-requests-remaining: {told.remaining}\r\n"
            f"anthropic-ratelimit-requests-reset: {_time(wall_s + told.reset_s)}\r\n"
            f"anthropic-ratelimit-tokens-limit: {tokens.limit}\r\n"
            f"anthropic-ratelimit-tokens-remaining: {tokens.remaining}\r\n"
            f"anthropic-ratelimit-tokens-reset: {_time(wall_s + tokens.reset_s)}\r\n"
        )
        return lines.encode()


def _time(wall_s: float) -> str:
    return dt.datetime.fromtimestamp(wall_s, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
