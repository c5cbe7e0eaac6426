"""OpenAI's prompt caching: prefixes are found again, and billed.

What the provider documents: a prompt is tools, then messages. Before GPT-5.6 a prefix of 1,024
tokens and every 128 more is held for some minutes after its last use, without a fee. From then on
only what ends at a breakpoint is held, for 30 minutes, and writing costs: one breakpoint is at the
last message that the caller wrote, others where the request says so.
"""

import re
from hashlib import blake2b
from typing import Any

import msgspec

from headrace.errors import InvalidRequest
from headrace.sim.answer import canonical
from headrace.sim.prefixes import Bill, Kept, Shelf, chain
from headrace.sim.prompt import IMAGE_TOKENS, MESSAGE_TOKENS
from headrace.sim.text import split_tokens

KEY_CHARS_MAX = 64
PREFIX_TOKENS_MIN = 1024
STEP_TOKENS = 128
BREAKPOINT = "prompt_cache_breakpoint"
OPTIONS = "prompt_cache_options"
_ROUTED_TOKENS = 256
_WRITES_MAX = 4
_EXPLICIT_MAX = 50
_EARLIER_ENDINGS_MAX = 20
_TTL_S = 300.0
_BREAKPOINT_TTL_S = 1800.0
_DIGEST_BYTES = 16
_VERSION = re.compile(r"gpt-(\d+)(?:\.(\d+))?")
_WITH_BREAKPOINTS = (5, 6)
_CALLERS_OWN = frozenset(("system", "developer", "user", "tool", "function"))
_MARKABLE = frozenset(("text", "image_url", "input_audio", "file"))
_encode = msgspec.json.encode


class Prompt(msgspec.Struct):
    """A prompt as tokens, and where in it breakpoints may be.

    Attributes:
        tokens: exact to the byte; what is no text has tokens that stand for it.
        explicit: how many tokens there are up to each breakpoint that the request sets.
        endings: the same for the end of each message that the caller wrote.
    """

    tokens: list[str]
    explicit: list[int]
    endings: list[int]


def has_breakpoints(model: str) -> bool:
    """Whether a model's prompt cache goes by breakpoints: GPT-5.6 and later."""
    version = _VERSION.match(model)
    if version is None:
        return False
    return (int(version[1]), int(version[2] or 0)) >= _WITH_BREAKPOINTS


def check(body: dict[str, Any]) -> None:
    """Refuse what the API refuses of the fields that say how to cache.

    Raises:
        InvalidRequest: the key is too long, or the model knows no breakpoints.
    """
    key = body.get("prompt_cache_key")
    if key is not None and (not isinstance(key, str) or len(key) > KEY_CHARS_MAX):
        raise InvalidRequest(
            f"Invalid 'prompt_cache_key': string too long. Expected a string with maximum length "
            f"{KEY_CHARS_MAX}.",
            code="string_above_max_length",
            param="prompt_cache_key",
        )
    told = OPTIONS if body.get(OPTIONS) is not None else ""
    for part in _parts(body):
        told = BREAKPOINT if BREAKPOINT in part else told
        if BREAKPOINT in part and part.get("type") not in _MARKABLE:
            raise InvalidRequest(f"Unknown parameter: '{BREAKPOINT}'.", param=BREAKPOINT)
    if told and not has_breakpoints(body["model"]):
        raise InvalidRequest(
            f"{told} is not supported on this model", code="invalid_parameter", param=told
        )


def _parts(body: dict[str, Any]) -> list[dict[str, Any]]:
    contents = [message.get("content") for message in body["messages"]]
    lists = [content for content in contents if isinstance(content, list)]
    return [part for content in lists for part in content if isinstance(part, dict)]


def bill(body: dict[str, Any], shelf: Shelf) -> Bill:
    """What of a checked request is read and written, and what is held from now on."""
    prompt = _prompt(body)
    seed = chain(b"openai", shelf.account, body["model"].encode())
    beginning = chain(seed, *_bytes(prompt.tokens[:_ROUTED_TOKENS]))
    machine = shelf.store.machine(beginning, body.get("prompt_cache_key"))
    seed = chain(seed, b"%d" % machine, canonical(body.get("response_format")))
    if has_breakpoints(body["model"]):
        return _bill_breakpoints(body, prompt, seed, shelf)
    lengths = range(PREFIX_TOKENS_MIN, len(prompt.tokens) + 1, STEP_TOKENS)
    digests = _digests(prompt.tokens, list(lengths), seed)
    held = [tokens for tokens in lengths if shelf.store.held_s(digests[tokens])]
    kept = tuple(Kept(digest, _TTL_S) for digest in digests.values())
    return Bill(read=max(held, default=0), kept=kept)


def _bill_breakpoints(body: dict[str, Any], prompt: Prompt, seed: bytes, shelf: Shelf) -> Bill:
    explicit = _long(prompt.explicit)
    sought, written = explicit[:2] + explicit[-_EXPLICIT_MAX:], explicit[-_WRITES_MAX:]
    if (body.get(OPTIONS) or {}).get("mode", "implicit") == "implicit":
        endings = _long(prompt.endings)
        sought += endings[-_EARLIER_ENDINGS_MAX - 1 :]
        written = explicit[-_WRITES_MAX + 1 :] + endings[-1:]
    if not written:
        return Bill(tells_writes=True)
    digests = _digests(prompt.tokens, sorted({*sought, *written}), seed)
    held = [tokens for tokens in sought if shelf.store.held_s(digests[tokens])]
    read = max(held, default=0)
    kept = tuple(Kept(digests[tokens], _BREAKPOINT_TTL_S) for tokens in {*written, *held})
    return Bill(read=read, written_5m=max(0, max(written) - read), tells_writes=True, kept=kept)


def _long(places: list[int]) -> list[int]:
    return [tokens for tokens in places if tokens >= PREFIX_TOKENS_MIN]


def _digests(tokens: list[str], lengths: list[int], seed: bytes) -> dict[int, bytes]:
    """The digest of the first tokens, for each of the ascending `lengths`."""
    digest, at, found = blake2b(seed, digest_size=_DIGEST_BYTES), 0, {}
    for length in lengths:
        digest.update("\0".join((*tokens[at:length], "")).encode("utf-8", "surrogatepass"))
        at = length
        found[length] = digest.digest()
    return found


def _bytes(tokens: list[str]) -> list[bytes]:
    return [token.encode("utf-8", "surrogatepass") for token in tokens]


def _prompt(body: dict[str, Any]) -> Prompt:
    tools = body.get("tools")
    prompt = Prompt(split_tokens(_encode(tools).decode()) if tools else [], [], [])
    for message in body["messages"]:
        content = message.get("content")
        rest = {name: value for name, value in message.items() if name != "content"}
        prompt.tokens += [_encode(rest).decode()] + [""] * (MESSAGE_TOKENS - 1)
        for part in content if isinstance(content, list) else [content]:
            prompt.tokens += _part(part)
            if isinstance(part, dict) and BREAKPOINT in part:
                prompt.explicit.append(len(prompt.tokens))
        if message.get("role") in _CALLERS_OWN:
            prompt.endings.append(len(prompt.tokens))
    return prompt


def _part(part: Any) -> list[str]:
    if isinstance(part, str):
        return split_tokens(part)
    if not isinstance(part, dict):
        return []
    if isinstance(part.get("text"), str) and part.get("type") == "text":
        return split_tokens(part["text"])
    bare = {name: value for name, value in part.items() if name != BREAKPOINT}
    written = _encode(bare).decode()
    if part.get("type") in ("image_url", "image"):
        return [written] + [""] * (IMAGE_TOKENS - 1)
    return split_tokens(written)


def without_breakpoints(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same messages as if there were no breakpoints; a text alone as a string."""
    return [
        {**message, "content": _plain(message["content"])}
        if isinstance(message.get("content"), list)
        else message
        for message in messages
    ]


def _plain(content: list[Any]) -> Any:
    parts = [
        {name: value for name, value in part.items() if name != BREAKPOINT}
        if isinstance(part, dict)
        else part
        for part in content
    ]
    if len(parts) == 1 and isinstance(parts[0], dict) and parts[0].keys() == {"type", "text"}:
        return parts[0]["text"]
    return parts
