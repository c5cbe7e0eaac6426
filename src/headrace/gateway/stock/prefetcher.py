"""Asks again, ahead of callers, for answers that are about to expire and likely to be used.

To ask again takes the request: the raw bodies of those asked last are kept, within a bound.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

import msgspec

from headrace.cache.entry import Answer, Terms
from headrace.cache.memory import MemoryCache
from headrace.cache.prefetch import Expiring, PrefetchPlanner, PrefetchReport
from headrace.clock import Clock
from headrace.errors import HeadraceError
from headrace.gateway.call import Call
from headrace.gateway.order import Order
from headrace.gateway.plan import Plan
from headrace.gateway.reader import Nobody, Reader
from headrace.observe.metrics import Metrics

PREFETCH: Final = "prefetch"
# What a request costs beyond its body and headers: objects, and its place in three collections.
KEPT_OVERHEAD_BYTES: Final = 1024
PLAN_EVERY_S: Final = 0.5

AskAgain = Callable[[Call, bytes, str, Reader], None]
"""Asks a provider in the background: head of the request, body, purpose, who is told the end."""


class _Kept(msgspec.Struct, frozen=True, gc=False):
    """A request that can be asked again."""

    call: Call
    body: bytes
    upstream: str
    weight: int


class _Listener(Nobody):
    """Hears that a call failed."""

    def __init__(self, on_failure: Callable[[], None]) -> None:
        self._on_failure = on_failure

    def fail(self, error: HeadraceError) -> None:  # noqa: ARG002
        self._on_failure()


class Prefetcher:
    """Belongs to one event loop.

    Args:
        planner: chooses.
        plan: what the settings say at the moment.
        memory: what is held.
        ask_again: asks.
        clock: the time.
        metrics: counts.
        bytes_max: room for requests, a stated overhead for each included; beyond it the one used
            longest ago is forgotten.
        inflight_max: calls to one provider at once, whoever wants them, beyond which it is not
            idle.
    """

    def __init__(
        self,
        planner: PrefetchPlanner,
        *,
        plan: Callable[[], Plan],
        memory: MemoryCache,
        ask_again: AskAgain,
        clock: Clock,
        metrics: Metrics,
        bytes_max: int,
        inflight_max: int,
    ) -> None:
        self._planner = planner
        self._plan = plan
        self._memory = memory
        self._ask_again = ask_again
        self._clock = clock
        self._metrics = metrics
        self._bytes_max = bytes_max
        self._inflight_max = inflight_max
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._bytes = 0
        # By the provider that is asked.
        self._asking: dict[bytes, str] = {}
        self._next_plan_s = 0.0
        self._told = planner.report

    def stored(self, order: Order, answer: Answer, terms: Terms) -> None:
        """An answer was stored; `order.kept` holds its request, where that is at hand."""
        # A budget in dollars cannot be kept where nobody knows what a call costs.
        if answer.cost_usd is None or not self._keep(order):
            self._forget(order.key)
            return
        gone_s = self._gone_s(terms)
        life_s = gone_s - terms.stored_s
        upstream = order.way.endpoint.name
        self._planner.watch(
            Expiring(order.key, gone_s, life_s, answer.cost_usd, answer.seconds, upstream)
        )

    def used(self, key: bytes, now_s: float) -> None:
        """A key was used."""
        self._planner.used(key, now_s)
        if key in self._kept:
            self._kept.move_to_end(key)

    def left(self, key: bytes, *, is_replaced: bool) -> None:
        """An answer left memory; its request stays where a new one takes its place."""
        self._planner.left(key, self._clock.monotonic_s())
        if not is_replaced:
            self._forget(key)

    def came(self, order: Order, answer: Answer, *, is_stored: bool) -> None:
        """A provider has answered what was asked ahead."""
        if self._asking.pop(order.key, None) is None:
            return
        entry = self._memory.peek(order.key, self._clock.monotonic_s()) if is_stored else None
        end_s = None if entry is None else self._gone_s(entry.terms)
        self._planner.came(order.key, answer.cost_usd or 0.0, end_s)

    def step(self, now_s: float) -> None:
        """Ask for what it is time for; called several times a second."""
        if now_s < self._next_plan_s:
            return
        self._next_plan_s = now_s + PLAN_EVERY_S
        for answer in self._planner.plan(now_s, self._room()):
            self._ask(answer.key)

    def clear(self) -> None:
        """Forget every request, because what they would be sent to may have changed."""
        for key in self._kept:
            self._planner.forget(key)
        self._kept.clear()
        self._bytes = 0

    def told(self) -> dict[str, Any]:
        """How it does, as plain data."""
        report = self._planner.report
        return {
            **msgspec.to_builtins(report),
            "wasted_share": report.wasted_share,
            "asking": len(self._asking),
            "kept": len(self._kept),
            "kept_bytes": self._bytes,
        }

    def refresh_metrics(self) -> None:
        """Bring what is counted here up to date in the metrics."""
        now, before = self._planner.report, self._told
        self._told = now
        metrics = self._metrics
        for outcome, number in _outcomes(now, before):
            metrics.prefetched.add(metrics.prefetched.at(outcome), number)
        for why, number in _refusals(now, before):
            metrics.prefetch_refusals.add(metrics.prefetch_refusals.at(why), number)
        metrics.prefetch_wasted_usd.increment(now.wasted_usd - before.wasted_usd)
        metrics.prefetch_saved_seconds.increment(now.seconds_saved - before.seconds_saved)

    def _gone_s(self, terms: Terms) -> float:
        """From when on callers wait again."""
        return min(terms.fresh_until_s + self._plan().stale_s, terms.expires_s)

    def _keep(self, order: Order) -> bool:
        key, call, body = order.key, order.call, order.kept
        if not body:  # asked by the cache itself: its request is here already, or is not wanted
            return key in self._kept
        headers = sum(len(name) + len(value) for name, value in call.forwarded)
        weight = len(body) + headers + KEPT_OVERHEAD_BYTES
        self._drop(key)
        if weight > self._bytes_max:
            return False
        self._kept[key] = _Kept(call, body, order.way.endpoint.name, weight)
        self._bytes += weight
        while self._bytes > self._bytes_max:
            self._forget(next(iter(self._kept)))
        return True

    def _forget(self, key: bytes) -> None:
        self._drop(key)
        self._planner.forget(key)

    def _drop(self, key: bytes) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= kept.weight

    def _room(self) -> dict[str, int]:
        """Calls that each provider has room for, among those that are idle."""
        asking = list(self._asking.values())
        room = {}
        for name, lane in self._plan().lanes.items():
            # A call that was just begun may not have a connection yet.
            calls = max(lane.endpoint.pool.active, asking.count(name))
            room[name] = max(0, self._inflight_max - calls)
        return room

    def _ask(self, key: bytes) -> None:
        kept = self._kept[key]  # the planner was told of every one that was forgotten
        self._asking[key] = kept.upstream
        self._ask_again(kept.call, kept.body, PREFETCH, _Listener(lambda: self._failed(key)))

    def _failed(self, key: bytes) -> None:
        if self._asking.pop(key, None) is not None:
            self._planner.came(key, 0.0, None)


def _outcomes(now: PrefetchReport, before: PrefetchReport) -> tuple[tuple[str, int], ...]:
    return (
        ("used", now.used - before.used),
        ("wasted", now.wasted - before.wasted),
        ("failed", now.failed - before.failed),
    )


def _refusals(now: PrefetchReport, before: PrefetchReport) -> tuple[tuple[str, int], ...]:
    return (
        ("budget", now.refused_budget - before.refused_budget),
        ("value", now.refused_value - before.refused_value),
        ("busy", now.missed - before.missed),
    )
