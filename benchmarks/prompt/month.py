"""`python -m benchmarks.prompt.month`: the reference month, and what each lever takes off it."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.prompt.month_model import (
    DAYS,
    LEVERS,
    TRAFFIC,
    USERS,
    Lever,
    Models,
    Rate,
    Traffic,
    month_usd,
    parts,
)
from headrace.model import Price
from headrace.prompt.marks.models import prefix_tokens_min
from headrace.routing.prices import PriceTable

SAVED_MIN: Final = 0.7
STRONG: Final = "claude-opus-4-5"
CHEAP: Final = "claude-haiku-4-5"
EMBEDDER: Final = "text-embedding-3-small"
# The same rate as `tiers_usd`, with cheap_share 0.3.
FEWER_CHEAP: Final = 0.867
_DRAWS: Final = 2_000
_SEED: Final = 7

RATES: Final[Mapping[str, Rate]] = {
    "repeating": Rate(0.899, 0.897, 0.902, "bench workload, repeating: hits"),
    "mixed_exact": Rate(0.300, 0.300, 0.300, "bench workload, mixed: exact hits (as it is made)"),
    "mixed_meaning": Rate(0.118, 0.113, 0.123, "bench workload, mixed: what meaning adds"),
    "structured": Rate(0.25, 0.2, 0.3, "benchmarks.prompt.compress: 20 to 32 % of agents' work"),
    "warm_turns": Rate(0.9, 0.8, 0.95, "assumed: the next turn comes within 5 minutes"),
    "warm_shared": Rate(0.98, 0.95, 1.0, "assumed: of 1,000 users somebody has just called"),
    "tiers_usd": Rate(0.719, 0.715, 0.722, "benchmarks.prompt.routing, cheap_share 0.5: cost"),
    "raised": Rate(0.1, 0.05, 0.2, "assumed: conversations that go up in their middle"),
}


class Month(msgspec.Struct, frozen=True):
    """What was worked out.

    Attributes:
        usd: with no lever, and with all of them.
        saved: of the baseline, with the interval that follows from those of the rates.
        parts: what each lever takes off, adding up to `saved`.
        alone: what each would take off by itself.
        missed: what would be lost without it.
        scenarios: what is saved in other months.
    """

    usd_before: float
    usd_after: float
    saved: float
    saved_low: float
    saved_high: float
    parts: dict[Lever, float]
    alone: dict[Lever, float]
    missed: dict[Lever, float]
    scenarios: dict[str, float]


def work_out() -> Month:
    """Everything, from the shipped prices and the rates."""
    models, every = find_models(), frozenset(LEVERS)
    rates = {name: rate.value for name, rate in RATES.items()}
    before = month_usd(TRAFFIC, rates, models, frozenset())

    def saved(levers: frozenset[Lever]) -> float:
        return 1.0 - month_usd(TRAFFIC, rates, models, levers) / before

    whole = saved(every)
    drawn = _drawn(models)
    return Month(
        usd_before=before,
        usd_after=before * (1.0 - whole),
        saved=whole,
        saved_low=drawn[0],
        saved_high=drawn[1],
        parts=parts(TRAFFIC, rates, models),
        alone={lever: saved(frozenset({lever})) for lever in LEVERS},
        missed={lever: whole - saved(every - {lever}) for lever in LEVERS},
        scenarios={
            name: _saved(traffic, each, models)
            for name, (traffic, each) in scenarios(rates).items()
        },
    )


def find_models() -> Models:
    """The models, with the prices that are shipped."""
    table = PriceTable.load()
    strong, cheap = (_price(table, "anthropic", name) for name in (STRONG, CHEAP))
    embedding = _price(table, "openai", EMBEDDER)
    prefix = max(prefix_tokens_min(STRONG), prefix_tokens_min(CHEAP))
    return Models(strong, cheap, prefix, embedding.input)


def scenarios(rates: Mapping[str, float]) -> dict[str, tuple[list[Traffic], Mapping[str, float]]]:
    """Other months, to see what the result hangs on: their traffic and their rates."""
    replace = msgspec.structs.replace

    def only(name: str, factor: float) -> list[Traffic]:
        return [
            replace(each, conversations=each.conversations * factor) if each.name == name else each
            for each in TRAFFIC
        ]

    traffic = {
        "half as many agents": only("agents", 0.5),
        "no agents": only("agents", 0.0),
        "no look-ups": only("look-ups", 0.0),
        "nothing repeats": [replace(each, exact="", semantic="") for each in TRAFFIC],
        "nothing can wait": [replace(each, can_wait=False) for each in TRAFFIC],
        "answers twice as long": [
            replace(each, output_tokens=2 * each.output_tokens) for each in TRAFFIC
        ],
    }
    return {name: (each, rates) for name, each in traffic.items()} | {
        "30 % of calls to the cheap model": (list(TRAFFIC), {**rates, "tiers_usd": FEWER_CHEAP}),
        "a third of turns too late": (list(TRAFFIC), {**rates, "warm_turns": 2 / 3}),
    }


def _price(table: PriceTable, provider: str, model: str) -> Price:
    found = table.find(provider, provider, model)
    assert found is not None, f"{model} has no price"
    return found


def _saved(traffic: list[Traffic], rates: Mapping[str, float], models: Models) -> float:
    before = month_usd(traffic, rates, models, frozenset())
    return 1.0 - month_usd(traffic, rates, models, frozenset(LEVERS)) / before


def _drawn(models: Models) -> tuple[float, float]:
    """The middle 95 % of what is saved, each rate drawn from its interval as from a triangle."""
    random = Random(_SEED)
    found = []
    for _ in range(_DRAWS):
        rates = {
            name: random.triangular(rate.low, rate.high, rate.value) for name, rate in RATES.items()
        }
        found.append(_saved(list(TRAFFIC), rates, models))
    cuts = quantiles(found, n=40)
    return cuts[0], cuts[-1]


def tables(found: Month) -> list[Table]:
    """What was found, and what it comes from."""
    title = (
        f"{USERS:,} users, {DAYS} days: ${found.usd_before:,.0f} -> ${found.usd_after:,.0f}, "
        f"{found.saved:.1%} lower ({found.saved_low:.1%} - {found.saved_high:.1%})"
    )
    levers = Table("lever", "part", "alone", "lost without it", title=title)
    for lever in LEVERS:
        figures = (found.parts[lever], found.alone[lever], found.missed[lever])
        levers.add_row(lever, *(f"{each:.1%}" for each in figures))
    traffic = Table("traffic", "a day", "turns", "fixed", "new", "structured", "output")
    for each in TRAFFIC:
        traffic.add_row(
            each.name,
            f"{each.conversations:g}",
            str(each.turns),
            f"{each.fixed_tokens:,}",
            f"{each.new_tokens:,}",
            f"{each.structured:.0%}",
            str(each.output_tokens),
        )
    rates = Table("rate", "value", "interval", "source")
    for name, rate in RATES.items():
        rates.add_row(name, f"{rate.value:.3g}", f"{rate.low:.3g} - {rate.high:.3g}", rate.source)
    others = Table("in other months", "lower by")
    for name, saved in found.scenarios.items():
        others.add_row(name, f"{saved:.1%}")
    return [levers, others, traffic, rates]


def main() -> None:
    """Work it out; the exit status says whether the promise is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="write the figures to this file, as JSON")
    arguments = parser.parse_args()
    found, console = work_out(), Console()
    for table in tables(found):
        console.print(table)
    is_kept = found.saved >= SAVED_MIN
    console.print(f"at least {SAVED_MIN:.0%} lower: {'kept' if is_kept else 'MISSED'}")
    if arguments.out:
        arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    raise SystemExit(not is_kept)


if __name__ == "__main__":
    main()
