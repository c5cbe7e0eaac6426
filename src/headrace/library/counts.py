"""What the library counts: the metrics of one process, and how they are told."""

from typing import Any

from headrace.clock import Clock
from headrace.gateway.engine import Engine
from headrace.library.listener import GIVEN_UP, Listener
from headrace.observe.cells import Cells
from headrace.observe.exposition import render
from headrace.observe.families import STAGE
from headrace.observe.handles import Counter, Gauge
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.observe.process import ProcessSampler


class Counts:
    """The metrics of one adapter.

    Args:
        providers: names of the providers.
        clock: the time.
    """

    def __init__(self, providers: list[str], clock: Clock) -> None:
        self._layout = Layout()
        self._cells = Cells(self._layout.size)
        self._cells.slots.assign(providers)
        self._row = self._cells.row()
        self._now = clock.monotonic_s
        self.metrics = Metrics(self._layout, self._row, self._cells.slots, clock)
        self._sampler = ProcessSampler(self.metrics)
        self._stages = {stage: self.metrics.stages.at(stage) for stage in STAGE.values}

    def over(self, listener: Listener) -> None:
        """Count a call that is over."""
        metrics, watch = self.metrics, listener.watch
        route = listener.call.grammar.operation.value
        cache = listener.source.cache.value if listener.source else "none"
        metrics.request_done(route, listener.status, cache, self._now() - watch.began_s)
        if listener.first_s is not None:
            metrics.first_byte(route, cache, listener.first_s - watch.began_s)
        for stage, time_ms in zip(watch.names, watch.times_ms, strict=True):
            metrics.stages.observe(self._stages[stage], time_ms / 1000)
        if listener.status == GIVEN_UP:
            metrics.client_aborts.increment()

    def refused(self, status: int, began_s: float) -> None:
        """Count a request that could not even be written."""
        self.metrics.request_done("other", status, "none", self._now() - began_s)

    def text(self, engine: Engine | None, inflight: int) -> str:
        """The Prometheus exposition."""
        self._refresh(engine, inflight)
        self._sampler.sample()
        rows, names = self._cells.rows(), self._cells.slots.names()
        return render(self._layout, rows, names).decode()

    def told(self, engine: Engine | None, inflight: int) -> dict[str, Any]:
        """The figures that matter most, as plain data."""
        self._refresh(engine, inflight)
        metrics = self.metrics
        requests = self._by_label(metrics.requests, "cache")
        statuses = self._by_label(metrics.requests, "status")
        tokens = self._by_label(metrics.tokens, "type")
        saved_tokens = self._by_label(metrics.saved_tokens, "type")
        connections = self._by_label(metrics.upstream_connections, "state")
        return {
            "requests": {cache: int(count) for cache, count in requests.items()},
            "failed": sum(int(count) for status, count in statuses.items() if status != "200"),
            "inflight": inflight,
            "saved": {
                "calls": int(self._total(metrics.saved_calls)),
                "tokens": {kind: int(count) for kind, count in saved_tokens.items()},
                "usd": self._total(metrics.saved_usd),
                "seconds": self._total(metrics.saved_seconds),
            },
            "spent": {
                "tokens": {kind: int(count) for kind, count in tokens.items()},
                "usd": self._total(metrics.spent_usd),
            },
            "cache": {
                "entries": int(self._total(metrics.cache_entries)),
                "bytes": int(self._total(metrics.cache_bytes)),
            },
            "upstream_connections": {
                "opened": int(self._total(metrics.upstream_connects)),
                **{state: int(count) for state, count in connections.items()},
            },
        }

    def _refresh(self, engine: Engine | None, inflight: int) -> None:
        self.metrics.inflight.set(inflight)
        if engine is not None:
            engine.refresh_gauges()

    def _by_label(self, handle: Counter | Gauge, label: str) -> dict[str, float]:
        """Sums over all other labels."""
        place = handle.place
        position = [each.name for each in place.family.labels].index(label)
        sums = dict.fromkeys(place.family.labels[position].values, 0.0)
        for index, values in place.each():
            sums[values[position]] += self._row[index]
        return sums

    def _total(self, handle: Counter | Gauge) -> float:
        return sum(self._row[index] for index, _ in handle.place.each())
