"""What a ledger adds to a request: gateways with and without one, by pairs of fresh processes.

Two processes of the same program differ by some per cent for as long as they live, by how their
memory came to lie; more rounds of one pair say nothing of that. So every block starts its gateways
anew, and what it comes to is one figure. A second gateway without a ledger is the control.
"""

import random
import tempfile
from collections.abc import Sequence
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

MARGIN: Final = 0.10
ROUNDS: Final = 2
WARM_UP_S: Final = 0.5
SEED: Final = 11
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


class Figures(msgspec.Struct, frozen=True):
    """What the blocks come to.

    Attributes:
        metric: what was measured, in microseconds a request.
        blocks: by arm, one figure of each block.
        with_ledger: those with a ledger against those without.
        control: the second ones without against the first.
    """

    metric: str
    blocks: dict[str, list[float]]
    with_ledger: Comparison
    control: Comparison


def measure(blocks: int, seconds: float) -> list[Figures]:
    """Load the gateways of every block in turn.

    Args:
        blocks: how often they are started anew.
        seconds: of each round.

    Raises:
        ChildFailed: one of them does not run, or answers wrongly.
    """
    wrk.require()
    dice = random.Random(SEED)
    found: dict[str, dict[str, list[float]]] = {
        metric: {arm: [] for arm in _ARMS} for metric in _METRICS
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
            _one_block(folder, mock.port, seconds, dice, found)
            steps.done(f"block {number + 1}")
    return [_judged(metric, arms) for metric, arms in found.items()]


def _one_block(
    folder: Path,
    mock_port: int,
    seconds: float,
    dice: random.Random,
    found: dict[str, dict[str, list[float]]],
) -> None:
    with ExitStack() as stack:
        started = {
            arm: stack.enter_context(
                gateway.serving(f"gateway-{at}", folder, mock_port, wants=_ARMS[arm])
            )
            for at, arm in enumerate(dice.sample(list(_ARMS), len(_ARMS)))
        }
        for made in started.values():
            load_case.one_round(_target(made, False, False), mock_port, WARM_UP_S, folder)
        for metric, (remembers, settles) in _METRICS.items():
            rounds: dict[str, list[float]] = {arm: [] for arm in started}
            targets = {arm: _target(made, remembers, settles) for arm, made in started.items()}
            for _ in range(ROUNDS):
                for arm in dice.sample(list(targets), len(targets)):
                    one = load_case.one_round(targets[arm], mock_port, seconds, folder)
                    rounds[arm].append(one.cpu_us)
            for arm, each in rounds.items():
                found[metric][arm].append(median(each))


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


def _judged(metric: str, blocks: dict[str, list[float]]) -> Figures:
    question = Question(metric=metric, margin=MARGIN)
    rng = np.random.default_rng(SEED)
    return Figures(
        metric,
        blocks,
        compare(blocks[BASE], blocks[WITH], question, rng),
        compare(blocks[BASE], blocks[CONTROL], question, rng),
    )


def show(console: Console, told: Sequence[Figures]) -> None:
    """Print what the blocks come to."""
    for figures in told:
        base = median(figures.blocks[BASE])
        console.print(f"  {figures.metric}: {base:.1f} us without", soft_wrap=True)
        for word, made in (("with", figures.with_ledger), ("control", figures.control)):
            if (estimate := made.estimate) is not None:
                low, high = estimate.interval.low, estimate.interval.high
                console.print(
                    f"    {word:<8} x {estimate.effect:.3f} ({low:.3f}-{high:.3f}), "
                    f"{estimate.runs[0]} pairs: {made.verdict}",
                    soft_wrap=True,
                )
            else:
                console.print(f"    {word:<8} {made.because}", soft_wrap=True)
