"""`python -m benchmarks.prompt.stages`: what each stage costs that may be done to a prompt.

Misses of a prompt of about 2,000 tokens, a turn of an agent, through gateways that differ in one
stage, beside one where all are off, in the same rounds and in random order.
"""

import argparse
import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks import gateway, load_case, nginx, processes, progress, wrk
from benchmarks.gateway import Wants
from benchmarks.load_case import LoadPlan, LoadTarget
from benchmarks.records import LoadRow, Spread
from benchmarks.workload import MODEL
from headrace.prompt.counting.public import count_tokens

OFF: Final = "all off"
ROUNDS: Final = 7
ROUND_S: Final = 2.0
WARM_UP_S: Final = 1.0
SEED: Final = 1
PRICE: Final = {"price": {"input": 1.0, "output": 4.0}}
TARGET: Final = f"mock/{MODEL}"


def history() -> tuple[Mapping[str, Any], ...]:
    """What an agent was told so far: a question, a tool's JSON, an answer, all made from a seed."""
    dice = random.Random("history")
    rows = [
        {
            "id": number,
            "river": dice.choice(["Aare", "Birs", "Ergolz", "Frenke"]),
            "flow_m3_s": round(dice.uniform(0.2, 300.0), 1),
            "is_open": dice.random() < 0.5,
            "note": None,
        }
        for number in range(40)
    ]
    call = {"id": "call_1", "type": "function", "function": {"name": "gauges", "arguments": "{}"}}
    return (
        {"role": "user", "content": "Which of the gates are open, and how much water is there?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": json.dumps(rows, indent=2)},
        {"role": "assistant", "content": "About half of them; the Aare carries the most. " * 4},
    )


def ways() -> Mapping[str, Wants]:
    """The settings of each gateway, by what is on."""
    window = {"enabled": True, "limits": {TARGET: {"context": 128_000}}}
    small = {"enabled": True, "limits": {TARGET: {"context": 1_500}}, "output_reserve": 64}
    compress, marks = {"level": "safe"}, {"enabled": True}
    hourly = {"day_usd": 1_000_000}
    model = {"targets": [TARGET], **PRICE}
    tiers = {MODEL: {"cheap": "small", "strong": "large", "cheap_share": 0.5}}
    tiered = {"tiers": tiers, "models": {"small": model, "large": model}}
    stages = {"route_ms": 5, "look_up_ms": 5}
    return {
        OFF: Wants(),
        "window, all fits": Wants(more={"prompt": {"window": window}}),
        "window, cut to half": Wants(more={"prompt": {"window": small}}),
        "compression, `safe`": Wants(more={"prompt": {"compress": compress}}),
        "compression without memory": Wants(
            more={"prompt": {"compress": {**compress, "memory_mb": 0}}}
        ),
        "marks": Wants(mock={"marks": "on"}, more={"prompt": {"marks": marks}}),
        "tiers": Wants(more=tiered),
        "a budget": Wants(more={"budgets": [hourly], "models": {MODEL: model}}),
        "time for stages": Wants(more={"stages": stages}),
        "compression, window, marks, tiers, a budget": Wants(
            mock={"marks": "on"},
            more={
                **tiered,
                "prompt": {"window": window, "compress": compress, "marks": marks},
                "budgets": [hourly],
            },
        ),
    }


def measure(plan: LoadPlan, names: Sequence[str], console: Console) -> list[LoadRow]:
    """Load all of them in the same rounds.

    Args:
        plan: how much.
        names: which, besides the one where all is off.
        console: where progress is shown.

    Raises:
        ChildFailed: something did not start, or answers what it should not.
    """
    with (
        ExitStack() as stack,
        tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder,
        progress.shown(console) as steps,
    ):
        directory = Path(folder)
        mock = stack.enter_context(nginx.mock(directory))
        told = history()
        targets = []
        for number, (name, wants) in enumerate(ways().items()):
            if name != OFF and name not in names:
                continue
            served = stack.enter_context(
                gateway.serving(f"stage-{number}", directory, mock.port, wants=wants)
            )
            call = msgspec.structs.replace(served.call, history=told)
            targets.append(LoadTarget(name, served.child, call, served.log, cache_header="miss"))
        dice = random.Random(SEED)
        return load_case.measure(targets, OFF, mock.port, plan, directory, dice, steps)


def table(rows: Sequence[LoadRow]) -> Table:
    """The figures, one gateway to a line."""
    tokens = count_tokens(list(history()), model="gpt-4o").tokens
    shown = Table("on", "CPU us a miss", "x all off", title=f"Misses of about {tokens} tokens")
    for row in rows:
        ratio = "" if row.ratio is None else spread_text(row.ratio, ".2f")
        shown.add_row(row.name, spread_text(row.cpu_us, ".0f"), row.void or ratio)
    return shown


def spread_text(spread: Spread, digits: str) -> str:
    """Median and range."""
    return f"{spread.median:{digits}} ({spread.low:{digits}}-{spread.high:{digits}})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", nargs="*", metavar="NAME", help="only these")
    asked = parser.parse_args()
    names = list(ways()) if asked.only is None else asked.only
    processes.end_on_signals()
    nginx.require()
    wrk.require()
    console = Console(stderr=True)
    rows = measure(LoadPlan(asked.rounds, ROUND_S, WARM_UP_S), names, console)
    Console().print(table(rows))


if __name__ == "__main__":
    main()
