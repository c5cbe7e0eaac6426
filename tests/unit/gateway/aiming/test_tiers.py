"""Tiers as the gateway sees them: who stands in for whom, and what is estimated."""

import msgspec
import pytest

from headrace.cache.entry import Answer, Shape
from headrace.clock import SystemClock
from headrace.dialects.base import Operation
from headrace.dialects.openai import OpenAIDialect
from headrace.gateway.aiming.asked import Asked
from headrace.gateway.aiming.tiers import (
    TierDesk,
    TierModel,
    TierShot,
    limits_answer,
    make_chooser,
    make_reach,
)
from headrace.gateway.call import Hints, make_call
from headrace.model import Price, Usage
from headrace.observe.aim_metrics import AimMetrics
from headrace.observe.cells import Cells
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.routing.tiers import Decision, Fixed, Quality, Shares, Tier
from headrace.settings.tiers import TierModelSettings, TiersSettings

CHEAP, STRONG = TierModelSettings(model="fast"), TierModelSettings(model="smart")
USAGE = Usage(input_tokens=1_000_000)


def model(tier: Tier, usd: float | None = None, name: str = "m") -> TierModel:
    price = None if usd is None else Price(input=usd, output=usd)
    return TierModel(tier, name, name, price, 100)


def metrics() -> Metrics:
    layout = Layout()
    cells = Cells(layout.size)
    return Metrics(layout, cells.row(0), cells.slots, SystemClock())


@pytest.mark.parametrize(
    ("there", "by_tier"),
    [
        ((0, 1, 2), (0, 1, 2)),
        ((0, 2), (0, 2, 2)),
        ((1, 2), (1, 1, 2)),
        ((0, 1), (0, 1, 1)),
        ((0,), (0, 0, 0)),
        ((2,), (2, 2, 2)),
    ],
)
def test_a_stronger_one_stands_in_or_else_a_weaker(
    there: tuple[int, ...], by_tier: tuple[int, ...]
) -> None:
    reach = make_reach({Tier(at): model(Tier(at)) for at in there})
    assert tuple(each.tier for each in reach.by_tier) == by_tier


def test_goals_come_from_settings() -> None:
    def goal(**terms: object) -> object:
        settings = TiersSettings(cheap=CHEAP, strong=STRONG, **terms)  # type: ignore[arg-type]
        return make_chooser(settings, None).terms.goal

    assert goal(cheap_share=0.25) == Shares(0.25, 0.75)
    assert goal(cheap_share=0.5, standard=CHEAP) == Shares(0.5, 0.25)
    assert goal(cheap_share=0.5, standard=CHEAP, strong_share=0.1) == Shares(0.5, 0.1)
    assert goal(quality=0.9) == Quality(0.9)
    assert goal(cheap_below=0.2) == Fixed(0.2, 0.2)
    assert goal(cheap_below=0.2, standard=CHEAP) == Fixed(0.2, 0.6)


def shot(chosen: TierModel, strong: TierModel, counts: Metrics, *, is_shadow: bool) -> TierShot:
    decision = Decision(Tier.CHEAP, "score", 0.1)
    return TierShot(chosen, decision, strong, is_shadow, AimMetrics(counts))


def answer(usd: float | None, usage: Usage | None = USAGE) -> Answer:
    return Answer(200, (), b"{}", Shape.WHOLE, "one", "m", usage, usd, 1.0)


def booked(counts: Metrics) -> tuple[float, float, float]:
    """Saved, spent beyond, and not known, of both modes."""
    cells = counts._cells
    families = (counts.model_choice_saved_usd, counts.model_choice_extra_usd)
    saved, extra = (sum(cells[each.at(mode)] for mode in ("active", "shadow")) for each in families)
    return saved, extra, cells[counts.model_choice_unpriced.at()]


def test_saving_is_the_other_price_of_the_same_tokens() -> None:
    counts, cheap, strong = metrics(), model(Tier.CHEAP, 1.0), model(Tier.STRONG, 10.0)
    shot(cheap, strong, counts, is_shadow=False).answered(answer(1.0))
    assert booked(counts) == (9.0, 0.0, 0.0)
    shot(cheap, strong, counts, is_shadow=True).answered(answer(10.0))
    assert booked(counts) == (18.0, 0.0, 0.0)


def test_a_choice_that_costs_more_is_booked_as_such() -> None:
    counts, cheap, strong = metrics(), model(Tier.CHEAP, 10.0), model(Tier.STRONG, 1.0)
    shot(cheap, strong, counts, is_shadow=False).answered(answer(10.0))
    assert booked(counts) == (0.0, 9.0, 0.0)


def test_without_prices_nothing_is_made_up() -> None:
    counts = metrics()
    shot(model(Tier.CHEAP, 1.0), model(Tier.STRONG), counts, is_shadow=False).answered(answer(1.0))
    shot(model(Tier.CHEAP), model(Tier.STRONG, 1.0), counts, is_shadow=False).answered(answer(None))
    assert booked(counts) == (0.0, 0.0, 2.0)
    shot(model(Tier.CHEAP), model(Tier.STRONG), counts, is_shadow=False).answered(answer(1.0, None))
    assert booked(counts) == (0.0, 0.0, 2.0)


@pytest.mark.parametrize(
    ("name", "field"),
    [("gpt-4o", "max_tokens"), ("o3-mini", "max_completion_tokens"), ("llama", "max_tokens")],
)
def test_the_limit_has_the_name_that_the_model_takes(name: str, field: str) -> None:
    chosen = model(Tier.CHEAP, name=name)
    assert shot(chosen, chosen, metrics(), is_shadow=False).changes == {field: 100}
    free = msgspec.structs.replace(chosen, output_tokens_max=None)
    assert shot(free, free, metrics(), is_shadow=False).changes == {}


def test_who_limits_the_answer_is_left_alone() -> None:
    assert limits_answer({"max_tokens": 5}, Operation.CHAT)
    assert limits_answer({"max_completion_tokens": 5}, Operation.CHAT)
    assert not limits_answer({"max_tokens": None}, Operation.CHAT)
    assert limits_answer({}, Operation.MESSAGES)


def test_answers_teach_how_long_answers_are() -> None:
    settings = TiersSettings(cheap=CHEAP, strong=STRONG, cheap_share=0.5, per_dollar=True)
    chooser = make_chooser(settings, None)
    desk = TierDesk(
        settings, chooser, {"openai": make_reach({Tier.STRONG: model(Tier.STRONG)})},
        AimMetrics(metrics()),
    )  # fmt: skip
    call = make_call(OpenAIDialect(), Operation.CHAT, "t", Hints(), ())
    document = {"messages": [{"role": "user", "content": "why is that so?"}]}
    assert chooser.lengths is not None
    for counts, seen in ((True, 1), (False, 1), (True, 2)):
        found = desk.aim(Asked(call, document, 90, counts=counts, now_s=0.0))
        assert found is not None
        found.answered(answer(None, Usage(output_tokens=40)))
        assert chooser.lengths.seen == seen
    other = msgspec.structs.replace(settings, per_dollar=False)
    assert make_chooser(other, None).lengths is None


def test_what_a_prompt_costs_of_an_answer_comes_from_prices() -> None:
    def reach(*prices: Price | None) -> float:
        tiers = (Tier.CHEAP, Tier.STRONG)
        models = [
            TierModel(tier, "m", "m", each, None) for tier, each in zip(tiers, prices, strict=True)
        ]
        return make_reach({each.tier: each for each in models}).input_price_share

    cheap, strong = Price(input=1, output=5), Price(input=5, output=25)
    assert reach(cheap, strong) == pytest.approx(0.2)
    assert reach(Price(input=1, output=5), Price(input=9, output=25)) == pytest.approx(0.4)
    for pair in ((None, strong), (cheap, None), (cheap, cheap), (strong, cheap)):
        assert reach(*pair) == 0.2
