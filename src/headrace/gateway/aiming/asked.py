"""A request as those see it who aim it, and where it is aimed."""

from collections.abc import Mapping
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final, Protocol

import msgspec

from headrace.cache.entry import Answer
from headrace.cache.key import without_marks
from headrace.flow.scheduler import Priority
from headrace.gateway.call import Call
from headrace.gateway.reader import Remarks
from headrace.prompt.templates.names import Reference

_SESSION_BYTES: Final = 16


class Book(Protocol):
    """Is told how a call went that was aimed."""

    def answered(self, answer: Answer) -> None:
        """The provider has answered, be it with an error."""
        ...

    def failed(self) -> None:
        """There was no whole answer."""
        ...


class Terms(msgspec.Struct, frozen=True):
    """How a request is served for what it wants.

    Attributes:
        priority: whose turn comes first, where the caller says nothing.
        is_cached: whether answers are looked up and stored.
        ttl_s: how long its answer is fresh, in seconds, where the caller says nothing.
    """

    priority: Priority | None = None
    is_cached: bool = True
    ttl_s: float | None = None

    def hinted(self, call: Call) -> Call:
        """The call with these; what the caller asked for itself counts more."""
        hints, priority = call.hints, self.priority
        if priority is None or hints.priority is not Priority.NORMAL:
            priority = hints.priority
        return msgspec.structs.replace(
            call,
            hints=msgspec.structs.replace(
                hints,
                looks_up=hints.looks_up and self.is_cached,
                stores=hints.stores and self.is_cached,
                ttl_s=self.ttl_s if hints.ttl_s is None else hints.ttl_s,
                priority=priority,
            ),
        )


class TemplateUse(msgspec.Struct, frozen=True):
    """The template that a request is put into for what it wants.

    Attributes:
        reference: which one.
        turn: the variable that takes what the user said last; empty: it stays in its place.
        variables: what the others hold.
    """

    reference: Reference
    turn: str = ""
    variables: Mapping[str, str] = {}


class Aimed(msgspec.Struct, frozen=True):
    """Where a request goes.

    Attributes:
        model: whose targets are asked.
        changes: top-level fields of the request that are set.
        remarks: what the caller is told of it.
        books: told how the call goes.
        intent: what the request wants, where that was asked; `unknown` where nobody knows.
        terms: how it is served for that.
        template: what it is put into for that, where its caller names none.
        cheaper: the model of the tier below, where it is of one.
    """

    model: str
    changes: Mapping[str, Any] = {}
    remarks: Remarks = ()
    books: tuple[Book, ...] = ()
    intent: str = ""
    terms: Terms | None = None
    template: TemplateUse | None = None
    cheaper: str = ""


class Session(msgspec.Struct, frozen=True):
    """What requests of one conversation have in common.

    Attributes:
        key: tells it from others as soon as it was answered once.
        opening: the same from its first request on, and for all that begin with the same words.
        is_new: whether nothing was answered yet, and the caller gave it no name.
    """

    key: bytes
    opening: bytes
    is_new: bool


class Asked:
    """One request that is to be aimed.

    Args:
        call: what its head says.
        document: its body, decoded.
        body_bytes: the size of that.
        counts: whether a caller asks, and not the cache by itself.
        now_s: monotonic seconds.
    """

    def __init__(
        self,
        call: Call,
        document: Mapping[str, Any],
        body_bytes: int,
        *,
        counts: bool,
        now_s: float,
    ) -> None:
        self.call = call
        self.document = document
        self.body_bytes = body_bytes
        self.counts = counts
        self.now_s = now_s

    @cached_property
    def session(self) -> Session:
        """The conversation it belongs to, of one tenant.

        By the name that the caller gives it, or else by what it begins with: the system prompt,
        the first message of the user and the first reply. That reply tells those apart who begin
        with the same words.
        """
        tenant, named = self.call.tenant.encode(), self.call.hints.session
        if named:
            key = _digest(b"named", tenant, named)
            return Session(key, key, is_new=False)
        first, reply = _begun(self.document, self.call.grammar.marks)
        opening = _digest(b"begun", tenant, _encoded(first))
        if reply is None:
            return Session(opening, opening, is_new=True)
        return Session(_digest(opening, _encoded(reply)), opening, is_new=False)


def _begun(document: Mapping[str, Any], marks: tuple[str, ...]) -> tuple[object, object]:
    """The system prompt with what comes up to the first message of the user; the first reply.

    Without marks, which move as a conversation grows.
    """
    messages = document.get("messages")
    begun: list[Any] = []
    has_asked = False
    for message in messages if isinstance(messages, list) else ():
        role = message.get("role") if isinstance(message, dict) else None
        if not has_asked or role == "assistant":
            begun.append(message)
        if has_asked and role == "assistant":
            break
        has_asked = has_asked or role == "user"
    plain = without_marks({"system": document.get("system"), "messages": begun}, marks)
    found = plain["messages"]
    is_answered = has_asked and isinstance(found[-1], dict) and found[-1].get("role") != "user"
    reply = found.pop() if is_answered else None
    return (plain["system"], found), reply


def _encoded(part: object) -> bytes:
    try:
        return msgspec.json.encode(part)
    except RecursionError:  # nested too deeply: refused where its key is made
        return b""


def _digest(*parts: bytes) -> bytes:
    hashed = blake2b(digest_size=_SESSION_BYTES)
    for part in parts:
        hashed.update(len(part).to_bytes(8, "little") + part)
    return hashed.digest()
