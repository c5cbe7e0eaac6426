"""Processes that hear of purges, as many as a test wants, all in its own."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from headrace.cache.purges import PurgeLedger
from headrace.cache.valkey_purges import ValkeyPurges
from headrace.clock import Clock, SystemClock
from headrace.gateway.tasks import Tasks

PATIENCE_S = 60.0


class Listener:
    """One process: its ledger, and what it was told.

    Attributes:
        told: the scopes, in the order of telling.
        states: whether purges of others are heard, with why; one for each change.
        tries: how often it has not been able to listen.
    """

    def __init__(self, url: str, clock: Clock, options: dict[str, Any]) -> None:
        self.ledger = PurgeLedger(clock, keep_s=3600.0)
        self.told: list[str] = []
        self.states: list[tuple[bool, str]] = []
        self.bugs: list[BaseException] = []
        self.tries = 0
        chance = random.Random(7)

        def uniform() -> float:
            self.tries += 1
            return chance.random()

        self._tasks = Tasks(self.bugs.append)
        self.purges = ValkeyPurges(
            url,
            ledger=self.ledger,
            on_purge=lambda scope, _: self.told.append(scope),
            on_state=lambda is_connected, why: self.states.append((is_connected, why)),
            clock=clock,
            uniform=uniform,
            spawn=self._tasks.spawn,
            **{
                "prefix": "test",
                "timeout_s": 5.0,
                "heartbeat_s": 0.05,
                "pause_s_min": 0.01,
                "pause_s_max": 0.05,
                **options,
            },
        )

    @property
    def is_connected(self) -> bool:
        return bool(self.states) and self.states[-1][0]

    def follow(self) -> None:
        """Begin to listen."""
        self._tasks.spawn(self.purges.follow())

    async def connected(self) -> None:
        """Wait until purges of others are heard."""
        await until(lambda: self.is_connected)

    async def cut_off(self) -> None:
        """Wait until it is noticed that they are not."""
        await until(lambda: bool(self.states) and not self.is_connected)

    async def knows(self, scope: str, number: int) -> None:
        """Wait until a purge was heard of."""
        await until(lambda: self.ledger.told().get(scope, 0) >= number)

    async def close(self) -> None:
        """Listen no more."""
        await self._tasks.close()
        await self.purges.close()
        assert self.bugs == []


@asynccontextmanager
async def listener(
    url: str, *, clock: Clock | None = None, is_following: bool = True, **options: Any
) -> AsyncIterator[Listener]:
    """One that listens, unless it is told later to.

    Args:
        url: where its server is.
        clock: what it goes by, besides the loop's own pauses.
        is_following: whether to begin at once.
        options: for `ValkeyPurges`.
    """
    made = Listener(url, clock or SystemClock(), options)
    if is_following:
        made.follow()
    try:
        yield made
    finally:
        await made.close()


async def until(predicate: Callable[[], object]) -> None:
    """Let the loop go on until something is so.

    Raises:
        TimeoutError: it does not become so.
    """
    async with asyncio.timeout(PATIENCE_S):
        while not predicate():  # noqa: ASYNC110
            await asyncio.sleep(0.002)
