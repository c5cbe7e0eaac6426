"""One request of a trace."""

from typing import Annotated

import msgspec

from headrace.errors import HeadraceError

COUNT_MAX = 2**40
COST_USD_MAX = 1e6
SECONDS_MAX = 1e12

Text = Annotated[str, msgspec.Meta(max_length=65_536)]
Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=SECONDS_MAX)]


class TraceInvalid(HeadraceError):
    """A trace cannot be replayed; the message says which line is at fault and why."""

    default_code = "invalid_trace"


class Event(msgspec.Struct, frozen=True, gc=False):
    """One request: what was asked for, and what answering it takes without a cache.

    Attributes:
        key: what the answer is found by; within its tenant, for tenants share no answers.
        size: bytes of the answer; `bytes` in a file.
        cost_usd: what the call costs.
        t_s: when it was asked, in seconds from any start; `t` in a file.
        tokens: of question and answer.
        latency_s: how long the call takes.
        tenant: who asked.
        category: what kind of request it is.
    """

    key: Annotated[str, msgspec.Meta(min_length=1, max_length=65_536)]
    size: Annotated[int, msgspec.Meta(ge=1, le=COUNT_MAX)] = msgspec.field(name="bytes")
    cost_usd: Annotated[float, msgspec.Meta(ge=0, le=COST_USD_MAX)]
    t_s: Seconds = msgspec.field(name="t", default=0.0)
    tokens: Count = 0
    latency_s: Seconds = 0.0
    tenant: Text = ""
    category: Text = ""
