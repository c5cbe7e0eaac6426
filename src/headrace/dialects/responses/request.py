"""Requests of the Responses API, and the chat completions that they ask for."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from headrace.dialects.fields import check_count, read_flag, read_model, wrong
from headrace.dialects.openai_bound import output_bound
from headrace.dialects.responses.items import REFERENCE, Item, read_items, text_of, unsupported
from headrace.dialects.responses.messages import to_messages
from headrace.dialects.responses.tool_forms import read_choice, read_format, read_tools
from headrace.errors import InvalidRequest

METADATA_ENTRIES_MAX: Final = 16
METADATA_NAME_CHARS_MAX: Final = 64
METADATA_VALUE_CHARS_MAX: Final = 512

# Both grammars call these the same.
_SAME: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "temperature": ((float, int), "a number"),
    "top_p": ((float, int), "a number"),
    "user": ((str,), "a string"),
    "safety_identifier": ((str,), "a string"),
    "prompt_cache_key": ((str,), "a string"),
    "prompt_cache_options": ((dict,), "an object"),
    "prompt_cache_retention": ((str,), "a string"),
    "service_tier": ((str,), "a string"),
}
_TOLD: Final = (*_SAME, "max_tool_calls")
# What a chat completion has no word for; the value that says "no" is as good as none.
_REFUSED: Final[Mapping[str, tuple[str, str]]] = {
    "background": ("answering in the background", "ask with `stream`, or submit a job"),
    "prompt": ("a prompt that OpenAI keeps", "name a template by `x-headrace-template`"),
    "moderation": ("moderation", "leave it out"),
    "context_management": ("compaction", "leave it out, or set `truncation`"),
    "messages": ("a list of messages", "send `input`, or ask /v1/chat/completions"),
    "n": ("a choice of answers", "leave it out, or ask /v1/chat/completions"),
}
_READ: Final = frozenset(
    {
        *_TOLD,
        *_REFUSED,
        "model",
        "input",
        "instructions",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "text",
        "reasoning",
        "max_output_tokens",
        "top_logprobs",
        "include",
        "truncation",
        "metadata",
        "store",
        "previous_response_id",
        "conversation",
        "stream",
        "stream_options",
    }
)


class Asked(msgspec.Struct, frozen=True):
    """What a request asks for.

    Attributes:
        model: the model to ask.
        items: what it sends.
        instructions: what the model is told first; not kept for the requests that follow.
        chat: the fields of the chat completion, but for its messages.
        told: the fields that the response repeats.
        previous_id: the response that it goes on from, empty for none.
        conversation_id: the conversation that it belongs to, empty for none.
        stores: whether the response is kept.
        streams: whether it comes as events.
        named_bytes: how much of the items it only named, once they are there.
    """

    model: str
    items: list[Item]
    instructions: str | None
    chat: dict[str, Any]
    told: dict[str, Any]
    previous_id: str = ""
    conversation_id: str = ""
    stores: bool = True
    streams: bool = False
    named_bytes: int = 0

    @property
    def references(self) -> list[str]:
        """Ids of items that it only names."""
        return [item["id"] for item in self.items if item["type"] == REFERENCE]

    def with_items(self, kept: Mapping[str, Item], size: int) -> "Asked":
        """The same with the items that it names, by their ids.

        Args:
            kept: the items.
            size: bytes of them all, as often as each is named.
        """
        items = [kept[i["id"]] if i["type"] == REFERENCE else i for i in self.items]
        return msgspec.structs.replace(self, items=items, named_bytes=size)


def read_request(document: Mapping[str, Any]) -> Asked:
    """Read a decoded request.

    Raises:
        InvalidRequest: a field is not what it has to be, or asks for what chat completions cannot
            give; `param` names it.
    """
    fields = dict(document)
    model = read_model(fields)
    for field, (what, instead) in _REFUSED.items():
        if fields.get(field) not in (None, False):
            raise unsupported(field, what, instead)
    previous_id, conversation_id = _read_state(fields)
    streams = read_flag(fields, "stream")
    sent = fields.get("input")
    chat: dict[str, Any] = {name: fields[name] for name in fields if name not in _READ}
    told: dict[str, Any] = {name: fields.get(name) for name in _TOLD}
    for name, (kinds, wanted) in _SAME.items():
        if told[name] is not None:
            if type(told[name]) not in kinds:
                raise wrong(name, told[name], wanted)
            chat[name] = told[name]
    for reader in (_read_output, _read_tools, _read_text, _read_thinking, _read_rest):
        reader(fields, chat, told)
    if streams:
        chat["stream"] = True
        chat["stream_options"] = {"include_usage": True}
    return Asked(
        model=model,
        items=[] if sent is None else read_items(sent, takes_references=True),
        instructions=told["instructions"],
        chat=chat,
        told=told,
        previous_id=previous_id,
        conversation_id=conversation_id,
        stores=fields.get("store") is None or read_flag(fields, "store"),
        streams=streams,
    )


def chat_body(asked: Asked, history: Sequence[Item] = ()) -> bytes:
    """The chat completion that a request asks for.

    Args:
        asked: what it asks for.
        history: the items of the conversation so far.

    Raises:
        InvalidRequest: calls of tools and their results do not match, or there is nothing to say.
    """
    messages = to_messages(
        [*history, *asked.items], instructions=asked.instructions, before=len(history)
    )
    if not messages and "template" not in asked.chat:
        raise InvalidRequest(
            "`input` is missing: add it as a string or an array of items.",
            param="input",
            code="missing_field",
        )
    return msgspec.json.encode({"model": asked.model, "messages": messages, **asked.chat})


def read_metadata(value: object) -> dict[str, str]:
    """Names and texts that the caller keeps with a thing.

    Raises:
        InvalidRequest: they are something else, or too many, or too long.
    """
    if value is None:
        return {}
    if type(value) is not dict:
        raise wrong("metadata", value, "an object of strings")
    for name, text in value.items():
        if type(text) is not str:
            raise wrong(f"metadata.{name[:METADATA_NAME_CHARS_MAX]}", text, "a string")
    longest = max(map(len, value.values()), default=0)
    if (
        len(value) > METADATA_ENTRIES_MAX
        or longest > METADATA_VALUE_CHARS_MAX
        or any(len(name) > METADATA_NAME_CHARS_MAX for name in value)
    ):
        raise InvalidRequest(
            f"`metadata` has at most {METADATA_ENTRIES_MAX} entries, names of at most "
            f"{METADATA_NAME_CHARS_MAX} characters and values of at most "
            f"{METADATA_VALUE_CHARS_MAX}.",
            param="metadata",
            code="invalid_value",
        )
    return value


def _read_state(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Which response and which conversation a request goes on from."""
    previous, conversation = fields.get("previous_response_id"), fields.get("conversation")
    if previous is not None and conversation is not None:
        raise InvalidRequest(
            "`previous_response_id` and `conversation` are two ways to say the same: send one.",
            param="previous_response_id",
            code="invalid_value",
        )
    if type(conversation) is dict:
        conversation = text_of(conversation, "id", "conversation")
    for param, value in (("previous_response_id", previous), ("conversation", conversation)):
        if type(value) not in (str, type(None)) or value == "":
            raise wrong(param, value, "an id") if value != "" else _no_id(param)
    return previous or "", conversation or ""


def _no_id(param: str) -> InvalidRequest:
    return InvalidRequest(
        f"`{param}` is empty: send an id, or leave it out.", param=param, code="invalid_value"
    )


def _read_output(fields: dict[str, Any], chat: dict[str, Any], told: dict[str, Any]) -> None:
    bound = fields.get("max_output_tokens")
    if bound is not None:
        chat.update(output_bound(fields["model"], check_count("max_output_tokens", bound)))
    told["max_output_tokens"] = bound
    include = fields.get("include")
    if type(include) not in (list, type(None)):
        raise wrong("include", include, "an array of strings")
    top = fields.get("top_logprobs")
    if top is not None and type(top) is not int:
        raise wrong("top_logprobs", top, "an integer")
    if top or "message.output_text.logprobs" in (include or ()):
        chat["logprobs"] = True
        if top:
            chat["top_logprobs"] = top
    told["top_logprobs"] = top or 0


def _read_tools(fields: dict[str, Any], chat: dict[str, Any], told: dict[str, Any]) -> None:
    told["tools"], tools = read_tools(fields.get("tools"))
    told["tool_choice"], choice = read_choice(fields.get("tool_choice"))
    parallel = fields.get("parallel_tool_calls")
    told["parallel_tool_calls"] = parallel is None or read_flag(fields, "parallel_tool_calls")
    if not tools:
        return  # chats refuse a choice where there is nothing to choose from
    chat["tools"] = tools
    if choice is not None:
        chat["tool_choice"] = choice
    if parallel is not None:
        chat["parallel_tool_calls"] = parallel


def _read_text(fields: dict[str, Any], chat: dict[str, Any], told: dict[str, Any]) -> None:
    text = fields.get("text")
    if text is None:
        text = {}
    if type(text) is not dict:
        raise wrong("text", text, "an object")
    form, chat_form = read_format(text.get("format"))
    if chat_form is not None:
        chat["response_format"] = chat_form
    told["text"] = {"format": form}
    if text.get("verbosity") is not None:
        chat["verbosity"] = told["text"]["verbosity"] = text_of(text, "verbosity", "text")


def _read_thinking(fields: dict[str, Any], chat: dict[str, Any], told: dict[str, Any]) -> None:
    reasoning = fields.get("reasoning")
    if reasoning is None:
        reasoning = {}
    if type(reasoning) is not dict:
        raise wrong("reasoning", reasoning, "an object")
    effort = reasoning.get("effort")
    if effort is not None:
        chat["reasoning_effort"] = text_of(reasoning, "effort", "reasoning")
    told["reasoning"] = {"effort": effort, "summary": None}


def _read_rest(fields: dict[str, Any], chat: dict[str, Any], told: dict[str, Any]) -> None:  # noqa: ARG001
    instructions = fields.get("instructions")
    if type(instructions) not in (str, type(None)):
        raise wrong("instructions", instructions, "a string")
    told["instructions"] = instructions
    told["metadata"] = read_metadata(fields.get("metadata"))
    truncation = fields.get("truncation")
    if truncation not in (None, "auto", "disabled"):
        raise wrong("truncation", truncation, "`auto` or `disabled`")
    told["truncation"] = truncation or "disabled"
    if type(told["max_tool_calls"]) not in (int, type(None)):
        raise wrong("max_tool_calls", told["max_tool_calls"], "an integer")
