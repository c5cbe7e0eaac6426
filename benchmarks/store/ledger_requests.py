"""What a ledger adds to a request; a second gateway without one is the control."""

from typing import Final

from benchmarks import fresh_blocks, gateway
from benchmarks.fresh_blocks import Figures

MARGIN: Final = 0.10
BASE, WITH, CONTROL = "without", "with", "without, again"
_WITHOUT: Final = gateway.Wants(more={"ledger": {"enabled": False}})
_ARMS: Final = {BASE: _WITHOUT, WITH: gateway.NOTHING_MORE, CONTROL: _WITHOUT}
MISS_LOADED: Final = "CPU of a miss, while loaded"
_METRICS: Final = {
    MISS_LOADED: (False, False),
    "CPU of a miss, in all": (False, True),
    "CPU of a hit, while loaded": (True, False),
    "CPU of a hit, in all": (True, True),
}


def measure(blocks: int, seconds: float) -> list[Figures]:
    """Load the gateways of every block in turn.

    Args:
        blocks: how often they are started anew.
        seconds: of each round.

    Raises:
        ChildFailed: one of them does not run, or answers wrongly.
    """
    return fresh_blocks.measure(_ARMS, _METRICS, blocks=blocks, seconds=seconds, margin=MARGIN)
