"""What can be set of the targets of a model: who is asked, and after what failure the next."""

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from headrace.model import Failure
from headrace.settings.bounded import Target

BalanceName = Literal["in-order", "weighted", "least-loaded", "latency", "cost", "quota", "sticky"]


class TargetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One target; where only `target` is set, it may be written in place of the mapping.

    Attributes:
        target: `provider/model`.
        weight: its share of the calls, where they are shared out.
        on: the failures that lead to it; `None`: what is the trouble of the target before, and not
            the request's.
    """

    shorthand: ClassVar[str] = "target"

    target: Target
    weight: Annotated[float, Meta(gt=0, le=1_000_000)] = 1.0
    on: tuple[Failure, ...] | None = None
