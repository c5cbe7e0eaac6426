"""What one worker counts by OpenTelemetry's conventions for generative AI."""

from headrace.model import Usage
from headrace.observe.cells import NameSlots, Row
from headrace.observe.family import OTHER
from headrace.observe.gen_ai_families import GEN_AI, NO_ERROR, operation_name
from headrace.observe.handles import Histogram
from headrace.observe.layout import Layout


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
    """Counts by the conventions what one worker does.

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
        name, slot = operation_name(operation), self._slots.slot(provider)
        calls, tokens = self._calls, self._tokens
        calls.observe(calls.at(name, slot, error_type(status, "")), seconds)
        if usage is not None:
            tokens.observe(tokens.at(name, slot, "input"), usage.input_tokens)
            tokens.observe(tokens.at(name, slot, "output"), usage.output_tokens)

    def failed(self, operation: str, provider: str, code: str, seconds: float) -> None:
        """Count a call that nobody answered."""
        calls, name = self._calls, operation_name(operation)
        index = calls.at(name, self._slots.slot(provider), error_type(0, code))
        calls.observe(index, seconds)

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
        name = operation_name(route)
        if not name:
            return
        served = self._served
        served.observe(served.at(name, error_type(status, code)), seconds)
        if first_s is not None:
            self._first.observe(self._first.at(name), first_s)
            if tokens is not None and tokens > 1:
                between = self._between
                between.observe(between.at(name), (seconds - first_s) / (tokens - 1))
