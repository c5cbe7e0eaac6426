"""The conversation that is left after a cut, in the way that every API takes it. Pure.

Where something was left out, what stands before and behind it may not fit together: two messages
of the user's in a row, or an assistant that speaks first. There the user's messages are joined, or
a short one of the user's is put in between, so that roles alternate as they did before. Nothing
else is changed, and nothing in place: messages are copied.
"""

from typing import Any, Final

from headrace.model import DialectName
from headrace.prompt.window.cut import Cut
from headrace.prompt.window.groups import PIN, Group, is_system
from headrace.prompt.window.weights import Message, Scale

MARKER: Final = "[Old tool result cleared to fit the context window]"
NOTE: Final = "[Earlier messages were left out here to fit the context window.]"
FILLER: Final = "[...]"
_SAVING_MIN: Final = 8
_PLAIN: Final = frozenset({"role", "content", PIN})


class Rebuilt:
    """Messages after a cut.

    Args:
        dialect: how they are written.
        scale: weighs them.

    Attributes:
        messages: what is left.
        cleared: how many results were cleared.
    """

    __slots__ = ("_dialect", "_scale", "cleared", "messages")

    def __init__(self, dialect: DialectName, scale: Scale) -> None:
        self._dialect = dialect
        self._scale = scale
        self.messages: list[Message] = []
        self.cleared = 0

    def make(self, messages: list[Message], groups: list[Group], cut: Cut, note: str) -> None:
        """Fill it with what a cut leaves.

        Args:
            messages: of the conversation.
            groups: those that come into question; what is in none of them is left out.
            cut: what becomes of them.
            note: what is said in place of the last part that was left out.
        """
        kept = [place for place in range(len(groups)) if stays(groups[place], place, cut)]
        gaps = [
            place
            for place, before in zip(kept, [None, *kept], strict=False)
            if groups[place].start != (0 if before is None else groups[before].end)
        ]
        text = ""
        for place in kept:
            if gaps and place == gaps[0]:
                gaps.pop(0)
                text = FILLER if gaps else note
            group = groups[place]
            found = [unpinned(message) for message in messages[group.start : group.end]]
            if text and not is_system(found[0]):
                found[0] = self._mend(found[0], text, is_needed=text is not FILLER)
                text = ""
            if cut.start <= place < cut.clear_end and not group.is_fixed:
                for number in group.results:
                    found[number - group.start] = self._clear(found[number - group.start])
            self.messages += found

    def _clear(self, message: Message) -> Message:
        message, cleared, _ = clear(message, self._scale)
        self.cleared += cleared
        return message

    def _mend(self, following: Message, text: str, *, is_needed: bool) -> Message:
        """Make what was said last and what follows fit together."""
        last = self.messages[-1] if self.messages else None
        said = text if is_needed else None
        can_join = last is not None and last["role"] == "user" and self._is_plain(last)
        if following["role"] == "user" and not _holds_results(following):
            if can_join and last is not None and self._is_plain(following):
                self.messages.pop()
                return joined(last, said, following)
            if said is None or not _can_hold(following):
                return following
            return joined({}, said, following)
        if following["role"] == "assistant":
            if not can_join or last is None:
                self.messages.append({"role": "user", "content": text})
            elif said is not None:
                self.messages[-1] = joined(last, said, {})
        return following

    def _is_plain(self, message: Message) -> bool:
        """Whether it can be joined with another one without a loss."""
        if type(message.get("content")) not in (str, list):
            return False
        return self._dialect == "anthropic" or message.keys() <= _PLAIN


def stays(group: Group, place: int, cut: Cut) -> bool:
    """Whether a cut leaves a group where it is."""
    return place >= cut.start or place == cut.opener or group.is_fixed


def unpinned(message: Message) -> Message:
    """A message without the field that pins it."""
    if PIN not in message:
        return message
    return {name: value for name, value in message.items() if name != PIN}


def joined(first: Message, text: str | None, second: Message) -> Message:
    """One message in place of two, with a text in between."""
    contents = [
        content for content in (first.get("content"), text, second.get("content")) if content
    ]
    if all(type(content) is str for content in contents):
        return {**first, **second, "content": "\n\n".join(contents)}
    parts: list[Any] = []
    for content in contents:
        parts += [{"type": "text", "text": content}] if type(content) is str else content
    return {**first, **second, "content": parts}


def clear(message: Message, scale: Scale) -> tuple[Message, int, int]:
    """A message that holds results of tools without what they say.

    Returns:
        The message, how many results were cleared, and how many tokens that saves.
    """
    content = message.get("content")
    if message["role"] != "user":
        saved = _saving(content, scale)
        return ({**message, "content": MARKER}, 1, saved) if saved else (message, 0, 0)
    blocks: list[Any] = []
    cleared = saved = 0
    for block in content if type(content) is list else ():
        if type(block) is dict and block.get("type") == "tool_result":
            saving = _saving(block.get("content"), scale)
            if saving:
                block = {**block, "content": MARKER}
                cleared, saved = cleared + 1, saved + saving
        blocks.append(block)
    return ({**message, "content": blocks}, cleared, saved) if cleared else (message, 0, 0)


def _saving(content: object, scale: Scale) -> int:
    saving = scale.content(content) - scale.text(MARKER)
    return saving if saving >= _SAVING_MIN else 0


def _can_hold(message: Message) -> bool:
    """Whether a text can be put into it; of all else a provider is the judge."""
    content = message.get("content")
    return content is None or type(content) in (str, list)


def _holds_results(message: Message) -> bool:
    content = message.get("content")
    return type(content) is list and any(
        type(block) is dict and block.get("type") == "tool_result" for block in content
    )
