"""How OpenAI is told what to keep: by a key, and from GPT-5.6 on by breakpoints."""

from typing import Any, Final

from headrace.prompt.marks.habits import Advice, best_ttl
from headrace.prompt.marks.models import takes_breakpoints
from headrace.prompt.marks.report import Mark, MarkReport

KEY: Final = "prompt_cache_key"
OPTIONS: Final = "prompt_cache_options"
BREAKPOINT: Final = "prompt_cache_breakpoint"
_HERE: Final = "explicit"
# No sets, which would have to hash what a caller wrote.
_OPENING_ROLES: Final = ("system", "developer")
_MARKABLE: Final = ("text", "image_url", "file", "input_audio")


def mark_chat(
    document: dict[str, Any], *, model: str, key: str, advice: Advice
) -> tuple[dict[str, Any], MarkReport]:
    """The same request with a key, and where the model takes them with breakpoints.

    Where the caller says anything of breakpoints, none are added.
    """
    added = key if document.get(KEY) is None else ""
    if added:
        document = {**document, KEY: added}
    found = _count(document)
    if not takes_breakpoints(model) or found or document.get(OPTIONS) is not None:
        return document, MarkReport(key=added, found=found)
    head, talk = best_ttl(advice.head, ("30m",)), best_ttl(advice.talk, ("30m",))
    marks: tuple[Mark, ...] = ()
    if head is not None:
        marked = _mark_opening(document)
        if marked is not document:
            document, marks = marked, (Mark("system", head),)
    if talk is None:
        # The provider would write the end of every request, for a fee, and nobody would read it.
        document = {**document, OPTIONS: {"mode": _HERE}}
    return document, MarkReport(marks=marks, key=added, is_declined=talk is None)


def _count(document: dict[str, Any]) -> int:
    messages = document.get("messages")
    contents = [
        message.get("content")
        for message in (messages if isinstance(messages, list) else ())
        if isinstance(message, dict)
    ]
    lists = [content for content in contents if isinstance(content, list)]
    return sum(
        isinstance(part, dict) and BREAKPOINT in part for content in lists for part in content
    )


def _mark_opening(document: dict[str, Any]) -> dict[str, Any]:
    """A breakpoint at the end of the system messages that come first."""
    messages = document.get("messages")
    opening = 0
    for message in messages if isinstance(messages, list) else ():
        if not isinstance(message, dict) or message.get("role") not in _OPENING_ROLES:
            break
        opening += 1
    if not opening or messages is None:
        return document
    message = messages[opening - 1]
    content = _marked(message.get("content"))
    if content is None:
        return document
    marked = [*messages]
    marked[opening - 1] = {**message, "content": content}
    return {**document, "messages": marked}


def _marked(content: Any) -> list[Any] | None:
    """The same content with a breakpoint at its end, `None` where none may be."""
    here = {BREAKPOINT: {"mode": _HERE}}
    if isinstance(content, str) and content:
        return [{"type": "text", "text": content, **here}]
    if not isinstance(content, list) or not content:
        return None
    *before, last = content
    if not isinstance(last, dict) or last.get("type") not in _MARKABLE or last.get("text") == "":
        return None
    return [*before, {**last, **here}]
