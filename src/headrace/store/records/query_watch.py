"""Which queries are slow, and how all of them go: by name, never with values."""

from types import TracebackType
from typing import Protocol

from headrace.clock import Clock
from headrace.store.faults import StoreFault
from headrace.store.voice import Say


class QueryMeter(Protocol):
    """Counts queries."""

    def done(self, query: str, seconds: float) -> None:
        """One of that name was answered."""
        ...

    def failed(self, query: str, kind: str) -> None:
        """One of that name was not, for a fault of that kind."""
        ...


class QueryWatch:
    """Looks at every query of a process. Belongs to its loop.

    Args:
        clock: the time.
        slow_s: slower ones are told; 0 tells of none.
        say: told of slow ones.
        meter: counts them; None where nobody counts.
    """

    def __init__(self, clock: Clock, slow_s: float, say: Say, meter: QueryMeter | None) -> None:
        self._clock = clock
        self._slow_s = slow_s
        self._say = say
        self._meter = meter

    def of(self, *queries: str) -> "Look":
        """Watches one query, or those of a transaction, for as long as the block lasts."""
        return Look(self, queries, self._clock.monotonic_s())

    def ended(self, queries: tuple[str, ...], began_s: float, rows: int, error: object) -> None:
        """They have ended, with rows or an error."""
        took_s = self._clock.monotonic_s() - began_s
        if self._meter is not None:
            # A transaction counts for its first step, so that the sum is the time spent.
            name = queries[0] if queries else ""
            if isinstance(error, StoreFault):
                self._meter.failed(name, kind_of(error))
            elif error is None:
                self._meter.done(name, took_s)
        if self._slow_s and took_s >= self._slow_s:
            outcome = type(error).__name__ if error is not None else "done"
            names = "+".join(dict.fromkeys(queries))
            self._say(
                "warning",
                "slow_query",
                names,
                took_ms=round(took_s * 1000),
                rows=rows,
                outcome=outcome,
            )


def kind_of(fault: StoreFault) -> str:
    """The kind of a fault, in a word: `StoreTimeout` is a `timeout`."""
    return type(fault).__name__.removeprefix("Store").lower()


class Look:
    """A look at one query.

    Attributes:
        rows: how many it gave.
    """

    __slots__ = ("_began_s", "_queries", "_watch", "rows")

    def __init__(self, watch: QueryWatch, queries: tuple[str, ...], began_s: float) -> None:
        self._watch = watch
        self._queries = queries
        self._began_s = began_s
        self.rows = 0

    def __enter__(self) -> "Look":
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        self._watch.ended(self._queries, self._began_s, self.rows, error)
