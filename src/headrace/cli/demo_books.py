"""What was saved, out of the gateway's own metrics, held against what others have counted. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from headrace.cli.demo_phases import Tally
from headrace.model import Price, Usage

# A part of the input is counted once more as cached.
_SAMPLE: Final = re.compile(
    r'^headrace_(\w+?)(?:_total)?(?:\{(?![^}]*type="cache)[^}]*\})? ([\d.e+-]+)$', re.MULTILINE
)
_LABELLED: Final = re.compile(
    r'^headrace_saved_(\w+?)_total\{by="(\w+)"(?:,type="(?:input|output)")?\} ([\d.e+-]+)$',
    re.MULTILINE,
)
_OVERRUN: Final = re.compile(
    r'^headrace_stage_overruns_total\{stage="(\w+)"\} ([\d.e+-]+)$', re.MULTILINE
)
_USD_TOLERANCE: Final = 1e-9
_SOURCES: Final[Mapping[str, str]] = {
    "l1": "from memory (l1)",
    "l2": "from the shared cache (l2)",
    "l3": "from the durable cache (l3)",
    "semantic": "meant the same",
    "joined": "joined a call",
}


class Row(msgspec.Struct, frozen=True):
    """One line of what was saved: the amount with Headrace, and what was not needed.

    Attributes:
        unit: written before the amount.
        decimals: digits after the point.
        own: what of the amount with Headrace was on the cache's own account.
    """

    name: str
    spent: float
    saved: float
    unit: str = ""
    decimals: int = 0
    own: float = 0.0

    @property
    def whole(self) -> float:
        """The amount without Headrace."""
        return self.spent - self.own + self.saved

    @property
    def net(self) -> float:
        """What was saved, less what was spent on the cache's own account."""
        return self.saved - self.own

    def spell(self, amount: float) -> str:
        """An amount of this line as text."""
        return f"{self.unit}{amount:,.{self.decimals}f}"


class Source(msgspec.Struct, frozen=True):
    """What one way of answering without a call has saved."""

    name: str
    calls: float
    tokens: float
    seconds: float
    usd: float


class Books(msgspec.Struct, frozen=True):
    """What was needed and what was saved.

    Attributes:
        sources: what was saved by whom, those that saved nothing left out.
    """

    calls: Row
    waiting: Row
    tokens: Row
    dollars: Row
    sources: tuple[Source, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """All of it."""
        return (self.calls, self.waiting, self.tokens, self.dollars)


def keep_books(metrics: str, tallies: Sequence[Tally]) -> Books:
    """Put the books together.

    Args:
        metrics: the gateway's `/metrics` after the workload.
        tallies: what the client has counted, and in `upstream` the provider.
    """
    told = totals(metrics)
    waited_s = sum(sum(tally.latencies_s) for tally in tallies)
    upstream = sum(tally.upstream or 0 for tally in tallies)
    own_calls, own_usd = told.get("cache_calls", 0), told.get("cache_spent_usd", 0)
    return Books(
        calls=Row("Calls to the provider", upstream, told.get("saved_calls", 0), own=own_calls),
        waiting=Row("Waiting (ms)", waited_s * 1000, told.get("saved_seconds", 0) * 1000),
        tokens=Row("Tokens", told.get("tokens", 0), told.get("saved_tokens", 0)),
        dollars=Row(
            "Cost", told.get("spent_usd", 0), told.get("saved_usd", 0), "$", 4, own=own_usd
        ),
        sources=tuple(saved_by(metrics)),
    )


def saved_by(metrics: str) -> Iterator[Source]:
    """What each way of answering has saved, in the order of their nearness."""
    sums: dict[tuple[str, str], float] = {}
    for what, by, value in _LABELLED.findall(metrics):
        sums[by, what] = sums.get((by, what), 0.0) + float(value)
    for by, name in _SOURCES.items():
        amounts = [sums.get((by, what), 0.0) for what in ("calls", "tokens", "seconds", "usd")]
        if amounts[0]:
            yield Source(name, *amounts)


def overruns(metrics: str) -> Mapping[str, int]:
    """How often each stage took longer than is declared for it; those that never did left out."""
    return {stage: int(float(times)) for stage, times in _OVERRUN.findall(metrics)}


def totals(metrics: str) -> Mapping[str, float]:
    """The sum of every metric over its labels, named without prefix and `_total`."""
    sums: dict[str, float] = {}
    for name, value in _SAMPLE.findall(metrics):
        sums[name] = sums.get(name, 0.0) + float(value)
    return sums


def disagreements(
    books: Books, tallies: Sequence[Tally], price_of: Callable[[str], Price | None]
) -> Iterator[str]:
    """Where the gateway's counts are not those of its client and its provider.

    Args:
        books: the gateway's counts.
        tallies: the client's counts.
        price_of: the price of a model.
    """
    asked = sum(tally.calls for tally in tallies)
    if sum(source.calls for source in books.sources) != books.calls.saved:
        yield "/metrics does not say by whom every call was saved"
    if books.calls.whole != asked:
        yield f"{asked} calls were made; /metrics and the provider account for {books.calls.whole}"
    used = [entry for tally in tallies for entry in tally.usage.items()]
    tokens = sum(sum(usage) for _, usage in used)
    if books.tokens.whole != tokens:
        yield f"the answers hold {tokens} tokens; /metrics accounts for {books.tokens.whole}"
    usd = sum((price_of(model) or Price()).cost_usd(Usage(*usage)) for model, usage in used)
    if not usd or abs(books.dollars.whole - usd) > _USD_TOLERANCE * usd:
        yield f"the answers are worth ${usd:.6f}; /metrics accounts for ${books.dollars.whole:.6f}"
