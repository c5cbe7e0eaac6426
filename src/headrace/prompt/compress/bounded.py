"""A model that leaves words out, for which nobody waits longer than is set."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final

from headrace.prompt.compress.pipeline import Shorten

CHARS_MAX: Final = 65_536
"""Longer texts are not handed to the model: it goes on with what nobody waits for any more."""


class BoundedShortener:
    """A shortener in a thread of its own. Pass it as `shorten`; any thread may call it.

    A text comes back as it is where the model is not loaded yet, takes too long with it or with
    those before it, or fails.

    Args:
        load: makes the shortener, in that thread; begun at once.
        rate: the share of tokens to keep, in place of the one that is asked for.
        seconds_max: how long a caller waits for a text.
    """

    def __init__(self, load: Callable[[], Shorten], *, rate: float, seconds_max: float) -> None:
        self._rate = rate
        self._seconds_max = seconds_max
        self._thread = ThreadPoolExecutor(1, "headrace-shortener")
        self._loaded = self._thread.submit(load)
        self._late = 0
        self._fault: BaseException | None = None

    def __call__(self, text: str, _keep_share: float) -> str:
        """Implements `Shorten`."""
        if len(text) > CHARS_MAX or not self._loaded.done():
            return text
        try:
            shorter = self._thread.submit(self._shorten, text)
        except RuntimeError:  # closed meanwhile
            return text
        wait((shorter,), self._seconds_max)
        if shorter.cancel() or not shorter.done():
            self._late += 1
            return text
        return text if self._has_failed(shorter) else shorter.result() or text

    def faults(self) -> tuple[BaseException | None, int]:
        """The last fault of the model since this was asked last, and for how many texts it was
        too slow."""
        if self._loaded.done():
            self._has_failed(self._loaded)
        fault, late = self._fault, self._late
        self._fault, self._late = None, 0
        return fault, late

    def close(self) -> None:
        """Begin nothing any more; what the model does now it does to its end."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _shorten(self, text: str) -> str:
        return self._loaded.result()(text, self._rate)

    def _has_failed(self, done: "Future[str] | Future[Shorten]") -> bool:
        fault = None if done.cancelled() else done.exception()
        self._fault = fault or self._fault
        return done.cancelled() or fault is not None
