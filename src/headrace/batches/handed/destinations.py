"""Whose Batch API lines go to."""

from typing import Final

import msgspec

from headrace.batches.gear import Gear
from headrace.batches.lines import Line
from headrace.dialects.base import Operation
from headrace.errors import HeadraceError
from headrace.gateway.handing import Destination


class _Model(msgspec.Struct):
    model: str


_read_model: Final = msgspec.json.Decoder(_Model).decode


class Destinations:
    """Those of one batch; what was said once of a provider's model holds for this run of it.

    Args:
        gear: what runs share.
        operation: what the lines ask.
    """

    def __init__(self, gear: Gear, operation: Operation) -> None:
        self._gear = gear
        self._operation = operation
        self._takes: dict[Destination, bool] = {}

    def of(self, line: Line) -> Destination | None:
        """Whom a line is handed to, as far as its model tells; `None`: to nobody."""
        try:
            target = self._gear.asker.target(self._operation, _read_model(line.body).model)
        except (HeadraceError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        to = Destination(target.provider, target.model)
        takes = self._takes.get(to)
        if takes is None:
            takes = self._takes[to] = self._is_taken(to)
        return to if takes else None

    def is_stored(self, line: Line) -> bool:
        """Whether the answer to a line may be stored, so that it is given to its twins."""
        try:
            return self._gear.asker.is_cacheable(self._operation, line.body)
        except HeadraceError:
            return False

    def _is_taken(self, to: Destination) -> bool:
        """Whether the provider's Batch API is set, and known not to be dearer."""
        plan, settings = self._gear.asker.plan, self._gear.settings().providers.get(to.provider)
        price = plan.price(plan.lanes[to.provider], to.model)
        is_set = settings is not None and settings.batches is not None
        return is_set and (price is None or price.batch is not None)
