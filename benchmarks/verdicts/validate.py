"""How often verdicts are wrong, by simulation and on this machine.

    python -m benchmarks.verdicts.validate [--comparisons N] [--real N]

Simulated comparisons are of ten pairs that share what the machine did to their block (2 %) and
differ by noise of their own; everything is seeded. Real ones compare a loop of some milliseconds
with itself, each run a fresh process, in pairs in an order that chance chose. Ends with status 1 if
a rate of the simulated ones is outside of its 99 % interval around what is promised.
"""

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from scipy import stats

from headrace.bench import Question, compare, paired_blocks, power_of
from headrace.bench.statistics.distributions import FloatArray
from headrace.bench.statistics.resampling import bootstrap_means, percentile_bounds, tail_of

PAIRS: Final = 10
NOISE: Final = 0.015
RESAMPLES: Final = 1_999
CHILD_S_MAX: Final = 60
_LOOP: Final = """
import time
began = time.process_time_ns()
total = 0
for n in range(100_000):
    total += n * n
print(time.process_time_ns() - began)
"""


class Row(NamedTuple):
    """A line of the table: what was counted, and what is promised.

    Attributes:
        name: what was done.
        hits: how often it came out so.
        tries: of how many.
        promised: the share that is promised; None: told for comparison only.
        slack: how much less is let pass.
    """

    name: str
    hits: int
    tries: int
    promised: float | None = None
    slack: float = 0.0

    @property
    def is_kept(self) -> bool:
        """Whether the count is one that the promised share gives 99 times of 100."""
        if self.promised is None:
            return True
        low, high = stats.binom.interval(0.99, self.tries, self.promised)
        return bool(low - self.slack * self.tries <= self.hits <= high)

    def told(self) -> str:
        """The line, with a Wilson interval."""
        interval = stats.binomtest(self.hits, self.tries).proportion_ci(0.95, method="wilson")
        share, low, high = self.hits / self.tries, interval.low, interval.high
        promised = "" if self.promised is None else f"{self.promised:8.1%}"
        mark = "" if self.is_kept else "  NOT KEPT"
        return f"{self.name:<58}{share:7.1%}  ({low:.1%} to {high:.1%}){promised:>9}{mark}"


def verdicts(seed: int, count: int, factor: float, question: Question) -> Counter[str]:
    """How simulated comparisons come out."""
    rng = np.random.default_rng(seed)
    told: Counter[str] = Counter()
    for _ in range(count):
        block = rng.normal(0, 0.02, size=PAIRS)
        a, b = 100 * np.exp(block + rng.normal(0, NOISE, size=(2, PAIRS)))
        told[compare(a.tolist(), (factor * b).tolist(), question, rng).verdict] += 1
    return told


def rates(count: int) -> Iterator[Row]:
    """What is promised of verdicts."""
    for is_paired in (True, False):
        question = Question(metric="x", margin=0.0, is_paired=is_paired, resamples=RESAMPLES)
        told = verdicts(1, count, 1.0, question)
        named, kind = told["better"] + told["worse"], "pairs" if is_paired else "unpaired"
        # Unpaired arms of common blocks are more alike than the test takes them for.
        promised = 0.05 if is_paired else None
        yield Row(f"A/A, {kind}, no margin: called different", named, count, promised)
    margin = Question(metric="x", margin=0.02, resamples=RESAMPLES)
    told = verdicts(2, count, 1.0, margin)
    yield Row("A/A, margin 2 %: called better or worse", told["better"] + told["worse"], count)
    yield Row("A/A, margin 2 %: called equivalent", told["equivalent"], count)
    told = verdicts(3, count, 1.02, margin)
    yield Row("+2 %, margin 2 %: called equivalent", told["equivalent"], count, 0.05, slack=1.0)
    for factor in (1.02, 1.03):
        power = power_of(float(np.log(factor)), NOISE * 2**0.5, PAIRS)
        told = verdicts(4, count, factor, Question(metric="x", margin=0.0, resamples=RESAMPLES))
        name = f"+{factor - 1:.0%}, no margin: called worse"
        yield Row(name, told["worse"], count, power, slack=0.03)


def coverage(count: int) -> Iterator[Row]:
    """How often intervals of a mean hold it, for three ways to make them."""
    rng = np.random.default_rng(5)
    for runs in (6, 10, 20):
        for shape, values in shapes(rng, (count, runs)).items():
            draws = bootstrap_means(values, rng, RESAMPLES)
            ways = {"percentile": 0.025, "widened": tail_of(0.95, runs, runs - 1.0)}
            for name, tail in ways.items():
                low, high = percentile_bounds(draws, tail)
                held = int(np.sum((low <= 0) & (high >= 0)))
                yield Row(f"coverage of {runs} runs, {shape}, {name}", held, count)
            bca = stats.bootstrap(
                (values[: count // 4],), np.mean, axis=-1, n_resamples=999, batch=50, rng=rng
            ).confidence_interval
            held = int(np.sum((bca.low <= 0) & (bca.high >= 0)))
            yield Row(f"coverage of {runs} runs, {shape}, BCa (scipy)", held, count // 4)


def shapes(rng: np.random.Generator, size: tuple[int, int]) -> dict[str, FloatArray]:
    """Samples around 0: normal, with heavy tails, and skewed."""
    return {
        "normal": rng.normal(size=size),
        "t of 3": rng.standard_t(3, size=size),
        "lognormal": rng.lognormal(0, 0.5, size=size) - np.exp(0.125),
    }


def real(count: int) -> Row:
    """A loop against itself, on this machine."""
    rng = np.random.default_rng(6)
    told: Counter[str] = Counter()
    for _ in range(count):
        turns = paired_blocks(PAIRS, rng)
        runs: dict[str, list[float | None]] = {"a": [], "b": []}
        for turn in turns:
            runs[turn.arm].append(loop_ns())
        question = Question(metric="ns", margin=0.0)
        told[compare(runs["a"], runs["b"], question, rng).verdict] += 1
    named = told["better"] + told["worse"]
    return Row("real A/A, a loop against itself: called different", named, count)


def loop_ns() -> float:
    """CPU time of the loop in a fresh process."""
    words = [sys.executable, "-I", "-S", "-c", _LOOP]
    done = subprocess.run(words, capture_output=True, check=True, timeout=CHILD_S_MAX)
    return float(done.stdout)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How often verdicts are wrong.")
    parser.add_argument("--comparisons", type=int, default=1_000)
    parser.add_argument("--real", type=int, default=20)
    wanted = parser.parse_args()
    print(f"{'':<58}{'share':>7}  (95 % interval)    promised")
    kept = True
    for rows in (rates(wanted.comparisons), coverage(2 * wanted.comparisons)):
        for row in rows:
            print(row.told(), flush=True)
            kept = kept and row.is_kept
    if wanted.real:
        print(real(wanted.real).told())
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
