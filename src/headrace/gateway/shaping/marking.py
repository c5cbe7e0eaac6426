"""The step that marks prompts for their provider's cache."""

from collections.abc import Callable, Container
from threading import Lock

from headrace.gateway.draft import Document, Recipient, Said
from headrace.prompt.marks.habits import Habits
from headrace.prompt.marks.mark import mark_document
from headrace.prompt.marks.prefix import prefix_of
from headrace.prompt.marks.report import MarkReport, MarkRules
from headrace.settings.prompt import MarksSettings


class Marking:
    """Sets marks, by what calls that began alike did before. Used by several threads.

    Args:
        settings: how.
        providers: names of those who take marks.
        habits: what was seen of calls.
        now_s: gives monotonic seconds.
    """

    def __init__(
        self,
        settings: MarksSettings,
        providers: Container[str],
        habits: Habits,
        now_s: Callable[[], float],
    ) -> None:
        self._rules = MarkRules(ttl=settings.ttl, is_ordered=settings.order)
        self._providers = providers
        self._habits = habits
        self._now_s = now_s
        self._one_at_a_time = Lock()

    def __call__(self, document: Document, recipient: Recipient) -> tuple[Document, Said | None]:
        """Implements `Step`."""
        if recipient.provider not in self._providers:
            return document, None
        dialect, model = recipient.dialect, recipient.model
        prefix = prefix_of(document, dialect=dialect, model=model, tenant=recipient.tenant)
        with self._one_at_a_time:
            advice = self._habits.note(prefix, self._now_s())
        marked, report = mark_document(
            document,
            dialect=dialect,
            model=model,
            rules=self._rules,
            prefix=prefix,
            advice=advice,
        )
        return marked, None if marked is document else Said("marked", _told(report))


def _told(report: MarkReport) -> str:
    words = [f"{mark.place}={mark.ttl}" for mark in report.marks]
    if report.key:
        words.append("key")
    if report.is_ordered:
        words.append("ordered")
    if report.is_declined:
        words.append("declined")
    return ", ".join(words)
