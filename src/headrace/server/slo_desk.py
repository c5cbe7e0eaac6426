"""Service levels in one worker: what is known of them, and what calls do about it."""

import secrets
from collections.abc import Mapping
from typing import Any

from headrace.clock import Clock
from headrace.gateway.calls.reactions import Reactions
from headrace.gateway.pipeline import Pipeline
from headrace.gateway.tasks import Keep
from headrace.observe.metrics import Metrics
from headrace.observe.slo_watch import Say, SloWatch
from headrace.server.post import Post
from headrace.server.shared_spend import new_holder
from headrace.server.slo_clerk import SloClerk
from headrace.settings.slos import Slo
from headrace.store.records.records import Records


class SloDesk:
    """Watches service levels, and has calls give way. Belongs to one event loop.

    Args:
        slos: those declared.
        post: where the worker stands among its fellows.
        pipeline: whose calls give way.
        metrics: those of this worker.
        clock: the time.
        say: told when a reaction begins and ends.
    """

    def __init__(
        self,
        slos: tuple[Slo, ...],
        post: Post,
        pipeline: Pipeline,
        metrics: Metrics,
        clock: Clock,
        say: Say,
    ) -> None:
        self._slots = post.board.slo_slots
        self._pipeline = pipeline
        self._watch = SloWatch(slos, post.layout, post.board, post.index, metrics, clock, say)
        self._reactions = Reactions(secrets.SystemRandom().random, metrics)
        self._holder = new_holder() if post.spend is None else post.spend.holder
        self._clock = clock
        self._say = say
        self._clerk: SloClerk | None = None
        self._adopt(slos)

    def start(self, records: Records, keep: Keep) -> None:
        """Begin to tell the store what is counted, and to hear what it knows.

        Args:
            records: the store.
            keep: keeps work going.
        """
        self._clerk = SloClerk(self._watch, records, self._holder, clock=self._clock, say=self._say)
        keep(self._clerk.run)

    async def close(self) -> None:
        """Tell the store what was counted last."""
        if self._clerk is not None:
            await self._clerk.close()

    @property
    def names(self) -> Mapping[int, str]:
        """The names of those declared, by their slots."""
        return self._watch.names

    def adopt(self, slos: tuple[Slo, ...]) -> None:
        """Go by others from now on."""
        self._watch.adopt(slos)
        self._adopt(slos)

    def tick(self) -> None:
        """Look at what was counted, and go by what is decided."""
        self._watch.tick()
        self._reactions.renew(self._watch.shares)

    def told(self) -> dict[str, Any]:
        """How every service level stands, as plain data."""
        return self._watch.told()

    def _adopt(self, slos: tuple[Slo, ...]) -> None:
        self._reactions.adopt(slos, {slo.name: self._slots.slot(slo.name) for slo in slos})
        self._reactions.renew(self._watch.shares)
        has_any = any(slo.reaction is not None for slo in slos)
        self._pipeline.reactions = self._reactions if has_any else None
