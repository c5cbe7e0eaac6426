"""What one worker counts by OpenTelemetry's conventions for generative AI."""

from typing import Final

from headrace.model import Usage
from headrace.observe.cells import NameSlots, Row
from headrace.observe.family import OTHER
from headrace.observe.gen_ai_families import GEN_AI, NO_ERROR, OPERATIONS, operation_name
from headrace.observe.handles import Histogram
from headrace.observe.layout import Layout

_ERRORS: Final = 400


def error_type(status: int, code: str) -> str:
    """What went wrong, as few kinds as can be.

    Args:
        status: of the answer; 0 for none.
        code: of the error; empty for none.
    """
    if status == 429:
        return "429"
    if 400 <= status < 500:
        return "4xx"
    if "timeout" in code or code == "deadline_exceeded":
        return "timeout"
    if code.startswith("upstream_"):
        return "connection"
    if status >= 500:
        return "5xx"
    return OTHER if code else NO_ERROR


class GenAiMetrics:
    """Counts by the conventions what one worker does. Belongs to one event loop.

    Args:
        layout: of the row; has the families.
        cells: the row.
        slots: the names of providers.
    """

    def __init__(self, layout: Layout, cells: Row, slots: NameSlots) -> None:
        calls, tokens, served, first, between = (
            Histogram(cells, layout.place(family.name)) for family in GEN_AI
        )
        self._calls, self._tokens, self._served = calls, tokens, served
        self._first, self._between = first, between
        self._slots = slots
        self._known: dict[tuple[str, str], tuple[int, int, int]] = {}
        self._routes = {
            route: (served.at(name, NO_ERROR), first.at(name), between.at(name))
            for route, name in OPERATIONS.items()
        }

    def called(
        self, operation: str, provider: str, status: int, seconds: float, usage: Usage | None
    ) -> None:
        """Count a call that a provider answered.

        Args:
            operation: what was asked.
            provider: its name.
            status: of the answer.
            seconds: from the first try to the end.
            usage: what it reports.
        """
        duration, sent, got = self._series(operation, provider)
        if status >= _ERRORS:
            duration = self._failed_at(operation, provider, error_type(status, ""))
        self._calls.observe(duration, seconds)
        if usage is not None:
            self._tokens.observe(sent, usage.input_tokens)
            self._tokens.observe(got, usage.output_tokens)

    def failed(self, operation: str, provider: str, status: int, code: str, seconds: float) -> None:
        """Count a call that has no answer.

        Args:
            operation: what was asked.
            provider: its name.
            status: of what the provider said; 0 for nothing.
            code: of the error.
            seconds: from the first try to the end.
        """
        error = error_type(status, code)
        self._calls.observe(self._failed_at(operation, provider, error), seconds)

    def served(
        self,
        route: str,
        status: int,
        code: str,
        seconds: float,
        first_s: float | None,
        tokens: int | None,
    ) -> None:
        """Count a request that was answered.

        Args:
            route: of the request; those that ask no model are not counted.
            status: of the answer.
            code: of what went wrong; empty for nothing.
            seconds: from its first byte to the last of the answer.
            first_s: to the first byte of the answer, where it was a stream.
            tokens: of the answer, where they are known.
        """
        series = self._routes.get(route)
        if series is None:
            return
        served, first, between = series
        if status >= _ERRORS or code:
            served = self._served.at(operation_name(route), error_type(status, code))
        self._served.observe(served, seconds)
        if first_s is not None:
            self._first.observe(first, first_s)
            if tokens is not None and tokens > 1:
                self._between.observe(between, (seconds - first_s) / (tokens - 1))

    def _series(self, operation: str, provider: str) -> tuple[int, int, int]:
        """The series of good calls: their duration, and tokens in and out."""
        known = self._known.get((operation, provider))
        if known is None:
            name, slot, tokens = operation_name(operation), self._slots.slot(provider), self._tokens
            both = tokens.at(name, slot, "input"), tokens.at(name, slot, "output")
            known = (self._calls.at(name, slot, NO_ERROR), *both)
            if slot < self._slots.names_max:  # one that has no slot of its own yet may get it
                self._known[operation, provider] = known
        return known

    def _failed_at(self, operation: str, provider: str, error: str) -> int:
        return self._calls.at(operation_name(operation), self._slots.slot(provider), error)
