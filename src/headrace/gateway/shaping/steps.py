"""The steps that the settings ask for; what none of them needs is not imported."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from headrace.clock import Clock
from headrace.gateway.draft import Step
from headrace.gateway.tasks import Spawn
from headrace.settings import Settings
from headrace.settings.prompt import ShortenerSettings
from headrace.store.voice import Say

if TYPE_CHECKING:
    from headrace.gateway.shaping.shortening import Shortening
    from headrace.gateway.shaping.summaries import Complete, Summaries
    from headrace.prompt.compress.pipeline import Shorten
    from headrace.prompt.counting.counters import Counters
    from headrace.prompt.marks.habits import Habits

_COUNTED_AS = "gpt-4o"


class Steps(msgspec.Struct, frozen=True):
    """What is done to prompts, in order.

    Attributes:
        once: steps whose outcome is the same for every target.
        each: steps that depend on the target; they come after the others.
        waits: whether one of them may wait for a model.
    """

    once: Sequence[Step] = ()
    each: Sequence[Step] = ()
    waits: bool = False

    def __bool__(self) -> bool:
        return bool(self.once or self.each)


class Workshop:
    """Makes steps, and keeps what they learn through reloads. Belongs to one event loop.

    Args:
        clock: the time.
        workers: how many processes see a part of the calls each.
        complete: asks a model for a summary.
        spawn: starts a task.
        say: told what is wrong with a model in this process.
    """

    def __init__(
        self, clock: Clock, workers: int, complete: "Complete", spawn: Spawn, say: Say
    ) -> None:
        self._now_s = clock.monotonic_s
        self._workers = workers
        self._complete = complete
        self._spawn = spawn
        self._say = say
        self._summaries: Summaries | None = None
        self._shortening: Shortening | None = None

    def sweep(self) -> None:
        """Do what steps left to be done; ten times a second."""
        if self._summaries is not None:
            self._summaries.sweep()
        if self._shortening is not None:
            self._shortening.sweep()

    def close(self) -> None:
        """Let go of what runs beside the loop."""
        if self._shortening is not None:
            self._shortening.close()

    def steps(self, settings: Settings) -> Steps:
        """What the settings ask for.

        Raises:
            SettingsInvalid: a model in this process cannot be had.
        """
        prompt = settings.prompt
        once = [] if prompt.compress.level == "off" else [self._compressing(settings)]
        each: list[Step] = []
        if prompt.window.enabled:
            each.append(self._fitting(settings))
        if prompt.marks.enabled:
            each.append(self._marking(settings))
        return Steps(once, each, waits=prompt.compress.shortener is not None)

    def _compressing(self, settings: Settings) -> Step:
        from headrace.gateway.shaping.compressing import Compressing
        from headrace.prompt.compress.compressor import Compressor, rules_of
        from headrace.prompt.compress.rules import CompressRules

        # One vocabulary for all models, so that all targets are sent the same.
        counter = self._counters.of(_COUNTED_AS)
        bytes_max = settings.prompt.compress.memory_mb << 20
        rules = rules_of(settings.prompt) or CompressRules()
        shorten = self._shortener(settings.prompt.compress.shortener)
        return Compressing(
            Compressor(rules, counter.tokens_of, memory_bytes=bytes_max, shorten=shorten)
        )

    def _shortener(self, wanted: ShortenerSettings | None) -> "Shorten | None":
        """The model that leaves words out; one that is loaded stays while its settings do."""
        from headrace.gateway.shaping.shortening import Shortening

        kept = self._shortening
        if kept is None or kept.settings != wanted:
            # One that steps in force still hold goes with them.
            kept = None if wanted is None else Shortening(wanted, self._say)
        self._shortening = kept
        return None if kept is None else kept.shorten

    def _fitting(self, settings: Settings) -> Step:
        from headrace.gateway.shaping.fitting import Fitting
        from headrace.prompt.window.limits import LimitTable

        window = settings.prompt.window
        summaries = None if window.summarizer is None else self._writers(window.summaries_mb << 20)
        return Fitting(window, LimitTable.load(), self._counters, summaries)

    def _writers(self, bytes_max: int) -> "Summaries":
        """Those who write summaries; what they wrote before is kept."""
        from headrace.gateway.shaping.summaries import Summaries

        if self._summaries is None:
            self._summaries = Summaries(self._complete, self._spawn, self._now_s, bytes_max)
        self._summaries.resize(bytes_max)
        return self._summaries

    def _marking(self, settings: Settings) -> Step:
        from headrace.gateway.shaping.marking import Marking
        from headrace.prompt.marks.models import is_documented

        providers = {
            name
            for name, provider in settings.providers.items()
            if provider.marks == "on"
            or (provider.marks == "auto" and is_documented(provider.dialect, provider.origin.host))
        }
        return Marking(settings.prompt.marks, providers, self._habits, self._now_s)

    @cached_property
    def _counters(self) -> "Counters":
        """They never learn, so that the same text counts the same in every turn."""
        from headrace.prompt.counting.counters import Counters

        return Counters()

    @cached_property
    def _habits(self) -> "Habits":
        from headrace.prompt.marks.habits import Habits

        return Habits(self._workers)
