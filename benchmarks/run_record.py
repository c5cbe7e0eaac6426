"""A whole run, as it goes to JSON."""

import msgspec

from benchmarks.adaptive_records import AdaptiveRun
from benchmarks.cache_records import EnduranceRun, TierRow, WorkloadFigures
from benchmarks.records import (
    Bar,
    Breakdown,
    Environment,
    Footprint,
    LoadRow,
    OpenLoopRow,
    PolicyRow,
    StartUp,
    StreamRow,
    ToolkitRow,
)
from benchmarks.semantic_records import SemanticFigures


class Report(msgspec.Struct, frozen=True):
    """A whole run."""

    started: str
    seed: int
    quick: bool
    environment: Environment
    load: list[LoadRow] = []
    streams: list[StreamRow] = []
    open_loop: list[OpenLoopRow] = []
    footprint: Footprint | None = None
    start_up: StartUp | None = None
    breakdown: Breakdown | None = None
    policies: list[PolicyRow] = []
    adaptive: AdaptiveRun | None = None
    semantic: SemanticFigures | None = None
    toolkit: list[ToolkitRow] = []
    tiers: list[TierRow] = []
    workload: WorkloadFigures | None = None
    endurance: list[EnduranceRun] = []
    everything: list[LoadRow] = []
    bars: list[Bar] = []
    notes: list[str] = []
