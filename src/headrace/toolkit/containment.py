"""Code of the caller's that may fail without anybody's answer failing with it."""

from types import TracebackType


class Containment:
    """Around calls of listeners and the like: what they raise is counted and goes no further.

    Only `Exception`s: an interrupt is not theirs, and goes on.

    Attributes:
        errors: how many there were.
        last: the last one's type and place, such as `ValueError in notice`; empty before.
    """

    __slots__ = ("errors", "last")

    def __init__(self) -> None:
        self.errors = 0
        self.last = ""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = "?" if trace is None else trace.tb_frame.f_code.co_qualname
        self.errors += 1
        self.last = f"{kind.__name__} in {place}"
        return True
