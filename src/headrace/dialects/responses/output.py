"""What a model answered, as the items of a response and the response itself."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from headrace.dialects.decoding import as_count
from headrace.dialects.responses.items import Item
from headrace.errors import HeadraceError

Json = dict[str, Any]

# Why a chat ended, where that is not of itself.
_CUT: Final[Mapping[str, str]] = {
    "length": "max_output_tokens",
    "model_length": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "content_filter": "content_filter",
}
_BY_RATE: Final = 429


class MakeId(Protocol):
    """Makes ids."""

    def __call__(self, prefix: str) -> str:
        """An id that nothing else has, such as `resp_...` for the prefix `resp`."""
        ...


class Heading(msgspec.Struct, frozen=True):
    """What is known of a response before it is answered.

    Attributes:
        id: its id.
        created_s: when it was made, in whole seconds since the epoch.
        model: the model that was asked.
        told: the fields of the request that it repeats.
        previous_id: the response that it goes on from, empty for none.
        conversation_id: the conversation that it belongs to, empty for none.
        stores: whether it is kept.
    """

    id: str
    created_s: int
    model: str
    told: Json
    previous_id: str = ""
    conversation_id: str = ""
    stores: bool = False


class Reply(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes:
        items: the output.
        model: who answered, as the provider calls it; empty where it says nothing.
        reason: why it ended, in the provider's words.
        usage: the tokens it took, as a response tells them; `None` where nobody knows.
        service_tier: how it was served, where the provider says so.
    """

    items: Sequence[Item] = ()
    model: str = ""
    reason: str = ""
    usage: Json | None = None
    service_tier: str | None = None

    @property
    def cut_by(self) -> str | None:
        """Why the output is not whole, where it is not."""
        return _CUT.get(self.reason)


def write_response(
    heading: Heading,
    reply: Reply | None = None,
    *,
    error: HeadraceError | None = None,
    completed_s: int | None = None,
) -> Json:
    """The response object.

    Args:
        heading: what was known of it before.
        reply: the answer; `None` while it is awaited.
        error: why there is no answer, or no more of it.
        completed_s: when it was complete, in whole seconds since the epoch.
    """
    cut_by = reply.cut_by if reply is not None else None
    status = "in_progress"
    if error is not None:
        status = "failed"
    elif reply is not None:
        status = "completed" if cut_by is None else "incomplete"
    told, answered = heading.told, reply or Reply()
    return {
        "id": heading.id,
        "object": "response",
        "created_at": heading.created_s,
        "status": status,
        "completed_at": completed_s if status == "completed" else None,
        "background": False,
        "error": None if error is None else write_error(error),
        "incomplete_details": None if cut_by is None else {"reason": cut_by},
        **told,
        "service_tier": answered.service_tier or told.get("service_tier"),
        "model": answered.model or heading.model,
        "output": list(answered.items),
        "previous_response_id": heading.previous_id or None,
        "conversation": {"id": heading.conversation_id} if heading.conversation_id else None,
        "store": heading.stores,
        "usage": answered.usage,
    }


def write_error(error: HeadraceError) -> Json:
    """An error as a response tells it; it has a word of its own for very few."""
    code = "rate_limit_exceeded" if error.status == _BY_RATE else "server_error"
    return {"code": code, "message": error.message}


def write_usage(usage: object) -> Json | None:
    """The tokens of a chat as a response tells them, `None` where there are none."""
    if not isinstance(usage, dict):
        return None
    prompt, output = as_count(usage.get("prompt_tokens")), as_count(usage.get("completion_tokens"))
    read, written = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    read = read if isinstance(read, dict) else {}
    written = written if isinstance(written, dict) else {}
    return {
        "input_tokens": prompt,
        "input_tokens_details": {
            "cached_tokens": as_count(read.get("cached_tokens")),
            "cache_write_tokens": as_count(read.get("cache_write_tokens")),
        },
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": as_count(written.get("reasoning_tokens"))},
        "total_tokens": prompt + output,
    }


def text_part(
    text: str = "", annotations: Sequence[Json] = (), logprobs: Sequence[Json] = ()
) -> Item:
    """A piece of text that a model said."""
    return {
        "type": "output_text",
        "text": text,
        "annotations": list(annotations),
        "logprobs": list(logprobs),
    }


def message_item(item_id: str, content: Sequence[Item], status: str) -> Item:
    """A message of a model."""
    return {
        "id": item_id,
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": list(content),
    }


def reasoning_item(item_id: str, text: str) -> Item:
    """The thoughts of a model, as far as its provider tells them."""
    content = [{"type": "reasoning_text", "text": text}] if text else []
    return {"id": item_id, "type": "reasoning", "summary": [], "content": content}


def call_item(item_id: str, call_id: str, name: str, arguments: str, status: str) -> Item:
    """A call of a function."""
    return {
        "id": item_id,
        "type": "function_call",
        "status": status,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }


def read_logprobs(value: object) -> list[Json]:
    """Logprobs of a chat's choice, with the `bytes` that a response has to have."""
    tokens = value.get("content") if isinstance(value, dict) else None
    return [] if not isinstance(tokens, list) else [_logprob(t) for t in tokens if _is_logprob(t)]


def read_annotations(value: object) -> list[Json]:
    """Citations of URLs, which are all that chats know, told flat as responses do."""
    if not isinstance(value, list):
        return []
    cited = (each.get("url_citation") for each in value if isinstance(each, dict))
    return [{"type": "url_citation", **each} for each in cited if isinstance(each, dict)]


def _is_logprob(token: object) -> bool:
    return isinstance(token, dict) and isinstance(token.get("token"), str)


def _logprob(token: Json) -> Json:
    others = token.get("top_logprobs")
    return {
        **_bare(token),
        "top_logprobs": [_bare(o) for o in others if _is_logprob(o)]
        if isinstance(others, list)
        else [],
    }


def _bare(token: Json) -> Json:
    return {
        "token": token["token"],
        "bytes": token.get("bytes") or [],
        "logprob": token.get("logprob", 0.0),
    }
