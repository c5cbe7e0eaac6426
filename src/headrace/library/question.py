"""From what a caller of the library says to the body of a request. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headrace.dialects.base import Operation
from headrace.dialects.fields import read_model
from headrace.errors import InvalidRequest
from headrace.model import DialectName
from headrace.routing.directory import Directory

Prompt = str | Sequence[Mapping[str, Any]] | Mapping[str, Any]
"""A plain prompt, a list of messages, or a whole request of either dialect."""

Texts = str | Sequence[str] | Mapping[str, Any]
"""A text, several of them, or a whole request for embeddings."""

_OPERATIONS: Mapping[DialectName, Operation] = {
    "openai": Operation.CHAT,
    "anthropic": Operation.MESSAGES,
}


class Question(msgspec.Struct, frozen=True):
    """A request before anybody has read it.

    Attributes:
        dialect: the grammar it is written in.
        body: its JSON.
    """

    dialect: DialectName
    operation: Operation
    body: bytes


def ask_model(
    prompt: Prompt,
    fields: Mapping[str, Any],
    directory: Directory,
    *,
    max_tokens: int,
    streams: bool,
) -> Question:
    """The request for a completion; a whole request stays as it is but for `fields`.

    Args:
        prompt: what to ask.
        fields: fields of the request, `model` among them; `None` for a model not named here.
        directory: says whose grammar the model wants.
        max_tokens: for providers that insist on it, where the caller wrote no whole request.
        streams: whether the answer is to come as events.

    Raises:
        HeadraceError: it names no model, or one that nobody serves, or is not plain data.
    """
    if isinstance(prompt, str):
        document: dict[str, Any] = {"messages": [{"role": "user", "content": prompt}]}
    elif isinstance(prompt, Mapping):
        document = dict(prompt)
    else:
        document = {"messages": prompt}
    document = _with_fields(document, fields)
    dialect = directory.dialect_of(read_model(document))
    if dialect == "anthropic" and not isinstance(prompt, Mapping):
        document.setdefault("max_tokens", max_tokens)
    if streams:
        document["stream"] = True
    elif document.get("stream"):
        raise InvalidRequest(
            "`stream` is set, but generate() gives whole answers: call stream() instead.",
            param="stream",
            code="invalid_value",
        )
    return Question(dialect, _OPERATIONS[dialect], encode(document))


def ask_embeddings(texts: Texts, fields: Mapping[str, Any], directory: Directory) -> Question:
    """The request for embeddings.

    Raises:
        HeadraceError: as `ask_model`, or the model's provider has no embeddings.
    """
    document = _with_fields(dict(texts) if isinstance(texts, Mapping) else {"input": texts}, fields)
    model = read_model(document)
    dialect = directory.dialect_of(model)
    if dialect != "openai":
        raise InvalidRequest(
            f"Model '{model}' is served by a provider that speaks the {dialect} dialect, which "
            "has no embeddings: name a model of another provider.",
            code="wrong_dialect",
            param="model",
        )
    return Question(dialect, Operation.EMBEDDINGS, encode(document))


def encode(document: Mapping[str, Any]) -> bytes:
    """A request as JSON, strictly: what JSON cannot carry is refused, never turned into text.

    Raises:
        InvalidRequest: it holds such a value: NaN, bytes, a set, an object ...
    """
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(
            f"The request is not plain JSON data: {error}. Send strings, finite numbers, "
            "booleans, None, lists and dicts only.",
            code="invalid_json",
        ) from None


def _with_fields(document: dict[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    given = {**fields}
    if given.get("model") is None:
        del given["model"]
    return {**document, **given}
