"""When to leave a tier alone: after failures in a row it is asked again ever more rarely. Pure."""

FAILURES_MAX = 5
RETRY_S_MIN = 0.5
RETRY_S_MAX = 30.0


class Breaker:
    """Closed while all is well; open after failures in a row, with one trial now and then.

    A timeout is a failure like any other: a tier that is slow is no use. Each trial that fails
    doubles the time to the next, up to a bound (Nygard, "Release It!", 2007, ch. 5).

    Args:
        failures_max: failures in a row that open it.
        retry_s_min: seconds to the first trial.
        retry_s_max: most seconds to the next.
    """

    def __init__(
        self,
        *,
        failures_max: int = FAILURES_MAX,
        retry_s_min: float = RETRY_S_MIN,
        retry_s_max: float = RETRY_S_MAX,
    ) -> None:
        self._failures_max = failures_max
        self._retry_s_min = retry_s_min
        self._retry_s_max = retry_s_max
        self._failures = 0
        self._retry_s = retry_s_min
        self._next_trial_s = 0.0
        self.is_open = False

    def allows(self, now_s: float) -> bool:
        """Whether the tier may be asked; where it is open, only as a trial."""
        if not self.is_open:
            return True
        if now_s < self._next_trial_s:
            return False
        self._next_trial_s = now_s + self._retry_s  # nobody else until this trial has ended
        return True

    def succeeded(self) -> bool:
        """The tier answered; says whether that closed the breaker."""
        was_open, self.is_open = self.is_open, False
        self._failures = 0
        self._retry_s = self._retry_s_min
        return was_open

    def failed(self, now_s: float) -> bool:
        """The tier did not answer; says whether that opened the breaker."""
        if self.is_open:
            self._retry_s = min(2 * self._retry_s, self._retry_s_max)
            self._next_trial_s = now_s + self._retry_s
            return False
        self._failures += 1
        return self._failures >= self._failures_max and self.open(now_s)

    def open(self, now_s: float) -> bool:
        """Leave the tier alone from now on; says whether that is news."""
        if self.is_open:
            return False
        self.is_open = True
        self._next_trial_s = now_s + self._retry_s
        return True
