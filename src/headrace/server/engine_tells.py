"""What an engine tells the operator, as events of the log."""

from headrace.errors import HeadraceError
from headrace.observe.event_log import EventLog


class EngineTells:
    """Puts it into words.

    Args:
        events: where they are logged.
    """

    def __init__(self, events: EventLog) -> None:
        self._say = events.say

    def bug(self, error: BaseException) -> None:
        """Nobody expected this."""
        self._say("error", "bug", about=type(error).__name__, detail=repr(error))

    def tier(self, tier: str, is_up: bool, why: str) -> None:
        """A tier of the cache is left alone, or back."""
        if is_up:
            self._say("info", "tier_up", about=tier, detail=why)
        else:
            self._say("warning", "tier_down", about=tier, detail=why)

    def unreachable(self, provider: str, error: HeadraceError) -> None:
        """A provider could not be reached at start."""
        self._say("warning", "provider_unreachable", about=provider, detail=error.message)
