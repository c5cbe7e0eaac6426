"""Which questions may be compared at all: those that differ in one text and in nothing else. Pure.

The scope is a digest of everything that can change an answer but the one text that is compared: who
asks whom, the model, every parameter, the system prompt and earlier turns. Only questions of one
scope ever meet. A scope that held the text too would let nothing match; one that left out a field
would hand answers to whom they were not meant for.
"""

import unicodedata
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headrace.cache.key import scope_digest
from headrace.model import RequestView

_TEMPERATURE_DEFAULT: Final = 1.0
# What makes an answer depend on more than the model, or on when it is asked.
_TOOL_FIELDS: Final = (
    "tools", "functions", "tool_choice", "function_call", "mcp_servers", "container",
    "web_search_options",
)  # fmt: skip
_INSTRUCTING_ROLES: Final = frozenset(("system", "developer"))
_encode = msgspec.json.Encoder(order="deterministic").encode


class Eligibility(msgspec.Struct, frozen=True):
    """Which requests are compared by meaning.

    Attributes:
        turns_max: most messages of user and assistant together; 1 is a question and nothing before.
        temperature_max: highest sampling temperature; a request without one has the default of 1.
        text_chars_max: longest text. Embedders read a few hundred words and ignore the rest, so a
            longer text could differ where none of them looks.
    """

    turns_max: int = 1
    temperature_max: float = 1.0
    text_chars_max: int = 1000


class Question(msgspec.Struct, frozen=True):
    """What is compared, and whom with.

    Attributes:
        scope: 32 bytes; only questions of the same scope ever meet.
        text: the last message of the user.
    """

    scope: bytes
    text: str


class Unfit(msgspec.Struct, frozen=True):
    """A request that is not compared by meaning, and why: `tools`, `turns`, `temperature`, ..."""

    why: str


def read_question(
    document: Mapping[str, Any],
    view: RequestView,
    *,
    base: bytes,
    model: str,
    uncounted: frozenset[str],
    embedder: str,
    eligibility: Eligibility,
) -> Question | Unfit:
    """Read the question of a decoded request.

    Args:
        document: the request, decoded; not changed.
        view: what matters of it.
        base: digest of who asks whom: tenant, operation, provider, variant headers.
        model: the model as the provider names it.
        uncounted: top-level fields that cannot change the answer.
        embedder: id of the embedder: vectors of two embedders cannot be compared.
        eligibility: which requests are compared by meaning.
    """
    why = _unfit(document, view, eligibility)
    if why:
        return Unfit(why)
    messages = document["messages"]
    text = _only_text(messages[-1].get("content"))
    if text is None:
        return Unfit("not_text")
    if not text.strip():
        return Unfit("empty")
    if _length(text) > eligibility.text_chars_max:
        return Unfit("too_long")
    counted = {field: value for field, value in document.items() if field not in uncounted}
    counted["model"] = model
    counted["messages"] = [*messages[:-1], {**messages[-1], "content": None}]
    try:
        encoded = _encode(counted)
    except RecursionError:
        return Unfit("too_deep")
    return Question(scope_digest(base, embedder.encode(), encoded), text)


def _unfit(document: Mapping[str, Any], view: RequestView, eligibility: Eligibility) -> str:
    temperature = _TEMPERATURE_DEFAULT if view.temperature is None else view.temperature
    if temperature > eligibility.temperature_max:
        return "temperature"
    if view.has_tools or any(document.get(field) for field in _TOOL_FIELDS):
        return "tools"
    messages = document.get("messages")
    if type(messages) is not list or not messages:
        return "no_messages"
    if messages[-1].get("role") != "user":
        return "not_asked"
    turns = sum(message.get("role") not in _INSTRUCTING_ROLES for message in messages)
    return "turns" if turns > eligibility.turns_max else ""


def _only_text(content: object) -> str | None:
    """The text of a message that is nothing but text."""
    if type(content) is str:
        return content
    if type(content) is not list or len(content) != 1 or type(content[0]) is not dict:
        return None
    part = content[0]
    if part.keys() != {"type", "text"} or part["type"] != "text":
        return None
    return part["text"] if type(part["text"]) is str else None


def _length(text: str) -> int:
    """How many letters the guards would read: one sign may stand for eighteen."""
    return len(text) if text.isascii() else len(unicodedata.normalize("NFKC", text))
