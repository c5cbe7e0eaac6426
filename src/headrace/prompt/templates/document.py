"""From a request that names a template to the request that it stands for. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from headrace.errors import InvalidRequest
from headrace.model import DialectName
from headrace.prompt.templates.config import fields_for
from headrace.prompt.templates.names import Reference, is_label, parse_reference
from headrace.prompt.templates.problems import nearest
from headrace.prompt.templates.template import RenderedTemplate
from headrace.prompt.templates.turn import Turn, in_place
from headrace.prompt.templates.words import SYSTEM_ROLES

FIELD: Final = "template"
VARIABLES: Final = "variables"
_KEYS: Final = ("name", "label", "version", VARIABLES)
_LENGTHS: Final = ("max_tokens", "max_completion_tokens")


class Ask(msgspec.Struct, frozen=True):
    """Which template a request names, and what it is rendered for."""

    reference: Reference
    variables: Mapping[str, Any]


def read_ask(header: str, document: Mapping[str, Any]) -> Ask:
    """What a request asks for.

    Args:
        header: the value of `x-headrace-template`; empty where there is none.
        document: the request.

    Raises:
        InvalidRequest: it names no template, or two, or its fields are not what they have to be.
    """
    field = document.get(FIELD)
    inner: Mapping[str, Any] = {}
    if isinstance(field, dict):
        inner = field
        for key in inner:
            if key not in _KEYS:
                raise _wrong(f"`template.{key}` is not known{nearest(key, _KEYS)}")
    elif isinstance(field, str) and not header:
        return Ask(parse_reference(field), _variables(document, inner))
    elif field is not None:
        raise _wrong("`template` is a text such as name@label, or an object with `name`")
    if header:
        if "name" in inner or isinstance(field, str):
            raise _wrong("name the template in the header or in the body, not in both")
        return Ask(parse_reference(header), _variables(document, inner))
    return Ask(_reference(inner), _variables(document, inner))


def expanded(
    document: Mapping[str, Any],
    rendered: RenderedTemplate,
    dialect: DialectName,
    turn: Turn | None = None,
) -> dict[str, Any]:
    """The request that a document with a template stands for.

    What the caller says of model and parameters goes before what the template says.

    Args:
        document: the request.
        rendered: what the template says.
        dialect: the caller's.
        turn: what of the conversation the template stands for; `None`: it is added to it.

    Raises:
        InvalidRequest: `messages` or `system` are not what the dialect makes of them.
    """
    request = {name: each for name, each in document.items() if name not in (FIELD, VARIABLES)}
    history = request.get("messages")
    if history is None:
        history = []
    if not isinstance(history, list):
        raise InvalidRequest("`messages` is a list.", param="messages", code="invalid_value")
    is_limited = any(request.get(name) is not None for name in _LENGTHS)
    for name, value in fields_for(dialect, rendered.config).items():
        if request.get(name) is None and not (is_limited and name in _LENGTHS):
            request[name] = value
    if rendered.model and request.get("model") is None:
        request["model"] = rendered.model
    if dialect == "anthropic":
        _add_system(request, rendered)
    keeps_system = dialect == "openai"
    if turn is None:
        request["messages"] = _messages(rendered, history, keeps_system=keeps_system)
    else:
        request["messages"] = in_place(turn, rendered.parts, keeps_system=keeps_system)
    return request


def _variables(document: Mapping[str, Any], inner: Mapping[str, Any]) -> Mapping[str, Any]:
    if VARIABLES in inner and VARIABLES in document:
        raise _wrong("`variables` stand in `template` or beside it, not in both")
    variables = inner.get(VARIABLES, document.get(VARIABLES))
    if variables is None:
        return {}
    if not isinstance(variables, dict):
        raise InvalidRequest(
            "`variables` is an object of names and values.", param=VARIABLES, code="invalid_value"
        )
    return variables


def _reference(inner: Mapping[str, Any]) -> Reference:
    name, label, version = inner.get("name"), inner.get("label"), inner.get("version")
    if not isinstance(name, str):
        raise _wrong("`template.name` is missing: which template?")
    if label is None and version is None:
        return parse_reference(name)
    if "@" in name or (label is not None and version is not None):
        raise _wrong("give a label or a version, and only once")
    if label is not None and not (isinstance(label, str) and is_label(label)):
        raise _wrong("`template.label` is a text such as production")
    if version is not None and (type(version) is not int or version < 1):
        raise _wrong("`template.version` is a whole number from 1 on")
    return Reference(parse_reference(name).name, label, version)


def _messages(
    rendered: RenderedTemplate, history: Sequence[Any], *, keeps_system: bool
) -> list[Any]:
    """The template's messages, and the caller's where they belong."""
    messages: list[Any] = []
    is_placed = False
    for part in rendered.parts:
        if part.role == "history":
            messages += () if is_placed else history
            is_placed = True
        elif keeps_system or part.role not in SYSTEM_ROLES:
            messages.append({"role": part.role, "content": part.content})
    return messages if is_placed else [*messages, *history]


def _add_system(request: dict[str, Any], rendered: RenderedTemplate) -> None:
    """Put the template's system text where Anthropic has it, before the caller's own."""
    words = "\n\n".join([each.content for each in rendered.parts if each.role in SYSTEM_ROLES])
    if not words:
        return
    own = request.get("system")
    if own is None:
        request["system"] = words
    elif isinstance(own, str):
        request["system"] = f"{words}\n\n{own}"
    elif isinstance(own, list):
        request["system"] = [{"type": "text", "text": words}, *own]
    else:
        raise InvalidRequest(
            "`system` is a text or a list of blocks.", param="system", code="invalid_value"
        )


def _wrong(message: str) -> InvalidRequest:
    told = message[0].upper() + message[1:]
    return InvalidRequest(f"{told}.", param=FIELD, code="invalid_value")
