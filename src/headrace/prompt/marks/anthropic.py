"""Where Anthropic's breakpoints go.

At most four: at the end of the system prompt and of the tools, which are shared by conversations;
at the end of the request, where the next turn begins; and in the middle of a long history. A
breakpoint finds what was written at itself or at one of the 19 blocks before it. So where a turn
has added more, one goes to the end of the request before this one; what is left over goes to every
15th block, which stays in its place while the conversation grows.

What the caller marked is the caller's: no breakpoint is added to a section, of tools, system and
messages, that has one, and those that are added keep the rule that an hour comes before 5 minutes.
"""

from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from headrace.prompt.marks.habits import Advice, Ttl, best_ttl
from headrace.prompt.marks.models import BREAKPOINTS_MAX, LOOKBACK_BLOCKS, prefix_tokens_min
from headrace.prompt.marks.report import Mark, MarkReport, MarkRules, Place

MARK: Final = "cache_control"
_STEP_BLOCKS: Final = 15
_HOUR: Final = "1h"
# No set, which would have to hash what a caller wrote.
_MARKABLE: Final = ("text", "image", "document", "search_result", "tool_use", "tool_result")
# So few characters make a token at the least: what is too short is left out only where it is plain.
_ASCII_CHARS_PER_TOKEN: Final = 2.5
_JSON_CHARS_PER_TOKEN: Final = 2.0
_OTHER_CHARS_PER_TOKEN: Final = 0.7
_BLOCK_TOKENS: Final = 8.0
_encode = msgspec.json.Encoder().encode

_Section = Literal["tools", "system", "messages"]


class _Block(msgspec.Struct, frozen=True):
    """A place where a breakpoint may be.

    Attributes:
        section: where it stands.
        message: index of its message, -1 outside of the messages.
        at: index within section or message; -1 where that is one string.
        markable: whether the provider takes a breakpoint here.
        role: of its message.
        tokens: of the prompt up to its end, at most.
        asked: the times that the caller's breakpoints on it ask for.
    """

    section: _Section
    message: int
    at: int
    markable: bool
    role: str
    tokens: float
    asked: tuple[str, ...]


def mark_messages(
    document: dict[str, Any], *, model: str, rules: MarkRules, advice: Advice
) -> tuple[dict[str, Any], MarkReport]:
    """The same request with breakpoints."""
    blocks = list(_blocks(document))
    theirs = [(at, ttl) for at, block in enumerate(blocks) for ttl in block.asked]
    whole = document.get(MARK)
    sections = {block.section for block in blocks if block.asked}
    if whole is not None:  # the provider puts this one at the last block
        theirs.append((len(blocks), _asked(whole)))
        sections.add("messages")
    free = max(0, BREAKPOINTS_MAX - len(theirs))
    chosen = _choose(blocks, sections, model, rules, advice)[:free]
    ours = _settle(sorted(chosen), theirs)
    report = MarkReport(marks=tuple(mark for _, mark in ours), found=len(theirs))
    return _apply(document, [(blocks[at], mark) for at, mark in ours]), report


def _choose(
    blocks: list[_Block], taken: set[_Section], model: str, rules: MarkRules, advice: Advice
) -> list[tuple[int, Place, Ttl]]:
    """Places for breakpoints, the most useful first."""
    if rules.ttl == "auto":
        head, talk = (best_ttl(outlook, ("5m", _HOUR)) for outlook in (advice.head, advice.talk))
    else:
        head = talk = rules.ttl
    least = prefix_tokens_min(model)
    useful = [at for at, block in enumerate(blocks) if block.markable and block.tokens >= least]
    ends = {section: _end(blocks, useful, section) for section in ("tools", "system", "messages")}
    tools, system, last = ends["tools"], ends["system"], ends["messages"]
    chosen: list[tuple[int, Place, Ttl]] = []
    history: list[int] = []
    if talk is not None and last is not None and "messages" not in taken:
        chosen.append((last, "last", talk))
        history = _history(blocks, useful, last)
    if head is not None and system is not None and "system" not in taken:
        chosen.append((system, "system", head))
    if talk is not None and history and last is not None and last - history[0] >= LOOKBACK_BLOCKS:
        chosen.append((history.pop(0), "history", talk))
    if head is not None and tools is not None and "tools" not in taken:
        chosen.append((tools, "tools", head))
    if talk is not None:
        chosen += [(at, "history", talk) for at in history]
    return chosen


def _end(blocks: list[_Block], useful: list[int], section: str) -> int | None:
    return next((at for at in reversed(useful) if blocks[at].section == section), None)


def _history(blocks: list[_Block], useful: list[int], last: int) -> list[int]:
    """Places within the messages before the last: where the call before this one ended first."""
    first = next(at for at, block in enumerate(blocks) if block.section == "messages")
    before = [at for at in useful if first <= at < last]
    end = _end_before(blocks, last)
    ended = [at for at in before if at <= end][-1:]
    steps = [at for at in before if (at - first + 1) % _STEP_BLOCKS == 0 and at not in ended]
    return ended + steps[::-1] if ended else steps[::-1]


def _end_before(blocks: list[_Block], last: int) -> int:
    """The last block of what the caller wrote before the model's last answer, -1 without one."""
    at = last
    while at >= 0 and blocks[at].role != "assistant":
        at -= 1
    while at >= 0 and blocks[at].role == "assistant":
        at -= 1
    return at if at >= 0 and blocks[at].section == "messages" else -1


def _settle(
    chosen: list[tuple[int, Place, Ttl]], theirs: list[tuple[int, str]]
) -> list[tuple[int, Mark]]:
    """Times in the order that the provider wants: what asks for an hour comes first."""
    first_short = min((at for at, ttl in theirs if ttl != _HOUR), default=1 << 60)
    wanted = [*theirs, *((at, ttl) for at, _, ttl in chosen)]
    last_hour = max((at for at, ttl in wanted if ttl == _HOUR and at < first_short), default=-1)
    settled = []
    for at, place, _ in chosen:
        ttl: Ttl = _HOUR if at <= last_hour else "5m"
        settled.append((at, Mark(place, ttl)))
    return settled


def _apply(document: dict[str, Any], marked: list[tuple[_Block, Mark]]) -> dict[str, Any]:
    if not marked:
        return document
    document = dict(document)
    for block, mark in marked:
        if block.message < 0:
            document[block.section] = _marked(document[block.section], block.at, mark)
        else:
            messages = document["messages"] = list(document["messages"])
            message = messages[block.message] = dict(messages[block.message])
            message["content"] = _marked(message["content"], block.at, mark)
    return document


def _marked(content: Any, at: int, mark: Mark) -> list[Any]:
    """The same blocks with a breakpoint on one of them."""
    told = {"type": "ephemeral"} if mark.ttl == "5m" else {"type": "ephemeral", "ttl": mark.ttl}
    if at < 0:
        return [{"type": "text", "text": content, MARK: told}]
    blocks = list(content)
    blocks[at] = {**blocks[at], MARK: told}
    return blocks


def _blocks(document: dict[str, Any]) -> Iterator[_Block]:
    tokens = 0.0
    sections: tuple[_Section, _Section] = ("tools", "system")
    for section in sections:
        for at, block in _parts(document.get(section)):
            tokens += _tokens_max(block)
            yield _block(section, -1, at, block, "", tokens)
    messages = document.get("messages")
    for number, message in enumerate(messages if isinstance(messages, list) else ()):
        if isinstance(message, dict):
            for at, block in _parts(message.get("content")):
                tokens += _tokens_max(block)
                yield _block("messages", number, at, block, str(message.get("role")), tokens)


def _parts(content: Any) -> Iterator[tuple[int, Any]]:
    if isinstance(content, str):
        yield -1, content
    elif isinstance(content, list):
        yield from enumerate(content)


def _block(
    section: _Section, message: int, at: int, block: Any, role: str, tokens: float
) -> _Block:
    if not isinstance(block, dict):
        return _Block(section, message, at, at < 0 and bool(block), role, tokens, ())
    asked = tuple(_marks_of(block))
    if section == "tools":
        is_open = not block.get("defer_loading")
    else:
        is_open = block.get("type") in _MARKABLE and block.get("text") != ""
    return _Block(section, message, at, is_open and not asked, role, tokens, asked)


def _marks_of(block: dict[str, Any]) -> Iterator[str]:
    """What the breakpoints on a block and on parts of it ask for."""
    inner = block.get("content")
    for part in inner if isinstance(inner, list) else ():
        if isinstance(part, dict) and part.get(MARK) is not None:
            yield _asked(part[MARK])
    if block.get(MARK) is not None:
        yield _asked(block[MARK])


def _asked(mark: Any) -> str:
    return str(mark.get("ttl", "5m")) if isinstance(mark, dict) else "5m"


def _tokens_max(block: Any) -> float:
    """More tokens than a block has, and as few as can be said at once."""
    text = block.get("text") if isinstance(block, dict) else block
    if isinstance(text, str):
        per_token = _ASCII_CHARS_PER_TOKEN if text.isascii() else _OTHER_CHARS_PER_TOKEN
        return len(text) / per_token + _BLOCK_TOKENS
    return len(_encode(block)) / _JSON_CHARS_PER_TOKEN
