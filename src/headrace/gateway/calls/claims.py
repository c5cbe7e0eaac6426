"""One call's claim to a provider's key: from its turn in the queue until its usage is settled."""

from math import ceil
from typing import Final, Protocol

from headrace.dialects.base import Operation
from headrace.errors import HeadraceError, InvalidRequest, Overloaded
from headrace.flow.limiter import Permit
from headrace.flow.quota.key import KeyQuota, Need, Reservation
from headrace.flow.quota.told import Told, read_told
from headrace.flow.scheduler import Priority
from headrace.flow.scheduler.refusals import refusal
from headrace.flow.scheduler.ticket import Reason
from headrace.gateway.calls.attempt import worded
from headrace.gateway.flight import Flight
from headrace.gateway.gates.quotas import Allowance
from headrace.gateway.order import Order
from headrace.upstream.h1 import RawHeaders

_REFUSALS: Final = 400
_TOO_MANY: Final = 429
# What is wrong with the key and with nothing else: not known any more, or without money.
_KEY_DEAD: Final = frozenset((401, 402))
_KEY_DEAD_S: Final = 60.0


class Caller(Protocol):
    """Whose call it is."""

    def granted(self, permit: "Claim") -> None: ...
    def refused(self, error: HeadraceError) -> None: ...


class Claim:
    """Stands between a call and the scheduler, as its `Waiter`; and for the permit, once sent.

    Args:
        allowance: what the model's calls may use.
        caller: told how it goes; nobody where it is not queued.
        order: what is asked.
        flight: where the answer goes.
        priority: the class.
        deadline_s: until when a turn is of use, on the clock.
        wait_s_max: how long its class waits.

    Attributes:
        need: what it will probably use.
        due_s: when it gives up waiting.
        has_waited: whether it waited for a key with room.
        began_s: when it was sent.
        key: number of the key it goes by, from 0.
    """

    __slots__ = (
        "_allowance",
        "_attempts",
        "_called_s",
        "_caller",
        "_deadline_s",
        "_flight",
        "_guess",
        "_is_crowded",
        "_order",
        "_permit",
        "_quota",
        "_reservation",
        "_status",
        "began_s",
        "due_s",
        "has_waited",
        "key",
        "need",
        "priority",
    )

    def __init__(
        self,
        allowance: Allowance,
        caller: Caller | None,
        order: Order,
        flight: Flight,
        priority: Priority,
        deadline_s: float,
        wait_s_max: float,
    ) -> None:
        has_output = order.call.grammar.operation is not Operation.EMBEDDINGS
        self._guess = allowance.habit.guess(order.body, order.view.choices, has_output=has_output)
        self.need = self._guess.need
        self.priority = priority
        now_s = allowance.keys.now_s()
        self._deadline_s = deadline_s
        self.due_s = min(deadline_s, now_s + wait_s_max)
        self.has_waited = False
        self.began_s = 0.0
        self._allowance = allowance
        self._attempts = 0  # before it was sent
        self._caller = caller
        self._order = order
        self._flight = flight
        self._called_s = now_s
        self.key = 0
        self._quota: KeyQuota | None = None
        self._permit: Permit | None = None
        self._reservation: Reservation | None = None
        self._status = 0
        self._is_crowded = False  # refused, though there was quota left

    def goes_ahead(self) -> bool:
        """Whether it need not queue, since it never fits, or is ahead of what is called up."""
        if not self._allowance.holds(self._guess.least):
            self.refused(self._too_large())
            return True
        permit = self._allowance.ahead(self.priority)
        if permit is None:
            return False
        self.granted(permit)
        return True

    def steps_aside(self, besides: int | None) -> bool:
        """Have a turn and a key at once, before nobody who waits; says whether there is one.

        Args:
            besides: number of a key that is not wanted, from 0.
        """
        found = self._allowance.aside(self.need, besides)
        if found is None:
            return False
        self._permit, key, quota, reservation = found
        self._takes(key, quota, reservation)
        return True

    # What the scheduler says.

    def granted(self, permit: Permit) -> None:
        """It has its turn: now it is a matter of a key with room."""
        self._permit = permit
        self._called_s = self._allowance.keys.now_s()
        self._allowance.call_up(self)
        self.has_waited = self._caller is not None

    def refused(self, error: HeadraceError) -> None:
        """There is no turn for it."""
        caller, self._caller = self._caller, None  # a cycle otherwise
        if caller is not None:
            caller.refused(error)

    # What the allowance says.

    def takes(self, key: int, quota: KeyQuota, reservation: Reservation) -> None:
        """There is room: it goes, by this key."""
        caller, self._caller = self._caller, None
        self._takes(key, quota, reservation)
        assert caller is not None  # noqa: S101  # it has its turn
        if len(self._allowance.keys) > 1:
            self._order.request = worded(self._order, self._order.way, self._order.model, key)
        caller.granted(self)

    def gives_up(self, wait_s: float) -> None:
        """There will be no room in time.

        Args:
            wait_s: until there is, at the earliest.
        """
        permit, self._permit = self._permit, None
        if permit is not None:
            permit.ignore()
        waited_s = self._allowance.keys.now_s() - self._called_s
        if self._deadline_s <= self.due_s:
            self.refused(refusal(Reason.OUT_OF_REACH, waited_s, wait_s))
            return
        self.refused(
            Overloaded(
                f"The quota of provider '{self._allowance.keys.provider}' is used up: this request "
                f"would wait for longer than its priority may. Try again in {max(1, ceil(wait_s))}"
                " s, or with a lower priority, which waits for longer.",
                code="quota_exhausted",
                retry_after_s=wait_s,
            )
        )

    def closes(self) -> None:
        """The gateway goes down."""
        self._permit = None
        self.refused(refusal(Reason.CLOSED, 0.0, 1.0))

    # What the caller asks, and says.

    @property
    def changes_max(self) -> int:
        """How often a call may go on by another key: once by each."""
        return len(self._allowance.keys) - 1

    def leave(self) -> None:
        """It is given up, before or after it was sent."""
        self._caller = None
        self._allowance.leave(self)
        self.ignore()

    def heard(self, status: int, headers: RawHeaders) -> bool:
        """Take in the head of the answer; says whether another key would do better at once."""
        keys, quota = self._allowance.keys, self._quota
        if quota is None or self._reservation is None:
            return False  # it is over: somebody else answers
        self._status = status
        told = read_told(headers, keys.wall_s())
        moves = False
        if status in _KEY_DEAD and self._allowance.others_have_room(self.key, self.need):
            told = Told(told.readings, max(told.retry_after_s or 0.0, _KEY_DEAD_S))
            moves = True
        quota.observe(told, keys.now_s(), self._reservation, status)
        if status == _TOO_MANY:
            self._is_crowded = _has_plenty(told, self.need)
            self._allowance.refused(self.key)
            moves = self._allowance.others_have_room(self.key, self.need)
        return moves

    # As a permit.

    def success(self, signal_s: float | None = None) -> None:
        """The whole of the answer is there."""
        self._settle()
        permit, self._permit = self._permit, None
        if permit is not None:
            permit.success(signal_s)

    def ignore(self) -> None:
        """It says nothing of capacity."""
        self._settle()
        permit, self._permit = self._permit, None
        if permit is not None:
            permit.ignore()

    def drop(self, retry_after_s: float | None = None) -> None:
        """It was refused for want of capacity; what is the key's quota, is not the limit's."""
        if self._status == _TOO_MANY and not self._is_crowded:
            self.ignore()
            return
        self._settle()
        permit, self._permit = self._permit, None
        if permit is not None:
            permit.drop(retry_after_s)

    # The inside.

    def _takes(self, key: int, quota: KeyQuota, reservation: Reservation) -> None:
        self.key, self._quota, self._reservation = key, quota, reservation
        self.began_s = self._allowance.keys.now_s()
        self._attempts = self._flight.attempts
        assert self._permit is not None  # noqa: S101  # it has its turn
        self._permit.began_s = self.began_s

    def _settle(self) -> None:
        reservation, self._reservation = self._reservation, None
        if reservation is None:
            return
        if self._status >= _REFUSALS:
            reservation.refuse()
        elif self._flight.attempts == self._attempts:
            reservation.cancel()  # nothing went out
        else:
            reservation.settle(*self._used())
        self._allowance.freed()

    def _used(self) -> tuple[float, float]:
        """Input and output tokens: as the provider said, or as far as can be seen."""
        flight, order, need = self._flight, self._order, self.need
        is_whole = flight.is_over and flight.readers > 0  # else it broke off, or nobody waits
        if not is_whole and not flight.is_stream:
            return need.input_tokens, need.output_tokens  # it may well have been worked on
        dialect, operation = order.call.dialect, order.call.grammar.operation
        read = dialect.read_stream if flight.is_stream else dialect.read_reply
        body = flight.body
        usage = read(operation, body).usage
        if usage is None:
            # An event is a token, about.
            seen = body.count(b"data:") if flight.is_stream else need.output_tokens
            return need.input_tokens, seen
        # Anthropic does not count what comes from its prompt cache.
        cached = usage.cached_tokens if dialect.name == "anthropic" else 0
        input_tokens = float(max(0, usage.input_tokens - cached))
        if not is_whole:
            return input_tokens, max(usage.output_tokens, body.count(b"data:"))
        self._allowance.habit.learn(self._guess, input_tokens, usage.output_tokens)
        return input_tokens, float(usage.output_tokens)

    def _too_large(self) -> HeadraceError:
        return InvalidRequest(
            f"This request asks for more than the quota of provider "
            f"'{self._allowance.keys.provider}' holds in a minute: send less, or set a lower "
            "max_tokens.",
            code="above_quota",
        )


def _has_plenty(told: Told, need: Need) -> bool:
    """Whether a refusal says itself that it is not for the quota: too many calls at once, then."""
    left = {reading.kind: reading.left for reading in told.readings}
    return bool(left) and all(
        amount is not None and amount >= need[kind] for kind, amount in left.items()
    )
