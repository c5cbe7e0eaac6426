"""Whether `headrace bench` and an independent judge, NVIDIA's AIPerf, measure the same.

    python3 -m venv judge && judge/bin/pip install aiperf
    python -m benchmarks.agreement --judge judge [--requests 300] [--rate 10] [--rounds 3]

Both replay the same Mooncake trace, each against a fresh simulated provider of the same seed, whose
n-th call takes the same time whoever makes it. They take turns, and who begins changes from round
to round. What is compared are medians over all requests of a round; the promise is that those of
TTFT and E2E lie within 5 %. The judge keeps to its own environment, and its tokenizer is a toy that
is made there: nothing is downloaded.
"""

import argparse
import json
import math
import os
import random
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, Final

import uvloop

from benchmarks import processes
from headrace.bench.load.crew import Target
from headrace.bench.load.plan import Phase, Plan, Trace
from headrace.bench.phases.run import Run, Terms
from headrace.clock import SystemClock
from headrace.sim.options import SimOptions
from headrace.sim.pace import Profile
from headrace.sim.thread import running

PROMISE: Final = 0.05
MODEL: Final = "sim-large"
# Ours by theirs.
METRICS: Final = {
    "TTFT": "time_to_first_token",
    "E2E": "request_latency",
    "TPOT": "inter_token_latency",
}
PROMISED: Final = ("TTFT", "E2E")
_JUDGE_S_MAX: Final = 900.0
_EXPORT: Final = "profile_export_aiperf.json"
_TOKENIZER: Final = """
import json, pathlib, sys
from tokenizers import Tokenizer, models, pre_tokenizers
folder = pathlib.Path(sys.argv[1])
folder.mkdir()
words = ["[UNK]", *(f"w{number}" for number in range(2000))]
toy = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
toy.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
toy.save(str(folder / "tokenizer.json"))
told = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}
(folder / "tokenizer_config.json").write_text(json.dumps(told))
"""

Medians = Mapping[str, float]
"""In milliseconds, by the names of `METRICS`."""


def write_trace(path: Path, requests: int, rate: float, seed: int) -> float:
    """Requests as of many callers; returns how long they take to come, in seconds."""
    dice = random.Random(seed)
    at_s = 0.0
    with path.open("w") as lines:
        for _ in range(requests):
            row = {
                "timestamp": round(at_s * 1000),
                "input_length": 64,
                "output_length": dice.randint(16, 48),
            }
            lines.write(json.dumps(row) + "\n")
            at_s += dice.expovariate(rate)
    return at_s


def ours(url: str, trace: Path, seconds: float) -> Medians:
    """Medians by the load client of this project.

    Raises:
        ChildFailed: requests failed, or the run is void.
    """
    arrivals = Trace(file=str(trace))
    phase = Phase(name="replay", kind="load", seconds=seconds, users=20, arrivals=arrivals)
    plan = Plan(name="agreement", phases=(phase,))

    async def whole() -> Medians:
        run = Run(plan, Target.of(url), url, Terms(), SystemClock(), lambda _now: None)
        summary = (await run.whole()).phases[0].summary
        if summary.failed or summary.void:
            raise processes.ChildFailed(f"{summary.failed} failed; void: {summary.void}")
        told = {"TTFT": summary.ttft, "E2E": summary.e2e, "TPOT": summary.tpot}
        return {name: each.p50_ms or math.nan for name, each in told.items()}

    return uvloop.run(whole())


def theirs(judge: Path, url: str, trace: Path, folder: Path) -> Medians:
    """Medians by AIPerf.

    Raises:
        ChildFailed: it cannot be run, or some requests failed.
    """
    # A folder of its own: what an earlier round left is never taken for what this one wrote.
    artifacts = Path(mkdtemp(prefix="artifacts-", dir=folder))
    command = [
        *(str(judge / "bin" / "aiperf"), "profile", "--model", MODEL, "--url", url),
        *("--endpoint-type", "chat", "--streaming", "--tokenizer", str(folder / "tokenizer")),
        *("--input-file", str(trace), "--custom-dataset-type", "mooncake_trace"),
        *("--fixed-schedule", "--use-server-token-count", "--random-seed", "1", "--ui", "none"),
        *("--output-artifact-dir", str(artifacts)),
    ]
    processes.run_to_end(command, cwd=folder, seconds_max=_JUDGE_S_MAX)
    found = sorted(artifacts.rglob(_EXPORT), key=os.path.getmtime)
    if not found:
        raise processes.ChildFailed(f"the judge wrote no {_EXPORT}")
    requests = len(trace.read_text().splitlines())
    return medians_of(json.loads(found[-1].read_text()), requests)


def medians_of(export: Mapping[str, Any], requests: int) -> Medians:
    """Medians of what AIPerf wrote.

    Args:
        export: its JSON; it counts and measures requests that succeeded only.
        requests: how many there were to be.

    Raises:
        ChildFailed: some failed, or were never sent.
    """
    count = round(export.get("request_count", {}).get("avg", 0))
    if count != requests:
        why = export.get("error_summary") or "it tells no error"
        raise processes.ChildFailed(f"{count} of the judge's {requests} succeeded: {why}")
    return {name: float(export[metric]["p50"]) for name, metric in METRICS.items()}


def against_own_sim(measure: Callable[[str], Medians], seed: int) -> Medians:
    """What somebody measures on a provider that nobody has asked yet."""
    with running(SimOptions(profile=Profile.REAL, seed=seed)) as sim:
        return measure(sim.url)


def told(rounds: list[tuple[Medians, Medians]]) -> tuple[list[str], bool]:
    """The table, and whether the promise was kept in the median of all rounds."""
    lines = ["| p50, ms | headrace bench | AIPerf | AIPerf / headrace, each round | |"]
    lines.append("|---|---|---|---|---|")
    is_kept = True
    for name, metric in METRICS.items():
        ratios = [judged[name] / own[name] for own, judged in rounds]
        is_within = abs(median(ratios) - 1.0) <= PROMISE
        is_kept = is_kept and (is_within or name not in PROMISED)
        word = ("held" if is_within else "**missed**") if name in PROMISED else ""
        own_ms, judge_ms = (median(arm[name] for arm in arms) for arms in zip(*rounds, strict=True))
        shown = ", ".join(f"{ratio:.3f}" for ratio in ratios)
        lines.append(f"| {name} (`{metric}`) | {own_ms:.1f} | {judge_ms:.1f} | {shown} | {word} |")
    return lines, is_kept


def main() -> None:
    """Measure in turns, print the table, and fail where they do not agree."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--judge", type=Path, required=True, help="virtual environment of AIPerf")
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--rate", type=float, default=10.0, help="requests a second")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    processes.end_on_signals()
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    rounds: list[tuple[Medians, Medians]] = []
    with TemporaryDirectory(prefix="headrace-agreement-") as name:
        folder = Path(name)
        judge = given.judge.absolute()
        toy = [str(judge / "bin" / "python"), "-c", _TOKENIZER, str(folder / "tokenizer")]
        processes.run_to_end(toy, cwd=folder, seconds_max=120.0)
        for number in range(given.rounds):
            trace = folder / f"trace-{number}.jsonl"
            seconds = write_trace(trace, given.requests, given.rate, number)

            def own(url: str, trace: Path = trace, seconds: float = seconds) -> Medians:
                return ours(url, trace, seconds + 1.0)

            def judged(url: str, trace: Path = trace) -> Medians:
                return theirs(judge, url, trace, folder)

            arms = [own, judged] if number % 2 == 0 else [judged, own]
            sys.stderr.write(f"round {number + 1} of {given.rounds}: {seconds:.0f} s each\n")
            found = {arm: against_own_sim(arm, number) for arm in arms}
            rounds.append((found[own], found[judged]))
    lines, is_kept = told(rounds)
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(0 if is_kept else 1)


if __name__ == "__main__":
    main()
