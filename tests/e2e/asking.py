"""What the tests ask: every question once, so that no test finds another's answer in the cache."""

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec

from headrace.sim.thread import ThreadedSim

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
}
CHAT_TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}
MESSAGE_TOOL = {"name": "weather", "input_schema": WEATHER}
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
SEEN_PATHS = ("/v1/chat/completions", "/v1/embeddings", "/v1/messages")


def numbered() -> Iterator[str]:
    """Questions nobody has asked before."""
    return (f"How deep is pond number {number}?" for number in itertools.count(1))


def chat(question: str, **fields: Any) -> dict[str, Any]:
    """A chat request."""
    messages = [{"role": "user", "content": question}]
    return {"model": "gpt-4o-mini", "messages": messages, **fields}


def message(question: str, **fields: Any) -> dict[str, Any]:
    """A messages request."""
    messages = [{"role": "user", "content": question}]
    return {"model": "claude-sim", "max_tokens": 500, "messages": messages, **fields}


def calls(sim: ThreadedSim) -> int:
    """How many calls the provider has seen."""
    requests = sim.stats().requests
    return sum(sum(requests.get(path, {}).values()) for path in SEEN_PATHS)


def last_body(sim: ThreadedSim) -> Any:
    """The last body that reached the provider, decoded."""
    return msgspec.json.decode(sim.stats().last_requests[-1].body)
