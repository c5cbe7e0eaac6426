"""The targets of all configured models: how they are chosen among, and what is learnt of them."""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Final

from headrace.clock import Clock
from headrace.gateway.calls.wellness import Wellness
from headrace.gateway.gates.choice import Choice, Way
from headrace.gateway.gates.watch import Watch
from headrace.gateway.plan import Plan
from headrace.model import Price
from headrace.routing.balance import make_balance
from headrace.routing.directory import Target
from headrace.routing.load import Load
from headrace.routing.sticky import StickyBalance
from headrace.settings import ModelSettings, Settings
from headrace.settings.prompt import PromptSettings
from headrace.settings.targets import TargetSettings

# How many tokens come in for one that goes out, for comparing prices.
_INPUT_TOKENS: Final = 3

# Those that look for room or speed; a target that knows the prompt gives more of both.
_YIELDING: Final = ("weighted", "least-loaded", "latency", "quota")
# About 1,024 tokens, the least that most providers keep.
_PREFIX_BYTES_MIN: Final = 4096

_Key = tuple[str, Target]


class Targets:
    """Owns what is known of targets, through reloads. Belongs to one event loop.

    Args:
        clock: the time.
        uniform: draws numbers from 0 to 1, 1 excluded.
        wellness: knows which providers are out.

    Attributes:
        wellness: see above.
    """

    def __init__(self, clock: Clock, uniform: Callable[[], float], wellness: Wellness) -> None:
        self._now_s = clock.monotonic_s
        self.wellness = wellness
        self._uniform = uniform
        self._loads: dict[_Key, Load] = {}
        self._choices: dict[str, tuple[str, Choice]] = {}

    def change(self, settings: Settings, plan: Plan) -> dict[str, Choice]:
        """Go by other settings; what was learnt of targets that are still there is kept.

        Args:
            settings: what to go by.
            plan: the same, as the pipeline goes by it.

        Returns:
            How the models choose that have a choice, by name.
        """
        self.wellness.change(settings, plan.lanes)
        before, self._loads = self._loads, {}
        self._choices = {}
        for name, model in settings.models.items():
            if self._has_choice(model):
                ways = {
                    target: self._way(name, target, plan, before)
                    for target in map(target_of, model.targets)
                }
                self._choices[name] = (model.balance, self._choice(model, ways, settings.prompt))
        for provider, lane in plan.lanes.items():
            lane.gates.watch(self._watches(provider))
        return {name: choice for name, (_, choice) in self._choices.items()}

    def told(self) -> dict[str, Any]:
        """The models that choose among targets, and what they know of these."""
        now_s = self._now_s()
        return {
            name: {
                "balance": balance,
                "targets": {
                    f"{target.provider}/{target.model}": {
                        "weight": target.weight,
                        "calls": way.gate.calls,
                        "quota_left": round(way.gate.quota_left, 3),
                        "latency_ms": round(1000 * way.load.latency_s(now_s), 3),
                    }
                    for target, way in choice.ways.items()
                },
            }
            for name, (balance, choice) in self._choices.items()
        }

    def _has_choice(self, model: ModelSettings) -> bool:
        if len(model.targets) == 1:
            return False
        providers = (target_of(each).provider for each in model.targets)
        return model.balance != "in-order" or any(map(self.wellness.watches, providers))

    def _choice(
        self, model: ModelSettings, ways: Mapping[Target, Way], prompt: PromptSettings
    ) -> Choice:
        is_out = self.wellness.is_out
        if model.balance == "in-order":
            return Choice(None, ways, is_out, is_sticky=False)
        balance = make_balance(model.balance, self._uniform)
        if prompt.marks.enabled and prompt.marks.sticky and model.balance in _YIELDING:
            sticky = StickyBalance(balance)
            return Choice(sticky, ways, is_out, is_sticky=True, prefix_bytes_min=_PREFIX_BYTES_MIN)
        return Choice(balance, ways, is_out, is_sticky=model.balance == "sticky")

    def _way(self, name: str, target: Target, plan: Plan, before: Mapping[_Key, Load]) -> Way:
        lane = plan.lanes[target.provider]
        load = before.get((name, target))
        if load is None:
            load = Load(f"{target.provider}/{target.model}", weight=target.weight)
        load.cost = _cost(plan.price(lane, target.model))
        self._loads[name, target] = load
        return Way(lane.gates.of(target.model), load)

    def _watches(self, provider: str) -> Callable[[str], Watch | None]:
        by_model: dict[str, tuple[Load, ...]] = {}
        for (_, target), load in self._loads.items():
            if target.provider == provider:
                by_model[target.model] = (*by_model.get(target.model, ()), load)

        def watch(model: str) -> Watch | None:
            loads, endpoint = by_model.get(model, ()), self.wellness.endpoint(provider)
            return Watch(loads, endpoint) if loads or endpoint is not None else None

        return watch


def target_of(settings: TargetSettings) -> Target:
    """A target as its settings say."""
    after = None if settings.on is None else frozenset(settings.on)
    return Target.parse(settings.target, settings.weight, after)


def _cost(price: Price | None) -> float:
    """What calls cost, for comparing; nobody knows of what has no price."""
    return inf if price is None else _INPUT_TOKENS * price.input + price.output
