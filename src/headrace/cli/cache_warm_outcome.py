"""What became of each request of `headrace cache warm`, read from the gateway's answer. Pure."""

import enum
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headrace.cache.rules import StoreRules, store_refusal
from headrace.cache.warm_file import Prompt
from headrace.cli.cache_warm_lines import Reply
from headrace.dialects.base import Dialect
from headrace.model import CacheResult, Usage

_STORED: Final = frozenset(
    (CacheResult.L1, CacheResult.L2, CacheResult.L3, CacheResult.SEMANTIC, CacheResult.JOINED)
)
_TOLD_CHARACTERS_MAX: Final = 200


class Kind(enum.StrEnum):
    """How it went."""

    ASKED = "asked"  # a provider has answered, and the answer is stored
    THERE = "there"  # it was stored already
    ABSENT = "absent"  # it is not stored, and was not asked for
    NOT_STORED = "not stored"  # a provider has answered in vain
    FAILED = "failed"  # there is no answer


class Outcome(msgspec.Struct, frozen=True):
    """What became of one request.

    Attributes:
        line: its number in the file.
        why: what went wrong, where something did.
        usage: tokens of a call that was made for it, where they are known.
        usd: what that cost, where it is known.
        ends_all: whether every other request would end in the same way.
    """

    line: int
    kind: Kind
    why: str = ""
    usage: Usage | None = None
    usd: float | None = None
    ends_all: bool = False


def judge(prompt: Prompt, reply: Reply, dialect: Dialect) -> Outcome:
    """What became of a request that was answered.

    Args:
        prompt: what was asked.
        reply: what the gateway answered.
        dialect: the grammar it was asked in.
    """
    if reply.status != 200:
        return _refused(prompt, reply)
    found = reply.headers.get("x-headrace-cache", "")
    if not found:
        why = "the answer is not a Headrace gateway's: check --url"
        return Outcome(prompt.line, Kind.FAILED, why, ends_all=True)
    if reply.headers.get("x-headrace-stale") == "if-error":
        return Outcome(prompt.line, Kind.FAILED, "its provider failed; the answer kept is stale")
    if "x-headrace-fallback" in reply.headers:
        return Outcome(prompt.line, Kind.FAILED, "its provider failed; there is only a text")
    if found in _STORED:
        return Outcome(prompt.line, Kind.THERE)
    facts = dialect.read_reply(prompt.operation(dialect.name), reply.body)
    refusal = store_refusal(facts, reply.status, StoreRules())
    why = "" if refusal is None else f"the answer is not stored: {refusal.value}"
    if found == CacheResult.BYPASS:
        why = "the gateway's settings do not cache this request"
    kind = Kind.NOT_STORED if why else Kind.ASKED
    return Outcome(prompt.line, kind, why, facts.usage, _usd(reply))


def is_other_dialect(reply: Reply) -> bool:
    """Whether the gateway says that the model wants the other dialect."""
    return reply.status == 400 and _error(reply)[0] == "wrong_dialect"


def told(reply: Reply) -> str:
    """An error as the summary shows it."""
    code, message = _error(reply)
    line = " ".join(f"{reply.status} {code}: {message}".split())[:_TOLD_CHARACTERS_MAX]
    return "".join(each if each.isprintable() else "?" for each in line)


def _refused(prompt: Prompt, reply: Reply) -> Outcome:
    if reply.status == 504 and _error(reply)[0] == "not_cached":
        return Outcome(prompt.line, Kind.ABSENT)
    # The key is the same for all.
    return Outcome(prompt.line, Kind.FAILED, told(reply), ends_all=reply.status in (401, 403))


def _error(reply: Reply) -> tuple[str, str]:
    """Code and message of an error in either dialect."""
    try:
        document = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    error: Any = document.get("error") if isinstance(document, Mapping) else None
    if not isinstance(error, Mapping):
        return "error", reply.body[:_TOLD_CHARACTERS_MAX].decode("utf-8", "replace")
    return str(error.get("code") or error.get("type")), str(error.get("message"))


def _usd(reply: Reply) -> float | None:
    try:
        return float(reply.headers["x-headrace-cost-usd"])
    except (KeyError, ValueError):
        return None
