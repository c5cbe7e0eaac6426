"""One batch on its way: its items, who waits for them, and the parts that are yet to be asked."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from headrace.flow.batch.queue import Entry

Item = TypeVar("Item")
Result = TypeVar("Result")


class Ask(Generic[Item, Result]):
    """An item and those who wait for its result.

    Attributes:
        item: what the function is given.
        futures: one for each who waits.
        run: the batch it is in, once it is.
    """

    __slots__ = ("futures", "item", "run")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.futures: list[asyncio.Future[Result]] = []
        self.run: Run[Item, Result] | None = None

    def answered(self) -> list["asyncio.Future[Result]"]:
        """Let those go who still wait, for them to be told."""
        futures, self.futures = self.futures, []
        self.run = None
        return [future for future in futures if not future.done()]


class Run(Generic[Item, Result]):
    """A batch, asked as a whole or, where that fails, in ever smaller parts.

    Args:
        entries: what it is made of.
        now_s: the time, monotonic seconds.

    Attributes:
        entries: what it is made of.
        part: those that are being asked.
        cancel: gives up the call under way.
        timer: ends the call under way.
        duration_s: what the whole took in one call, where it did, in seconds.
        is_given_up: whether nobody waits for the call under way.
    """

    __slots__ = (
        "_began_s",
        "_parts",
        "cancel",
        "duration_s",
        "entries",
        "is_given_up",
        "part",
        "timer",
    )

    def __init__(self, entries: list[Entry[Ask[Item, Result]]], now_s: float) -> None:
        self.entries = entries
        self.part: list[Entry[Ask[Item, Result]]] = []
        self._parts = [entries]
        self._began_s = now_s
        self.cancel: Callable[[], object] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.duration_s: float | None = None
        self.is_given_up = False
        for entry in entries:
            entry.item.run = self

    @property
    def is_wanted(self) -> bool:
        """Whether anybody waits for anything of it."""
        return any(entry.item.futures for entry in self.entries)

    def step(self) -> bool:
        """Go on to the next part that anybody waits for; says whether there is one."""
        while self._parts:
            self.part = [entry for entry in self._parts.pop() if entry.item.futures]
            if self.part:
                return True
        return False

    def cut(self) -> None:
        """Ask for the part in halves next."""
        part = [entry for entry in self.part if entry.item.futures]
        middle = (len(part) + 1) // 2
        self._parts += [part[middle:], part[:middle]]

    def took(self, now_s: float) -> None:
        """A call has ended; only of one that held everything the duration counts."""
        if len(self.part) == len(self.entries):
            self.duration_s = now_s - self._began_s

    def stop_timer(self) -> None:
        """The call under way has ended in time."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def give_up(self) -> None:
        """Nobody waits for the call under way, nor for any that would follow."""
        self.stop_timer()
        self.is_given_up = True
        self._parts.clear()
        if self.cancel is not None:
            self.cancel()
