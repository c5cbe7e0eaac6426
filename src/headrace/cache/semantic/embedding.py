"""The embedder as the cache uses it: remembered, asked in batches, and never waited for long."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from hashlib import blake2b
from typing import Any, Final

from headrace.cache.breaker import Breaker
from headrace.cache.semantic.embedder import Embedder, EmbeddingFault
from headrace.cache.semantic.index import Vector
from headrace.clock import Clock

BATCH_MAX: Final = 100
WINDOW_S: Final = 0.003
TIMEOUT_S: Final = 0.25
REMEMBERED_MAX: Final = 10_000
# After its time limit an embedder that does not even end when it is told to is waited for no more.
_GRACE_S: Final = 0.1
# Texts that wait for a vector; beyond, they are told at once that there is none.
WAITING_MAX: Final = 1000

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]
OnState = Callable[[bool, str], None]

# Texts with those who wait for their vectors.
_Batch = dict[str, "asyncio.Future[Vector]"]


def _untold(is_up: bool, why: str) -> None:
    """Nobody wants to know."""


class Embeddings:
    """Vectors of texts. Belongs to one event loop.

    The first text that comes opens a window of a few milliseconds; whoever comes within goes along
    in one call, up to `batch_max`. Who asks for a text that is under way waits for the same. What
    came is remembered, and after failures in a row the embedder is left alone for a while.

    Args:
        embedder: makes the vectors.
        clock: the time, for the breaker.
        spawn: starts the tasks that call the embedder.
        window_s: how long the first of a batch waits for others, in seconds.
        batch_max: most texts of one call.
        timeout_s: how long one call may take, in seconds.
        remembered_max: vectors that are remembered.
        waiting_max: texts that may wait at once.
        on_state: told once when the embedder is left alone, and once when it is back, and why.

    Attributes:
        calls: how often the embedder was called.
        texts: texts it was called with.
        faults: calls that failed or took too long.
        last_fault: what went wrong last; empty as long as nothing has.
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        clock: Clock,
        spawn: Spawn,
        window_s: float = WINDOW_S,
        batch_max: int = BATCH_MAX,
        timeout_s: float = TIMEOUT_S,
        remembered_max: int = REMEMBERED_MAX,
        waiting_max: int = WAITING_MAX,
        on_state: OnState = _untold,
    ) -> None:
        self._embedder = embedder
        self._now_s = clock.monotonic_s
        self._spawn = spawn
        self._window_s = window_s
        self._batch_max = batch_max
        self._timeout_s = timeout_s
        self._remembered_max = remembered_max
        self._waiting_max = waiting_max
        self._on_state = on_state
        self._remembered: OrderedDict[bytes, Vector] = OrderedDict()
        self._under_way: _Batch = {}
        self._gathered: _Batch = {}
        self._timer: asyncio.TimerHandle | None = None
        self._breaker = Breaker()
        self.calls = 0
        self.texts = 0
        self.faults = 0
        self.last_fault = ""

    @property
    def id(self) -> str:
        """Names the embedder: vectors of different ids are never compared."""
        return self._embedder.id

    @property
    def dimensions(self) -> int:
        """Length of every vector."""
        return self._embedder.dimensions

    @property
    def is_up(self) -> bool:
        """Whether the embedder is asked; not so after failures in a row."""
        return not self._breaker.is_open

    def remembered(self, text: str) -> Vector | None:
        """The vector of a text that was seen before."""
        digest = _digest(text)
        vector = self._remembered.get(digest)
        if vector is not None:
            self._remembered.move_to_end(digest)
        return vector

    async def vector(self, text: str) -> Vector:
        """The vector of a text, of length one.

        Raises:
            EmbeddingFault: there is none, now or in time.
        """
        known = self.remembered(text)
        if known is not None:
            return known
        waiting = self._under_way.get(text)
        if waiting is None:
            waiting = self._begin(text)
        # Who goes away must not take the vector from those who wait for it as well.
        return await asyncio.shield(waiting)

    def close(self) -> None:
        """Tell everybody who waits that nothing comes."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._gathered.clear()
        self._fail(dict(self._under_way), "it was closed")

    def _begin(self, text: str) -> "asyncio.Future[Vector]":
        if len(self._under_way) >= self._waiting_max:
            raise EmbeddingFault("too many texts wait")
        if not self._gathered and not self._breaker.allows(self._now_s()):
            raise EmbeddingFault("it failed too often and is left alone for a while")
        loop = asyncio.get_running_loop()
        waiting = self._under_way[text] = loop.create_future()
        self._gathered[text] = waiting
        if len(self._gathered) >= self._batch_max:
            self._send()
        elif self._timer is None:
            self._timer = loop.call_later(self._window_s, self._send)
        return waiting

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._gathered = self._gathered, {}
        if not batch:
            return
        task = self._spawn(self._call(batch))
        patience_s = self._timeout_s + _GRACE_S
        overdue = asyncio.get_running_loop().call_later(patience_s, self._ended, batch)
        task.add_done_callback(lambda _: overdue.cancel())
        task.add_done_callback(lambda _: self._ended(batch))

    async def _call(self, batch: _Batch) -> None:
        self.calls += 1
        self.texts += len(batch)
        try:
            async with asyncio.timeout(self._timeout_s):
                rows = await self._embedder.embed(list(batch))
            if rows.shape != (len(batch), self._embedder.dimensions):
                raise EmbeddingFault(f"an array of {rows.shape} came for {len(batch)} texts")
        except EmbeddingFault as fault:
            self._failed(batch, fault.why)
            return
        except TimeoutError:
            self._failed(batch, f"it took longer than {self._timeout_s:g} s")
            return
        if self._breaker.succeeded():
            self._on_state(True, "it answers again")
        for (text, waiting), row in zip(batch.items(), rows, strict=True):
            vector: Vector = row.copy()  # a row alone would keep all of them in memory
            self._remember(text, vector)
            if self._is_over(text, waiting):
                waiting.set_result(vector)

    def _remember(self, text: str, vector: Vector) -> None:
        self._remembered[_digest(text)] = vector
        if len(self._remembered) > self._remembered_max:
            self._remembered.popitem(last=False)

    def _ended(self, batch: _Batch) -> None:
        """Nobody is to wait for a call any more that broke, or goes on beyond its time."""
        if any(self._under_way.get(text) is waiting for text, waiting in batch.items()):
            self._failed(batch, "it broke")

    def _failed(self, batch: _Batch, why: str) -> None:
        self.faults += 1
        self.last_fault = why
        if self._breaker.failed(self._now_s()):
            self._on_state(False, why)
        self._fail(batch, why)

    def _fail(self, batch: _Batch, why: str) -> None:
        for text, waiting in batch.items():
            if self._is_over(text, waiting):
                waiting.set_exception(EmbeddingFault(why))
                waiting.exception()  # nobody may be waiting any more: then it is not a bug

    def _is_over(self, text: str, waiting: "asyncio.Future[Vector]") -> bool:
        """It is not under way any more; says whether somebody is to be told."""
        if self._under_way.get(text) is waiting:
            del self._under_way[text]
        return not waiting.done()


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).digest()
