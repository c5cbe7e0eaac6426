"""The engine under all three faces: pipeline, cache and the ways to the providers, as one.

The gateway and the library both run this; only what stands in front of it differs.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import msgspec

from headrace.cache.memory import MemoryCache
from headrace.cache.rules import StoreRules
from headrace.cache.tiers import OnState
from headrace.clock import Clock
from headrace.dialects.anthropic import AnthropicDialect
from headrace.dialects.base import Dialect
from headrace.dialects.openai import OpenAIDialect
from headrace.errors import HeadraceError
from headrace.flow.breaker import State
from headrace.gateway.aiming.aim import Aims, extra_models, read_weights
from headrace.gateway.aiming.intents import read_classifiers
from headrace.gateway.call import Call
from headrace.gateway.calls.dispatch import Dispatcher
from headrace.gateway.calls.flow_desk import FlowDesk
from headrace.gateway.calls.lanes import Lanes
from headrace.gateway.calls.shedding import Shedding
from headrace.gateway.calls.targets import Targets, target_of
from headrace.gateway.calls.wellness import Wellness
from headrace.gateway.catalogue import Catalogue
from headrace.gateway.embeds.merging import EmbedBatcher
from headrace.gateway.flight import Sender
from headrace.gateway.handing import Handing
from headrace.gateway.pipeline import Pipeline
from headrace.gateway.plan import Lane, Plan
from headrace.gateway.reader import Reader
from headrace.gateway.shaping.shaping import Shaping
from headrace.gateway.shaping.steps import Workshop
from headrace.gateway.spend.treasury import Treasury
from headrace.gateway.stock.cache_desk import CacheDesk
from headrace.gateway.stock.meaning_parts import EmbedTexts
from headrace.gateway.stock.stock import Stock
from headrace.gateway.tasks import Tasks
from headrace.gateway.templating.templates import Templates
from headrace.identity.tallies import TallyTable
from headrace.limits import SWEEP_INTERVAL_S
from headrace.model import DialectName, Price
from headrace.observe.aim_metrics import AimMetrics
from headrace.observe.metrics import Metrics
from headrace.routing.directory import Directory
from headrace.routing.prices import PriceTable
from headrace.settings import Settings
from headrace.store.voice import Level, Say

if TYPE_CHECKING:
    from headrace.gateway.token_counts import TokenCounts
    from headrace.prompt.counting.counters import Counters

OnBug = Callable[[BaseException], None]
OnUnreachable = Callable[[str, HeadraceError], None]


class Engine:
    """Everything between a request that was read and its answer. Belongs to one event loop.

    Args:
        settings: what to go by.
        clock: the time.
        metrics: counts.
        on_bug: told of an exception that no one expected.
        on_unreachable: told that a provider could not be reached at start.
        on_tier: told once when a tier of the cache is left alone, and once when it is back.
        say: told what else happens: to the store, or that a provider is left alone.
        embed: makes the vectors of questions in place of the embedder of the settings.
        tallies: what was spent, where several processes count together.

    Attributes:
        treasury: what is asked of money.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        metrics: Metrics,
        on_bug: OnBug,
        on_unreachable: OnUnreachable,
        on_tier: OnState,
        say: Say,
        embed: EmbedTexts | None = None,
        tallies: TallyTable | None = None,
    ) -> None:
        openai, anthropic = OpenAIDialect(), AnthropicDialect()
        self.dialects: dict[DialectName, Dialect] = {"openai": openai, "anthropic": anthropic}
        self.metrics = metrics
        self._clock = clock
        self._on_unreachable = on_unreachable
        self._say = say
        self._tasks = Tasks(on_bug)
        self._prices = PriceTable.load(clock.wall_s)
        uniform = secrets.SystemRandom().random
        spawn = self._tasks.spawn
        self._lanes = Lanes(self.dialects, metrics, spawn, clock, uniform, self._tell_circuit)
        self._targets = Targets(clock, uniform, Wellness(clock, uniform, spawn, say))
        self._aims = Aims(clock, AimMetrics(metrics))
        self._sweeper: asyncio.TimerHandle | None = None
        self._warming: list[asyncio.Task[None]] = []
        self.settings = settings
        plan = self._plan(settings)
        self.stock = Stock(
            settings,
            plan=lambda: self.pipeline.plan,
            clock=clock,
            metrics=metrics,
            spawn=spawn,
            on_tier=on_tier,
            on_store=say,
            ask_again=self._ask_again,
            embed=embed,
            spending=lambda: self.treasury.spending,
        )
        self.catalogue = Catalogue(plan, clock, spawn)
        self._dispatcher = Dispatcher(clock, uniform)
        self._embeds = EmbedBatcher(lambda: self.settings.batch, clock, on_bug, self._dispatcher)
        self.pipeline = Pipeline(
            plan,
            answers=self.stock.answers,
            clock=clock,
            metrics=metrics,
            spawn=spawn,
            sender=Handing(self._embeds),
            on_bug=on_bug,
            meanings=self.stock.meanings,
        )
        self.treasury = self._make_treasury(tallies)
        self.templates = self._make_templates()
        self.shedding = self._make_shedding()
        self._workshop = self._make_workshop(clock)
        self._shaping = self._make_shaping(on_bug)

    @property
    def cache(self) -> MemoryCache:
        """The answers in memory."""
        return self.stock.memory

    @property
    def desk(self) -> CacheDesk:
        """What is asked of the cache as a whole."""
        return self.stock.desk

    @property
    def flow(self) -> FlowDesk:
        """What is asked of the calls to providers."""
        return FlowDesk(lambda: self.pipeline.plan, self.shedding, self._targets)

    @property
    def calls(self) -> int:
        """Calls to providers under way."""
        return self._lanes.calls + self._embeds.waiting

    @property
    def retired(self) -> list[Lane]:
        """Lanes that a reload took away and that still carry calls."""
        return self._lanes.retired

    @property
    def tiers(self) -> Mapping[str, str]:
        """How the tiers below memory are: `up`, `read-only` or `down`."""
        return self.stock.cellar.states

    @property
    def tasks(self) -> int:
        """Background tasks under way."""
        return len(self._tasks)

    def start(self) -> None:
        """Begin to keep time and open connections ahead of the first call."""
        self._sweep(asyncio.get_running_loop())
        self.stock.cellar.start()
        self.pipeline.landing.counts = self._make_counts(self.settings)
        self.templates.start(self._forget_repeats)
        self._warming = [
            self._tasks.spawn(self._warm(lane, connections))
            for name, lane in self.pipeline.plan.lanes.items()
            if (connections := self.settings.providers[name].warm_connections)
        ]

    async def catch_up(self, timeout_s: float) -> None:
        """Wait until the tiers below memory count, up to a limit: what was purged while this
        process was not there has to be known first."""
        await self.stock.cellar.caught_up(timeout_s)

    async def warm_up(self, timeout_s: float) -> None:
        """Wait until the first connections are open or could not be opened, up to a limit."""
        await self.catch_up(timeout_s)
        warming, self._warming = self._warming, []
        if warming:
            await asyncio.wait(warming, timeout=timeout_s)

    def reload(self, settings: Settings) -> None:
        """Go by other settings from the next request on; calls under way end as they began.

        Raises:
            SettingsInvalid: they cannot be used; the old ones stay.
        """
        # First, for what is refused changes nothing.
        self.treasury.check(settings)
        templates = self.templates.read(settings)
        steps = self._workshop.steps(settings)
        plan = self._plan(settings)
        self._shaping.steps = steps
        self.pipeline.shaping = self._shaping if steps else None
        self.settings = settings
        self.pipeline.templating = self.templates.adopt(settings, templates)
        self.catalogue = Catalogue(plan, self._clock, self._tasks.spawn)
        self.stock.adopt(settings)
        self.pipeline.adopt(plan)
        self.pipeline.spending = self.treasury.adopt(settings)
        self.pipeline.landing.counts = self._make_counts(settings)
        self.shedding.adopt(settings.process)

    def end_calls(self) -> None:
        """Tell everybody who waits for a provider, or for a turn, that there will be no answer."""
        self._embeds.close()
        self._lanes.close()

    async def close(self) -> None:
        """End what runs and close every connection."""
        if self._sweeper:
            self._sweeper.cancel()
        self.end_calls()
        await self.stock.close()
        await self._tasks.close()
        self._shaping.close()
        self._workshop.close()

    def refresh_gauges(self) -> None:
        """Bring the gauges that nobody pushes up to date."""
        self.stock.refresh_gauges()
        self._lanes.refresh_gauges()
        self.treasury.refresh_gauges()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run something in the background until the engine closes."""
        return self._tasks.spawn(coroutine)

    def _plan(self, settings: Settings) -> Plan:
        weights, classifiers = read_weights(settings), read_classifiers(settings)
        lanes = self._lanes.change(settings.providers, settings.listen.workers)
        cache = settings.cache
        directory = _directory(settings)
        plan = Plan(
            directory=directory,
            lanes=lanes,
            price_table=self._prices,
            prices=_own_prices(settings),
            ignored=frozenset(cache.ignore),
            cache_enabled=cache.enabled,
            temperature_max=cache.temperature_max,
            rules=StoreRules(cache.tool_calls, cache.unsafe, cache.entry_kb_max << 10),
            ttl_s=cache.ttl_s,
            ttl_s_max=cache.ttl_s_max,
            stale_s=cache.stale_s,
            stale_if_error_s=cache.stale_if_error_s,
            second_usd=cache.second_usd,
            fallback_texts={
                name: model.fallback_text
                for name, model in settings.models.items()
                if model.fallback_text is not None
            },
            continued=frozenset(
                name for name, model in settings.models.items() if model.continue_streams
            ),
        )
        return msgspec.structs.replace(
            plan,
            choices=self._targets.change(settings, plan),
            aim=self._aims.change(
                settings,
                weights,
                classifiers,
                directory,
                lambda target: plan.price(lanes[target.provider], target.model),
            ),
        )

    def _ask_again(self, call: Call, body: bytes, purpose: str, reader: Reader) -> None:
        self.pipeline.ask_again(call, body, purpose, reader)

    def _make_workshop(self, clock: Clock) -> Workshop:
        complete, spawn = self.stock.errands.complete, self._tasks.spawn
        return Workshop(clock, self.settings.listen.workers, complete, spawn, self._say)

    def _make_shaping(self, on_bug: OnBug) -> Shaping:
        steps = self._workshop.steps(self.settings)
        shaping = Shaping(steps, counts=self.metrics, spawn=self._tasks.spawn, on_bug=on_bug)
        self.pipeline.shaping = shaping if steps else None
        return shaping

    def _make_treasury(self, tallies: TallyTable | None) -> Treasury:
        treasury = Treasury(
            tallies, lambda: self.pipeline.plan, self._clock, self.metrics, self._say
        )
        self.pipeline.spending = treasury.adopt(self.settings)
        return treasury

    @cached_property
    def counters(self) -> "Counters":
        """What counts tokens, and has learnt from usage what those of each family are."""
        from headrace.prompt.counting.counters import Counters

        return Counters(self.settings.counting.memory_mb << 20)

    def _make_counts(self, settings: Settings) -> "TokenCounts | None":
        """What counts the tokens of calls, where anything asks for it."""
        if not settings.counting.estimate_costs:
            return None
        from headrace.gateway.token_counts import TokenCounts

        self.counters.warm_up()
        return TokenCounts(self.counters, self._tasks.spawn, self._clock)

    def _make_templates(self) -> Templates:
        spawn = self._tasks.spawn
        templates = Templates(self.settings, self.metrics, spawn, self._say)
        self.pipeline.templating = templates.templating
        return templates

    def _forget_repeats(self) -> None:
        """Another template may stand for the same body: those under way end as they began."""
        self.pipeline.adopt(msgspec.structs.replace(self.pipeline.plan))

    def _make_shedding(self) -> Shedding:
        return Shedding(
            self.settings.process,
            self.pipeline.sender,
            self._send_by,
            clock=self._clock,
            gauge=self.metrics.process_pressure,
            count=self.metrics.shed_calls,
            say=self._say,
        )

    def _send_by(self, sender: Sender, has_too_much: bool) -> None:
        self.pipeline.sender = sender
        self._dispatcher.learns = not has_too_much

    def _tell_circuit(self, provider: str, model: str, state: State) -> None:
        level, event = _CIRCUIT_EVENTS[state]
        self._say(level, event, about=f"{provider}/{model}", detail=_CIRCUIT_DETAILS[state])

    async def _warm(self, lane: Lane, connections: int) -> None:
        try:
            await lane.endpoint.pool.warm(connections)
        except HeadraceError as error:
            self._on_unreachable(lane.endpoint.name, error)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        # First, so that nothing that goes wrong below ends the keeping of time.
        self._sweeper = loop.call_later(SWEEP_INTERVAL_S, self._sweep, loop)
        self._lanes.sweep(loop.time())
        self._targets.wellness.sweep(loop.time())
        self._workshop.sweep()
        self.stock.sweep()


def _directory(settings: Settings) -> Directory:
    models = {name: tuple(map(target_of, each.targets)) for name, each in settings.models.items()}
    return Directory(
        {name: provider.dialect for name, provider in settings.providers.items()},
        models | extra_models(settings, models),
    )


def _own_prices(settings: Settings) -> dict[str, Price]:
    return {
        model.targets[0].target: model.price.price
        for model in settings.models.values()
        if model.price is not None
    }


_CIRCUIT_EVENTS: Final[Mapping[State, tuple[Level, str]]] = {
    State.OPEN: ("warning", "circuit_open"),
    State.HALF_OPEN: ("info", "circuit_half_open"),
    State.CLOSED: ("info", "circuit_closed"),
}
_CIRCUIT_DETAILS: Final[Mapping[State, str]] = {
    State.OPEN: "too many of its calls failed; it is not asked for a while",
    State.HALF_OPEN: "a few calls find out whether it answers again",
    State.CLOSED: "it answers again",
}
