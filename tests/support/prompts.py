"""Prompts of a given length, and a counter, for what is done to prompts."""

import re
from typing import Any, Final

from headrace.sim.text import seeded_bytes, seeded_tokens

Document = dict[str, Any]

_PIECE: Final = re.compile(r" ?[A-Za-z]{1,7}|\d{1,3}|\s{1,3}|.", re.DOTALL)


def count_pieces(text: str) -> int:
    """About what a tokenizer counts, without one: short words, three digits, bits of space."""
    return len(_PIECE.findall(text))


def text(tokens: int, name: str = "text") -> str:
    """So many of the simulator's tokens; another name gives other ones."""
    return "".join(seeded_tokens(seeded_bytes(tokens, name.encode())))


def block(tokens: int, name: str = "block", ttl: str | None = None) -> Document:
    """A block of text, with a breakpoint where a time is given."""
    document: Document = {"type": "text", "text": text(tokens, name)}
    if ttl is not None:
        document["cache_control"] = {"type": "ephemeral", "ttl": ttl}
    return document


def turn(role: str, content: Any) -> Document:
    return {"role": role, "content": content}


def tool(name: str, tokens: int = 50) -> Document:
    """A tool in Anthropic's words."""
    schema = {"type": "object", "properties": {"place": {"type": "string"}}}
    return {"name": name, "description": text(tokens, name), "input_schema": schema}


def chat_tool(name: str, tokens: int = 50) -> Document:
    """A tool in OpenAI's words."""
    schema = {"type": "object", "properties": {"place": {"type": "string"}}}
    function = {"name": name, "description": text(tokens, name), "parameters": schema}
    return {"type": "function", "function": function}
