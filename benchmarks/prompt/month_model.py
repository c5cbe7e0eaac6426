"""The reference month: what 1,000 users of a copilot cost, and what each lever takes off. Pure.

A month is traffic of a few kinds (`TRAFFIC`, which is an assumption and nothing else), list prices,
and rates that other benchmarks measured (`RATES`, each with the command that makes it). Nothing is
asked of anybody. With no lever, every call goes to the strong model, whole, every time.

A conversation of `turns` sends at each turn the fixed part (system prompt, tools), what was said
before and something new, and gets an answer. Levers act on it one behind the other:

- exact, semantic: a part of the calls is answered from memory and costs nothing; semantic counts
  what exact matches leave, and pays for the embedding of every question that is looked up.
- compression: what is new in a turn, where it is structured, is shorter by a rate.
- marks: what was sent before is read from the provider's cache at its price, the rest written to
  it; where the next call comes too late it is written again. Below the model's shortest prefix
  nothing is cached. Calls of one turn share the fixed part with other users' calls.
- tiers: a part of the conversations goes to the cheap model, whole conversations since a session
  never changes down; a part of them goes up in its middle, and is written to another cache.
- batch: what can wait goes through the provider's batch API.

Levers overlap: what is answered from memory is not compressed. So the part of each is its Shapley
value, the mean of what it takes off over all orders in which levers can be added.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import comb
from typing import Final, Literal

import msgspec

from headrace.model import Price, Usage

Lever = Literal["exact", "semantic", "compression", "marks", "tiers", "batch"]
LEVERS: Final[tuple[Lever, ...]] = ("exact", "semantic", "compression", "marks", "tiers", "batch")

USERS: Final = 1_000
DAYS: Final = 22


class Traffic(msgspec.Struct, frozen=True):
    """One kind of traffic.

    Attributes:
        conversations: of a user in a day.
        turns: calls of a conversation.
        fixed_tokens: system prompt and tools, the same for all users.
        new_tokens: what is new in a turn: the question, what was retrieved, results of tools.
        structured: share of those that is JSON, HTML, logs or tables.
        output_tokens: of an answer.
        exact: name of the rate at which answers are found by their bytes; empty: never.
        semantic: the same by meaning, of what exact matches leave.
        can_wait: whether a day is soon enough.
    """

    name: str
    conversations: float
    turns: int
    fixed_tokens: int
    new_tokens: int
    structured: float
    output_tokens: int
    exact: str = ""
    semantic: str = ""
    can_wait: bool = False


TRAFFIC: Final = (
    Traffic("agents", 2, 8, 6_000, 700, 0.75, 200),
    Traffic("questions", 12, 1, 2_000, 1_300, 0.0, 250, "mixed_exact", "mixed_meaning"),
    Traffic("look-ups", 15, 1, 800, 40, 0.0, 120, "repeating"),
    Traffic("overnight", 4, 1, 500, 2_500, 0.3, 150, can_wait=True),
)


class Rate(msgspec.Struct, frozen=True):
    """A share that was measured, or is assumed.

    Attributes:
        value: of it.
        low: the lower end of its 95 % interval, or what seems the least; and so on.
        source: the command that makes it, or why it is taken for what it is.
    """

    value: float
    low: float
    high: float
    source: str


class Models(msgspec.Struct, frozen=True):
    """Who answers.

    Attributes:
        prefix_tokens_min: the shortest prefix that their provider caches.
        embedding_usd: of a million tokens that are embedded.
    """

    strong: Price
    cheap: Price
    prefix_tokens_min: int
    embedding_usd: float


def month_usd(
    traffic: Sequence[Traffic],
    rates: Mapping[str, float],
    models: Models,
    levers: frozenset[Lever],
) -> float:
    """What a month costs in US dollars with some levers."""
    return USERS * DAYS * sum(_day_usd(each, rates, models, levers) for each in traffic)


def parts(
    traffic: Sequence[Traffic], rates: Mapping[str, float], models: Models
) -> dict[Lever, float]:
    """What each lever takes off the baseline, as shares of it that add up to the whole."""
    baseline = month_usd(traffic, rates, models, frozenset())
    left: dict[frozenset[Lever], float] = {
        frozenset(some): month_usd(traffic, rates, models, frozenset(some)) / baseline
        for size in range(len(LEVERS) + 1)
        for some in combinations(LEVERS, size)
    }
    found: dict[Lever, float] = {}
    for lever in LEVERS:
        others = [each for each in left if lever not in each]
        found[lever] = sum(
            (left[each] - left[each | {lever}]) / (len(LEVERS) * comb(len(LEVERS) - 1, len(each)))
            for each in others
        )
    return found


def _day_usd(
    traffic: Traffic, rates: Mapping[str, float], models: Models, levers: frozenset[Lever]
) -> float:
    exact = rates[traffic.exact] if traffic.exact and "exact" in levers else 0.0
    asks_meaning = bool(traffic.semantic) and "semantic" in levers
    semantic = rates[traffic.semantic] if asks_meaning else 0.0
    embedded = (1.0 - exact) * traffic.new_tokens * models.embedding_usd / 1e6
    conversation = (1.0 - exact - semantic) * _conversation_usd(traffic, rates, models, levers)
    return traffic.conversations * (conversation + (embedded if asks_meaning else 0.0))


def _conversation_usd(
    traffic: Traffic, rates: Mapping[str, float], models: Models, levers: frozenset[Lever]
) -> float:
    is_batch = traffic.can_wait and "batch" in levers
    strong, cheap = (
        price.batch if is_batch and price.batch is not None else price
        for price in (models.strong, models.cheap)
    )
    new = float(traffic.new_tokens)
    if "compression" in levers:
        new *= 1.0 - traffic.structured * rates["structured"]
    usages = [
        _turn(traffic, turn, new, rates, models, has_marks="marks" in levers)
        for turn in range(traffic.turns)
    ]
    strong_usd = sum(map(strong.cost_usd, usages))
    if "tiers" not in levers:
        return strong_usd
    cheap_usd = sum(map(cheap.cost_usd, usages))
    # The rate is of calls whose prices differ as the models' do: it says how much goes where.
    ratio = models.cheap.output / models.strong.output
    share = (rates["tiers_usd"] - ratio) / (1.0 - ratio)
    mixed_usd = share * strong_usd + (1.0 - share) * cheap_usd
    if traffic.turns == 1 or "marks" not in levers:
        return mixed_usd
    # Who goes up in the middle is written to the other cache once: half of it has been said.
    half = traffic.fixed_tokens + traffic.turns // 2 * (new + traffic.output_tokens)
    return mixed_usd + rates["raised"] * _write_usd(strong, half)


def _turn(
    traffic: Traffic,
    turn: int,
    new: float,
    rates: Mapping[str, float],
    models: Models,
    *,
    has_marks: bool,
) -> Usage:
    before = traffic.fixed_tokens + turn * (new + traffic.output_tokens)
    everything, output = round(before + new), traffic.output_tokens
    if not has_marks or before < models.prefix_tokens_min:
        return Usage(everything, output)
    warm = rates["warm_shared" if turn == 0 else "warm_turns"]
    read = round(before * warm)
    # What a last turn adds is not read again, and is not marked where there is one turn only.
    written = round(before) - read + (round(new) if traffic.turns > 1 else 0)
    return Usage(everything, output, cached_tokens=read, cache_write_tokens=written)


def _write_usd(price: Price, tokens: float) -> float:
    written = Usage(round(tokens), 0, cache_write_tokens=round(tokens))
    read = Usage(round(tokens), 0, cached_tokens=round(tokens))
    return price.cost_usd(written) - price.cost_usd(read)
