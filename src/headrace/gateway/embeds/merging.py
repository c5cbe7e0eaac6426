"""Embeddings for many callers from one call: who goes together, and when.

Requests to one provider that differ in nothing but their inputs go together. The first goes at
once; while it is on its way others wait for company: until there are as many inputs or tokens as
may go in one call, until nothing is on its way any more, or for a tenth of what a call takes, and
`wait_ms_max` at the most. Neither by waiting nor by the length of its call is a caller held up by
more than the goal in `embed_habits.py`. Each gets its own vectors, and its share of the usage
(`dialects/openai_embeddings.py`); its answer is stored, or not, like any other.

A merged call that the provider refuses (400, 413, 422) is asked in halves, and so on, until who is
refused stands alone and gets the provider's own words. Where both halves are answered, it was the
size, and calls are kept smaller for a while. A provider that does not answer a merged call with a
vector for each input is asked by every caller alone for a while. What says nothing about inputs,
such as 429, 5xx or a broken connection, is tried again as one call, like any other, and goes to
everybody where that does not help.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

from headrace.clock import Clock
from headrace.dialects.base import Operation
from headrace.dialects.openai_embeddings import EmbedAsk, read_ask
from headrace.errors import HeadraceError
from headrace.flow.batch.alarm import Alarm
from headrace.flow.batch.queue import BatchQueue
from headrace.gateway.embeds.habits import ADDED_S_MAX, Habit, Habits
from headrace.gateway.embeds.merged import Call, Share, Trial
from headrace.gateway.flight import Flight, Sender
from headrace.gateway.order import Order
from headrace.gateway.tasks import OnBug, attempt
from headrace.upstream.faults import UpstreamFault

# Requests that wait at once for one call; one more goes by itself.
WAITING_MAX: Final = 4096
# How long to wait for company, as a share of what a call takes.
WAIT_SHARE: Final = 0.1

_EMBEDDINGS: Final = Operation.EMBEDDINGS


class BatchTerms(Protocol):
    """What the settings say."""

    @property
    def enabled(self) -> bool: ...
    @property
    def items_max(self) -> int: ...
    @property
    def tokens_max(self) -> int: ...
    @property
    def wait_ms_max(self) -> float: ...


class EmbedCounts:
    """What merging did.

    Attributes:
        orders: requests that were taken.
        inputs: their inputs.
        calls: calls to providers that were made of them.
        inputs_sent: the inputs in those.
        refused: merged calls that were refused and asked in halves.
        unread: merged calls that were not answered with a vector for each input.
    """

    __slots__ = ("calls", "inputs", "inputs_sent", "orders", "refused", "unread")

    def __init__(self) -> None:
        self.orders = self.inputs = self.calls = self.inputs_sent = self.refused = self.unread = 0


class EmbedBatcher:
    """Merges calls for embeddings. Belongs to one event loop.

    Args:
        terms: what the settings say at the moment.
        clock: the time.
        on_bug: told of an exception that no one expected; who waits is told by a 500.
        sender: sends calls, each as one, however many callers it is for.

    Attributes:
        counts: what it did.
        prepare: words the request of one caller.
    """

    def __init__(
        self, terms: Callable[[], BatchTerms], clock: Clock, on_bug: OnBug, sender: Sender
    ) -> None:
        self._terms = terms
        self._now_s = clock.monotonic_s
        self._on_bug = on_bug
        self._sender = sender
        self.prepare = sender.prepare
        self._habits = Habits()
        self._groups: dict[Any, _Group] = {}
        self.counts = EmbedCounts()

    def send(self, order: Order, flight: Flight) -> None:
        """Send an order, embeddings perhaps with others; implements `Sender`."""
        if order.call.grammar.operation is not _EMBEDDINGS or not self.submit(order, flight):
            self._sender.send(order, flight)

    def submit(self, order: Order, flight: Flight) -> bool:
        """Take over an order, to send it, perhaps with others.

        Args:
            order: routed, with its JSON in `body`.
            flight: where its answer goes, as from a call of its own.

        Returns:
            Whether it was taken over; else it has to be sent as any other.
        """
        if order.call.grammar.operation is not _EMBEDDINGS:
            return False
        terms = self._terms()
        ask = read_ask(order.body) if terms.enabled else None
        if ask is None or len(ask.inputs) > terms.items_max or ask.tokens > terms.tokens_max:
            return False
        now_s = self._now_s()
        name = order.way.endpoint.name
        habit = self._habits.of(name, order.model, terms.items_max, now_s)
        if habit.is_alone(now_s):
            return False
        return self._group(order, ask, habit, terms).take(order, ask, flight)

    def close(self) -> None:
        """Tell who waits that there is no call any more; those on their way end with the pools."""
        for group in list(self._groups.values()):
            group.close()

    @property
    def waiting(self) -> int:
        """Requests that wait for company."""
        return sum(group.waiting for group in self._groups.values())

    def _group(self, order: Order, ask: EmbedAsk, habit: Habit, terms: BatchTerms) -> "_Group":
        # A lane is one as long as it lives: after a reload there may be another of its name.
        call = order.call
        asked = (order.way, order.model, order.targets, call.forwarded, call.hints.priority)
        key = (*asked, ask.fields, ask.is_text)
        group = self._groups.get(key)
        if group is None:
            forget = partial(self._groups.pop, key, None)
            group = _Group(
                habit, terms, self._now_s, self._on_bug, self._sender, self.counts, forget
            )
            self._groups[key] = group
        return group


class _Group:
    """Requests that may go together, as long as there are any. Implements `Group`."""

    def __init__(
        self,
        habit: Habit,
        terms: BatchTerms,
        now_s: Callable[[], float],
        on_bug: OnBug,
        sender: Sender,
        counts: EmbedCounts,
        forget: Callable[[], object],
    ) -> None:
        self._habit = habit
        self.now_s = now_s
        self.on_bug = on_bug
        self._sender = sender
        self._counts = counts
        self._forget = forget
        self._alarm = Alarm(self._go)
        self._queue: BatchQueue[Share] = BatchQueue(
            habit,
            wait_s_max=min(terms.wait_ms_max / 1000, ADDED_S_MAX),
            wait_share=WAIT_SHARE,
            tokens_max=terms.tokens_max,
            waiting_max=WAITING_MAX,
        )

    @property
    def waiting(self) -> int:
        return self._queue.waiting

    def take(self, order: Order, ask: EmbedAsk, flight: Flight) -> bool:
        share = Share(order, ask, flight, self)
        size = len(ask.distinct)
        share.entry = self._queue.offer(share, self.now_s(), size=size, tokens=ask.tokens)
        if share.entry is None:
            return False
        flight.call = share
        self._counts.orders += 1
        self._counts.inputs += len(ask.inputs)
        self._set_alarm()
        return True

    def close(self) -> None:
        self._alarm.cancel()
        for entry in self._queue.expire(float("inf")):
            share, entry.item.entry = entry.item, None
            share.fail(share.flight, UpstreamFault("shutdown", share.order.way.endpoint.name))
        self._set_alarm()

    # What calls and shares say.

    def left(self, share: Share) -> None:
        call, entry, share.entry = share.call, share.entry, None
        if entry is not None:
            self._queue.withdraw(entry)
            self._set_alarm()
        elif call is not None and not call.waiting:
            call.finish(is_good=False)

    def ended(self, call: Call, *, is_good: bool) -> None:
        now_s = self.now_s()
        self._queue.ended(call.items, now_s - call.began_s if is_good else None)
        trial = call.trial
        if trial is not None and is_good:
            trial.good += 1
            if trial.good == 2:  # both halves
                self._habit.cap(trial.items, now_s)
        self._set_alarm()

    def halve(self, call: Call) -> None:
        self._counts.refused += 1
        waiting = call.waiting
        middle = (len(waiting) + 1) // 2
        halves = (waiting[:middle], waiting[middle:])
        items = max(len({each for s in half for each in s.ask.inputs}) for half in halves)
        # Where somebody has left, what was wrong may have gone with it.
        trial = Trial(items) if len(waiting) == len(call.shares) else None
        for half in halves:
            self._queue.began()
            self._send(half, trial)
        call.finish(is_good=False)

    def part(self, call: Call, *, was_answered: bool) -> None:
        if was_answered:
            self._counts.unread += 1
            self._habit.stay_alone(self.now_s())
        for share in call.waiting:
            self._queue.began()
            self._send([share])
        call.finish(is_good=False)

    # Calls.

    def _set_alarm(self) -> None:
        now_s = self.now_s()
        self._alarm.set(self._queue.due_s(now_s), now_s)
        if not self._queue.waiting and not self._queue.running:
            self._forget()

    def _go(self) -> None:
        """It is time: send what is due."""
        now_s = self.now_s()
        while self._queue.due_s(now_s) <= now_s:
            shares = [entry.item for entry in self._queue.take(now_s)]
            for share in shares:
                share.entry = None  # a cycle, which would be left to the garbage collector
            bug = attempt(self._send, shares, self.on_bug)
            if bug is not None:
                self._not_sent(shares, bug)
        self._set_alarm()

    def _not_sent(self, shares: Sequence[Share], bug: HeadraceError) -> None:
        call = shares[0].call
        if call is not None:
            call.fail(bug)
            return
        self._queue.ended()
        for share in shares:
            share.fail(share.flight, bug)

    def _send(self, shares: Sequence[Share], trial: Trial | None = None) -> None:
        call = Call(shares, self, trial)
        self._counts.calls += 1
        self._counts.inputs_sent += call.items
        self._sender.prepare(call.order)
        self._sender.send(call.order, call.flight)
