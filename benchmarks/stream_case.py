"""Streams: CPU microseconds per relayed chunk and added time to first token, beside nginx."""

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks import processes, procfs
from benchmarks.gateway import ROOT
from benchmarks.progress import Steps
from benchmarks.ratios import paired_difference, paired_ratio, quantile, spread
from benchmarks.records import Spread, StreamRow, StreamRun
from benchmarks.stream_client import StreamPlan
from benchmarks.workload import Call, new_nonce

INTERVAL_MS = 20.0
SETTLE_S = 0.5
RATE_SHARE_MIN = 0.95
CHUNKS_PER_READ_MAX = 1.2
CLIENT_S_MAX = 120.0


class StreamTarget(msgspec.Struct, frozen=True):
    """What relays the streams.

    Attributes:
        name: the row's name.
        child: the process whose tree is accounted.
        call: how it wants to be called.
        events_off_max: how many events it may add to a stream or leave out.
    """

    name: str
    child: processes.Child
    call: Call
    events_off_max: int = 0


class StreamMix(msgspec.Struct, frozen=True):
    """How many streams, how they arrive, how long they are watched.

    Attributes:
        streams: streams open at the same time.
        ramp_s: seconds over which they begin; 0 begins them all at once.
        window_s: seconds of steady state in which CPU time is read; 0 for TTFT only.
        rounds: how often.
        chunk_every: a chunk comes on every so many-th interval of the mock.
    """

    streams: int
    ramp_s: float
    window_s: float
    rounds: int
    chunk_every: int = 1

    @property
    def arrival(self) -> str:
        """The way the streams begin, in words."""
        return f"over {self.ramp_s:g} s" if self.ramp_s else "all at once"

    @property
    def chunks(self) -> int:
        """Chunks per stream: enough for the ramp, the window and some slack."""
        seconds = self.ramp_s + (SETTLE_S + self.window_s if self.window_s else 0.0) + 1.0
        return round(seconds * 1000 / self.interval_ms)

    @property
    def interval_ms(self) -> float:
        """Milliseconds between two chunks of a stream."""
        return INTERVAL_MS * self.chunk_every


@contextmanager
def mock(directory: Path) -> Iterator[StreamTarget]:
    """The streaming mock upstream."""
    port = processes.free_port()
    arguments = [sys.executable, "-m", "benchmarks.stream_mock", "--port", str(port)]
    arguments += ["--interval-ms", str(INTERVAL_MS)]
    with processes.running("direct", arguments, directory, working_directory=ROOT) as child:
        child.wait_ready(port, "/readyz")
        yield StreamTarget("direct", child, Call(port))


def measure(
    targets: Sequence[StreamTarget],
    direct: StreamTarget,
    baseline: str,
    mix: StreamMix,
    directory: Path,
    dice: random.Random,
    steps: Steps,
) -> list[StreamRow]:
    """Run every target and the bare mock in every round, in random order.

    Args:
        targets: what relays.
        direct: the mock itself, called without anything between.
        baseline: the target the others are divided by.
        mix: the streams.
        directory: where plans are written.
        dice: the order of targets.
        steps: progress.
    """
    everything = [direct, *targets]
    steps.start(f"{mix.streams} streams {mix.arrival}", len(everything) * mix.rounds)
    runs: dict[str, list[StreamRun]] = {target.name: [] for target in everything}
    rss: dict[str, float] = {}
    for _ in range(mix.rounds):
        for target in dice.sample(everything, len(everything)):
            runs[target.name].append(one_run(target, mix, directory))
            rss[target.name] = procfs.tree_memory(target.child.pid).rss_mib
            steps.done(target.name)
    return [
        _row(target, mix, runs[target.name], runs[direct.name], runs[baseline], rss[target.name])
        for target in everything
    ]


def one_run(
    target: StreamTarget, mix: StreamMix, directory: Path, *, keeps_times: bool = False
) -> StreamRun:
    """Let a client of its own open the streams of one target once.

    Args:
        target: what relays.
        mix: the streams.
        directory: where the plan is written.
        keeps_times: whether the run tells when each request was sent.
    """
    plan = StreamPlan(
        call=target.call,
        nonce=new_nonce(),
        streams=mix.streams,
        chunks=mix.chunks,
        interval_ms=INTERVAL_MS,
        chunk_every=mix.chunk_every,
        ramp_s=mix.ramp_s,
        settle_s=SETTLE_S,
        window_s=mix.window_s,
        watched_pid=target.child.pid,
        events_off_max=target.events_off_max,
        keeps_times=keeps_times,
    )
    written = directory / "stream-plan.json"
    written.write_bytes(msgspec.json.encode(plan))
    output = processes.run_to_end(
        [sys.executable, "-m", "benchmarks.stream_client", str(written)],
        seconds_max=CLIENT_S_MAX,
        cwd=ROOT,
    )
    return msgspec.json.decode(output, type=StreamRun)


def _row(
    target: StreamTarget,
    mix: StreamMix,
    runs: Sequence[StreamRun],
    direct: Sequence[StreamRun],
    baseline: Sequence[StreamRun],
    rss_mib: float,
) -> StreamRow:
    # A ratio or a difference is worth no more than what it is taken to.
    void = (
        void_reason(runs, mix)
        or _prefixed("direct", void_reason(direct, mix))
        or _prefixed("nginx", void_reason(baseline, mix))
    )
    usable = void is None
    timed = usable and bool(mix.window_s)
    relays = usable and runs is not direct
    return StreamRow(
        name=target.name,
        streams=mix.streams,
        arrival=mix.arrival,
        timed=bool(mix.window_s),
        cpu_us=spread(_cpu_us(runs)) if timed else None,
        ratio=paired_ratio(_cpu_us(runs), _cpu_us(baseline)) if timed else None,
        ttft_p99_ms=spread(_ttft_ms(runs, 0.99)) if usable else None,
        ttft_added_p50_ms=_added_ms(runs, direct, 0.5) if relays else None,
        ttft_added_p99_ms=_added_ms(runs, direct, 0.99) if relays else None,
        rate_share=spread([rate_share(run, mix) for run in runs]) if timed else None,
        chunks_per_read=spread([chunks_per_read(run) for run in runs]) if timed else None,
        rss_mib=rss_mib,
        errors=sum(run.errors for run in runs),
        void=void,
        rounds=list(runs),
    )


def void_reason(runs: Sequence[StreamRun], mix: StreamMix) -> str | None:
    """Why the runs cannot be used: failed streams, too few at once, or a rate not kept."""
    for run in runs:
        if run.errors:
            return f"{run.errors} streams failed: {', '.join(run.error_samples[:2])}"
        if run.streams_open_max < mix.streams:
            return f"only {run.streams_open_max} streams were open at once"
        if mix.window_s and rate_share(run, mix) < RATE_SHARE_MIN:
            return f"{rate_share(run, mix):.0%} of the chunks due came in the window"
        if mix.window_s and chunks_per_read(run) > CHUNKS_PER_READ_MAX:
            return f"somebody lagged: {chunks_per_read(run):.1f} chunks came in one read"
    return None


def rate_share(run: StreamRun, mix: StreamMix) -> float:
    """Chunks received in the window as a share of those due."""
    return run.window_events / (mix.streams * run.window_s * 1000 / mix.interval_ms)


def chunks_per_read(run: StreamRun) -> float:
    """Chunks that came in one read of the client: 1 where each was relayed by itself."""
    return run.window_events / max(1, run.window_reads)


def _prefixed(name: str, reason: str | None) -> str | None:
    return None if reason is None else f"{name}: {reason}"


def _cpu_us(runs: Sequence[StreamRun]) -> list[float]:
    return [run.window_cpu_us / run.window_events for run in runs if run.window_events]


def _ttft_ms(runs: Sequence[StreamRun], share: float) -> list[float]:
    return [quantile(run.ttft_ms, share) for run in runs]


def _added_ms(runs: Sequence[StreamRun], direct: Sequence[StreamRun], share: float) -> Spread:
    return paired_difference(_ttft_ms(runs, share), _ttft_ms(direct, share))
