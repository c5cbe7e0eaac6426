"""What can be set of how tokens are counted."""

from typing import Annotated

import msgspec
from msgspec import Meta


class CountingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Counting tokens before a provider has.

    Attributes:
        estimate_costs: whether calls whose tokens the provider does not report are counted here.
        memory_mb: room for the counts of texts that were counted before, in MiB; per worker.
    """

    estimate_costs: bool = False
    memory_mb: Annotated[int, Meta(ge=0, le=65536)] = 8
