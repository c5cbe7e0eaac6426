"""Budgets from YAML: what is measured, against which yardstick, and where the bar is."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from headrace.bench import documents
from headrace.bench.gate import overhead
from headrace.bench.load.plan import Plan
from headrace.bench.trials.metrics import names_of, why_unknown

IMPORT: Final = "import_cpu_ms"
"""CPU time of a fresh process that imports the library, which no trial tells."""

_MORE: Final = f"and p50_overhead_ms for p50_ms, and so on, and {IMPORT}"

BLOCKS_LEAST: Final = 4
"""Fewer blocks have intervals that no bar can be held against."""

Yard = Literal["nginx", "loop", "bare"]
_Ratio = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
# Of a loop there is a time, of a bare interpreter a time and a size.
_UNITS: Final[Mapping[Yard, tuple[str, ...]]] = {
    "nginx": ("",),
    "loop": ("_us_per_request", "_ms", "_per_s"),
    "bare": ("rss_mb_start", "rss_mb_max", "start_cpu_ms", IMPORT),
}


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one figure may be.

    Attributes:
        name: what reports call it.
        metric: of a trial, one such as `p50_overhead_ms` for what is added to a latency of one, or
            `import_cpu_ms`.
        at_most: the most it may be, as a ratio to a yardstick; of several yardsticks, the first
            that is there counts.
        at_least: the least it may be, likewise.
    """

    name: _Name
    metric: _Name
    at_most: dict[Yard, _Ratio] = {}
    at_least: dict[Yard, _Ratio] = {}

    @property
    def bars(self) -> Mapping[Yard, float]:
        """Where the bar is, by yardstick."""
        return self.at_most or self.at_least

    def yard(self, there: Iterable[Yard]) -> Yard | None:
        """The yardstick that counts, of those that are there."""
        return next((yard for yard in self.bars if yard in there), None)


class Budgets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of a project.

    Attributes:
        name: what they are called.
        budgets: of which there is one at least.
        plan: what each trial runs: the name of one that ships, or a file.
        blocks: how often everything is measured.
        margin: the smallest change from another version that matters: 0.1 for 10 %.
    """

    name: _Name
    budgets: Annotated[tuple[Budget, ...], msgspec.Meta(min_length=1, max_length=100)]
    plan: str = "gate"
    blocks: Annotated[int, msgspec.Meta(ge=BLOCKS_LEAST, le=1000)] = 5
    margin: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.1


def read(path: Path) -> documents.Document[Budgets]:
    """Budgets of a file.

    Raises:
        PlanInvalid: they are none; the message tells the line and why.
        OSError: it cannot be read.
    """
    return documents.read(
        documents.text_of(path, "budgets file"), str(path), Budgets, "budgets file"
    )


def check(document: documents.Document[Budgets], plan: Plan) -> None:
    """What types do not say.

    Raises:
        PlanInvalid: a budget cannot be held against anything.
    """
    told = names_of(plan)
    known = {IMPORT, *told, *overhead.names_of(told)}
    seen: set[str] = set()
    for number, budget in enumerate(document.value.budgets):
        at = f".budgets[{number}]"
        if budget.name in seen:
            raise document.fault(f"{at}.name", f"two budgets are called {budget.name}")
        seen.add(budget.name)
        if budget.metric not in known:
            raise document.fault(f"{at}.metric", f"{why_unknown(plan)}; {_MORE}")
        if bool(budget.at_most) == bool(budget.at_least):
            raise document.fault(at, "give at_most or at_least")
        for yard in budget.bars:
            if not _has_ratio(budget.metric, yard):
                raise document.fault(at, f"{budget.metric} has no ratio to {yard}")


def _has_ratio(metric: str, yard: Yard) -> bool:
    # No trial tells it, nginx's neither, and of rounds of a loop it is none.
    if metric == IMPORT:
        return yard == "bare"
    return metric.endswith(_UNITS[yard])
