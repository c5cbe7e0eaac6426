"""The four plans that promise something, in turn, and their verdicts as the rows of a table.

    python -m benchmarks.plans                      # in full: an hour and a half
    python -m benchmarks.plans --time 0.1           # all users, a tenth of the time
    python -m benchmarks.plans --plans baseline spike --workers 2

Each runs by `headrace bench run` against a gateway and a simulated provider of its own. `baseline`
runs twice: with the pace of a real model, and with a provider that answers at once, whose latencies
are the gateway's own. The exit status is 1 where a promise was broken, 3 where it cannot be told.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks import processes
from headrace.bench.records import PhaseRecord, RunRecord, Verdict, read
from headrace.tied import tied

RUNS: Final = (
    ("baseline", "real"),
    ("baseline", "instant"),
    ("stress", "real"),
    ("spike", "real"),
    ("soak", "real"),
)
LEAST: Final = frozenset({"hit_share", "good_share", "throughput_per_s"})
SHARES: Final = frozenset({"hit_share", "good_share", "error_share"})
# What a client that was late does not change.
WITHOUT_TIMES: Final = frozenset({"error_share", "hit_share", "rss_mb", "rss_mb_per_min"})
WORDS: Final = {True: "held", False: "**missed**", None: "not known"}


def run(plan: str, sim: str, given: argparse.Namespace, out: Path) -> RunRecord:
    """Run a plan; what it shows goes to the terminal.

    Raises:
        ChildFailed: it left no record, or was interrupted.
    """
    before = len(read(out)) if out.exists() else 0
    done = subprocess.run(
        tied(
            [
                *(sys.executable, "-m", "headrace.cli.main", "bench", "run", plan, "--sim", sim),
                *("--time", str(given.time), "--users", str(given.users), "--rows", "0"),
                *("--workers", str(given.workers), "--out", str(out)),
            ]
        ),
        check=False,
    )
    records = read(out) if out.exists() else []
    # Those before it are of other plans: a run that cannot begin leaves none of its own.
    if len(records) <= before or done.returncode == 130:
        raise processes.ChildFailed(f"{plan} left no whole record (status {done.returncode})")
    return records[-1]


def rows(sim: str, record: RunRecord) -> list[str]:
    """Verdicts, and what was asked how often, as rows of a table."""
    told = []
    for phase in record.phases:
        if not phase.verdicts:
            continue
        where = f"`{record.name}`, {phase.phase.name}, provider `{sim}`"
        void = phase.summary.void
        told.append(f"| {where} | {_asked(phase)} | | {void or ''} |")
        for each in phase.verdicts:
            is_void = void is not None and each.name not in WITHOUT_TIMES
            word = "void" if is_void else _word(each)
            told.append(f"| {_name(each)} | {_measured(each)} | {_limit(each)} | {word} |")
    return told


def status(records: Sequence[RunRecord]) -> int:
    """1: a promise was broken; 3: one cannot be told; 0: all were kept."""
    kept = [
        each.is_kept for record in records for phase in record.phases for each in phase.verdicts
    ]
    if False in kept:
        return 1
    return 3 if None in kept or any(record.void for record in records) else 0


def _asked(phase: PhaseRecord) -> str:
    summary, seconds = phase.summary, phase.phase.seconds
    a_minute = summary.requests / seconds * 60
    p50, p99 = summary.e2e.p50_ms, summary.e2e.p99_ms
    latency = "" if p50 is None or p99 is None else f", p50 {p50:.3g} ms, p99 {p99:.3g} ms"
    return f"{phase.phase.users:,} users, {a_minute:,.0f} requests/min for {seconds:g} s{latency}"


def _name(verdict: Verdict) -> str:
    return f"&nbsp;&nbsp;`{verdict.name}`"


def _measured(verdict: Verdict) -> str:
    return "-" if verdict.measured is None else _value(verdict.name, verdict.measured)


def _limit(verdict: Verdict) -> str:
    sign = ">=" if verdict.name in LEAST else "<="
    return f"{sign} {_value(verdict.name, verdict.limit)}"


def _value(name: str, value: float) -> str:
    return f"{value:.2%}" if name in SHARES else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _word(verdict: Verdict) -> str:
    word = WORDS[verdict.is_kept]
    return f"{word}: {verdict.note}" if verdict.note else word


def main() -> None:
    """Run the plans that are named, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = sorted({name for name, _ in RUNS})
    parser.add_argument("--plans", nargs="+", choices=names, default=names)
    parser.add_argument("--time", type=float, default=1.0, help="factor of the phases' time")
    parser.add_argument("--users", type=float, default=1.0, help="factor of the phases' users")
    parser.add_argument("--workers", type=int, default=1, help="processes that load")
    parser.add_argument("--out", type=Path, help="file for the records, JSON lines")
    given = parser.parse_args()
    processes.end_on_signals()
    records: list[tuple[str, RunRecord]] = []
    with TemporaryDirectory(prefix="headrace-plans-") as folder:
        out = given.out or Path(folder) / "runs.jsonl"
        for name, sim in RUNS:
            if name in given.plans:
                records.append((sim, run(name, sim, given, out)))
    lines = ["| what | measured | promise | |", "|---|---|---|---|"]
    lines += [line for sim, record in records for line in rows(sim, record)]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(status([record for _, record in records]))


if __name__ == "__main__":
    main()
