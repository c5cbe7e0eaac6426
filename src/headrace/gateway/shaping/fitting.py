"""The step that makes conversations fit the window of the model that is asked."""

from headrace.errors import InvalidRequest
from headrace.gateway.draft import Document, Recipient, Said
from headrace.gateway.shaping.summaries import Summaries
from headrace.prompt.counting.counters import Counters
from headrace.prompt.counting.families import model_of
from headrace.prompt.window.fit import FitReport, Recall, fit_document
from headrace.prompt.window.limits import LimitTable
from headrace.prompt.window.room import budget_for, limits_of
from headrace.settings.prompt import WindowSettings


class Fitting:
    """Leaves out of conversations what there is no room for. May be used by several threads.

    Args:
        settings: how.
        table: what models have room for.
        counters: count; they never learn, or cuts would move from turn to turn.
        summaries: of what is left out; `None` where nobody writes any.
    """

    def __init__(
        self,
        settings: WindowSettings,
        table: LimitTable,
        counters: Counters,
        summaries: Summaries | None,
    ) -> None:
        self._settings = settings
        self._table = table
        self._counters = counters
        self._summaries = summaries

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
                document,
                dialect=recipient.dialect,
                budget=budget,
                count=counter.tokens_of,
                image=model_of(recipient.model).image,
                recall=self._recall(recipient),
            )
        except InvalidRequest:
            if recipient.refuses:
                raise
            return document, None  # the provider refuses it, and the next one is asked
        self._note(document, recipient, report)
        if not report.is_changed:
            return fitted, None
        before, after = report.tokens_before, report.tokens_after
        told = f"{before}>{after}, summary" if report.summarised else f"{before}>{after}"
        return fitted, Said("fitted", told, before - after)

    def _recall(self, recipient: Recipient) -> Recall | None:
        summarizer = self._settings.summarizer
        if self._summaries is None or summarizer is None:
            return None
        return self._summaries.recall(summarizer, recipient.tenant)

    def _note(self, document: Document, recipient: Recipient, report: FitReport) -> None:
        """Have summed up what has no summary yet."""
        settings = self._settings
        if self._summaries is not None and settings.summarizer is not None:
            self._summaries.note(
                settings.summarizer,
                recipient.tenant,
                document["messages"],
                report,
                settings.summary_tokens,
            )
