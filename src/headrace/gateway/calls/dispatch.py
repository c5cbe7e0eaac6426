"""A call on its way to whoever serves it: target after target and try after try.

Nothing of a failed try reaches a caller as long as another one may follow: that is so until the
first byte of a stream has been passed on, or until the whole of any other answer is there. What may
be tried again, and how often, is `flow/retry.py`'s to say; here it is done.
"""

import asyncio
from collections.abc import Callable

from headrace.clock import Clock
from headrace.errors import DeadlineExceeded, HeadraceError
from headrace.flow.limiter import Permit
from headrace.flow.quota.told import read_told
from headrace.flow.retry import Again, after_fault, after_status, decide
from headrace.flow.scheduler import Priority, Ticket, Waiter
from headrace.gateway.calls.attempt import DRAIN, Leave, worded
from headrace.gateway.calls.claims import Claim
from headrace.gateway.calls.course import Course
from headrace.gateway.calls.race import sent
from headrace.gateway.calls.rival import Rival
from headrace.gateway.calls.traced import set_out
from headrace.gateway.flight import Flight
from headrace.gateway.gates.gate import Turns
from headrace.gateway.order import Order
from headrace.model import Failure
from headrace.routing.failures import failure_of_fault, failure_of_refusal, failure_of_status
from headrace.upstream.faults import UpstreamFault
from headrace.upstream.h1 import RawHeaders

_ERRORS = _REFUSED = 400
_BROKEN = 500


class Dispatcher:
    """Sends what the pipeline has made ready.

    Args:
        clock: the time.
        uniform: draws numbers from 0 to 1, for the waits between tries.

    Attributes:
        learns: whether success makes limits grow: not while it is this process that is late.
    """

    learns = True

    def __init__(self, clock: Clock, uniform: Callable[[], float]) -> None:
        self.now_s = clock.monotonic_s
        self.wall_s = clock.wall_s
        self.uniform = uniform

    def prepare(self, order: Order) -> None:
        """Word the request to the first target, unless there is a choice."""
        if order.choice is None:
            order.request = worded(order, order.way, order.model)

    def send(self, order: Order, flight: Flight) -> None:
        """Set out for the first target that is not known to be broken."""
        if order.choice is not None:
            order.rank(order.choice, self.now_s())
            order.request = worded(order, order.way, order.model)
        dispatch = flight.call = flight.agent = Dispatch(self, order, flight)
        dispatch.begin()


class Dispatch(Course):
    """The tries of one call. Implements the flight's `Agent` and the scheduler's `Waiter`."""

    _first_s = 0.0  # from sending to the first byte, where that says something
    _turns: Turns | None = None
    _place: "Ticket[Waiter[Permit]] | None" = None
    claim: Claim | None = None  # where keys have quotas
    _timer: asyncio.Handle | None = None

    def __init__(self, dispatcher: Dispatcher, order: Order, flight: Flight) -> None:
        self._dispatcher = dispatcher
        self._order = order
        self._flight = flight

    def begin(self) -> None:
        """The first try."""
        now_s = self._dispatcher.now_s()
        order = self._order
        lane = order.way
        lane.gates.budget.deposit(now_s)
        self._gate = gate = lane.gates.of(order.model)
        if gate.is_plain and (passed := gate.breaker.try_pass(now_s)):
            # As nearly always: nothing is in the way. The rest of this module, in one go.
            self._pass = passed
            self._is_counted = True
            gate.inflight += 1
            self._began_s = now_s
            self._tries = 1
            self._call = set_out(order, lane, order.model, order.request, self._flight)
        elif (not gate.closed_s and self._turns_to(0, now_s)) or self._finds_target(0, now_s):
            self._queue_up(now_s)
        else:
            self._flight.on_fault(self._all_open(now_s))

    def cancel(self) -> None:
        """Give the call up; its flight hears nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        turns, place = self._turns, self._place
        if turns is not None and place is not None:
            turns.scheduler.cancel(place)
        if self.claim is not None:
            self.claim.leave()
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        self.forget()

    # What the scheduler says.

    def granted(self, permit: Leave) -> None:
        """It is this call's turn."""
        self._permit = permit
        claim = self.claim
        if self._place is not None or (claim is not None and claim.has_waited):
            self._place = None
            self._order.watch.passed("schedule")
            if not self.still_passes(permit.began_s):
                self.forget()
                if self._moves_on("open", permit.began_s):
                    self._queue_up(permit.began_s)
                else:
                    self._flight.on_fault(self._all_open(permit.began_s))
                return
        self._set_out(permit.began_s)

    def refused(self, error: HeadraceError) -> None:
        """There is no turn for this call here."""
        self._place = None
        self.forget()
        now_s = self._dispatcher.now_s()
        is_final = isinstance(error, DeadlineExceeded) or error.code == "shutting_down"
        if not is_final and self._moves_on("no_room", now_s):
            self._queue_up(now_s)
        else:
            self._flight.on_fault(error)

    # What the flight asks, and says.

    def takes_back(self, status: int, headers: RawHeaders) -> bool:
        """Whether an answer is given to nobody, because another try follows."""
        claim = self.claim
        if claim is not None and claim.heard(status, headers) and self._changes < claim.changes_max:
            self._changes += 1
            return self._asks_otherwise(status)
        if status < _ERRORS:
            return False
        again, failure = after_status(status), failure_of_status(status)
        if again is Again.NEVER and (not self._leads_on(failure) or self._asks_why(status)):
            return False
        now_s = self._dispatcher.now_s()
        retry_after_s = read_told(headers, self._dispatcher.wall_s()).retry_after_s
        self.settle_status(status, now_s, retry_after_s)
        meter = self._order.way.meter
        if self._order.stale is not None and status >= _BROKEN:  # there is something better
            self._note(failure)
            return False
        if not self._goes_on(again, failure, now_s, retry_after_s):
            return False
        meter.done(status, now_s - self._began_s)  # an answer like any other, though nobody sees it
        self._let_go()
        return True

    def takes_back_refusal(self, body: bytes) -> bool:
        """Whether a 400 is given to nobody, now that all of it is there."""
        if not self._asks_why(_REFUSED):
            return False
        failure, order = failure_of_refusal(body), self._order
        # What came is no shorter than what was made of it.
        if (
            failure != "too_long"
            and order.draft is not None
            and order.draft.gives_way(*order.target)
        ):
            order.request = worded(order, order.way, order.model)
            return self._asks_otherwise(_REFUSED)
        if not self._leads_on(failure):
            return False
        now_s, meter = self._dispatcher.now_s(), order.way.meter
        self._call = None
        self.settle_status(_REFUSED, now_s, None)
        if not self._goes_on(Again.NEVER, failure, now_s, None):
            return False
        meter.done(_REFUSED, now_s - self._began_s)
        return True

    def _asks_why(self, status: int) -> bool:
        """Whether the reason of a refusal is worth waiting for: it may be what was made of the
        prompt, or its length."""
        if status != _REFUSED:
            return False
        draft = self._order.draft
        return (
            draft is not None and draft.sent(*self._order.target) != self._order.body
        ) or self._leads_on("too_long")

    def _asks_otherwise(self, status: int) -> bool:
        """What was refused is the key, or what was made of the prompt, and not the call: it goes by
        another one, or as it came, at once and for nothing."""
        if self._order.purpose:  # nobody waits for it
            return False
        now_s = self._dispatcher.now_s()
        self._note(failure_of_status(status))
        self.settle_status(status, now_s, None)
        self._order.way.meter.done(status, now_s - self._began_s)
        self._let_go()
        self._tries -= 1
        self._timer = asyncio.get_running_loop().call_soon(self._try_here)
        return True

    def survives(self, error: HeadraceError) -> bool:
        """Whether another try follows one that failed on the way."""
        if not isinstance(error, UpstreamFault):
            return error.code == "pool_exhausted" and self._leaves()
        now_s = self._dispatcher.now_s()
        self._call = None
        self.settle_fault(error.kind, now_s)
        again, failure = after_fault(error.kind), failure_of_fault(error.kind)
        if self._order.stale is not None or again is Again.NEVER:
            self._note(failure)
            return False
        return self._goes_on(again, failure, now_s, None)

    def begun(self) -> None:
        """The first byte of a stream is there: nothing is tried again from here on."""
        now_s = self._dispatcher.now_s()
        self._first_s = now_s - self._began_s
        passed, self._pass = self._pass, 0
        gate = self._gate
        if passed and gate is not None:
            gate.breaker.succeeded(passed, self._first_s, now_s)
            if gate.watch is not None:
                gate.watch.answered(self._first_s, now_s, is_good=True)
        order = self._order
        order.counted, order.body, order.draft = order.sent, b"", None  # the rest may take long

    def ended(self) -> None:
        """The whole of the answer is there."""
        gate, passed, permit = self._gate, self._pass, self._permit
        assert gate is not None  # noqa: S101  # nothing ends that was not sent
        now_s = self._dispatcher.now_s()
        if passed:
            self._pass = 0
            gate.breaker.succeeded(passed, now_s - self._began_s, now_s)
            if gate.watch is not None:
                is_good = self._flight.status < _ERRORS
                gate.watch.answered(now_s - self._began_s, now_s, is_good=is_good)
        if self._is_counted:
            self._is_counted = False
            gate.inflight -= 1
            if gate.turns is not None:
                gate.turns.limiter.left()
        elif permit is not None:
            self._permit = None
            gate.took(now_s - self._began_s)
            if self._dispatcher.learns:
                permit.success(gate.signal(self._first_s, len(self._order.request), now_s))
            else:
                permit.ignore()

    def broken_off(self) -> None:
        """There will be no more of the answer."""
        self.forget()

    def gives_way(self, rival: Rival) -> None:
        """Only the second call is left; it is the order's by now."""
        self._tries = self._tries + 1 if rival.tried == self.tried else 1
        self.tried, self.claim = rival.tried, rival.claim
        self.take_over(rival.held)

    # The inside.

    def _queue_up(self, now_s: float) -> None:
        """Wait for a turn, or have it at once."""
        order, gate = self._order, self._gate
        assert gate is not None  # noqa: S101  # passed just now
        self.claim = None
        self._turns = turns = gate.turns
        if turns is None:
            gate.inflight += 1
            self._is_counted = True
            self._set_out(now_s)
            return
        hints = order.call.hints
        priority = Priority.BATCH if order.purpose else hints.priority
        deadline_s = turns.begin_by_s(order.watch.began_s, hints.deadline_s, now_s)
        waiter: Waiter[Permit] = self
        if turns.allowance is not None:
            wait_s_max = turns.rules.by_priority()[priority].wait_s_max
            waiter = self.claim = Claim(
                turns.allowance, self, order, self._flight, priority, deadline_s, wait_s_max
            )
            if waiter.goes_ahead():
                return
        place = turns.scheduler.submit(
            waiter, tenant=order.call.tenant, priority=priority, deadline_s=deadline_s
        )
        if place is not None:  # else this call has been told, and may wait elsewhere by now
            self._place = place

    def _set_out(self, now_s: float) -> None:
        order = self._order
        self._began_s = now_s
        self._tries += 1
        self._call = sent(self, order, self._flight, self._gate, self._dispatcher)

    def _goes_on(
        self, again: Again, failure: Failure, now_s: float, retry_after_s: float | None
    ) -> bool:
        """Try again, here after a while or elsewhere at once; says whether."""
        # What the cache itself asks, nobody waits for.
        if self._order.purpose:
            return False
        loop = asyncio.get_running_loop()
        # Elsewhere first, where nobody has to wait.
        if self._moves_on(failure, now_s, closed_s_max=0.0):
            self._timer = loop.call_soon(self._try_again)
            return True
        order, gates = self._order, self._order.way.gates
        deadline_s = order.call.hints.deadline_s
        decision = decide(
            again,
            backoff=gates.backoff,
            budget=gates.budget,
            tries=self._tries,
            now_s=now_s,
            uniform=self._dispatcher.uniform(),
            retry_after_s=retry_after_s,
            deadline_s=None if deadline_s is None else order.watch.began_s + deadline_s,
        )
        if decision.is_again:
            self._timer = loop.call_later(decision.delay_s, self._try_here)
        elif self._leads_on(failure) and self._finds_target(
            self.tried + 1, now_s, failure, closed_s_max=gates.backoff.retry_after_s_max
        ):
            self._timer = loop.call_soon(self._try_again)
        else:
            return False
        return True

    def _leaves(self) -> bool:
        """Every connection to the provider is in use; whether another one is asked."""
        self._call = None
        self.forget()
        now_s = self._dispatcher.now_s()
        if self._order.purpose or not self._moves_on("no_room", now_s, closed_s_max=0.0):
            return False
        self._timer = asyncio.get_running_loop().call_soon(self._try_again)
        return True

    def _try_here(self) -> None:
        """Once more where it failed, if that is still worth it."""
        self._timer = None
        now_s = self._dispatcher.now_s()
        if self._turns_to(self.tried, now_s) or self._moves_on("open", now_s):
            self._try_again()
        else:
            self._flight.on_fault(self._all_open(now_s))

    def _try_again(self) -> None:
        self._timer = None
        self._order.way.meter.retried()
        self._queue_up(self._dispatcher.now_s())

    def _let_go(self) -> None:
        """What still comes of the answer is read and dropped: the connection is worth keeping."""
        self._call = None
        flow = self._flight.flow
        if flow is not None:
            flow.redirect(DRAIN)
