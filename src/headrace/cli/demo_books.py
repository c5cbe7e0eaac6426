"""What was saved, out of the gateway's own metrics, held against what others have counted. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from headrace.cli.demo_phases import Tally
from headrace.model import Price, Usage

# A part of the input is counted once more as cached.
_SAMPLE: Final = re.compile(
    r'^headrace_(\w+?)(?:_total)?(?:\{(?![^}]*type="cached")[^}]*\})? ([\d.e+-]+)$', re.MULTILINE
)
_USD_TOLERANCE: Final = 1e-9


class Row(msgspec.Struct, frozen=True):
    """One line of what was saved: the amount with Headrace, and what was not needed.

    Attributes:
        unit: written before the amount.
        decimals: digits after the point.
    """

    name: str
    spent: float
    saved: float
    unit: str = ""
    decimals: int = 0

    @property
    def whole(self) -> float:
        """The amount without Headrace."""
        return self.spent + self.saved

    def spell(self, amount: float) -> str:
        """An amount of this line as text."""
        return f"{self.unit}{amount:,.{self.decimals}f}"


class Books(msgspec.Struct, frozen=True):
    """What was needed and what was saved."""

    calls: Row
    waiting: Row
    tokens: Row
    dollars: Row

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
    return Books(
        calls=Row("Calls to the provider", upstream, told.get("saved_calls", 0)),
        waiting=Row("Waiting (ms)", waited_s * 1000, told.get("saved_seconds", 0) * 1000),
        tokens=Row("Tokens", told.get("tokens", 0), told.get("saved_tokens", 0)),
        dollars=Row("Cost", told.get("spent_usd", 0), told.get("saved_usd", 0), "$", 4),
    )


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
    if books.calls.whole != asked:
        yield f"{asked} calls were made; /metrics and the provider account for {books.calls.whole}"
    used = [entry for tally in tallies for entry in tally.usage.items()]
    tokens = sum(sum(usage) for _, usage in used)
    if books.tokens.whole != tokens:
        yield f"the answers hold {tokens} tokens; /metrics accounts for {books.tokens.whole}"
    usd = sum((price_of(model) or Price()).cost_usd(Usage(*usage)) for model, usage in used)
    if not usd or abs(books.dollars.whole - usd) > _USD_TOLERANCE * usd:
        yield f"the answers are worth ${usd:.6f}; /metrics accounts for ${books.dollars.whole:.6f}"
