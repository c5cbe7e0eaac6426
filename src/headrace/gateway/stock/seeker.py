"""Where else than in memory an answer may be: in the tiers below, or under another question."""

from typing import NamedTuple

from headrace.cache.tiers import Found
from headrace.gateway.flight import Flight
from headrace.gateway.order import Order
from headrace.gateway.stock.answers import REVALIDATE, Answers, Held
from headrace.gateway.stock.meanings import Meanings
from headrace.gateway.tasks import Spawn
from headrace.model import CacheResult


class Sought(NamedTuple):
    """What was found.

    Attributes:
        where: what found it.
        similarity: of the question it was given to, where that is another one.
    """

    held: Held
    where: CacheResult
    similarity: float | None = None


class Seeker:
    """Looks where looking takes time. Belongs to one event loop.

    Args:
        answers: what is stored.
        meanings: finds answers to questions that mean the same, where that is wanted.
        spawn: starts what nobody waits for.
    """

    def __init__(self, answers: Answers, meanings: Meanings | None, spawn: Spawn) -> None:
        self._answers = answers
        self._meanings = meanings
        self._spawn = spawn

    @property
    def may_seek(self) -> bool:
        """Whether there is anywhere to look at all."""
        return self._answers.tiers is not None or self._meanings is not None

    def seeks(self, order: Order) -> bool:
        """Whether there is anywhere to look for this."""
        return order.looks_up and (self._answers.tiers is not None or order.question is not None)

    async def seek(self, order: Order, flight: Flight) -> Sought | None:
        """Look for this very request in the tiers, then for one that means the same, and at last
        wait for the turn to ask, while another process asks already.

        Notes in the order what helps where nothing that can be given is found: a stale answer, a
        trial, a lease.
        """
        tiers, turns = self._answers.tiers, self._answers.turns
        if tiers is not None:
            found = await tiers.find(order.key)
            order.watch.passed("tiers")
            if found is not None and (sought := self._taken_in(order, found)) is not None:
                return sought
        if (match := await self._meant(order)) is not None:
            return match
        # Nobody is kept waiting for the end of somebody else's stream.
        if turns is None or order.view.stream or flight.is_over:
            return None
        turn = await turns.wait(order.key, lambda: not flight.is_over)
        order.watch.passed("turn")
        if isinstance(turn, Found):
            return self._taken_in(order, turn)
        order.lease = turn or b""
        return None

    def _taken_in(self, order: Order, found: Found) -> Sought | None:
        held = self._answers.take_in(order, found)
        if held is None:
            return None
        if held.is_given:
            return Sought(held, CacheResult(found.tier))
        order.stale = held.answer
        return None

    async def take_turn(self, order: Order) -> bool:
        """Keep other processes from asking the same; whether this one is to ask.

        What another one was told meanwhile is brought up in place of asking, unless it is asked
        to see whether that is still so.
        """
        turns = self._answers.turns
        lease = await turns.take(order.key) if turns is not None else b""
        order.lease = lease or b""
        if lease is None:
            return False
        if order.purpose != REVALIDATE and await self._is_renewed(order):
            self.give_back(order)
            return False
        return True

    async def _is_renewed(self, order: Order) -> bool:
        tiers = self._answers.tiers
        found = await tiers.find(order.key) if tiers is not None else None
        return found is not None and self._answers.renew(order, found)

    def give_back(self, order: Order) -> None:
        """Nothing came of the call: let another process try."""
        token, order.lease = order.lease, b""
        if token and self._answers.turns is not None:
            self._spawn(self._answers.turns.give_back(order.key, token))

    def hand_over(self, order: Order) -> None:
        """The answer is on its way to the tiers: let those who wait elsewhere have it."""
        token, order.lease = order.lease, b""
        if token and self._answers.turns is not None:
            self._spawn(self._answers.turns.hand_over(order.key, token))

    async def _meant(self, order: Order) -> Sought | None:
        if self._meanings is None or order.question is None:
            return None
        match = await self._meanings.find(order, order.question)
        order.watch.passed("semantic")
        if match is None:
            return None
        return Sought(Held(match.answer), CacheResult.SEMANTIC, match.similarity)
