"""`python -m benchmarks.prompt.counting`: how long counting takes, and how far estimates are off.

Texts are of this repository and of the manual pages that are installed; half of the files teach,
the other half is estimated. Providers are the simulator's tokenizers that nobody knows, each of
which tells nothing but `usage`.
"""

import argparse
import json
import random
import statistics
import time
import timeit
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.prompt.texts import texts
from headrace.prompt.counting.content import Content, length_estimate, read_traits
from headrace.prompt.counting.counters import Counters
from headrace.prompt.counting.vocabulary import encoder
from headrace.sim import anthropic

SENTENCE: Final = (
    "The quick brown fox jumps over the lazy dog, and then it writes a letter to its friend in "
    "Paris about 42 things. "
)
LENGTHS: Final[Mapping[int, float]] = {150: 25.0, 2250: 300.0}
"""Tokens of a text, and the bar for counting them, in µs."""

ERROR_BAR: Final = 0.10
TOKENIZERS: Final = 5
# Those below were looked at while the estimate was made.
FRESH: Final = 5
LESSONS: Final = 600
TRIALS: Final = 300
CHARS: Final = (3.0, 4.0)
"""Decimal logarithms of the shortest and the longest message, in characters."""

Texts = Mapping[Content, tuple[Sequence[str], Sequence[str]]]
Asked = tuple[Mapping[str, Any], int]


def sized(tokens: int) -> str:
    """A text of so many tokens of GPT-4o."""
    count = Counters().of("gpt-4o").tokens_of
    text = SENTENCE * (tokens // 20)
    while count(text) > tokens:
        text = text[:-1]
    return text


def time_us(work: Callable[[], object], rounds: int) -> float:
    """CPU time of the fastest of some rounds, of 50 times each."""
    return min(timeit.repeat(work, timer=time.process_time, number=50, repeat=rounds)) / 50 * 1e6


def times(rounds: int) -> Table:
    """What counting a text takes."""
    table = Table("what", *(f"{tokens} tokens, µs of CPU" for tokens in LENGTHS))
    fresh, memory = Counters(0), Counters()
    ways: Mapping[str, Callable[[str], object]] = {
        "GPT-4o, exactly (bar: 25 and 300)": fresh.of("gpt-4o").tokens_of,
        "the same, counted before": memory.of("gpt-4o").tokens_of,
        "Claude, estimated": fresh.of("claude-opus-4-7").tokens_of,
        "the same, counted before ": memory.of("claude-opus-4-7").tokens_of,
        "by its length and kind alone": fresh.of("gpt-4o").roughly,
    }
    sizes = [sized(tokens) for tokens in LENGTHS]
    for name, count in ways.items():
        spent = [time_us(partial(count, text), rounds) for text in sizes]
        verdict = ""
        if "bar" in name:
            kept = all(us <= bar for us, bar in zip(spent, LENGTHS.values(), strict=True))
            verdict = " kept" if kept else " NOT KEPT"
        table.add_row(name + verdict, *(f"{us:.1f}" for us in spent))
    return table


def asked(rng: random.Random, found: Texts, half: int, model: str) -> Asked:
    """A request of one to four messages, and the input tokens that its provider reports."""
    messages = []
    for _ in range(rng.choice((1, 1, 2, 4))):
        text = rng.choice(found[rng.choice(list(found))][half])
        length = int(10 ** rng.uniform(*CHARS))
        start = rng.randrange(max(1, len(text) - length))
        messages.append({"role": "user", "content": text[start : start + length]})
    document = {"model": model, "messages": messages, "max_tokens": 1}
    reply = anthropic.messages(0, json.dumps(document).encode(), None, 0)
    return document, json.loads(reply.body)["usage"]["input_tokens"]


def errors(counters: Counters, model: str, trials: Sequence[Asked]) -> list[float]:
    """How far estimates are off, as shares of the truth, the least first."""
    counter = counters.of(model)
    return sorted(abs(counter.count_document(doc).tokens - told) / told for doc, told in trials)


def p95(ranked: Sequence[float]) -> float:
    """What 95 of 100 are below."""
    return ranked[int(0.95 * (len(ranked) - 1))]


def estimates(found: Texts, first: int) -> Table:
    """How far estimates of Claude's tokens are off before and after learning.

    Args:
        found: texts, half to learn from and half to estimate.
        first: number of the first of the hidden tokenizers.
    """
    table = Table("tokenizer", "before: p95", "after: median", "p95 (bar: 10 %)", "told p95")
    for number in range(first, first + TOKENIZERS):
        model, rng = f"claude-own-tokenizer-{number}", random.Random(number)
        counters = Counters()
        trials = [asked(rng, found, 1, model) for _ in range(TRIALS)]
        before = errors(counters, model, trials)
        for _ in range(LESSONS):
            counters.learn(model, *asked(rng, found, 0, model))
        after = errors(counters, model, trials)
        verdict = "kept" if p95(after) < ERROR_BAR else "NOT KEPT"
        table.add_row(
            str(number),
            f"{p95(before):.1%}",
            f"{statistics.median(after):.1%}",
            f"{p95(after):.1%} {verdict}",
            f"{counters.of(model).error_p95:.1%}",
        )
    return table


def lengths(found: Texts) -> Table:
    """How far estimates by length and kind alone are off, where nothing counts exactly."""
    table = Table("kind", "texts", "tokens a character", "median error", "p95")
    count = encoder("o200k_base")
    assert count is not None
    for kind, halves in found.items():
        whole = [text[:20_000] for half in halves for text in half]
        truths = [count(text) for text in whole]
        off = sorted(
            abs(length_estimate(read_traits(text)) - truth) / truth
            for text, truth in zip(whole, truths, strict=True)
        )
        table.add_row(
            kind.name.lower(),
            str(len(whole)),
            f"{sum(truths) / sum(map(len, whole)):.3f}",
            f"{statistics.median(off):.1%}",
            f"{p95(off):.1%}",
        )
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--first", type=int, default=FRESH, help="first of the hidden tokenizers; 0 to 4: tuned on"
    )
    asked_for = parser.parse_args()
    console, found = Console(), texts()
    console.print(times(asked_for.rounds), estimates(found, asked_for.first), lengths(found))


if __name__ == "__main__":
    main()
