"""What can be set of conversations that are kept."""

from typing import Annotated

import msgspec
from msgspec import Meta

Days = Annotated[float, Meta(gt=0, le=36_500)]
Turns = Annotated[int, Meta(ge=1, le=100_000)]
HistoryBytes = Annotated[int, Meta(ge=1024, le=1 << 30)]
Wait = Annotated[float, Meta(gt=0, le=60)]


class ConversationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Conversations that are kept.

    Attributes:
        enabled: whether responses are kept whose requests do not say `store: false`.
        retention_days: how long after its last use.
        turns_max: responses in a row that a request may go on from.
        bytes_max: how much may have been said before a request.
        wait_s: how long the end of a response may wait to be kept, and a request to be told what
            was said before.
        required: whether a response that cannot be kept is refused; otherwise it is given, and
            says that it was not kept.
    """

    enabled: bool = True
    retention_days: Days = 30.0
    turns_max: Turns = 1000
    bytes_max: HistoryBytes = 8 * 1024 * 1024
    wait_s: Wait = 2.0
    required: bool = False
