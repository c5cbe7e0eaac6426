"""The body of one request as it is sent: made from what came, for the target that is asked."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from headrace.errors import HeadraceError, InvalidRequest
from headrace.gateway.tasks import OnBug, attempt
from headrace.model import DialectName

Document = dict[str, Any]


class Recipient(msgspec.Struct, frozen=True):
    """For whom a body is made.

    Attributes:
        dialect: how it is written.
        provider: its name in the settings.
        model: as the provider calls it.
        tenant: whose request it is.
        refuses: whether a prompt that cannot be made to fit is refused; else it goes as it is.
    """

    dialect: DialectName
    provider: str
    model: str
    tenant: str
    refuses: bool

    @property
    def target(self) -> tuple[str, str]:
        """Who is asked: provider and model."""
        return self.provider, self.model


class Said(msgspec.Struct, frozen=True):
    """What a step did.

    Attributes:
        step: which one.
        text: for the caller and the log; empty where there is nothing to tell.
        tokens_saved: by how much the prompt became shorter.
    """

    step: str
    text: str = ""
    tokens_saved: int = 0


Step = Callable[[Document, Recipient], tuple[Document, Said | None]]
"""Gives the very same document, and nothing to say, where nothing was done. Pure, but for what it
remembers of texts."""


class Draft:
    """One request's body. Used by one thread at a time.

    Args:
        body: what came; JSON.
        once: steps whose outcome is the same for every target.
        each: steps that depend on the target; they come after the others.
        on_bug: told of an exception that no one expected, by whatever thread; then what came is
            sent.

    Attributes:
        said: what was done for the target that was asked last.
    """

    __slots__ = ("_body", "_each", "_is_original", "_made", "_on_bug", "_once", "_shared", "said")

    def __init__(
        self, body: bytes, once: Sequence[Step], each: Sequence[Step], on_bug: OnBug
    ) -> None:
        self._body = body
        self._on_bug = on_bug
        self._once = once
        self._each = each
        self._shared: tuple[Document, Document, tuple[Said, ...]] | None = None
        self._made: dict[tuple[str, str], bytes] = {}  # as many as an order has targets
        self._is_original = False
        self.said: tuple[Said, ...] = ()

    def body(self, recipient: Recipient) -> bytes:
        """What is sent to a target, but for the model's name: what came, where nothing changed.

        Raises:
            InvalidRequest: it cannot be made to fit the model's window.
        """
        if self._is_original:
            return self._body
        made = self._made.get(recipient.target)
        if made is None:
            outcome = attempt(self._make, recipient, self._on_bug)
            if isinstance(outcome, InvalidRequest):
                raise outcome
            if isinstance(outcome, HeadraceError):  # a bug of ours is no reason to ask nobody
                self._is_original = True
                return self._body
            made = self._made[recipient.target] = outcome
        return made

    @property
    def is_fresh(self) -> bool:
        """Whether nothing was made yet."""
        return not self._made

    def sent(self, provider: str, model: str) -> bytes:
        """What was made for a target."""
        return self._body if self._is_original else self._made.get((provider, model), self._body)

    def gives_way(self, provider: str, model: str) -> bool:
        """A provider refused it: what came is sent from now on; says whether that is another."""
        if self.sent(provider, model) == self._body:
            return False
        self._is_original = True
        return True

    def _make(self, recipient: Recipient) -> bytes:
        try:
            came, document, said = self._shared or self._share(recipient)
            document, more = _taken_through(document, recipient, self._each)
            made = self._body if document is came else msgspec.json.encode(document)
        except RecursionError:  # nested about as deeply as can be read
            return self._body
        self.said = said + more
        return made

    def _share(self, recipient: Recipient) -> tuple[Document, Document, tuple[Said, ...]]:
        came: Document = msgspec.json.decode(self._body)
        self._shared = shared = (came, *_taken_through(came, recipient, self._once))
        return shared


def _taken_through(
    document: Document, recipient: Recipient, steps: Sequence[Step]
) -> tuple[Document, tuple[Said, ...]]:
    said: tuple[Said, ...] = ()
    for step in steps:
        document, says = step(document, recipient)
        if says is not None:
            said += (says,)
    return document, said
