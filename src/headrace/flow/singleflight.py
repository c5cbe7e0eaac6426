"""Single-flight: identical calls in flight are made once, by a leader that others follow."""

from collections.abc import Callable
from typing import Generic, TypeVar

FlightT = TypeVar("FlightT")


class SingleFlight(Generic[FlightT]):
    """The flights under way, by key. Belongs to one event loop; bounded by the calls in flight."""

    __slots__ = ("_flights",)

    def __init__(self) -> None:
        self._flights: dict[bytes, FlightT] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def join(self, key: bytes, start: Callable[[], FlightT]) -> tuple[FlightT, bool]:
        """The flight under way for `key`, or a new one made by `start`.

        Returns:
            The flight, and whether the caller leads it.
        """
        flight = self._flights.get(key)
        if flight is not None:
            return flight, False
        flight = self._flights[key] = start()
        return flight, True

    def land(self, key: bytes, flight: FlightT) -> None:
        """Nobody joins `flight` any more. Landing twice does nothing."""
        if self._flights.get(key) is flight:
            del self._flights[key]
