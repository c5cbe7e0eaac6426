"""One run of the benchmark: what runs beside what, and for how long."""

import random
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from benchmarks import (
    adaptive_case,
    bars,
    breakdown_case,
    endurance_case,
    everything_case,
    footprint_case,
    gateway,
    load_case,
    nginx,
    open_loop_case,
    policy_case,
    semantic_case,
    stream_case,
    tier_case,
    toolkit_case,
    workload_case,
)
from benchmarks.adaptive_records import AdaptiveRun
from benchmarks.cache_records import EnduranceRun, TierRow, WorkloadFigures
from benchmarks.progress import Steps
from benchmarks.records import (
    Breakdown,
    Footprint,
    LoadRow,
    OpenLoopRow,
    PolicyRow,
    StartUp,
    StreamRow,
    ToolkitRow,
)
from benchmarks.semantic_records import SemanticFigures
from benchmarks.workload import Call, new_nonce

CASES = ("load", "stream", "open-loop", "memory", "start-up")
TOOLKIT = "toolkit"
BREAKDOWN = "breakdown"
ADAPTIVE = "adaptive"
SEMANTIC = "semantic"
POLICIES = "policies"
TIERS = "tiers"
WORKLOAD = "workload"
ENDURANCE = "endurance"
EVERYTHING = "everything"
ASKED_FOR = {
    BREAKDOWN: "where the time goes",
    TOOLKIT: "its caches beside others",
    POLICIES: "what eviction policies save",
    ADAPTIVE: "what the adaptive cache gains",
    SEMANTIC: "how often answers by meaning are right",
    TIERS: "what a hit of Valkey or SQLite adds",
    WORKLOAD: "hit rates of a repeating and a mixed workload",
    ENDURANCE: "caches at their bound for long",
    EVERYTHING: "hits with everything of the cache on",
}
"""Cases that are run only when they are named, and what they tell."""

WITHOUT_NGINX = (ADAPTIVE, ENDURANCE, POLICIES, SEMANTIC, TOOLKIT, WORKLOAD)
WITH_WRK = ("load", BREAKDOWN, EVERYTHING)
BASELINE = bars.YARDSTICK
CONTROL = "nginx, A/A"


class Effort(msgspec.Struct, frozen=True):
    """How much is measured."""

    load: load_case.LoadPlan
    streams: tuple[stream_case.StreamMix, ...]
    open_loop_s: float
    open_loop_rounds: int
    flat_requests: int
    start_up_rounds: int
    breakdown: breakdown_case.Plan
    policy_seeds: int
    adaptive_seeds: int
    tiers: tier_case.TierPlan
    workload_seeds: int
    endurance_minutes: float


def _mixes(rounds: int, window_s: float) -> tuple[stream_case.StreamMix, ...]:
    # 1,000 at half the pace: the same chunks per second, for mock and client run here too.
    return (
        stream_case.StreamMix(bars.STREAMS, 2.0, window_s, rounds),
        stream_case.StreamMix(bars.STREAMS, 0.0, 0.0, rounds),
        stream_case.StreamMix(bars.STREAMS_MANY, 2.0, window_s, 1, chunk_every=2),
    )


def _plan(rounds: int, round_s: float) -> breakdown_case.Plan:
    return breakdown_case.Plan(rounds, round_s, bars.STREAMS)


FULL = Effort(
    load=load_case.LoadPlan(7, 3.0, 1.0),
    streams=_mixes(5, 3.0),
    open_loop_s=10.0,
    open_loop_rounds=3,
    flat_requests=100_000,
    start_up_rounds=11,
    breakdown=_plan(5, 2.0),
    policy_seeds=10,
    adaptive_seeds=10,
    tiers=tier_case.TierPlan(7, 5.0, 5_000),
    workload_seeds=10,
    endurance_minutes=endurance_case.MINUTES,
)
QUICK = Effort(
    load=load_case.LoadPlan(3, 1.0, 1.0),
    streams=_mixes(1, 1.5),
    open_loop_s=3.0,
    open_loop_rounds=1,
    flat_requests=20_000,
    start_up_rounds=5,
    breakdown=_plan(2, 1.0),
    policy_seeds=3,
    adaptive_seeds=3,
    tiers=tier_case.TierPlan(2, 2.0, 500),
    workload_seeds=3,
    endurance_minutes=endurance_case.MINUTES_QUICK,
)


class Bench:
    """One run; sections that need the gateway are left out where it is not wanted.

    Args:
        effort: how much is measured.
        with_gateway: whether Headrace is measured, or only the yardsticks.
        seed: seeds the order of targets and the arrival times.
        directory: where children keep their files.
        steps: progress.
    """

    def __init__(
        self, effort: Effort, with_gateway: bool, seed: int, directory: Path, steps: Steps
    ) -> None:
        self._effort = effort
        self._with_gateway = with_gateway
        self._seed = seed
        self._dice = random.Random(seed)
        self._directory = directory
        self._steps = steps

    def load(self) -> list[LoadRow]:
        """Hits and misses beside two nginx proxies."""
        directory = self._section("load")
        with ExitStack() as stack:
            mock = stack.enter_context(nginx.mock(directory))
            targets = []
            for name, short in ((BASELINE, "nginx"), (CONTROL, "nginx-again")):
                proxy = stack.enter_context(nginx.proxy(short, directory, mock.port))
                targets.append(load_case.LoadTarget(name, proxy.child, Call(proxy.port), proxy.log))
            if self._with_gateway:
                served = stack.enter_context(gateway.serving("headrace", directory, mock.port))
                targets += _gateway_targets(served)
            return load_case.measure(
                targets,
                BASELINE,
                mock.port,
                self._effort.load,
                directory,
                self._dice,
                self._steps,
            )

    def streams(self) -> list[StreamRow]:
        """Streams through nginx and through the gateway."""
        directory = self._section("stream")
        rows: list[StreamRow] = []
        with ExitStack() as stack:
            direct = stack.enter_context(stream_case.mock(directory))
            proxy = stack.enter_context(
                nginx.proxy("nginx", directory, direct.call.port, buffering=False)
            )
            targets = [stream_case.StreamTarget(BASELINE, proxy.child, Call(proxy.port))]
            if self._with_gateway:
                served = stack.enter_context(
                    gateway.serving("headrace", directory, direct.call.port)
                )
                targets.append(stream_case.StreamTarget(bars.GATEWAY, served.child, served.call))
            for mix in self._effort.streams:
                rows += stream_case.measure(
                    targets, direct, BASELINE, mix, directory, self._dice, self._steps
                )
        return rows

    def open_loop(self) -> list[OpenLoopRow]:
        """Hits at a fixed rate."""
        directory = self._section("open-loop")
        with ExitStack() as stack:
            mock = stack.enter_context(nginx.mock(directory))
            proxy = stack.enter_context(nginx.proxy("nginx", directory, mock.port))
            targets = [open_loop_case.OpenLoopTarget(BASELINE, Call(proxy.port))]
            if self._with_gateway:
                served = stack.enter_context(gateway.serving("headrace", directory, mock.port))
                targets.append(open_loop_case.OpenLoopTarget(bars.HIT_ROW, served.call))
            return open_loop_case.measure(
                targets,
                self._effort.open_loop_s,
                self._effort.open_loop_rounds,
                directory,
                self._dice,
                self._steps,
            )

    def memory(self) -> Footprint | None:
        """Resident memory of the gateway."""
        if not self._with_gateway:
            return None
        directory = self._section("memory")
        with nginx.mock(directory) as mock:
            return footprint_case.memory(
                directory, mock.port, self._effort.flat_requests, self._steps
            )

    def start_up(self) -> StartUp | None:
        """Start-up times of the gateway."""
        if not self._with_gateway:
            return None
        return footprint_case.start_up(self._effort.start_up_rounds, self._steps)

    def breakdown(self) -> Breakdown | None:
        """Where the gateway's time goes."""
        if not self._with_gateway:
            return None
        directory = self._section(BREAKDOWN)
        return breakdown_case.measure(self._effort.breakdown, directory, self._dice, self._steps)

    def toolkit(self) -> list[ToolkitRow]:
        """The toolkit's caches beside others."""
        rounds = 2 * self._effort.load.rounds + 1
        return toolkit_case.measure(rounds, self._section(TOOLKIT), self._dice, self._steps)

    def adaptive(self) -> AdaptiveRun:
        """What the adaptive cache gains, whole and part by part."""
        seeds = adaptive_case.SEEDS[: self._effort.adaptive_seeds]
        return adaptive_case.measure(seeds, self._steps)

    def semantic(self) -> SemanticFigures:
        """How often answers by meaning are right."""
        return semantic_case.measure(self._steps)

    def policies(self) -> list[PolicyRow]:
        """What eviction policies save."""
        return policy_case.measure(range(1, self._effort.policy_seeds + 1), self._steps)

    def tiers(self) -> list[TierRow]:
        """What hits below memory add."""
        if not self._with_gateway:
            return []
        return tier_case.measure(self._effort.tiers, self._section(TIERS), self._dice, self._steps)

    def workload(self) -> WorkloadFigures | None:
        """Hit rates through a gateway."""
        if not self._with_gateway:
            return None
        seeds = range(1, self._effort.workload_seeds + 1)
        return workload_case.measure(seeds, self._section(WORKLOAD), self._steps)

    def endurance(self) -> list[EnduranceRun]:
        """Caches at their bound for long."""
        return endurance_case.measure(
            self._effort.endurance_minutes, self._seed, self._section(ENDURANCE), self._steps
        )

    def everything(self) -> list[LoadRow]:
        """Hits and misses with everything of the cache on."""
        if not self._with_gateway:
            return []
        return everything_case.measure(
            self._effort.load, self._section(EVERYTHING), self._dice, self._steps
        )

    def sections(self) -> dict[str, tuple[str, Callable[[], object]]]:
        """Of every case, the field of the report that it fills, and what fills it."""
        return {
            "load": ("load", self.load),
            "stream": ("streams", self.streams),
            "open-loop": ("open_loop", self.open_loop),
            "memory": ("footprint", self.memory),
            "start-up": ("start_up", self.start_up),
            BREAKDOWN: ("breakdown", self.breakdown),
            ADAPTIVE: ("adaptive", self.adaptive),
            SEMANTIC: ("semantic", self.semantic),
            POLICIES: ("policies", self.policies),
            TOOLKIT: ("toolkit", self.toolkit),
            TIERS: ("tiers", self.tiers),
            WORKLOAD: ("workload", self.workload),
            ENDURANCE: ("endurance", self.endurance),
            EVERYTHING: ("everything", self.everything),
        }

    def _section(self, name: str) -> Path:
        directory = self._directory / name
        directory.mkdir()
        return directory


def _gateway_targets(served: gateway.Gateway) -> list[load_case.LoadTarget]:
    hit = load_case.LoadTarget(
        bars.HIT_ROW,
        served.child,
        served.call,
        served.log,
        remembers=True,
        nonce=new_nonce(),
        cache_header="l1",
    )
    miss = load_case.LoadTarget(
        bars.MISS_ROW, served.child, served.call, served.log, cache_header="miss"
    )
    return [hit, miss]
