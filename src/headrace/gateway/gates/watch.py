"""What is learnt of one target from the calls that it was given."""

from headrace.flow.outlier import Endpoint
from headrace.routing.load import Load


class Watch:
    """Passes on how calls went, to those who choose among targets and who look after endpoints.

    Args:
        loads: the target's, one for each model that chooses among it and others.
        endpoint: its provider, where those that fail more than others are ejected.
    """

    __slots__ = ("_endpoint", "_loads")

    def __init__(self, loads: tuple[Load, ...], endpoint: Endpoint | None) -> None:
        self._loads = loads
        self._endpoint = endpoint

    def answered(self, first_s: float, now_s: float, *, is_good: bool) -> None:
        """There was an answer.

        Args:
            first_s: seconds to the first byte of a stream, or to the end of another answer.
            now_s: monotonic seconds.
            is_good: whether it is what was asked for: a refusal is quick and says nothing.
        """
        if is_good:
            for load in self._loads:
                load.observe(first_s, now_s)
        if self._endpoint is not None:
            self._endpoint.succeeded()

    def failed(self, after_s: float, now_s: float, *, is_fault: bool) -> None:
        """There was none, or one that says that there may be one at another time.

        Args:
            after_s: seconds from sending.
            now_s: monotonic seconds.
            is_fault: whether the provider is to blame: not for a limit that was reached.
        """
        for load in self._loads:
            load.failed(after_s, now_s)
        if self._endpoint is not None:
            if is_fault:
                self._endpoint.failed(now_s)
            else:
                self._endpoint.succeeded()
