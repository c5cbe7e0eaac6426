"""What a metric is: its name, its labels with all their values, its buckets."""

from typing import Literal

import msgspec

from headrace.observe.cells import PROVIDERS_MAX

Kind = Literal["counter", "gauge", "histogram"]
Merge = Literal["sum", "min", "max"]
Slotted = Literal["provider", "slo"]
OTHER = "other"


class Label(msgspec.Struct, frozen=True):
    """A label and every value it can take.

    Attributes:
        name: as it stands in the exposition.
        values: all values; one that is not among them counts as `other` where that is among them.
        slotted: the values are slot numbers whose names are in the board's table of these.
    """

    name: str
    values: tuple[str, ...]
    slotted: Slotted | None = None


class Family(msgspec.Struct, frozen=True):
    """A metric with all its series.

    Attributes:
        name: full name, unit and `_total` last.
        help: one sentence.
        kind: as the exposition names it.
        labels: none for a family of one series.
        buckets: ascending upper bounds of a histogram, without the infinite one.
        merge: how the rows of several workers become one value.
        is_sparse: a gauge of many series, most of which there never are: zeros are left out.
        is_whole: a counter whose zeros are told: an alert that looks for its first growth sees
            none in a series that is born with it.
    """

    name: str
    help: str
    kind: Kind
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    merge: Merge = "sum"
    is_sparse: bool = False
    is_whole: bool = False


PROVIDER = Label("provider", tuple(map(str, range(PROVIDERS_MAX + 1))), slotted="provider")
