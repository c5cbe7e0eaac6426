"""Which of its targets a call goes to, and to which it turns from one that failed."""

from math import inf

from headrace.errors import HeadraceError
from headrace.gateway.calls.attempt import Attempt, worded
from headrace.gateway.gates.gate import Gate, circuit_open
from headrace.gateway.order import Order
from headrace.model import Failure
from headrace.routing.directory import Target


class Course(Attempt):
    """What is held while a call runs, and which of its order's targets runs it."""

    _order: Order
    tried = 0  # number of the target that is asked now
    _tries = 0  # there
    _changes = 0  # of keys, there

    def _finds_target(
        self, first: int, now_s: float, failure: Failure | None = None, *, closed_s_max: float = inf
    ) -> bool:
        """Turn to the next target that may be asked, or else to the one that may be soonest.

        Args:
            first: number of the first one that comes into question.
            now_s: monotonic seconds.
            failure: what leads there; `None` where nobody was asked.
            closed_s_max: how long a provider may have asked to be left alone.

        Returns:
            Whether there is one; else nothing has changed.
        """
        targets, home = self._order.targets, self.tried
        waits_s = {
            place: self._gate_of(targets[place]).closed_s for place in range(first, len(targets))
        }
        leads = failure or ("no_room" if waits_s[first] else "open")
        for place in sorted(waits_s, key=waits_s.__getitem__):
            if place != home and leads not in targets[place].after:
                continue
            if waits_s[place] <= closed_s_max and self._turns_to(place, now_s):
                if failure is None and place != home and waits_s[home]:
                    self._order.note(targets[home], leads)
                return True
            self._order.note(targets[place], "no_room" if waits_s[place] else "open")
        return False

    def _leads_on(self, failure: Failure) -> bool:
        """Whether there is another target for what failed so."""
        return any(failure in target.after for target in self._order.targets[self.tried + 1 :])

    def _moves_on(self, failure: Failure, now_s: float, *, closed_s_max: float = inf) -> bool:
        """Whether there is another target that may be asked; then it is the order's."""
        self._note(failure)
        return self._leads_on(failure) and self._finds_target(
            self.tried + 1, now_s, failure, closed_s_max=closed_s_max
        )

    def _turns_to(self, place: int, now_s: float) -> bool:
        """Make a target the order's, if it may be asked as far as its breaker knows."""
        order = self._order
        target = order.targets[place]
        gate = self._gate_of(target)
        passed = gate.breaker.try_pass(now_s)
        if not passed:
            return False
        self._gate, self._pass = gate, passed
        if place != self.tried:
            self.tried, self._tries, self._changes = place, 0, 0
            order.lane, order.model = order.lane_of(target), target.model
            order.way.gates.budget.deposit(now_s)
            order.request = worded(order, order.way, order.model)
        return True

    def _gate_of(self, target: Target) -> Gate:
        return self._order.lane_of(target).gates.of(target.model)

    def _note(self, failure: Failure) -> None:
        self._order.note(self._order.targets[self.tried], failure)

    def _all_open(self, now_s: float) -> HeadraceError:
        """Every target is known to be broken."""
        targets = self._order.targets
        waits_s = [self._gate_of(target).breaker.retry_after_s(now_s) for target in targets]
        return circuit_open((target.provider for target in targets), waits_s)
