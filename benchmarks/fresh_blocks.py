"""What something adds to a request: gateways with and without it, by blocks of fresh processes.

Two processes of the same program differ by some per cent for as long as they live, by how their
memory came to lie; more rounds of one pair say nothing of that. So every block starts its gateways
anew, and what it comes to is one figure.
"""

import random
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
import numpy as np
from rich.console import Console

from benchmarks import gateway, load_case, nginx, progress, wrk
from benchmarks.workload import new_nonce
from headrace.bench import Comparison, Question, compare

ROUNDS: Final = 2
WARM_UP_S: Final = 0.5
SEED: Final = 11

Arms = Mapping[str, gateway.Wants]
"""What each gateway is told, by its name; all others are held against the first."""

Metrics = Mapping[str, tuple[bool, bool]]
"""What is measured, in CPU microseconds a request: whether answers are remembered, and whether what
goes on after the last answer counts too."""


class Figures(msgspec.Struct, frozen=True):
    """What the blocks come to.

    Attributes:
        metric: what was measured, in microseconds a request.
        blocks: by arm, one figure of each block.
        against: each arm but the first against that one.
    """

    metric: str
    blocks: dict[str, list[float]]
    against: dict[str, Comparison]


def measure(
    arms: Arms, metrics: Metrics, *, blocks: int, seconds: float, margin: float
) -> list[Figures]:
    """Load the gateways of every block in turn.

    Args:
        arms: what gateways there are.
        metrics: what is measured of each.
        blocks: how often they are started anew.
        seconds: of each round.
        margin: the share that is a difference.

    Raises:
        ChildFailed: one of them does not run, or answers wrongly.
    """
    wrk.require()
    dice = random.Random(SEED)
    found: dict[str, dict[str, list[float]]] = {
        metric: {arm: [] for arm in arms} for metric in metrics
    }
    with (
        tempfile.TemporaryDirectory() as name,
        nginx.mock(Path(name)) as mock,
        progress.shown(Console(stderr=True)) as steps,
    ):
        steps.start("blocks", blocks)
        for number in range(blocks):
            folder = Path(name) / str(number)
            folder.mkdir()
            for metric, figures in _block(arms, metrics, folder, mock.port, seconds, dice).items():
                for arm, figure in figures.items():
                    found[metric][arm].append(figure)
            steps.done(f"block {number + 1}")
    return [_judged(metric, each, margin) for metric, each in found.items()]


def _block(
    arms: Arms,
    metrics: Metrics,
    folder: Path,
    mock_port: int,
    seconds: float,
    dice: random.Random,
) -> dict[str, dict[str, float]]:
    """The figure of each arm, by metric."""
    found: dict[str, dict[str, float]] = {}
    with ExitStack() as stack:
        started = {
            arm: stack.enter_context(
                gateway.serving(f"gateway-{at}", folder, mock_port, wants=arms[arm])
            )
            for at, arm in enumerate(dice.sample(list(arms), len(arms)))
        }
        for made in started.values():
            load_case.one_round(_target(made, False, False), mock_port, WARM_UP_S, folder)
        for metric, (remembers, settles) in metrics.items():
            rounds: dict[str, list[float]] = {arm: [] for arm in started}
            targets = {arm: _target(made, remembers, settles) for arm, made in started.items()}
            for _ in range(ROUNDS):
                for arm in dice.sample(list(targets), len(targets)):
                    one = load_case.one_round(targets[arm], mock_port, seconds, folder)
                    rounds[arm].append(one.cpu_us)
            found[metric] = {arm: median(each) for arm, each in rounds.items()}
    return found


def _target(made: gateway.Gateway, remembers: bool, settles: bool) -> load_case.LoadTarget:
    return load_case.LoadTarget(
        name="",
        child=made.child,
        call=made.call,
        log=made.log,
        remembers=remembers,
        nonce=new_nonce(),
        settles=settles,
    )


def _judged(metric: str, blocks: dict[str, list[float]], margin: float) -> Figures:
    question = Question(metric=metric, margin=margin)
    rng = np.random.default_rng(SEED)
    base, *others = blocks
    against = {arm: compare(blocks[base], blocks[arm], question, rng) for arm in others}
    return Figures(metric, blocks, against)


def show(console: Console, told: Sequence[Figures]) -> None:
    """Print what the blocks come to."""
    for figures in told:
        base = next(iter(figures.blocks))
        console.print(f"  {figures.metric}: {median(figures.blocks[base]):.1f} us {base}")
        for word, made in figures.against.items():
            if (estimate := made.estimate) is not None:
                low, high = estimate.interval.low, estimate.interval.high
                console.print(
                    f"    {word:<24} x {estimate.effect:.3f} ({low:.3f}-{high:.3f}), "
                    f"{estimate.runs[0]} pairs: {made.verdict}",
                    soft_wrap=True,
                )
            else:
                console.print(f"    {word:<24} {made.because}", soft_wrap=True)
