"""Anthropic's prompt caching: breakpoints are checked, found again and billed.

What the provider documents: a prompt is tools, then system, then messages, each a row of blocks. A
breakpoint writes one entry, the prefix that ends there, where that is long enough for the model.
Each breakpoint looks for entries at itself and the 19 blocks before it; the longest that any finds
is read. What lies between it and the last breakpoint is written: up to the last breakpoint of an
hour for an hour, the rest for 5 minutes.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import msgspec

from headrace.errors import InvalidRequest
from headrace.sim.answer import canonical
from headrace.sim.prefixes import NO_BILL, Bill, Kept, Shelf, chain
from headrace.sim.prompt import MESSAGE_TOKENS, part_tokens
from headrace.sim.text import count_tokens

MARK = "cache_control"
BREAKPOINTS_MAX = 4
LOOKBACK_BLOCKS = 20
_TTLS_S: Mapping[str, float] = {"5m": 300.0, "1h": 3600.0}
_HOUR_S = 3600.0
_UNMARKABLE = frozenset(("thinking", "redacted_thinking"))
_encode = msgspec.json.encode

# The first that matches counts; what none matches has 1,024.
_TOKENS_MIN = (
    (re.compile(r"(opus|fable|mythos)-5"), 512),
    (re.compile(r"(haiku|opus)-4[.-]5|opus-4[.-]6"), 4096),
    (re.compile(r"opus-4[.-]7|3[.-]5-haiku|3-haiku|haiku-3"), 2048),
)


class Block(msgspec.Struct, frozen=True):
    """One block of a prompt.

    Attributes:
        digest: of the whole prefix that ends with it, exact to the byte, breakpoints left out.
        tokens: of that prefix.
        ttl_s: how long the breakpoint on it asks for, 0 without one.
    """

    digest: bytes
    tokens: int
    ttl_s: float


def tokens_min(model: str) -> int:
    """The shortest prefix that is cached for `model`, in tokens."""
    for pattern, tokens in _TOKENS_MIN:
        if pattern.search(model):
            return tokens
    return 1024


def check_marks(body: dict[str, Any]) -> None:
    """Refuse breakpoints that the API refuses; a body without any passes at once.

    Raises:
        InvalidRequest: there are more than 4, one asks for an hour behind one of 5 minutes, or one
            is where none may be.
    """
    ttls = [_ttl_s(mark, place) for mark, place in _marks(body)]
    if len(ttls) > BREAKPOINTS_MAX:
        raise InvalidRequest(
            f"A maximum of {BREAKPOINTS_MAX} blocks with cache_control may be provided. "
            f"Found {len(ttls)}.",
            param=MARK,
        )
    if any(later > sooner for sooner, later in pairwise(ttls)):
        raise InvalidRequest(
            "cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' "
            "cache_control block. Note that blocks are processed in the following order: `tools`, "
            "`system`, `messages`.",
            param=MARK,
        )


def _marks(body: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    for at, tool in enumerate(body.get("tools") or ()):
        if tool.get(MARK) is not None:
            yield tool[MARK], f"tools.{at}"
    yield from _content_marks(body.get("system"), "system")
    for at, message in enumerate(body["messages"]):
        yield from _content_marks(message.get("content"), f"messages.{at}.content")
    if body.get(MARK) is not None and not _last_is_marked(body):
        yield body[MARK], MARK


def _last_is_marked(body: dict[str, Any]) -> bool:
    content = body["messages"][-1].get("content") if body["messages"] else None
    return isinstance(content, list) and bool(content) and content[-1].get(MARK) is not None


def _content_marks(content: Any, place: str) -> Iterator[tuple[Any, str]]:
    for at, block in enumerate(content if isinstance(content, list) else ()):
        if isinstance(block, dict):
            inner = block.get("content")
            yield from _content_marks(inner, f"{place}.{at}.content")
            if block.get(MARK) is not None:
                _check_markable(block, f"{place}.{at}")
                yield block[MARK], f"{place}.{at}"


def _check_markable(block: dict[str, Any], place: str) -> None:
    kind = block.get("type")
    if kind in _UNMARKABLE:
        raise InvalidRequest(f"{place}.{kind}.cache_control: Extra inputs are not permitted")
    if kind == "text" and not block.get("text"):
        raise InvalidRequest(f"{place}: cache_control cannot be set for empty text blocks")


def _ttl_s(mark: Any, place: str) -> float:
    if not isinstance(mark, dict) or mark.get("type") != "ephemeral":
        raise InvalidRequest(f"{place}.cache_control.type: Input should be 'ephemeral'")
    ttl_s = _TTLS_S.get(mark.get("ttl", "5m"))
    if ttl_s is None:
        raise InvalidRequest(f"{place}.cache_control.ttl: Input should be '5m' or '1h'")
    return ttl_s


def bill(body: dict[str, Any], shelf: Shelf) -> Bill:
    """What of a checked request is read and written, and what is held from now on."""
    blocks = list(_blocks(body, shelf.account))
    if blocks and body.get(MARK) is not None and not blocks[-1].ttl_s:
        ttl_s = _ttl_s(body[MARK], MARK)
        blocks[-1] = msgspec.structs.replace(blocks[-1], ttl_s=ttl_s)
    least = tokens_min(body["model"])
    marked = [at for at, block in enumerate(blocks) if block.ttl_s and block.tokens >= least]
    if not marked:
        return NO_BILL
    found = max(_found(blocks, at, shelf) for at in marked)
    read = blocks[found].tokens if found >= 0 else 0
    written = blocks[marked[-1]].tokens - read
    hour = max((blocks[at].tokens for at in marked if blocks[at].ttl_s == _HOUR_S), default=0)
    written_1h = max(0, hour - read)
    # What is used is held on to as it was written, however long it is asked for now.
    used = {*marked, found} if found >= 0 else set(marked)
    kept = tuple(_kept(blocks[at], shelf) for at in sorted(used))
    return Bill(read=read, written_5m=written - written_1h, written_1h=written_1h, kept=kept)


def _kept(block: Block, shelf: Shelf) -> Kept:
    return Kept(block.digest, shelf.store.held_s(block.digest) or block.ttl_s)


def _found(blocks: list[Block], at: int, shelf: Shelf) -> int:
    """The last block at or before `at` with a prefix that is held, -1 where none is."""
    for place in range(at, max(-1, at - LOOKBACK_BLOCKS), -1):
        if shelf.store.held_s(blocks[place].digest):
            return place
    return -1


def _blocks(body: dict[str, Any], account: bytes) -> Iterator[Block]:
    digest, tokens = chain(b"anthropic", account, body["model"].encode()), 0
    for tool in body.get("tools") or ():
        bare = _without_mark(tool)
        digest = chain(digest, b"tool", _encode(bare))
        # With what parts it from the one before, as they are counted together.
        tokens += count_tokens(canonical(bare).decode()) + (1 if tokens else 2)
        yield Block(digest, tokens, _asked_s(tool))
    for block in _as_blocks(body.get("system")):
        digest = chain(digest, b"system", _encode(_without_mark(block)))
        tokens += _tokens(block)
        yield Block(digest, tokens, _asked_s(block))
    # A change of these leaves tools and system cached, and nothing of the messages.
    digest = chain(digest, canonical([body.get("tool_choice"), body.get("thinking")]))
    for message in body["messages"]:
        digest = chain(digest, str(message.get("role")).encode())
        tokens += MESSAGE_TOKENS
        for block in _as_blocks(message.get("content")):
            digest = chain(digest, _encode(_without_mark(block)))
            tokens += _tokens(block)
            yield Block(digest, tokens, _asked_s(block))


def _as_blocks(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return content if isinstance(content, list) else []


def _tokens(block: Any) -> int:
    return part_tokens(_without_mark(block), "")


def _asked_s(block: Any) -> float:
    """How long the breakpoint on a block, or on a part of it, asks for."""
    return max((_ttl_s(mark, "") for mark, _ in _content_marks([block], "")), default=0.0)


def _without_mark(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    bare = {name: value for name, value in block.items() if name != MARK}
    if isinstance(bare.get("content"), list):
        bare["content"] = [_without_mark(part) for part in bare["content"]]
    return bare


def without_marks(body: dict[str, Any]) -> dict[str, Any]:
    """The same request without breakpoints, for what they must not change: text and tokens."""
    bare = {name: value for name, value in body.items() if name != MARK}
    if body.get("tools"):
        bare["tools"] = [_without_mark(tool) for tool in body["tools"]]
    bare["system"] = _plain(body.get("system"))
    bare["messages"] = [
        {**message, "content": _plain(message.get("content"))} for message in body["messages"]
    ]
    return bare


def _plain(content: Any) -> Any:
    """Blocks without breakpoints; a text alone as a string, which means the same."""
    if not isinstance(content, list):
        return content
    blocks = [_without_mark(block) for block in content]
    if len(blocks) == 1 and isinstance(blocks[0], dict) and blocks[0].keys() == {"type", "text"}:
        return blocks[0]["text"]
    return blocks
