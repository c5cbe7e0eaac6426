"""Where the gateway's time goes: the parts of a hit and of a miss, the way of a stream's beginning.

Hit and miss: the gateway as it is, the same gateway with its functions timed, and a bare server on
the same loop, in random order in every round. The timed one tells the parts, the plain one what
they have to add up to, the bare one what no gateway on this loop gets below.
"""

import functools
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from benchmarks import gateway, load_case, nginx, processes, procfs, stream_case
from benchmarks.breakdown import LEGS, Begun, Times, begun, merged, times_per_request
from benchmarks.load_case import LoadTarget
from benchmarks.progress import Steps
from benchmarks.ratios import paired_difference, spread
from benchmarks.records import BeginRow, Breakdown, CostRow, LoadRound, Share, Spread
from benchmarks.stream_case import StreamMix, StreamTarget
from benchmarks.watched_gateway import PartsSeen, StreamsSeen, ask
from benchmarks.workload import Call, new_nonce
from benchmarks.wrk import CONNECTIONS

WATCHED = "benchmarks.watched_gateway"
# About what a hit takes without its system calls.
THINK_US = 30
UPSTREAM_SLACK = CONNECTIONS + load_case.UPSTREAM_SLACK


class Plan(msgspec.Struct, frozen=True):
    """How much is measured.

    Attributes:
        rounds: how often; hits and misses have one more before, to warm up.
        round_s: seconds of load in a round.
        streams: how many streams begin, at 50 chunks/s each.
    """

    rounds: int
    round_s: float
    streams: int


class Kind(msgspec.Struct, frozen=True):
    """A kind of request: whether its answer is remembered, and what that announces."""

    name: str
    remembers: bool
    cache_header: str


KINDS = (Kind("hit", True, "l1"), Kind("miss", False, "miss"))


class Rounds:
    """What the rounds of one kind of request brought."""

    def __init__(self) -> None:
        self.plain: list[LoadRound] = []
        self.watched: list[LoadRound] = []
        self.times: list[Times] = []


def measure(plan: Plan, directory: Path, dice: random.Random, steps: Steps) -> Breakdown:
    """Take hits, misses and beginning streams apart.

    Args:
        plan: how much.
        directory: where children keep their files.
        dice: the order of targets.
        steps: progress.
    """
    costs, bare, thinking = _costs(plan, directory, dice, steps)
    begins = [
        _begins("opened as needed", 1, plan, directory, steps),
        _begins("all opened before", plan.streams, plan, directory, steps),
    ]
    return Breakdown(
        bare_us=spread([one.cpu_us for one in bare]),
        woken_us=spread([one.cpu_us - THINK_US for one in thinking]),
        costs=costs,
        begins=begins,
    )


# Hit and miss.


def _costs(
    plan: Plan, directory: Path, dice: random.Random, steps: Steps
) -> tuple[list[CostRow], list[LoadRound], list[LoadRound]]:
    rounds = {kind.name: Rounds() for kind in KINDS}
    bare = Rounds()
    thinking = Rounds()
    with ExitStack() as stack:
        mock = stack.enter_context(nginx.mock(directory))
        seen = directory / "parts.json"
        plain = stack.enter_context(gateway.serving("plain", directory, mock.port))
        watched = stack.enter_context(
            gateway.serving("watched", directory, mock.port, program=(WATCHED, "parts", str(seen)))
        )
        servers = {
            think_us: stack.enter_context(_bare_server(directory, think_us))
            for think_us in (0, THINK_US)
        }
        load = functools.partial(
            load_case.one_round, mock_port=mock.port, seconds=plan.round_s, directory=directory
        )
        runs: dict[str, Callable[[], None]] = {
            "bare server": functools.partial(_plain_round, load, servers[0], bare),
            "thinking one": functools.partial(_plain_round, load, servers[THINK_US], thinking),
        }
        for kind in KINDS:
            taken = rounds[kind.name]
            as_is, timed = _target(kind, plain), _target(kind, watched)
            runs[kind.name] = functools.partial(_plain_round, load, as_is, taken)
            runs[f"{kind.name}, watched"] = functools.partial(
                _watched_round, load, timed, taken, seen
            )
        steps.start("parts of hit and miss", (plan.rounds + 1) * len(runs))
        for _ in range(plan.rounds + 1):
            for name in dice.sample(list(runs), len(runs)):
                runs[name]()
                steps.done(name)
    return (
        [_cost_row(kind, rounds[kind.name]) for kind in KINDS],
        bare.plain[1:],
        thinking.plain[1:],
    )


def _target(kind: Kind, served: gateway.Gateway) -> LoadTarget:
    return LoadTarget(
        kind.name,
        served.child,
        served.call,
        served.log,
        remembers=kind.remembers,
        nonce=new_nonce() if kind.remembers else "",
        cache_header=kind.cache_header,
    )


def _plain_round(load: Callable[[LoadTarget], LoadRound], target: LoadTarget, to: Rounds) -> None:
    to.plain.append(load(target))


def _watched_round(
    load: Callable[[LoadTarget], LoadRound], target: LoadTarget, to: Rounds, seen: Path
) -> None:
    before, cpu = ask(target.child, seen, PartsSeen), procfs.tree_cpu(target.child.pid)
    taken = load(target)
    cpu_us = procfs.cpu_between_us(cpu, procfs.tree_cpu(target.child.pid))
    after = ask(target.child, seen, PartsSeen)
    to.watched.append(taken)
    to.times.append(times_per_request(before, after, cpu_us, taken.requests))


def _cost_row(kind: Kind, rounds: Rounds) -> CostRow:
    # The first of each was to warm up.
    times, plain, watched = rounds.times[1:], rounds.plain[1:], rounds.watched[1:]
    sums_us = [each.sum_us for each in times]
    measured_us = [each.cpu_us for each in plain]
    return CostRow(
        kind.name,
        parts=[Share(name, spread(values)) for name, values in merged(times).items()],
        parts_sum_us=spread(sums_us),
        watched_us=spread([each.cpu_us for each in watched]),
        measured_us=spread(measured_us),
        rest_us=paired_difference(measured_us, sums_us),
        waiting_share=spread([each.waiting_share for each in times]),
        void=load_case.void_reason(kind.remembers, [*plain, *watched], UPSTREAM_SLACK),
    )


@contextmanager
def _bare_server(directory: Path, think_us: int) -> Iterator[LoadTarget]:
    port = processes.free_port()
    arguments = [sys.executable, "-m", "benchmarks.bare_server", "--port", str(port)]
    arguments += ["--think-us", str(think_us)]
    with processes.running(
        f"bare-{think_us}", arguments, directory, working_directory=gateway.ROOT
    ) as child:
        child.wait_ready(port, "/readyz")
        yield LoadTarget("bare server", child, Call(port))


# Streams that begin.


def _begins(name: str, connections: int, plan: Plan, directory: Path, steps: Steps) -> BeginRow:
    mix = StreamMix(plan.streams, ramp_s=2.0, window_s=0.0, rounds=1)
    inside = directory / f"{connections}-connections"
    inside.mkdir()
    seen = inside / "streams.json"
    steps.start(f"{plan.streams} streams begin, connections {name}", plan.rounds)
    rounds: list[Begun] = []
    with stream_case.mock(inside) as mock:
        for number in range(plan.rounds):
            # One for each round, or idle connections would be left from the round before.
            with gateway.serving(
                f"watched-{number}",
                inside,
                mock.call.port,
                warm_connections=connections,
                program=(WATCHED, "streams", str(seen)),
            ) as served:
                target = StreamTarget(name, served.child, served.call)
                rounds.append(_one_beginning(target, mix, inside, seen))
            steps.done(name)
    return _begin_row(name, plan.streams, rounds)


def _one_beginning(target: StreamTarget, mix: StreamMix, directory: Path, file: Path) -> Begun:
    run = stream_case.one_run(target, mix, directory, keeps_times=True)
    reason = stream_case.void_reason([run], mix)
    if reason is not None:
        raise processes.ChildFailed(f"{target.name}: {reason}")
    seen = ask(target.child, file, StreamsSeen)
    return begun(run, seen.streams, seen.turns, seen.moments)


def _begin_row(name: str, streams: int, rounds: Sequence[Begun]) -> BeginRow:
    def figure(read: Callable[[Begun], float]) -> Spread:
        return spread([read(each) for each in rounds])

    return BeginRow(
        name,
        streams,
        legs_ms=_shares([each.legs_ms for each in rounds]),
        legs_slow_ms=_shares([each.legs_slow_ms for each in rounds]),
        ttft_p50_ms=figure(lambda each: each.ttft_p50_ms),
        ttft_p99_ms=figure(lambda each: each.ttft_p99_ms),
        turn_p50_ms=figure(lambda each: each.turn_p50_ms),
        turn_met_p50_ms=figure(lambda each: each.turn_met_p50_ms),
        turn_p99_ms=figure(lambda each: each.turn_p99_ms),
        callbacks_p99=figure(lambda each: each.callbacks_p99),
        on_cpu_share=figure(lambda each: each.on_cpu_share),
        waiting_share=figure(lambda each: each.waiting_share),
    )


def _shares(rows: Sequence[Sequence[float]]) -> list[Share]:
    columns = zip(LEGS, zip(*rows, strict=True), strict=True)
    return [Share(name, spread(values)) for name, values in columns]
