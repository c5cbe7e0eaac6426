"""The step that makes conversations fit the window of the model that is asked."""

from headrace.errors import InvalidRequest
from headrace.gateway.draft import Document, Recipient, Said
from headrace.prompt.counting.counters import Counters
from headrace.prompt.window.fit import fit_document
from headrace.prompt.window.limits import LimitTable
from headrace.prompt.window.room import budget_for, limits_of
from headrace.settings.prompt import WindowSettings


class Fitting:
    """Leaves out of conversations what there is no room for. May be used by several threads.

    Args:
        settings: how.
        table: what models have room for.
        counters: count; they never learn, or cuts would move from turn to turn.
    """

    def __init__(self, settings: WindowSettings, table: LimitTable, counters: Counters) -> None:
        self._settings = settings
        self._table = table
        self._counters = counters

    def __call__(self, document: Document, recipient: Recipient) -> tuple[Document, Said | None]:
        """Implements `Step`.

        Raises:
            InvalidRequest: what has to stay does not fit, and nobody else is asked then.
        """
        found = self._table.find(recipient.provider, recipient.dialect, recipient.model)
        limits = limits_of(self._settings, f"{recipient.provider}/{recipient.model}", found)
        counter = self._counters.of(recipient.model)
        budget = budget_for(self._settings, limits, document, count_error=counter.error_p95)
        if budget is None:
            return document, None
        try:
            fitted, report = fit_document(
                document, dialect=recipient.dialect, budget=budget, count=counter.tokens_of
            )
        except InvalidRequest:
            if recipient.is_last:
                raise
            return document, None  # the provider refuses it, and the next one is asked
        if not report.is_changed:
            return fitted, None
        before, after = report.tokens_before, report.tokens_after
        return fitted, Said("fitted", f"{before}>{after}", before - after)
