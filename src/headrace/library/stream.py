"""A streamed answer as an async iterator: ends cleanly only when the answer is complete."""

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from headrace.errors import NotRunning
from headrace.library.events import EventReader, StreamEvent
from headrace.library.listener import Listener, current_loop
from headrace.library.results import Completion, check, read_completion, transcript


class Stream:
    """The events of one answer, in order, by `async for`; asked for with the first of them.

    A slow consumer pauses the provider: little more is kept than one buffer of bytes. Who stops
    early cancels the call, unless others have joined it: by leaving a loop that holds the only
    reference, by `aclose()`, or by leaving `async with stream:`.

    Raises:
        UpstreamRefused: the provider answered with an error, or sent one amid the events.
        UpstreamBroken: it broke off before the answer was complete.
        HeadraceError: the request is wrong, or cannot be served.
    """

    def __init__(self, ask: Callable[[], Listener], loop: asyncio.AbstractEventLoop) -> None:
        self._ask = ask
        self._loop = loop
        self._listener: Listener | None = None
        self._reader: EventReader | None = None
        self._events: deque[StreamEvent] = deque()
        self._is_closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        if not self._events:
            await self._fill()
            if not self._events:
                raise StopAsyncIteration
        return self._events.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def __del__(self) -> None:
        listener = self._listener
        if listener is None or listener.is_over or self._loop.is_closed():
            return
        # The last reference may go on any thread, but a call belongs to its loop.
        if current_loop() is self._loop:
            listener.leave()
        else:
            self._loop.call_soon_threadsafe(listener.leave)

    async def aclose(self) -> None:
        """Stop; the events not read yet are dropped and the call is cancelled."""
        self._close()

    async def take(self) -> list[StreamEvent]:
        """All events that are there, at least one; none where the stream is over."""
        if not self._events:
            await self._fill()
        events = list(self._events)
        self._events.clear()
        return events

    @property
    def is_paused(self) -> bool:
        """Whether the provider waits, because the events are not read as fast as they come."""
        return self._listener is not None and self._listener.is_paused

    @property
    def bytes_held(self) -> int:
        """Bytes that came and were not read yet."""
        return self._listener.bytes_held if self._listener else 0

    def completion(self) -> Completion:
        """The whole answer of a stream that was read to its end.

        Raises:
            NotRunning: it was not.
        """
        listener = self._listener
        if listener is None or listener.given is None or listener.source is None:
            raise NotRunning(
                "The stream has no whole answer: read it to its end first.", code="not_complete"
            )
        call = listener.call
        return read_completion(
            listener.given, listener.source, call.dialect, call.grammar.operation
        )

    async def _fill(self) -> None:
        """Wait for the next events, or for the end."""
        if self._is_closed:
            return
        is_sound = False
        try:
            if self._listener is None:
                self._listener = self._ask()
            self._listener.task = asyncio.current_task()
            await self._read(self._listener)
            is_sound = True
        finally:
            if not is_sound:
                self._close()

    async def _read(self, listener: Listener) -> None:
        while not self._events:
            piece = listener.take()
            if piece is not None:
                self._events.extend(self._reader_of(listener).read(piece))
            elif not listener.is_over:
                await listener.changed()
            else:
                self._is_closed = True
                self._conclude(listener)
                return

    def _conclude(self, listener: Listener) -> None:
        answer, call = listener.result(), listener.call
        check(answer)
        if not listener.has_begun:
            events = transcript(answer, call.dialect, call.grammar.operation)
            self._events.extend(self._reader_of(listener).read(events))

    def _reader_of(self, listener: Listener) -> EventReader:
        if self._reader is None:
            provider = listener.source.provider if listener.source else ""
            self._reader = EventReader(listener.call.dialect.name, provider)
        return self._reader

    def _close(self) -> None:
        self._is_closed = True
        self._events.clear()
        if self._listener is not None:
            self._listener.leave()
