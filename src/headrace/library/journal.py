"""What the library says of itself goes to the program's own log: the logger `headrace`."""

import logging
from typing import Final

from headrace.errors import HeadraceError
from headrace.store.voice import Level

_NAME: Final = "headrace"


def tell_bug(error: BaseException) -> None:
    """A background task ended by an exception that no one expected."""
    logging.getLogger(_NAME).error("a background task failed", exc_info=error)


def tell_tier(tier: str, is_up: bool, why: str) -> None:
    """A tier of the cache is left alone, or is back."""
    state = "back" if is_up else "left alone"
    logging.getLogger(_NAME).warning("cache tier %s is %s: %s", tier, state, why)


def tell_event(
    level: Level, event: str, about: str = "", **fields: str | int | float | bool | None
) -> None:
    """Something happened to the store, such as a damaged file that was set aside."""
    told = [about, *map(str, fields.values())]
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.getLogger(_NAME).log(number, "%s: %s", event, ": ".join(filter(None, told)))


def tell_unreachable(provider: str, error: HeadraceError) -> None:
    """A provider could not be reached at the start."""
    logging.getLogger(_NAME).warning("%s: %s", provider, error.message)
