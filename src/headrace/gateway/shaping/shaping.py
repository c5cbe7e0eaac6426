"""Makes prompts smaller and cheaper between the cache and the provider.

Only what is really sent comes here: stored answers and calls that are joined pay nothing for it.
What takes long is done in threads: one for prompts of usual size, one for the largest.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from headrace.dialects.base import Operation
from headrace.errors import HeadraceError
from headrace.gateway.draft import Draft
from headrace.gateway.flight import Flight
from headrace.gateway.order import Order
from headrace.gateway.shaping.steps import Steps
from headrace.gateway.tasks import OnBug, Spawn, attempt

# About a millisecond of compressing.
SHAPED_AT_ONCE_BYTES_MAX: Final = 2048
# Where a step waits for a model: less than what that is asked about, for the loop never waits.
SHAPED_AT_ONCE_UNAIDED_BYTES_MAX: Final = 1024
# Threads that wait for a model, so that prompts which need none of it find a free one.
PATIENT_THREADS: Final = 4
# About a quarter of a second; whoever takes longer does not hold up those who take less.
BRIEF_BYTES_MAX: Final = 128 * 1024
# About two seconds; larger prompts are not compressed, for a processor that is busy for longer.
COMPRESSED_BYTES_MAX: Final = 1024 * 1024
# Beyond this, what waits for a thread is not compressed, but fitted and marked: most of a second.
BRIEF_WAITING_BYTES_MAX: Final = 1024 * 1024
LONG_WAITING_BYTES_MAX: Final = 4 * 1024 * 1024
_CHATS: Final = frozenset((Operation.CHAT, Operation.MESSAGES))

Resume = Callable[[Order, HeadraceError | None], None]


class Counts(Protocol):
    """What is counted."""

    def shaped(self, step: str, tokens_saved: int) -> None:
        """A step changed a prompt."""
        ...


class Shaping:
    """Owns the threads. Belongs to one event loop.

    Args:
        steps: what is done.
        counts: told what was done.
        spawn: starts the task of a prompt that takes long.
        on_bug: told of an exception that no one expected.

    Attributes:
        steps: see above; may be replaced.
    """

    def __init__(
        self,
        steps: Steps,
        *,
        counts: Counts,
        spawn: Spawn,
        on_bug: OnBug,
    ) -> None:
        self.steps = steps
        self._counts = counts
        self._spawn = spawn
        self._on_bug = on_bug
        self._loop: asyncio.AbstractEventLoop | None = None
        self._brief = _Line("headrace-shaping", BRIEF_WAITING_BYTES_MAX)
        self._patient = _Line("headrace-shaping-patient", BRIEF_WAITING_BYTES_MAX, PATIENT_THREADS)
        self._long = _Line("headrace-shaping-long", LONG_WAITING_BYTES_MAX)

    def shape(self, order: Order, resume: Resume) -> bool:
        """Make ready what is sent for an order.

        Args:
            order: is routed, and leads a call.
            resume: told when it is ready, or what is wrong with it, where that takes a while.

        Returns:
            whether it is ready.

        Raises:
            InvalidRequest: it cannot be made to fit the model's window.
        """
        if order.call.grammar.operation not in _CHATS:
            return True
        self._loop = asyncio.get_running_loop()
        size, steps = len(order.body), self.steps
        brief = self._patient if steps.waits else self._brief
        line = brief if size <= BRIEF_BYTES_MAX else self._long
        is_compressed = (
            size <= COMPRESSED_BYTES_MAX and line.waiting_bytes <= line.waiting_bytes_max
        )
        order.draft = Draft(
            order.body, steps.once if is_compressed else (), steps.each, self._told_by_any
        )
        at_once = SHAPED_AT_ONCE_UNAIDED_BYTES_MAX if steps.waits else SHAPED_AT_ONCE_BYTES_MAX
        if size > at_once:
            line.waiting_bytes += size
            self._spawn(self._shape_aside(order, line, size, resume))
            return False
        _make(order)
        self._tell(order)
        return True

    def close(self) -> None:
        """Drop what waits for its turn."""
        for line in (self._brief, self._patient, self._long):
            line.thread.shutdown(wait=False, cancel_futures=True)

    async def _shape_aside(self, order: Order, line: "_Line", size: int, resume: Resume) -> None:
        loop = asyncio.get_running_loop()
        try:
            outcome = await loop.run_in_executor(
                line.thread, attempt, _make_wanted, order, self._told_by_any
            )
        finally:
            line.waiting_bytes -= size
        if isinstance(outcome, HeadraceError):
            resume(order, outcome)
        else:
            self._tell(order)
            resume(order, None)

    def _told_by_any(self, bug: BaseException) -> None:
        """By whatever thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._on_bug, bug)

    def _tell(self, order: Order) -> None:
        assert order.draft is not None  # noqa: S101  # made just now
        for said in order.draft.said:
            self._counts.shaped(said.step, said.tokens_saved)
            if said.text:
                order.remark(said.step, said.text)
        order.watch.passed("shape")


class _Line:
    """Threads and what waits for them."""

    def __init__(self, name: str, waiting_bytes_max: int, threads: int = 1) -> None:
        self.thread = ThreadPoolExecutor(threads, name)
        self.waiting_bytes = 0
        self.waiting_bytes_max = waiting_bytes_max


def _make(order: Order) -> None:
    assert order.draft is not None  # noqa: S101  # made just now
    order.drafted(order.draft, order.way, order.model)


def _make_wanted(order: Order) -> None:
    relay = order.relay
    if not (isinstance(relay, Flight) and relay.is_over):  # else nobody waits any more
        _make(order)
