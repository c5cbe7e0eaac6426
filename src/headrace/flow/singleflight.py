"""Single-flight: identical calls in flight are made once, by a leader that others follow."""

from typing import Generic, TypeVar

FlightT = TypeVar("FlightT")


class SingleFlight(Generic[FlightT]):
    """The flights under way, by key. Belongs to one event loop; bounded by the calls in flight."""

    __slots__ = ("_flights",)

    def __init__(self) -> None:
        self._flights: dict[bytes, FlightT] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def find(self, key: bytes) -> FlightT | None:
        """The flight under way for `key`, for a follower to join."""
        return self._flights.get(key)

    def start(self, key: bytes, flight: FlightT) -> None:
        """`flight` leads from now on; nobody else may be under way for `key`."""
        self._flights[key] = flight

    def land(self, key: bytes, flight: FlightT) -> None:
        """Nobody joins `flight` any more. Landing twice does nothing."""
        if self._flights.get(key) is flight:
            del self._flights[key]
