"""One line of a batch and its result: asked, and asked again where that may help."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from headrace.batches.lines import ENDPOINTS, Line
from headrace.batches.results import Result, Writing
from headrace.batches.unanswered import HandoverFailed
from headrace.batches.window import Window
from headrace.errors import BudgetExceeded, HeadraceError, UpstreamBroken
from headrace.gateway.asking import Asked, Asker
from headrace.gateway.handing import Destination, Taker
from headrace.gateway.reader import NO_ANSWERS
from headrace.identity.keys import Principal
from headrace.model import Usage
from headrace.observe.telemetry.traces import Links

# Too much for now: asked again for as long as there is time. Others may fail again.
TOO_MUCH: Final = frozenset((429, 503, 529))
AGAIN: Final = frozenset((408, 409, 500, 502, 504))
BACKOFF_S_BASE: Final = 0.25
BACKOFF_S_MAX: Final = 30.0
RETRY_AFTER_S_MAX: Final = 600.0
_DOUBLINGS_MAX: Final = 10
_NO_CREDIT: Final = b"insufficient_quota"  # OpenAI's 429 of an account without money
_UNTOLD: Final = Usage()


class Reply(msgspec.Struct, frozen=True):
    """What came of one try.

    Attributes:
        is_final: whether it is the same whenever it is asked.
        retry_after_s: how long to wait before, where that was told.
        is_ours: whether it is not a provider's answer, but this gateway's.
    """

    status: int
    body: bytes
    usage: Usage = _UNTOLD
    is_final: bool = False
    retry_after_s: float = 0.0
    is_ours: bool = False

    @property
    def is_good(self) -> bool:
        """Whether it is an answer, and no error."""
        return self.status < 400

    @property
    def is_too_much(self) -> bool:
        """Whether there was only too much to do."""
        return self.status in TOO_MUCH and not self.is_final

    @property
    def may_change(self) -> bool:
        """Whether asking again may help."""
        return self.is_too_much or (self.status in AGAIN and not self.is_final)


class Answers:
    """Gets the results of one batch's lines. Belongs to one event loop.

    Args:
        asker: asks providers through the pipeline.
        who: in whose name.
        endpoint: what all lines ask.
        words: words the results.
        window: how many are asked at once.
        tries: how often a line is asked that may fail again.
        uniform: chance, from 0 to 1.
        now_s: the time, monotonic seconds.
        on_retry: told of each line that is asked again.
        links: what the spans of lines belong to.
    """

    def __init__(
        self,
        asker: Asker,
        who: Principal,
        endpoint: str,
        words: Writing,
        window: Window,
        *,
        tries: int,
        uniform: Callable[[], float],
        now_s: Callable[[], float],
        on_retry: Callable[[], None],
        links: Links = (),
    ) -> None:
        self._asker = asker
        self._who = who
        self._operation = ENDPOINTS[endpoint]
        self._words = words
        self._window = window
        self._tries = tries
        self._uniform = uniform
        self._now_s = now_s
        self._on_retry = on_retry
        self._links = links
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask nothing again: who waits to do so gets what there is."""
        self._stopping.set()

    async def result(self, line: Line) -> Result:
        """The result of a line; who is cancelled while waiting gives the call up."""
        tries = waits = 0
        while True:
            asked_s = self._now_s()
            reply = await self._try(line)
            if reply.is_good:
                self._window.went_well()
                break
            if reply.is_too_much:
                self._window.too_much(asked_s)
            else:
                tries += 1
            if not reply.may_change or tries >= self._tries:
                break
            waits += 1
            if await self._is_stopped_within(self._wait_s(reply, waits)):
                break
            self._on_retry()
        worded = self._words.answered(line.number, line.custom_id, reply.status, reply.body)
        return Result(worded, reply.is_good, reply.usage)

    async def _is_stopped_within(self, wait_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def handed(self, line: Line, taker: Taker, *, to: Destination, looks_up: bool) -> Reply:
        """What comes of a line that `taker` sends on.

        Args:
            line: what is asked.
            taker: who sends it on.
            to: whom it is collected for.
            looks_up: whether a stored answer will do.

        Raises:
            HandoverFailed: the taker has no answer.
        """
        number = line.number
        return await self._told(
            self._asker.hand(
                self._who, self._operation, line.body, taker, number, to=to, looks_up=looks_up
            )
        )

    async def _try(self, line: Line) -> Reply:
        asking = self._asker.ask(self._who, self._operation, line.body, links=self._links)
        return await self._told(asking)

    async def _told(self, asking: Awaitable[Asked]) -> Reply:
        try:
            asked = await asking
        except HandoverFailed:
            raise
        except HeadraceError as error:
            body = self._error_body(error)
            is_final = isinstance(error, BudgetExceeded)
            wait_s = error.retry_after_s or 0.0
            return Reply(error.status, body, is_final=is_final, retry_after_s=wait_s, is_ours=True)
        answer = asked.answer
        # The text of a caller's call that it has joined, or of another Headrace behind this one.
        if asked.source.fallback in NO_ANSWERS:
            unanswered = UpstreamBroken("No target of the model has answered.")
            return Reply(unanswered.status, self._error_body(unanswered), is_ours=True)
        if answer.status < 400:
            return Reply(answer.status, answer.body, answer.usage or _UNTOLD)
        told = dict(answer.headers).get(b"retry-after", b"")
        return Reply(
            answer.status,
            answer.body,
            is_final=_NO_CREDIT in answer.body,
            retry_after_s=float(told) if told.isdigit() and len(told) < 9 else 0.0,
        )

    def _error_body(self, error: HeadraceError) -> bytes:
        return self._asker.error_body(self._operation, error)

    def _wait_s(self, reply: Reply, waits: int) -> float:
        """Full jitter (Brooker 2015, "Exponential Backoff And Jitter")."""
        most = min(BACKOFF_S_MAX, BACKOFF_S_BASE * 2.0 ** min(waits, _DOUBLINGS_MAX))
        return min(reply.retry_after_s, RETRY_AFTER_S_MAX) + most * self._uniform()
