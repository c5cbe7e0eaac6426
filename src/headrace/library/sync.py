"""The library face for code without asyncio: an adapter on a thread of its own."""

import asyncio
import functools
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from headrace.errors import NotRunning
from headrace.gateway.stock.meaning_parts import EmbedTexts
from headrace.library.adapter import Adapter
from headrace.library.batching import AskBatch
from headrace.library.events import StreamEvent
from headrace.library.listener import current_loop
from headrace.library.question import Prompt
from headrace.library.results import Completion
from headrace.library.stream import Stream
from headrace.settings import SettingsSource

Asked = ParamSpec("Asked")
Result = TypeVar("Result")

# A call that is cancelled ends in the next turn of its loop, unless that is stuck.
_CANCEL_S_MAX = 1.0


def _waits(
    ask: Callable[Concatenate[Adapter, Asked], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate["SyncAdapter", Asked], Result]:
    """The same question, whose answer the calling thread waits for.

    Parameters, types and words are the adapter's own, for type checkers as at run time.
    """

    @functools.wraps(ask)
    def wait(self: "SyncAdapter", /, *args: Asked.args, **fields: Asked.kwargs) -> Result:
        return self._running().run(ask(self._adapter, *args, **fields))

    return wait


class SyncAdapter:
    """An `Adapter` for code without asyncio, on a daemon thread with a loop of its own.

    Any number of threads may call it; what they ask at the same time shares calls and cache.
    `with SyncAdapter() as adapter:`, or `adapter.start()` and `adapter.close()`. An interrupted
    call (Ctrl-C) is cancelled. It does not survive a fork: make one in each process.

    Args:
        settings: as for `Adapter`, and so are the others.

    Raises:
        SettingsInvalid: the settings cannot be used.
    """

    def __init__(
        self,
        settings: SettingsSource = None,
        *,
        max_tokens: int = 4096,
        warm_up_timeout_s: float = 2.0,
        close_timeout_s: float = 10.0,
        embed: EmbedTexts | None = None,
        batch: AskBatch | None = None,
        batch_size: int | None = None,
        batch_wait_ms: float | None = None,
    ) -> None:
        self._adapter = Adapter(
            settings,
            max_tokens=max_tokens,
            warm_up_timeout_s=warm_up_timeout_s,
            close_timeout_s=close_timeout_s,
            embed=embed,
            batch=batch,
            batch_size=batch_size,
            batch_wait_ms=batch_wait_ms,
        )
        self._thread: _LoopThread | None = None
        self._streams: weakref.WeakSet[SyncStream] = weakref.WeakSet()

    # Its life.

    def start(self) -> None:
        """Open the first connections and be ready.

        Raises:
            NotRunning: it was started before.
            SettingsInvalid: a file named in the settings cannot be used.
        """
        if self._thread is not None:
            raise NotRunning(
                "The adapter was started before and starts only once: make another one.",
                code="already_started",
            )
        thread = self._thread = _LoopThread()
        is_ready = False
        try:
            thread.run(self._adapter.start())
            is_ready = True
        finally:
            if not is_ready:
                thread.stop()

    def close(self) -> None:
        """Finish the calls under way, up to the limit, and end the thread.

        Streams that this thread left unfinished end at once. Closing twice does nothing.
        """
        thread = self._thread
        if thread is None or thread.is_stopped:
            return
        for stream in list(self._streams):
            if stream.thread_id == threading.get_ident():
                stream.close()
        try:
            thread.run(self._adapter.close())
        finally:
            thread.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # What it is asked.

    generate = _waits(Adapter.generate)
    """The whole answer of a model; see `Adapter.generate`."""

    embed = _waits(Adapter.embed)
    """The vectors of one text or several, in their order; see `Adapter.embed`."""

    models = _waits(Adapter.models)
    """The names of models that `generate` takes; see `Adapter.models`."""

    purge = _waits(Adapter.purge)
    """Forget stored answers wherever they are shared; see `Adapter.purge`."""

    def stream(
        self,
        prompt: Prompt,
        /,
        *,
        model: str | None = None,
        use_cache: bool = True,
        use_batching: bool = True,
        tenant: str = "default",
        ttl_s: float | None = None,
        tags: Sequence[str] = (),
        **fields: Any,
    ) -> "SyncStream":
        """The answer of a model as events, by a plain `for`; see `Adapter.stream`."""
        thread = self._running()

        async def begin() -> Stream:
            return self._adapter.stream(
                prompt,
                model=model,
                use_cache=use_cache,
                use_batching=use_batching,
                tenant=tenant,
                ttl_s=ttl_s,
                tags=tags,
                **fields,
            )

        stream = SyncStream(thread.run(begin()), thread.run)
        self._streams.add(stream)
        return stream

    # What it tells.

    def metrics(self) -> dict[str, Any]:
        """What was asked, saved and spent so far, as plain data; also after the end."""
        return self._adapter.metrics()

    def metrics_text(self) -> str:
        """All metrics in Prometheus text format 0.0.4, as the gateway's `/metrics`."""
        return self._adapter.metrics_text()

    def clear_cache(self) -> int:
        """Forget every stored answer; returns how many there were."""

        async def clear() -> int:
            return self._adapter.clear_cache()

        return self._running().run(clear())

    # The inside.

    def _running(self) -> "_LoopThread":
        if self._thread is None:
            raise NotRunning(
                "The adapter is not started: use `with adapter:` or `adapter.start()`.",
                code="not_started",
            )
        return self._thread


class SyncStream:
    """The events of one answer, in order, by `for`.

    Who stops early cancels the call, unless others have joined it: by leaving a loop that holds
    the only reference, by `close()`, or by leaving `with stream:`. One thread at a time may read.

    Attributes:
        thread_id: the thread that read last.
    """

    def __init__(
        self,
        stream: Stream,
        run: Callable[[Coroutine[Any, Any, Any]], Any],
    ) -> None:
        self._stream = stream
        self._run = run
        self._events: deque[StreamEvent] = deque()
        self.thread_id = threading.get_ident()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamEvent:
        self.thread_id = threading.get_ident()
        if not self._events:
            # All that is there at once: a change of threads costs more than an event does.
            self._events.extend(self._run(self._stream.take()))
            if not self._events:
                raise StopIteration
        return self._events.popleft()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop; the events not read yet are dropped and the call is cancelled."""
        self._events.clear()
        self._run(self._stream.aclose())

    def completion(self) -> Completion:
        """The whole answer of a stream that was read to its end; see `Stream.completion`."""
        return self._stream.completion()


async def _telling(coroutine: Coroutine[Any, Any, Result], ended: threading.Event) -> Result:
    try:
        return await coroutine
    finally:
        ended.set()


class _LoopThread:
    """A daemon thread that runs one event loop until it is stopped."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self.is_stopped = False
        started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(
            target=_run_loop, args=(started,), name="headrace", daemon=True
        )
        self._thread.start()
        self._loop, self._stopping = started.result()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine on the loop and wait for it; who is interrupted cancels it.

        Raises:
            NotRunning: the thread has ended, is this very one, or was left behind by a fork.
        """
        ended = threading.Event()
        future = self._submit(coroutine, ended)
        try:
            return future.result()
        finally:
            # Or whoever asks the same next would join a call that nobody else waits for.
            if future.cancel():
                ended.wait(_CANCEL_S_MAX)

    def stop(self) -> None:
        """End the loop, and the thread with it. Stopping twice does nothing."""
        with self._lock:
            if self.is_stopped:
                return
            self.is_stopped = True
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _submit(
        self, coroutine: Coroutine[Any, Any, Result], ended: threading.Event
    ) -> "Future[Result]":
        problem = self._problem()
        if problem is None:
            with self._lock:
                if not self.is_stopped:
                    told = _telling(coroutine, ended)
                    return asyncio.run_coroutine_threadsafe(told, self._loop)
            problem = NotRunning("The adapter is closed: make another one.", code="closed")
        coroutine.close()
        raise problem

    def _problem(self) -> NotRunning | None:
        if os.getpid() != self._pid:
            return NotRunning(
                "The adapter was started in another process, before a fork: make one in each.",
                code="forked",
            )
        if current_loop() is self._loop:
            return NotRunning(
                "This is the adapter's own thread, which would wait for itself.", code="wrong_loop"
            )
        return None


def _run_loop(started: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]") -> None:
    async def main() -> None:
        stopping = asyncio.Event()
        started.set_result((asyncio.get_running_loop(), stopping))
        await stopping.wait()

    asyncio.run(main())
