"""The chat messages that say what items say.

A chat wants the results of tools right behind the calls, so that calls without a result and
results without a call are told here, before a provider finds other words for them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from headrace.dialects.responses.items import Item
from headrace.errors import InvalidRequest

Message = dict[str, Any]

# Chats have known `system` from the start; only some know `developer`, as the same.
_ROLES: Final[Mapping[str, str]] = {"developer": "system"}


def to_messages(
    items: Sequence[Item], *, instructions: str | None = None, before: int = 0
) -> list[Message]:
    """Items as messages.

    Args:
        items: as `read_items` or an answer made them.
        instructions: what the model is told first.
        before: how many of the items were there before this request.

    Raises:
        InvalidRequest: calls and results do not match.
    """
    writer = _Writer(before)
    if instructions:
        writer.messages.append({"role": "system", "content": instructions})
    for index, item in enumerate(items):
        writer.add(item, index)
    writer.check_answered(len(items))
    return writer.messages


class _Writer:
    def __init__(self, before: int) -> None:
        self.messages: list[Message] = []
        self._before = before
        self._unanswered: dict[str, None] = {}
        self._answered: set[str] = set()

    def add(self, item: Item, index: int) -> None:
        kind = item["type"]
        if kind == "message":
            self._add_message(item, index)
        elif kind == "function_call":
            self._add_call(item, index)
        elif kind == "function_call_output":
            self._add_output(item, index)
        # Thoughts are the model's own: chats do not take them back.

    def check_answered(self, index: int) -> None:
        """Nothing but results may follow a call until it has one."""
        if self._unanswered:
            call_id = next(iter(self._unanswered))
            raise InvalidRequest(
                f"No tool output found for function call {call_id[:100]}: {self._place(index)} has "
                "to come after a `function_call_output` with this `call_id`.",
                param="input",
                code="missing_tool_output",
            )

    def _add_message(self, item: Item, index: int) -> None:
        role = _ROLES.get(item["role"], item["role"])
        content = _content(item["content"])
        last = self.messages[-1] if self.messages else None
        if role == "assistant" and self._unanswered and last is not None and "tool_calls" in last:
            last["content"] = _joined(last["content"], content)  # said beside its calls
            return
        self.check_answered(index)
        self.messages.append({"role": role, "content": content})

    def _add_call(self, item: Item, index: int) -> None:
        call_id = item["call_id"]
        if call_id in self._unanswered:
            raise InvalidRequest(
                f"{self._place(index)} calls a tool as '{call_id[:100]}' again, before the first "
                "call of this `call_id` has its output.",
                param="input",
                code="duplicate_tool_call",
            )
        call = {
            "id": call_id,
            "type": "function",
            "function": {"name": item["name"], "arguments": item["arguments"]},
        }
        last = self.messages[-1] if self.messages else None
        if last is None or last["role"] != "assistant":
            self.check_answered(index)
            last = {"role": "assistant", "content": None}
            self.messages.append(last)
        last.setdefault("tool_calls", []).append(call)
        self._unanswered[call_id] = None

    def _add_output(self, item: Item, index: int) -> None:
        call_id, output = item["call_id"], item["output"]
        if call_id not in self._unanswered:
            why = "has one already" if call_id in self._answered else "no item before it makes"
            raise InvalidRequest(
                f"{self._place(index)} is the output of function call '{call_id[:100]}', "
                f"which {why}.",
                param="input",
                code="unknown_tool_call",
            )
        del self._unanswered[call_id]
        self._answered.add(call_id)
        content = output if isinstance(output, str) else _content(output)
        self.messages.append({"role": "tool", "tool_call_id": call_id, "content": content})

    def _place(self, index: int) -> str:
        """An item as its sender knows it."""
        own = index - self._before
        return f"`input[{own}]`" if own >= 0 else "an item of the conversation so far"


def _content(parts: Sequence[Item]) -> str | list[Item]:
    """A single text as such, which every provider reads; anything else as parts."""
    if len(parts) == 1 and "text" in parts[0] and not _marks(parts[0]):
        return str(parts[0]["text"])
    return [_part(part) for part in parts]


def _part(part: Item) -> Item:
    kind = part["type"]
    written: Item
    if kind == "refusal":
        written = {"type": "refusal", "refusal": part["refusal"]}
    elif kind == "input_image":
        image = {"url": part["image_url"], "detail": part["detail"]}
        written = {"type": "image_url", "image_url": image}
    elif kind == "input_file":
        names = ("file_data", "filename")
        written = {"type": "file", "file": {name: part[name] for name in names if name in part}}
    elif kind == "input_audio":
        written = {"type": "input_audio", "input_audio": part["input_audio"]}
    else:
        written = {"type": "text", "text": part["text"]}
    return {**written, **_marks(part)}


def _marks(part: Item) -> Item:
    return {
        name: part[name] for name in ("prompt_cache_breakpoint", "cache_control") if name in part
    }


def _joined(first: str | list[Item] | None, second: str | list[Item]) -> str | list[Item]:
    if not first:
        return second
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n{second}"
    return _as_parts(first) + _as_parts(second)


def _as_parts(content: str | list[Item]) -> list[Item]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
