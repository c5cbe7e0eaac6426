"""One call of a model of a provider: what let it pass, and what its gate learns from it."""

from typing import Protocol

from headrace.errors import HeadraceError
from headrace.flow.breaker import State
from headrace.gateway.gates.gate import Gate, Turns
from headrace.gateway.order import Order, with_model
from headrace.gateway.plan import Lane
from headrace.gateway.relay import Cancellable
from headrace.upstream.faults import FaultKind
from headrace.upstream.h1 import Flow, RawHeaders

_BROKEN = 500
_BUSY = 529  # Anthropic's, for too many callers of everybody
_NO_CAPACITY = frozenset((429, 503, _BUSY))
_TOO_SLOW: frozenset[FaultKind] = frozenset(("timeout_connect", "timeout_first_byte"))
_NOBODYS_FAULT: frozenset[FaultKind] = frozenset(("shutdown", "too_large"))


class Leave(Protocol):
    """What lets one call run, and is given back by exactly one of its methods."""

    began_s: float

    def success(self, signal_s: float | None = None) -> None: ...
    def ignore(self) -> None: ...
    def drop(self, retry_after_s: float | None = None) -> None: ...


Held = tuple[Gate | None, int, bool, Leave | None, float, Cancellable | None]


class Attempt:
    """What is held as long as a call runs, and given back once, in one of three ways: what let it
    pass at its breaker, and its permit, or its place among those that run without one.
    """

    # What most calls never change is not set for each of them.
    _began_s = 0.0
    _pass = 0  # of the breaker
    _gate: Gate | None = None
    _is_counted = False
    _permit: Leave | None = None
    _call: Cancellable | None = None

    def try_enter(self, gate: Gate, now_s: float) -> bool:
        """Be let in at once and before nobody who waits, or not at all.

        Args:
            gate: of whom is asked; one that is not known to be well lets nobody in.
            now_s: monotonic seconds.
        """
        if gate.breaker.state is not State.CLOSED:
            return False
        turns = gate.turns
        if turns is None:
            gate.inflight += 1
            self._is_counted = True
        elif turns.scheduler.waiting or (permit := self._turn(turns)) is None:
            return False
        else:
            self._permit = permit
        self._gate, self._began_s = gate, now_s
        self._pass = gate.breaker.try_pass(now_s)
        return True

    def _turn(self, turns: Turns) -> Leave | None:
        """A turn at once, if there is one."""
        return turns.limiter.try_acquire()

    def still_passes(self, now_s: float) -> bool:
        """Whether the target may be asked still, after a wait for a turn."""
        gate = self._gate
        assert gate is not None  # noqa: S101  # who waits has passed
        if not gate.breaker.counts(self._pass):
            self._pass = gate.breaker.try_pass(now_s)
        return bool(self._pass)

    @property
    def began_s(self) -> float:
        """When it was sent, monotonic seconds."""
        return self._began_s

    @property
    def held(self) -> Held:
        """What it holds."""
        gate, permit = self._gate, self._permit
        return gate, self._pass, self._is_counted, permit, self._began_s, self._call

    def take_over(self, held: Held) -> None:
        """Hold what another one held, in place of what was given back."""
        gate, self._pass, self._is_counted, self._permit, self._began_s, self._call = held
        self._gate = gate

    def goes_on(self, call: Cancellable) -> None:
        """It is carried by this call."""
        self._call = call

    def settle_status(self, status: int, now_s: float, wait_s: float | None) -> None:
        """It was answered with an error that may be gone at another time.

        Args:
            status: of the answer.
            now_s: monotonic seconds.
            wait_s: how long the provider asked to be left alone.
        """
        is_fault = status >= _BROKEN and status != _BUSY
        self._settle(now_s, is_drop=status in _NO_CAPACITY, is_fault=is_fault, wait_s=wait_s)

    def settle_fault(self, kind: FaultKind, now_s: float) -> None:
        """It has failed on the way.

        Args:
            kind: what happened.
            now_s: monotonic seconds.
        """
        self._settle(now_s, is_drop=kind in _TOO_SLOW, is_fault=kind not in _NOBODYS_FAULT)

    def forget(self) -> None:
        """It was given up, and says nothing."""
        gate, passed, permit = self._gate, self._pass, self._permit
        self._pass, self._permit = 0, None
        if gate is not None and passed:
            gate.breaker.gave_up(passed)
        self._uncount()
        if permit is not None:
            permit.ignore()

    def _settle(
        self, now_s: float, *, is_drop: bool, is_fault: bool, wait_s: float | None = None
    ) -> None:
        gate, passed, permit = self._gate, self._pass, self._permit
        self._pass, self._permit = 0, None
        if gate is not None and passed:
            conclude = gate.breaker.failed if is_fault else gate.breaker.succeeded
            conclude(passed, now_s - self._began_s, now_s)
            if gate.watch is not None and (is_drop or is_fault):
                gate.watch.failed(now_s - self._began_s, now_s, is_fault=is_fault)
        if permit is not None:
            if is_drop:
                permit.drop(wait_s)
            else:
                permit.ignore()
        elif is_drop and gate is not None:
            gate.limit(self._began_s, wait_s)
        self._uncount()

    def _uncount(self) -> None:
        if self._is_counted and self._gate is not None:
            self._is_counted = False
            self._gate.left()


class _Drain:
    """Where an answer goes that nobody is given: it is read, for the connection's sake."""

    def on_attempt(self, flow: Flow) -> None: ...

    def on_head(self, status: int, headers: RawHeaders) -> None: ...

    def on_body(self, chunk: bytes, framed: bytes | None = None) -> None: ...

    def on_end(self) -> None: ...

    def on_fault(self, error: HeadraceError) -> None: ...


DRAIN = _Drain()


def worded(order: Order, lane: Lane, model: str, key: int = 0) -> bytes:
    """The request to a target; the body goes on as it came, but for the model's name.

    Args:
        order: what is asked.
        lane: the way to whom.
        model: as it is called there.
        key: which of the provider's keys it carries, from 0.
    """
    call, body, draft = order.call, order.body, order.draft
    if draft is not None:
        body = order.drafted(draft, lane, model)
    if model != order.view.model:
        body = with_model(body, model)
    return lane.endpoint.request(b"POST", call.grammar.path, call.forwarded, body, key)
