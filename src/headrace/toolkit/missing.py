"""The answer of a look-up that found nothing, where `None` is a value like any other."""

import enum
from typing import Final


class Missing(enum.Enum):
    """The type of `MISSING`, for annotations."""

    MISSING = enum.auto()


MISSING: Final = Missing.MISSING
