"""What a template says of its model: `model` and `config` of the front matter. Pure."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from headrace.model import DialectName
from headrace.prompt.templates.problems import Unusable, nearest

_Type = Literal["number", "whole", "texts", "text", "mapping"]

# dotprompt's names beside the providers' own; what they are called here, and what they hold.
_FIELDS: Final[Mapping[str, tuple[str, _Type]]] = {
    "temperature": ("temperature", "number"),
    "top_p": ("top_p", "number"),
    "topP": ("top_p", "number"),
    "top_k": ("top_k", "whole"),
    "topK": ("top_k", "whole"),
    "max_tokens": ("max_tokens", "whole"),
    "maxOutputTokens": ("max_tokens", "whole"),
    "max_completion_tokens": ("max_completion_tokens", "whole"),
    "stop": ("stop", "texts"),
    "stopSequences": ("stop", "texts"),
    "stop_sequences": ("stop", "texts"),
    "seed": ("seed", "whole"),
    "presence_penalty": ("presence_penalty", "number"),
    "frequency_penalty": ("frequency_penalty", "number"),
    "reasoning_effort": ("reasoning_effort", "text"),
    "response_format": ("response_format", "mapping"),
}
# What Anthropic calls them; the others it does not know, and they are left out.
_ANTHROPIC: Final[Mapping[str, str]] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "stop": "stop_sequences",
}
_EXPECTED: Final[Mapping[_Type, str]] = {
    "number": "a number",
    "whole": "a whole number",
    "texts": "a text, or a list of texts",
    "text": "a text",
    "mapping": "a mapping",
}


def parse_config(raw: object) -> Mapping[str, Any]:
    """Read `config`.

    Returns:
        Request fields by the names that OpenAI's dialect gives them.

    Raises:
        Unusable: a name is not known, or its value is not what it takes.
    """
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise Unusable("config: expected a mapping")
    config: dict[str, Any] = {}
    for key, value in raw.items():
        known = _FIELDS.get(key)
        if known is None:
            raise Unusable(f"config.{key} is not known{nearest(key, _FIELDS)}")
        name, kind = known
        if not _is_a(kind, value):
            raise Unusable(f"config.{key}: expected {_EXPECTED[kind]}, found {value!r:.60}")
        if name in config:
            raise Unusable(f"config.{key}: {name} is set twice")
        config[name] = [value] if kind == "texts" and isinstance(value, str) else value
    return config


def fields_for(dialect: DialectName, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request fields that `config` stands for in a dialect."""
    if dialect == "openai":
        return config
    return {_ANTHROPIC[name]: value for name, value in config.items() if name in _ANTHROPIC}


def _is_a(kind: _Type, value: object) -> bool:
    match kind:
        case "number":
            return type(value) in (int, float)
        case "whole":
            return type(value) is int
        case "texts":
            is_list = isinstance(value, list) and bool(value)
            return isinstance(value, str) or (
                is_list and all(isinstance(each, str) for each in value)  # type: ignore[attr-defined]
            )
        case "text":
            return isinstance(value, str)
        case "mapping":
            return isinstance(value, dict)
