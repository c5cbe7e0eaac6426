"""Two calls for one answer: whichever begins to answer first is taken, and the other cancelled.

A race begins with one call. Where nothing of its answer has come when most calls like it have
begun to be answered, a second one sets out (`flow/hedging.py` says when), if somebody can be asked
at once and the budget allows it. It takes the first one's place where it answers first, or where
the first one fails; each fails for itself as long as the other is under way. Once only one is
left, the race is over, and that call is one like any other.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from headrace.errors import HeadraceError
from headrace.flow.hedging import HedgeOutcome, Hedges, Hedging
from headrace.flow.quota.told import read_told
from headrace.flow.retry import Again, after_status
from headrace.gateway.calls.attempt import DRAIN
from headrace.gateway.calls.claims import Claim
from headrace.gateway.calls.rival import Rival
from headrace.gateway.calls.traced import set_out
from headrace.gateway.flight import Flight
from headrace.gateway.gates.gate import Gate
from headrace.gateway.order import Order
from headrace.gateway.plan import Lane
from headrace.gateway.relay import Cancellable
from headrace.model import Usage
from headrace.routing.failures import failure_of_fault, failure_of_status
from headrace.upstream.faults import FaultKind, UpstreamFault
from headrace.upstream.h1 import Flow, RawHeaders, Sink
from headrace.upstream.pool import UpstreamCall

_ERRORS = 400
# What a token takes of a request, about: what a cancelled call cost is an estimate.
_BYTES_PER_TOKEN = 4


class Runner(Protocol):
    """Whose calls they are: what it holds is held for the first one."""

    @property
    def began_s(self) -> float: ...
    @property
    def tried(self) -> int: ...
    @property
    def claim(self) -> Claim | None: ...
    def goes_on(self, call: Cancellable) -> None: ...
    def gives_way(self, rival: Rival) -> None: ...
    def settle_status(self, status: int, now_s: float, wait_s: float | None) -> None: ...
    def settle_fault(self, kind: FaultKind, now_s: float) -> None: ...
    def forget(self) -> None: ...


class Times(Protocol):
    """What tells the time."""

    @property
    def now_s(self) -> Callable[[], float]: ...
    @property
    def wall_s(self) -> Callable[[], float]: ...


class Leg:
    """One of the two calls, as the connection sees it. Implements `Sink`.

    Args:
        race: of which it is one; nobody's once that is over.
        sink: where the answer goes.
        rival: the call, where it is the second one.

    Attributes:
        rival: see above.
        flow: the connection that carries it.
    """

    __slots__ = ("_race", "_sink", "flow", "rival")

    def __init__(self, race: "Race", sink: Sink, rival: Rival | None = None) -> None:
        self._race: Race | None = race
        self._sink = sink
        self.rival = rival
        self.flow: Flow | None = None

    @property
    def is_racing(self) -> bool:
        """Whether the race is not over."""
        return self._race is not None

    def leave(self, sink: Sink) -> None:
        """The race is over; what comes goes to `sink`."""
        self._race = self.rival = None  # cycles, which would be left to the garbage collector
        self._sink = sink

    def on_attempt(self, flow: Flow) -> None:
        self.flow = flow
        if self._race is None:
            self._sink.on_attempt(flow)
        else:
            self._race.sets_out(self, flow)

    def on_head(self, status: int, headers: RawHeaders) -> None:
        if self._race is not None:
            self._race.answered(self, status, headers)
        assert self.flow is not None  # noqa: S101  # nothing is answered that was not sent
        self.flow.redirect(self._sink)  # from here on there is nothing to see to
        self._sink.on_head(status, headers)

    def on_body(self, chunk: bytes, framed: bytes | None = None) -> None:
        self._sink.on_body(chunk, framed)

    def on_end(self) -> None:
        self._sink.on_end()

    def on_fault(self, error: HeadraceError) -> None:
        if self._race is not None:
            self._race.failed(self, error)
        self._sink.on_fault(error)


def sent(
    runner: Runner, order: Order, flight: Flight, gate: Gate | None, times: Times
) -> Cancellable:
    """Send a call, and perhaps a second one later on.

    Args:
        runner: whose calls they are.
        order: what is asked.
        flight: where the answer goes.
        gate: what let the call pass.
        times: tells the time.
    """
    # For what the cache asks by itself, nobody waits.
    hedges = None if gate is None or order.purpose else gate.hedges
    if hedges is None:
        return set_out(order, order.way, order.model, order.request, flight)
    return Race(runner, order, flight, hedges, times).begin()


class Race:
    """A call that may become two. Implements `Cancellable` for both.

    Args:
        runner: whose calls they are.
        order: what is asked.
        flight: where the answer goes.
        hedges: of whom the first one asks.
        times: tells the time.
    """

    __slots__ = (
        "_call",
        "_first",
        "_flight",
        "_hedges",
        "_hedging",
        "_order",
        "_rival",
        "_runner",
        "_second",
        "_timer",
        "_times",
    )

    def __init__(
        self, runner: Runner, order: Order, flight: Flight, hedges: Hedges, times: Times
    ) -> None:
        self._runner = runner
        self._order = order
        self._flight = flight
        self._hedges = hedges
        self._times = times
        self._hedging = self._like(hedges)
        self._first = self._second = Leg(self, flight)
        self._rival: Rival | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._call: Cancellable = UpstreamCall(
            b"", DRAIN
        )  # none yet: it may fail while it is being sent

    def begin(self) -> Cancellable:
        """Send the first call; gives what is to be cancelled from now on."""
        order, hedging = self._order, self._hedging
        # Whoever was asked before, for the same request, has counted it.
        delay_s = hedging.delay_s if self._flight.attempts else hedging.begin(self._runner.began_s)
        if delay_s is not None:
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._hedge)
        self._call = set_out(order, order.way, order.model, order.request, self._first)
        return self if self._first.is_racing else self._call

    def cancel(self) -> None:
        """Nobody waits any more. What the first call holds is its runner's to give back."""
        rival = self._end()
        self._first.leave(DRAIN)
        self._call.cancel()
        if rival is not None:
            rival.cancel()
            self._book(self._second, rival.lane, rival.target.model)
            self._count("cancelled")

    # What the two calls say.

    def sets_out(self, leg: Leg, flow: Flow) -> None:
        """One is sent, for the first time or again."""
        if leg.rival is None:
            self._flight.on_attempt(flow)
        else:
            self._flight.attempts += 1

    def answered(self, leg: Leg, status: int, headers: RawHeaders) -> None:
        """One is answered: that is the answer, or the other one is still to come."""
        now_s = self._times.now_s()
        if status < _ERRORS:
            self._observe(leg.rival, now_s)
        if self._rival is None or after_status(status) is Again.NEVER:
            self._decide(leg, now_s)
            return
        failed = leg.rival or self._runner
        lane = self._order.way if leg.rival is None else leg.rival.lane
        lane.meter.done(status, now_s - failed.began_s)  # an answer, though nobody sees it
        wait_s = read_told(headers, self._times.wall_s()).retry_after_s
        if failed.claim is not None:
            failed.claim.heard(status, headers)
        failed.settle_status(status, now_s, wait_s)
        self._order.note(self._order.targets[failed.tried], failure_of_status(status))
        self._drop_out(leg, self._rival)

    def failed(self, leg: Leg, error: HeadraceError) -> None:
        """One has failed on the way: that is all, or the other one is still to come."""
        now_s = self._times.now_s()
        if isinstance(error, UpstreamFault) and error.kind == "timeout_first_byte":
            self._observe(leg.rival, now_s)
        if self._rival is None:
            self._decide(leg, now_s)
            return
        failed = leg.rival or self._runner
        if isinstance(error, UpstreamFault):
            self._flight.attempts += error.is_unsent  # as the relay counts it
            failed.settle_fault(error.kind, now_s)
            self._order.note(self._order.targets[failed.tried], failure_of_fault(error.kind))
        else:
            failed.forget()
        self._drop_out(leg, self._rival)

    # The inside.

    def _hedge(self) -> None:
        """Nothing has come for as long as it rarely takes: ask once more, if that may be."""
        self._timer = None
        now_s = self._times.now_s()
        rival = self._enter(now_s)
        if rival is None:
            self._count("blocked")
            return
        order = self._order
        deadline_s = order.call.hints.deadline_s
        if deadline_s is not None:
            deadline_s += order.watch.began_s
        if not self._hedging.try_hedge(now_s, has_begun=False, deadline_s=deadline_s):
            rival.forget()
            self._count("refused")
            return
        self._rival = rival
        if rival.lane is not order.lane:
            rival.lane.gates.budget.deposit(now_s)
        self._second = Leg(self, self._flight, rival)
        rival.set_out(self._second)

    def _enter(self, now_s: float) -> Rival | None:
        """A second call to whoever can be asked at once, and is let in."""
        for rival in self._rivals():
            if rival.try_enter(rival.lane.gates.of(rival.target.model), now_s):
                return rival
        return None

    def _rivals(self) -> list[Rival]:
        """Second calls that may be made, in their order; to the same target, if there is no other
        and it has another key, or that is wanted."""
        order, flight, here = self._order, self._flight, self._runner.tried
        rivals = [
            Rival(order, flight, place, target)
            for place, target in enumerate(order.targets[here + 1 :], here + 1)
            if "timeout" in target.after
        ]
        claim = self._runner.claim
        other_key = claim.key if claim is not None and claim.changes_max else None
        if not rivals and (other_key is not None or self._hedges.same_target):
            rivals.append(Rival(order, flight, here, order.targets[here], other_key))
        return rivals

    def _decide(self, leg: Leg, now_s: float) -> None:
        """The answer is this call's, whatever it is."""
        rival, order = self._end(), self._order
        if rival is None:
            self._runner.goes_on(self._call)
        elif leg is self._first:
            self._second.leave(DRAIN)
            self._observe(rival, now_s)
            rival.cancel()
            self._book(self._second, rival.lane, rival.target.model)
            self._count("lost")
            self._runner.goes_on(self._call)
        else:
            self._first.leave(DRAIN)
            self._observe(None, now_s)
            self._call.cancel()
            self._book(self._first, order.way, order.model)
            self._runner.forget()
            self._hand_over(rival)
        leg.leave(self._flight)

    def _drop_out(self, leg: Leg, rival: Rival) -> None:
        """This call has failed; the other goes on alone."""
        self._end()
        if leg is self._first:
            self._hand_over(rival)
            self._second.leave(self._flight)
        else:
            self._count("failed")
            self._runner.goes_on(self._call)
            self._first.leave(self._flight)
        leg.leave(DRAIN)

    def _hand_over(self, rival: Rival) -> None:
        """The second call takes the place of the first."""
        self._count("won")
        order = self._order
        order.lane, order.model, order.request = rival.lane, rival.target.model, rival.request
        self._runner.gives_way(rival)
        self._flight.moved(self._second.flow)

    def _end(self) -> Rival | None:
        """There is no race any more; gives the second call, if there is one."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        rival, self._rival = self._rival, None
        return rival

    # What is learnt.

    def _like(self, hedges: Hedges) -> Hedging:
        order = self._order
        return hedges.of(is_stream=order.view.stream, request_bytes=len(order.body))

    def _observe(self, rival: Rival | None, now_s: float) -> None:
        """Note how long the first byte of a call took, or that it took longer than until now."""
        if rival is None:
            self._hedging.observe(now_s - self._runner.began_s)
        elif (hedges := rival.lane.gates.of(rival.target.model).hedges) is not None:
            self._like(hedges).observe(now_s - rival.began_s)

    def _count(self, outcome: HedgeOutcome) -> None:
        self._hedges.ended(outcome)
        self._order.way.meter.hedged(outcome)

    def _book(self, leg: Leg, lane: Lane, model: str) -> None:
        """What a cancelled call may have cost: what it was asked is known, and no more."""
        if leg.flow is None:  # it never went out
            return
        order = self._order
        usage = Usage(len(order.body) // _BYTES_PER_TOKEN)
        price = order.plan.price(lane, model) if order.plan else None
        usd = price.cost_usd(usage) if price else 0.0
        self._hedges.spent(usage.input_tokens, usd)
        lane.meter.hedge_spent(usage.input_tokens, usd)
        self._flight.tower.lost(order, (lane.endpoint.name, model), usage, usd)
