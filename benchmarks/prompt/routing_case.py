"""What routers save at equal quality, in a simulated world: `routing_world.py`.

Every router puts the requests of a seed in an order; the first ones go to the strong model. A
random router is a straight line from always-cheap to always-strong. Cost counts tokens at list
prices, so that a router that likes long requests pays for them. Weights are learnt from requests
of another seed. Intervals are over seeds (Student's t).
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from random import Random
from typing import Final, Literal, get_args

import msgspec
import numpy as np

from benchmarks.prompt.routing_world import NOISE, Request, quality, requests
from headrace.cache.simulation.estimate import Estimate, estimate
from headrace.model import Price
from headrace.routing.complexity.calibrate import calibrate
from headrace.routing.complexity.features import Reading
from headrace.routing.complexity.measures import apgr
from headrace.routing.complexity.weights import GUESS, Scorer, probability, values
from headrace.routing.prices import PriceTable
from headrace.routing.tiers import Goal, Quality, Shares, Tier, TierChooser, TierTerms

SEEDS: Final = range(501, 511)
LEARNT_FROM: Final = 4_000
ASKED: Final = 6_000
RECOVERED: Final = (0.5, 0.8, 0.9, 0.95)
CHEAP_SHARES: Final = (0.3, 0.5, 0.7)
QUALITIES: Final = (0.85, 0.9)
# What weights promise: so many fewer strong calls than by lot, where .8 of the gap is kept.
CALLS_FEWER_MIN: Final = 0.08
# Until thresholds are known; then as many again are counted.
_COLD: Final = 500
_PAIRS: Final = (
    ("anthropic", "claude-haiku-4-5", "claude-opus-4-5"),
    ("openai", "gpt-4o-mini", "gpt-4o"),
)

RouterName = Literal[
    "random",
    "length",
    "guess",
    "calibrated",
    "by input",
    "by guessed length",
    "by length",
    "oracle",
]
ROUTERS: Final[tuple[RouterName, ...]] = get_args(RouterName)
"""`by` ones divide the probability that weights tell by what the request is expected to cost: by
its input alone, by an answer's length as it is guessed from the features, or by its true one."""
_USUAL_OUTPUT: Final = 300.0


class Pair(msgspec.Struct, frozen=True):
    """A cheap model and a strong one."""

    name: str
    cheap: Price
    strong: Price


class CurveRow(msgspec.Struct, frozen=True):
    """What a router takes for a part of the gap between the models.

    Attributes:
        recovered: the part.
        strong_share: calls that go to the strong model.
        calls_below_random: how many points fewer than a random router that recovers as much.
        cost: of what always-strong costs.
        below_random: how much less than a random router that recovers as much.
        is_kept: whether a promise is kept, where one was given.
    """

    pair: str
    router: RouterName
    recovered: float
    strong_share: Estimate
    calls_below_random: Estimate
    cost: Estimate
    below_random: Estimate
    is_kept: bool | None


class ChosenRow(msgspec.Struct, frozen=True):
    """What the gateway's own chooser makes of what is set, sessions included.

    Attributes:
        goal: what is set; `per dollar` where what requests are expected to cost counts.
        wanted: the share of cheap calls, or of good answers.
        came: the same as it came about.
        recovered: the part of the gap between the models.
        cost: of what always-strong costs.
        below_random: how much less than a random router that recovers as much.
    """

    goal: str
    wanted: float
    came: Estimate
    recovered: Estimate
    cost: Estimate
    below_random: Estimate
    is_kept: bool


class Measured(msgspec.Struct, frozen=True):
    """Everything: how orders compare, curves for each pair of models, and the chooser."""

    apgr: dict[RouterName, Estimate]
    quality_cheap: Estimate
    quality_strong: Estimate
    curves: list[CurveRow]
    chosen: list[ChosenRow]


class World(msgspec.Struct, frozen=True):
    """The requests of one seed, and the scores that each router gives them."""

    seed: int
    asked: list[Request]
    scores: dict[RouterName, list[float]]
    scorer: Scorer
    guessed_output: list[float]


def measure(seeds: Sequence[int], tell: Callable[[str], object], noise: float = NOISE) -> Measured:
    """Run everything."""
    worlds = []
    for seed in seeds:
        tell(f"seed {seed}")
        worlds.append(make_world(seed, noise))
    pairs = list(find_pairs())
    return Measured(
        apgr={
            name: estimate([_apgr(world, name) for world in worlds]) for name in worlds[0].scores
        },
        quality_cheap=estimate([_quality(world, False) for world in worlds]),
        quality_strong=estimate([_quality(world, True) for world in worlds]),
        curves=[
            _curve_row(worlds, pair, name, recovered)
            for pair in pairs
            for name in ROUTERS
            for recovered in RECOVERED
        ],
        chosen=[
            *(_chosen_row(worlds, pairs[0], Shares(each, 1 - each)) for each in CHEAP_SHARES),
            *(_chosen_row(worlds, pairs[0], Quality(each)) for each in QUALITIES),
            *(
                _chosen_row(worlds, pairs[0], Shares(each, 1 - each), per_dollar=True)
                for each in CHEAP_SHARES
            ),
        ],
    )


def find_pairs() -> Sequence[Pair]:
    """The pairs of models, with the prices that are shipped."""
    table = PriceTable.load()
    pairs = []
    for provider, cheap, strong in _PAIRS:
        cheap_price, strong_price = (table.find(provider, provider, m) for m in (cheap, strong))
        assert cheap_price is not None, f"{cheap} has no price"
        assert strong_price is not None, f"{strong} has no price"
        pairs.append(Pair(f"{cheap}, {strong}", cheap_price, strong_price))
    return pairs


def make_world(seed: int, noise: float) -> World:
    """Requests of a seed, scored by weights that were learnt from another one."""
    known = requests(LEARNT_FROM, seed + 10_000, noise)
    asked = requests(ASKED, seed, noise)
    learnt = calibrate([each.labelled() for each in known])
    scorer, guess, lot = Scorer(learnt.weights), Scorer(GUESS), Random(seed)
    scores: dict[RouterName, list[float]] = {
        "random": [lot.random() for _ in asked],
        "length": [each.features.length for each in asked],
        "guess": [guess.logit(each.features) for each in asked],
        "calibrated": [scorer.logit(each.features) for each in asked],
        "oracle": [each.loss for each in asked],
    }
    return World(seed, asked, scores, scorer, guess_output(known, asked))


def guess_output(known: Sequence[Request], asked: Sequence[Request]) -> list[float]:
    """The lengths of answers, guessed from features: least squares of their logarithm."""
    rows = np.array([[1.0, *values(each.features)] for each in known])
    truth = np.log([each.usage.output_tokens for each in known])
    ridge = np.eye(rows.shape[1])
    weights = np.linalg.solve(rows.T @ rows + ridge, rows.T @ truth)
    found = np.array([[1.0, *values(each.features)] for each in asked]) @ weights
    return [float(each) for each in np.exp(found)]


def scores_of(world: World, router: RouterName, pair: Pair) -> list[float]:
    """How urgent the strong model seems for each request, to a router."""
    if not router.startswith("by "):
        return world.scores[router]
    outputs = world.guessed_output
    if router == "by input":
        outputs = [_USUAL_OUTPUT] * len(world.asked)
    elif router == "by length":
        outputs = [float(each.usage.output_tokens) for each in world.asked]
    dearer_in, dearer_out = (
        pair.strong.input - pair.cheap.input,
        pair.strong.output - pair.cheap.output,
    )
    return [
        probability(logit) / (dearer_in * each.usage.input_tokens + dearer_out * output)
        for logit, each, output in zip(
            world.scores["calibrated"], world.asked, outputs, strict=True
        )
    ]


class Point(msgspec.Struct, frozen=True):
    """Where a router is: the share of strong calls, and the cost, of always-strong."""

    strong_share: float
    cost: float


def point(world: World, scores: Sequence[float], pair: Pair, recovered: float) -> Point:
    """The fewest strong calls, in the order of the scores, that recover a part of the gap."""
    order = sorted(range(len(scores)), key=lambda at: -scores[at])
    losses = [world.asked[at].loss for at in order]
    wanted = recovered * sum(losses)
    count = next(at for at, sum_ in enumerate(accumulate(losses), 1) if sum_ >= wanted)
    is_strong = [False] * len(scores)
    for at in order[:count]:
        is_strong[at] = True
    return Point(count / len(scores), cost(world.asked, is_strong, pair))


def cost(asked: Sequence[Request], is_strong: Sequence[bool], pair: Pair) -> float:
    """What the calls cost, of what they cost always-strong."""
    usd = sum(
        (pair.strong if strong else pair.cheap).cost_usd(each.usage)
        for each, strong in zip(asked, is_strong, strict=True)
    )
    return usd / sum(pair.strong.cost_usd(each.usage) for each in asked)


def random_cost(world: World, pair: Pair, recovered: float) -> float:
    """What a random router costs in the mean that recovers a part of the gap."""
    cheap = cost(world.asked, [False] * len(world.asked), pair)
    return cheap + recovered * (1.0 - cheap)


def _curve_row(
    worlds: Sequence[World], pair: Pair, router: RouterName, recovered: float
) -> CurveRow:
    if router == "random":
        points = [Point(recovered, random_cost(world, pair, recovered)) for world in worlds]
    else:
        points = [point(world, scores_of(world, router, pair), pair, recovered) for world in worlds]
    below = estimate(
        [
            1.0 - each.cost / random_cost(world, pair, recovered)
            for each, world in zip(points, worlds, strict=True)
        ]
    )
    fewer = estimate([recovered - each.strong_share for each in points])
    is_promised = router == "calibrated" and recovered == 0.8
    return CurveRow(
        pair=pair.name,
        router=router,
        recovered=recovered,
        strong_share=estimate([each.strong_share for each in points]),
        calls_below_random=fewer,
        cost=estimate([each.cost for each in points]),
        below_random=below,
        is_kept=fewer.low > CALLS_FEWER_MIN if is_promised else None,
    )


class Came(msgspec.Struct, frozen=True):
    """What came about in one world, after the first requests."""

    came: float
    recovered: float
    cost: float
    below_random: float


def _chosen_row(
    worlds: Sequence[World], pair: Pair, goal: Shares | Quality, *, per_dollar: bool = False
) -> ChosenRow:
    found = [_choose(world, pair, goal, per_dollar) for world in worlds]
    came = estimate([each.came for each in found])
    is_share = isinstance(goal, Shares)
    wanted = goal.cheap if isinstance(goal, Shares) else goal.share
    is_kept = came.low - 0.03 <= wanted <= came.high + 0.03
    return ChosenRow(
        goal=("per dollar" if per_dollar else "cheap_share") if is_share else "quality",
        wanted=wanted,
        came=came,
        recovered=estimate([each.recovered for each in found]),
        cost=estimate([each.cost for each in found]),
        below_random=estimate([each.below_random for each in found]),
        is_kept=is_kept,
    )


def _choose(world: World, pair: Pair, goal: Goal, per_dollar: bool) -> Came:
    chooser = TierChooser(TierTerms(goal=goal, per_dollar=per_dollar), world.scorer)
    dearer_in, dearer_out = (
        pair.strong.input - pair.cheap.input,
        pair.strong.output - pair.cheap.output,
    )
    is_strong = []
    for at, each in enumerate(world.asked):
        prompt = each.usage.input_tokens * dearer_in / dearer_out
        reading = Reading(each.features, is_read=True)
        found = chooser.choose(reading, each.session, at * 0.5, input_as_output=prompt)
        is_strong.append(found.tier is Tier.STRONG)
        if chooser.lengths is not None:
            chooser.lengths.learn(each.features, each.usage.output_tokens)
    later = msgspec.structs.replace(world, asked=world.asked[_COLD:])
    strong = is_strong[_COLD:]
    total = sum(each.loss for each in later.asked)
    paid = sum(each.loss for each, is_ in zip(later.asked, strong, strict=True) if is_)
    usd, recovered = cost(later.asked, strong, pair), paid / total
    if isinstance(goal, Shares):
        came = 1.0 - sum(strong) / len(strong)
    else:  # as good as the strong model's: good, or no worse than it
        came = 1.0 - (total - paid) / len(strong)
    return Came(came, recovered, usd, 1.0 - usd / random_cost(later, pair, recovered))


def _apgr(world: World, router: RouterName) -> float:
    return apgr(world.scores[router], [each.loss for each in world.asked]).value


def _quality(world: World, is_strong: bool) -> float:
    return quality(world.asked, [is_strong] * len(world.asked))
