"""Prompts and answers in the ledger, where that is wanted: redacted before they are written."""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from headrace.cache.entry import Shape
from headrace.errors import SettingsInvalid
from headrace.gateway.flight import Flight
from headrace.gateway.order import Order
from headrace.gateway.tasks import Spawn
from headrace.settings.ledger import REDACTED, LedgerSettings
from headrace.store.ledger.row import CallRow, ContentRow, Row

_REDACTED: Final = "[redacted]"
# What waits for a thread; more is left out.
_WAITING_MAX: Final = 64
# A secret that begins within the bound may end behind it, and is found there.
_MARGIN_BYTES: Final = 1024
# In JSON a word may begin right behind the letter of one, which is no part of it. A zero, which no
# text of JSON has and no database takes, keeps them apart.
_ESCAPE: Final = re.compile(r"\\(?:[bfnrt]|u[0-9A-Fa-f]{4})")
_APART: Final = "\0"

Redact = Callable[[str], str]


class Contents:
    """Keeps what was said in calls to providers. Belongs to one event loop.

    Redacting takes its time, so it is done in a thread, and what was said has a row of its own,
    behind that of the call: a process that is killed meanwhile loses what was said, and never what
    it cost.

    Args:
        settings: how much is kept, and what is made unreadable.
        write: writes a row.
        spawn: starts what runs in the background.

    Raises:
        SettingsInvalid: a pattern cannot be used, or the package for patterns is not there.
    """

    def __init__(
        self, settings: LedgerSettings, write: Callable[[Row], None], spawn: Spawn
    ) -> None:
        self._bytes_max = settings.content_kb_max << 10
        self._redact = make_redact((*REDACTED, *settings.redact))
        self._write = write
        self._spawn = spawn
        self._waiting = 0

    def take(self, row: CallRow, order: Order, flight: Flight) -> None:
        """Keep what was said in a call, soon; where too much waits already it is left out.

        Args:
            row: of the call.
            order: what was asked.
            flight: what came of it.
        """
        if self._waiting < _WAITING_MAX:
            self._waiting += 1
            shape = order.shape if flight.is_stream else Shape.WHOLE
            who = row.id, row.at_s, row.tenant
            self._spawn(self._keep(who, order.sent, flight.body, shape, order.call))

    async def _keep(
        self, who: tuple[str, float, str], prompt: bytes, body: bytes, shape: Shape, call: Any
    ) -> None:
        def make() -> ContentRow:
            answer = body
            if shape is not Shape.WHOLE and body:
                answer = call.dialect.assemble(call.grammar.operation, body)
            return ContentRow(*who, self._bounded(prompt), self._bounded(answer))

        try:
            self._write(await asyncio.to_thread(make))
        finally:
            self._waiting -= 1

    def _bounded(self, data: bytes) -> str:
        """As much of a text as is kept, redacted."""
        text = data[: self._bytes_max + _MARGIN_BYTES].decode("utf-8", "replace")
        return self._redact(text).encode()[: self._bytes_max].decode("utf-8", "ignore")


def make_redact(patterns: Sequence[str]) -> Redact:
    """What makes everything that one of some patterns finds unreadable.

    The patterns are those of RE2, whose time grows with the text and with nothing else: what is
    looked through was written by strangers.

    Args:
        patterns: of what is not to be read.

    Raises:
        SettingsInvalid: one cannot be read, or RE2 is not installed.
    """
    try:
        import re2
    except ImportError as error:
        raise SettingsInvalid(
            "ledger.content: a package is missing (google-re2), without which nothing can be "
            "redacted. Install it: pip install 'headrace[intent]'"
        ) from error
    options = re2.Options()
    options.log_errors = False
    found: list[Any] = []
    for pattern in patterns:
        try:
            found.append(re2.compile(pattern, options))
        except re2.error as error:
            raise SettingsInvalid(f"ledger.redact: {pattern!r} cannot be read: {error}") from None

    def clean(text: str) -> str:
        for pattern in found:
            text = pattern.sub(_REDACTED, text)
        return text

    def redact(text: str) -> str:
        if "\\" in text:
            apart = _ESCAPE.sub(rf"\g<0>{_APART}", text.replace(_APART, ""))
            text = clean(apart).replace(_APART, "")
        return clean(text)

    return redact
