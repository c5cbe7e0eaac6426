"""What providers refuse of a conversation, written from their references and from nothing else.

Each function gives what is wrong as a list of sentences; an empty one is a request that is taken.
"""

from collections.abc import Iterator
from typing import Any

OPENAI_FIELDS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {
        "role",
        "content",
        "name",
        "refusal",
        "audio",
        "tool_calls",
        "function_call",
    },
    "tool": {"role", "content", "tool_call_id"},
    "function": {"role", "content", "name"},
}
OPENAI_PARTS = {
    "system": {"text"},
    "developer": {"text"},
    "user": {"text", "image_url", "input_audio", "file"},
    "assistant": {"text", "refusal"},
    "tool": {"text"},
    "function": set[str](),
}
ANTHROPIC_BLOCKS = {
    "user": {"text", "image", "document", "tool_result", "search_result"},
    "assistant": {"text", "thinking", "redacted_thinking", "tool_use", "server_tool_use"},
}


def openai_faults(messages: list[dict[str, Any]]) -> list[str]:
    """What OpenAI's chat completions would refuse."""
    return ["there are no messages"] if not messages else list(_openai(messages))


def _openai(messages: list[dict[str, Any]]) -> Iterator[str]:
    waiting: set[str] = set()
    function: str | None = None
    for number, message in enumerate(messages):
        role = message["role"]
        if role not in OPENAI_FIELDS:
            yield f"{number}: role {role}"
            continue
        if surplus := set(message) - OPENAI_FIELDS[role]:
            yield f"{number}: unknown fields {surplus}"
        yield from _openai_content(number, message)
        if role == "tool":
            if message["tool_call_id"] not in waiting:
                yield f"{number}: a result without a call"
            waiting.discard(message["tool_call_id"])
            continue
        if role == "function":
            if message["name"] != function:
                yield f"{number}: a function's result without a call"
            function = None
            continue
        if waiting or function:
            yield f"{number}: calls without results: {waiting or function}"
        waiting = {call["id"] for call in message.get("tool_calls", ())}
        function = message.get("function_call", {}).get("name")
    if waiting or function:
        yield f"at the end: calls without results: {waiting or function}"


def _openai_content(number: int, message: dict[str, Any]) -> Iterator[str]:
    role, content = message["role"], message.get("content")
    if content is None:
        if role != "assistant" or not ("tool_calls" in message or "function_call" in message):
            yield f"{number}: no content"
    elif isinstance(content, list):
        if not content:
            yield f"{number}: an empty list of parts"
        for part in content:
            if part["type"] not in OPENAI_PARTS[role]:
                yield f"{number}: a part {part['type']} of {role}"
    elif not isinstance(content, str):
        yield f"{number}: content is {type(content)}"


def anthropic_faults(messages: list[dict[str, Any]], *, alternating: bool = True) -> list[str]:
    """What Anthropic's messages API would refuse; as strict as it ever was about turns."""
    return ["there are no messages"] if not messages else list(_anthropic(messages, alternating))


def _anthropic(messages: list[dict[str, Any]], alternating: bool) -> Iterator[str]:
    if messages[0]["role"] != "user":
        yield "the first message is not the user's"
    called: list[str] = []
    seen: set[str] = set()
    before = ""
    for number, message in enumerate(messages):
        role, content = message["role"], message["content"]
        if role not in ANTHROPIC_BLOCKS:
            yield f"{number}: role {role}"
            continue
        if surplus := set(message) - {"role", "content"}:
            yield f"{number}: unknown fields {surplus}"
        if alternating and role == before:
            yield f"{number}: two in a row of {role}"
        before = role
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        yield from _blocks(number, role, blocks)
        answered = [each["tool_use_id"] for each in blocks if each["type"] == "tool_result"]
        yield from _results(number, called, answered)
        called = [each["id"] for each in blocks if each["type"] == "tool_use"]
        if twice := [each for each in called if each in seen]:
            yield f"{number}: ids of calls that were there before: {twice}"
        seen.update(called)
    if called:
        yield f"at the end: calls without results: {called}"


def _blocks(number: int, role: str, blocks: list[dict[str, Any]]) -> Iterator[str]:
    if not blocks:
        yield f"{number}: no content"
    kinds = [block["type"] for block in blocks]
    for block in blocks:
        if block["type"] not in ANTHROPIC_BLOCKS[role]:
            yield f"{number}: a block {block['type']} of {role}"
        if block["type"] == "text" and not block["text"].strip():
            yield f"{number}: an empty text"
    results = kinds.count("tool_result")
    if kinds[:results] != ["tool_result"] * results:
        yield f"{number}: something comes before a result"
    thoughts = [kind in ("thinking", "redacted_thinking") for kind in kinds]
    if any(thoughts) and not thoughts[0]:
        yield f"{number}: it does not begin with its thoughts"


def _results(number: int, called: list[str], answered: list[str]) -> Iterator[str]:
    if missing := set(called) - set(answered):
        yield f"{number}: calls without results: {missing}"
    if orphans := set(answered) - set(called):
        yield f"{number}: results without calls: {orphans}"
    if len(set(answered)) != len(answered):
        yield f"{number}: a call is answered twice"
