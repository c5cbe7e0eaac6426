"""OpenAI's chat completions: requests read, answers and stream events written."""

from collections.abc import Iterator
from typing import Any

import msgspec

from headrace.errors import InvalidRequest
from headrace.sim import openai_prefix
from headrace.sim.answer import Answer, Ask, Choice, ToolWish, canonical, compose
from headrace.sim.prefixes import NO_BILL, Bill, Shelf
from headrace.sim.prompt import decode, messages_tokens, pick_tool, require_model
from headrace.sim.reply import Reply
from headrace.sim.sample import FREE_FORM, Schema
from headrace.sim.text import seeded_bytes
from headrace.sim.tokenizers import counter_of

_ROLES = frozenset(("system", "developer", "user", "assistant", "tool", "function"))
_CHOICES_MAX = 128
_FINGERPRINT = "fp_sim"
_encode = msgspec.json.encode


class StreamOptions(msgspec.Struct):
    include_usage: bool = False


class ChatBody(msgspec.Struct, kw_only=True):
    """The fields of a chat request that the simulator looks at."""

    model: str
    messages: list[dict[str, Any]]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


def chat(
    seed: int, body: bytes, tokens_wanted: int | None, created_s: int, shelf: Shelf | None = None
) -> Reply:
    """Answer `POST /v1/chat/completions`.

    Args:
        seed: the simulator's seed.
        body: the request's body.
        tokens_wanted: length of the answer instead of a drawn one.
        created_s: seconds since the epoch, told as `created`.
        shelf: what the caller may find in the prompt cache.

    Raises:
        InvalidRequest: the body is no chat request.
        NotFound: the model's name says that there is no such model.
    """
    ask = read_chat(body, shelf)
    answer = compose(seed, ask, tokens_wanted)
    if ask.stream:
        return _Events(ask, answer, created_s).reply()
    return Reply(
        model=ask.model,
        charge=ask.charge(answer.output_tokens),
        tokens=answer.output_tokens,
        bill=ask.bill,
        body=_encode(_whole(ask, answer, created_s)),
    )


def read_chat(body: bytes, shelf: Shelf | None = None) -> Ask:
    """Read a chat request.

    Args:
        body: the request's body.
        shelf: what the caller may find in the prompt cache.

    Raises:
        InvalidRequest: the body is no chat request.
        NotFound: the model's name says that there is no such model.
    """
    request = decode(body, ChatBody)
    require_model(request.model)
    count = counter_of(request.model)
    tokens = messages_tokens(request.messages, _ROLES, count)
    if request.tools:
        tokens += count(canonical(request.tools).decode())
    tokens_max = request.max_completion_tokens or request.max_tokens
    _check_range("n", request.n, 1, _CHOICES_MAX)
    _check_range("max_tokens", request.max_tokens, 1, 1 << 31)
    _check_range("max_completion_tokens", request.max_completion_tokens, 1, 1 << 31)
    _check_range("temperature", request.temperature, 0, 2)
    _check_range("top_logprobs", request.top_logprobs, 0, 20)
    bill = _read_caching(body, shelf)
    return Ask(
        model=request.model,
        prompt=canonical(openai_prefix.without_breakpoints(request.messages)),
        input_tokens=tokens + 3,
        bill=bill,
        stream=bool(request.stream),
        include_usage=bool(request.stream_options and request.stream_options.include_usage),
        choices=request.n or 1,
        tokens_max=tokens_max,
        tool=_tool(request),
        schema=_schema(request.response_format),
        logprobs=bool(request.logprobs),
        top_logprobs=request.top_logprobs or 0,
    )


def _read_caching(body: bytes, shelf: Shelf | None) -> Bill:
    if shelf is None and b"prompt_cache_" not in body:
        return NO_BILL
    document = msgspec.json.decode(body)
    openai_prefix.check(document)
    return NO_BILL if shelf is None else openai_prefix.bill(document, shelf)


def _check_range(param: str, value: float | None, low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        raise InvalidRequest(
            f"Invalid '{param}': {value} is not from {low} to {high}.", param=param
        )


def _tool(request: ChatBody) -> ToolWish | None:
    tools: dict[str, Any] = {}
    for index, tool in enumerate(request.tools or ()):
        function = tool.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise InvalidRequest(
                f"Missing required parameter: 'tools[{index}].function.name'.",
                param=f"tools[{index}].function.name",
            )
        tools[function["name"]] = function.get("parameters")
    choice = request.tool_choice
    if choice == "required":
        return pick_tool(tools, None)
    if isinstance(choice, dict) and choice.get("type") == "function":
        function = choice.get("function")
        return pick_tool(tools, str(function.get("name")) if isinstance(function, dict) else "")
    return None


def _schema(response_format: dict[str, Any] | None) -> Schema | None:
    kind = (response_format or {}).get("type")
    if response_format is None or kind not in ("json_object", "json_schema"):
        return None
    described = response_format.get("json_schema")
    schema = described.get("schema") if isinstance(described, dict) else None
    return schema if isinstance(schema, dict) else FREE_FORM


def _finish_reason(ask: Ask, choice: Choice) -> str:
    if choice.truncated:
        return "length"
    return "tool_calls" if ask.tool is not None else "stop"


def _usage(ask: Ask, answer: Answer) -> dict[str, Any]:
    cached = {"cached_tokens": ask.bill.read, "audio_tokens": 0}
    if ask.bill.tells_writes:
        cached["cache_write_tokens"] = ask.bill.written_5m
    return {
        "prompt_tokens": ask.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": ask.input_tokens + answer.output_tokens,
        "prompt_tokens_details": cached,
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _logprob(token: str, top: int) -> dict[str, Any]:
    drawn = seeded_bytes(2, token.encode())
    sure = -(drawn[0] + 1) / 1000
    likely = [(token, sure)] + [(f"{token}{rank}", sure - rank) for rank in range(1, top)]
    return {
        **_told(token, sure),
        "top_logprobs": [_told(text, logprob) for text, logprob in likely[:top]],
    }


def _told(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def _logprobs(ask: Ask, tokens: tuple[str, ...]) -> dict[str, Any] | None:
    if not ask.logprobs:
        return None
    return {"content": [_logprob(token, ask.top_logprobs) for token in tokens], "refusal": None}


def _call(ask: Ask, choice: Choice, arguments: str) -> dict[str, Any]:
    name = ask.tool.name if ask.tool is not None else ""
    return {
        "id": f"call_{choice.call_id}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _whole(ask: Ask, answer: Answer, created_s: int) -> dict[str, Any]:
    choices = []
    for index, choice in enumerate(answer.choices):
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if ask.tool is not None else choice.text,
            "refusal": None,
            "annotations": [],
        }
        if ask.tool is not None:
            message["tool_calls"] = [_call(ask, choice, choice.text)]
        choices.append(
            {
                "index": index,
                "message": message,
                "logprobs": _logprobs(ask, choice.tokens),
                "finish_reason": _finish_reason(ask, choice),
            }
        )
    return {
        "id": f"chatcmpl-{answer.id}",
        "object": "chat.completion",
        "created": created_s,
        "model": ask.model,
        "choices": choices,
        "usage": _usage(ask, answer),
        "service_tier": "default",
        "system_fingerprint": _FINGERPRINT,
    }


class _Events:
    """The chunks of one streamed answer."""

    def __init__(self, ask: Ask, answer: Answer, created_s: int) -> None:
        self._ask = ask
        self._answer = answer
        shared = {
            "id": f"chatcmpl-{answer.id}",
            "object": "chat.completion.chunk",
            "created": created_s,
            "model": ask.model,
            "service_tier": "default",
            "system_fingerprint": _FINGERPRINT,
        }
        self._head = b"data: " + _encode(shared)[:-1] + b',"choices":['
        self._end = b'],"usage":null}\n\n' if ask.include_usage else b"]}\n\n"

    def reply(self) -> Reply:
        choices = list(enumerate(self._answer.choices))
        last = b"".join(self._finish(index, choice) for index, choice in choices)
        if self._ask.include_usage:
            usage = _encode(_usage(self._ask, self._answer))
            last += self._head + b'],"usage":' + usage + b"}\n\n"
        return Reply(
            model=self._ask.model,
            charge=self._ask.charge(self._answer.output_tokens),
            tokens=max(len(choice.tokens) for _, choice in choices),
            bill=self._ask.bill,
            stream=True,
            lead=b"".join(self._first(index, choice) for index, choice in choices),
            frames=tuple(self._frames()),
            tail=last + b"data: [DONE]\n\n",
        )

    def _first(self, index: int, choice: Choice) -> bytes:
        delta: dict[str, Any] = {"role": "assistant", "content": "", "refusal": None}
        if self._ask.tool is not None:
            call = {"index": 0, **_call(self._ask, choice, "")}
            delta = {"role": "assistant", "content": None, "tool_calls": [call]}
        return self._chunk(index, _encode(delta))

    def _frames(self) -> Iterator[bytes]:
        longest = max(len(choice.tokens) for choice in self._answer.choices)
        for at in range(longest):
            for index, choice in enumerate(self._answer.choices):
                if at < len(choice.tokens):
                    yield self._token(index, choice.tokens[at])

    def _token(self, index: int, token: str) -> bytes:
        piece = _encode(token)
        if self._ask.tool is not None:
            call = b'{"tool_calls":[{"index":0,"function":{"arguments":%b}}]}' % piece
            return self._chunk(index, call)
        logprobs = b"null"
        if self._ask.logprobs:
            logprobs = _encode(_logprobs(self._ask, (token,)))
        return self._chunk(index, b'{"content":%b}' % piece, logprobs)

    def _finish(self, index: int, choice: Choice) -> bytes:
        return self._chunk(index, b"{}", finish=_encode(_finish_reason(self._ask, choice)))

    def _chunk(
        self, index: int, delta: bytes, logprobs: bytes = b"null", finish: bytes = b"null"
    ) -> bytes:
        return b'%b{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b}%b' % (
            self._head,
            index,
            delta,
            logprobs,
            finish,
            self._end,
        )
