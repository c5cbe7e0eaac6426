"""The model in this process that leaves words out: loaded beside the loop, told of in the log."""

from functools import partial
from importlib.util import find_spec
from typing import Final

from headrace.errors import SettingsInvalid
from headrace.prompt.compress.bounded import BoundedShortener
from headrace.prompt.compress.lingua import FAMILIES, LinguaShortener
from headrace.settings.prompt import ShortenerSettings
from headrace.store.voice import Say

_DETAIL_CHARS_MAX: Final = 200


class Shortening:
    """Owns the model. Belongs to one event loop.

    Args:
        settings: which model, and how long texts wait for it.
        say: told of texts that went out as they were.

    Attributes:
        settings: see above.
        shorten: what any thread may call.

    Raises:
        SettingsInvalid: the model cannot be had.
    """

    def __init__(self, settings: ShortenerSettings, say: Say) -> None:
        check_shortener(settings)
        self.settings = settings
        self._say = say
        load = partial(LinguaShortener, settings.model, device=settings.device)
        self.shorten = BoundedShortener(load, rate=settings.rate, seconds_max=settings.seconds_max)

    def sweep(self) -> None:
        """Tell what went wrong meanwhile."""
        fault, late = self.shorten.faults()
        about = self.settings.model
        if fault is not None:
            detail = f"{type(fault).__name__}: {fault}"[:_DETAIL_CHARS_MAX]
            self._say("error", "shortener_failed", about=about, detail=detail)
        if late:
            self._say("warning", "shortener_late", about=about, texts=late)

    def close(self) -> None:
        """Begin nothing any more."""
        self.shorten.close()


def check_shortener(settings: ShortenerSettings) -> None:
    """Whether there is something to load the model with.

    Raises:
        SettingsInvalid: there is not.
    """
    where = "prompt.compress.shortener.model"
    if not any(family in settings.model for family in FAMILIES):
        raise SettingsInvalid(
            f"{where}: the folder's path has to hold {' or '.join(FAMILIES)}, by which llmlingua "
            "tells how its tokens make words"
        )
    if find_spec("llmlingua") is None:
        raise SettingsInvalid(f"{where} needs LLMLingua-2: pip install 'headrace[lingua]'")
