"""What can be set of time: how long each stage of a request may take."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

Budget = Annotated[float, Meta(gt=0, le=3_600_000)] | None
_UNIT = "_ms"


class StageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long stages may take, in milliseconds; `None`: as long as they like.

    What takes longer is counted and logged; nothing else is done about it.

    Attributes:
        authenticate_ms: until a request is there and it is known whose it is.
        validate_ms: decoding it and checking its fields.
        aim_ms: choosing a model by tiers, experiments and budgets.
        route_ms: finding its provider, and its key in the cache.
        look_up_ms: in memory.
        tiers_ms: in the shared and the durable cache.
        semantic_ms: for questions that mean the same.
        turn_ms: while another process asks.
        join_ms: joining a call under way, or leading one.
        shape_ms: making the prompt smaller and cheaper.
        prepare_ms: writing the request to the provider.
        schedule_ms: waiting for a turn at the provider.
        send_ms: until the provider's answer begins.
        relay_ms: the rest of a stream.
        settle_ms: wording the answer, and handing its last byte to the connection.
        stream_start_ms: from a request's first byte to the first one of a stream in answer.
    """

    authenticate_ms: Budget = None
    validate_ms: Budget = None
    aim_ms: Budget = None
    route_ms: Budget = None
    look_up_ms: Budget = None
    tiers_ms: Budget = None
    semantic_ms: Budget = None
    turn_ms: Budget = None
    join_ms: Budget = None
    shape_ms: Budget = None
    prepare_ms: Budget = None
    schedule_ms: Budget = None
    send_ms: Budget = None
    relay_ms: Budget = None
    settle_ms: Budget = None
    stream_start_ms: Budget = None

    def by_stage(self) -> Mapping[str, float]:
        """Those that are set, by the name of the stage."""
        budgets = msgspec.structs.asdict(self)
        return {
            name.removesuffix(_UNIT): limit_ms
            for name, limit_ms in budgets.items()
            if limit_ms is not None
        }
