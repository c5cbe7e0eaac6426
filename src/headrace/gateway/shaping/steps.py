"""The steps that the settings ask for."""

from collections.abc import Sequence

import msgspec

from headrace.clock import Clock
from headrace.gateway.draft import Step
from headrace.gateway.shaping.marking import Marking
from headrace.prompt.marks.habits import Habits
from headrace.prompt.marks.models import is_documented
from headrace.settings import Settings
from headrace.settings.schema import ProviderSettings


class Steps(msgspec.Struct, frozen=True):
    """What is done to prompts, in order.

    Attributes:
        once: steps whose outcome is the same for every target.
        each: steps that depend on the target; they come after the others.
    """

    once: Sequence[Step] = ()
    each: Sequence[Step] = ()

    def __bool__(self) -> bool:
        return bool(self.once or self.each)


class Workshop:
    """Makes steps, and keeps what they learn through reloads. Belongs to one event loop.

    Args:
        clock: the time.
        workers: how many processes see a part of the calls each.
    """

    def __init__(self, clock: Clock, workers: int) -> None:
        self._now_s = clock.monotonic_s
        self._habits = Habits(workers)

    def steps(self, settings: Settings) -> Steps:
        """What the settings ask for.

        Raises:
            SettingsInvalid: a package that it needs is not installed.
        """
        prompt = settings.prompt
        once: list[Step] = []
        each: list[Step] = []
        if prompt.marks.enabled:
            marked = {name for name, one in settings.providers.items() if _takes_marks(one)}
            marked.update(prompt.marks.providers)
            each.append(Marking(prompt.marks, marked, self._habits, self._now_s))
        return Steps(once, each)


def _takes_marks(provider: ProviderSettings) -> bool:
    return is_documented(provider.dialect, provider.origin.host)
