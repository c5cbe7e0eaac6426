"""What a worker of jobs tells of itself, apart from a gateway: the process, and its broker."""

from typing import Final

import msgspec

from headrace.clock import Clock
from headrace.observe.cells import Cells
from headrace.observe.exposition import render
from headrace.observe.families import FAMILIES
from headrace.observe.handles import Counter, Gauge
from headrace.observe.layout import Layout
from headrace.observe.process import ProcessSampler

_TOLD: Final = ("headrace_amqp_", "process_", "headrace_build_info")


class AmqpCounts(msgspec.Struct):
    """What became of messages.

    Attributes:
        consumed: those that came, each as often as it came.
        taken: those that are jobs now, and acknowledged.
        refused: those that were no jobs, published as dead letters and acknowledged.
        returned: those that were given back, for another worker.
        told: messages that were published of jobs, and confirmed.
        connects: connections that were made.
        lost: connections that were lost or could not be made.
    """

    consumed: int = 0
    taken: int = 0
    refused: int = 0
    returned: int = 0
    told: int = 0
    connects: int = 0
    lost: int = 0


class AmqpReading(msgspec.Struct, frozen=True):
    """How it stands between a worker and its broker.

    Attributes:
        counts: since the worker began.
        held: messages that came and of which the broker has not been told what became of them.
        away_s: for how long there has been no broker, in seconds; 0 while there is one.
    """

    counts: AmqpCounts
    held: int
    away_s: float


class WorkerMetrics:
    """Belongs to one event loop.

    Args:
        clock: read once, for the start time.
    """

    def __init__(self, clock: Clock) -> None:
        self._layout = Layout(tuple(each for each in FAMILIES if each.name.startswith(_TOLD)))
        self._board = Cells(self._layout.size)
        self.process_cpu = self._counter("process_cpu_seconds_total")
        self.process_memory = self._gauge("process_resident_memory_bytes")
        self._sampler = ProcessSampler(self)
        self._gauge("process_start_time_seconds").set(clock.wall_s())
        self._gauge("headrace_build_info").set(1.0)
        self._messages = self._counter("headrace_amqp_messages_total")
        self._published = self._counter("headrace_amqp_published_total")
        self._connects = self._counter("headrace_amqp_connects_total")
        self._lost = self._counter("headrace_amqp_connections_lost_total")
        self._held = self._gauge("headrace_amqp_inflight")
        self._away = self._gauge("headrace_amqp_away_seconds")
        self._told = AmqpCounts()

    def expose(self, amqp: AmqpReading | None) -> bytes:
        """Prometheus text of how things are now.

        Args:
            amqp: the broker; `None` where there is none.
        """
        self._sampler.sample()
        if amqp is not None:
            self._count(amqp)
        return render(self._layout, self._board.rows())

    def _count(self, amqp: AmqpReading) -> None:
        now, before = amqp.counts, self._told
        self._told = msgspec.structs.replace(now)
        for outcome, more in (
            ("consumed", now.consumed - before.consumed),
            ("acknowledged", now.taken + now.refused - before.taken - before.refused),
            ("returned", now.returned - before.returned),
            ("dead_lettered", now.refused - before.refused),
        ):
            self._messages.add(self._messages.at(outcome), more)
        self._published.increment(now.told - before.told)
        self._connects.increment(now.connects - before.connects)
        self._lost.increment(now.lost - before.lost)
        self._held.set(amqp.held)
        self._away.set(amqp.away_s)

    def _counter(self, name: str) -> Counter:
        return Counter(self._board.row(), self._layout.place(name))

    def _gauge(self, name: str) -> Gauge:
        return Gauge(self._board.row(), self._layout.place(name))
