"""What callers may: their keys, limits and budgets as settings and store have them together."""

from collections.abc import Callable

from headrace.clock import Clock
from headrace.gateway.engine import Engine
from headrace.gateway.tasks import Keep
from headrace.identity.purse import has_room
from headrace.observe.metrics import Metrics
from headrace.server.books import Books
from headrace.server.callers import Callers
from headrace.server.key_desk import KeyDesk
from headrace.server.post import Post
from headrace.server.spend_clerk import SpendClerk
from headrace.settings import Settings
from headrace.store.records.records import Records
from headrace.store.voice import Say


class Allowances:
    """Belongs to one event loop.

    Args:
        settings: as they were read.
        post: where the worker stands.
        engine: whose calls are bounded.
        records: the store.
        books: tell which keys are used.
        clock: the time.
        say: told what happens.

    Attributes:
        keys: those of callers.
        callers: their limits.
    """

    def __init__(
        self,
        settings: Settings,
        post: Post,
        engine: Engine,
        records: Records,
        books: Books,
        *,
        clock: Clock,
        say: Say,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._rates = post.rates
        self._say = say
        self._apart = 0
        self._renew: Callable[[], None] = lambda: None
        self.callers = Callers.of(settings, clock, post.rates, post.index)
        self.keys = KeyDesk(
            settings,
            records,
            clock=clock,
            say=say,
            on_change=self._adopt_keys,
            uses=books.take_used,
            has_room=lambda name: has_room(engine.treasury.table, name),
        )
        self._clerk = SpendClerk(
            settings, records, engine.treasury, post.spend, clock=clock, say=say
        )

    def attach(self, renew: Callable[[], None]) -> None:
        """Go by all keys from now on.

        Args:
            renew: has heads read against the keys as they are then.
        """
        self._renew = renew
        self._adopt_keys()

    def adopt(self, settings: Settings) -> None:
        """Go by other settings."""
        self._settings = settings
        self._clerk.adopt(settings)
        self._adopt_keys()

    def start(self, keep: Keep) -> None:
        """Begin to look for changes, and to share what is spent."""
        self.keys.start(keep)
        self._clerk.start(keep)

    async def catch_up(self, timeout_s: float) -> None:
        """Wait until keys and budgets are known, each within a limit."""
        await self.keys.catch_up(timeout_s)
        await self._clerk.catch_up(timeout_s)

    def refresh_gauges(self, metrics: Metrics) -> None:
        """Say for how long the store has not answered."""
        metrics.keys_unseen_s.set(self.keys.age_s)
        metrics.budgets_unshared_s.set(self._clerk.age_s)

    async def close(self) -> None:
        """Tell the store what it is to know."""
        await self._clerk.close()
        await self.keys.close()

    def _adopt_keys(self) -> None:
        self.keys.adopt(self._settings, self._go_by)

    def _go_by(self, merged: Settings) -> None:
        self._engine.pipeline.spending = self._engine.treasury.adopt(merged)
        self._clerk.prime()
        if self._rates is not None:
            self._tell_apart(self._rates.assign(merged.keys))
        self.callers.adopt(merged)
        self._renew()

    def _tell_apart(self, count: int) -> None:
        """Say that workers do not count some keys together, whenever those become more."""
        if count > self._apart:
            detail = f"{count} keys with limits: each worker counts them by itself"
            self._say("warning", "limits_not_shared", detail=detail)
        self._apart = count
