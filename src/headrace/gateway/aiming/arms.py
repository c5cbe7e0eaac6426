"""Experiments: calls for one model, shared out among several, each session always in one arm."""

from collections.abc import Mapping
from typing import Any

import msgspec

from headrace.cache.entry import Answer
from headrace.flow.quantiles import DurationSketch
from headrace.gateway.aiming.asked import Asked
from headrace.gateway.reader import Remarks
from headrace.observe.aim_metrics import AimMetrics
from headrace.routing.arms import Arm, pick_arm
from headrace.settings.tiers import ArmSettings, ExperimentSettings

_ERRORS = 400


class ArmBook:
    """How the calls of one arm went, in this worker. Implements `Book`.

    Args:
        arm: which one.
        number: of the arm among those of all experiments, from 1.
        experiment: whose arm it is.
        metrics: counts.
    """

    def __init__(self, arm: Arm, number: int, experiment: str, metrics: AimMetrics) -> None:
        self.arm = arm
        self.number = number
        self.remarks: Remarks = (("arm", f"{experiment}/{arm.name}"),)
        self.requests = 0
        self.calls = 0
        self.errors = 0
        self.spent_usd = 0.0
        self._durations = DurationSketch()
        self._metrics = metrics

    def asked(self) -> None:
        """A request was put into this arm."""
        self.requests += 1
        self._metrics.arm_asked(self.number)

    def answered(self, answer: Answer) -> None:
        """The provider has answered, be it with an error."""
        is_error = answer.status >= _ERRORS
        spent_usd = answer.cost_usd or 0.0
        self.calls += 1
        self.errors += is_error
        self.spent_usd += spent_usd
        self._durations.add(answer.seconds)
        self._metrics.arm_answered(self.number, answer.seconds, spent_usd, is_error=is_error)

    def failed(self) -> None:
        """There was no whole answer."""
        self.calls += 1
        self.errors += 1
        self._metrics.arm_failed(self.number)

    def told(self) -> dict[str, Any]:
        """The same as plain data."""
        p50_s, p95_s = self._durations.quantile_s(0.5), self._durations.quantile_s(0.95)
        return {
            "number": self.number,
            "model": self.arm.model,
            "weight": self.arm.weight,
            "requests": self.requests,
            "calls": self.calls,
            "errors": self.errors,
            "spent_usd": round(self.spent_usd, 9),
            "seconds_p50": None if p50_s is None else round(p50_s, 4),
            "seconds_p95": None if p95_s is None else round(p95_s, 4),
        }


class ArmTerms(msgspec.Struct, frozen=True):
    """What an arm's books are kept by: they go on as long as this stays the same."""

    experiment: str
    arm: str
    model: str


class Experiment:
    """One experiment. Belongs to one event loop.

    Args:
        name: what it is called; tells its assignments from those of others.
        settings: what is set.
        books: of its arms.

    Attributes:
        name: see above.
    """

    def __init__(self, name: str, settings: ExperimentSettings, books: tuple[ArmBook, ...]) -> None:
        self.name = name
        self._by_tenant = settings.unit == "tenant"
        self._arms = tuple(book.arm for book in books)
        self._books = books

    def aim(self, asked: Asked) -> ArmBook:
        """The arm that a request is in."""
        unit = asked.call.tenant.encode() if self._by_tenant else asked.session.opening
        book = self._books[pick_arm(self._arms, self.name, unit)]
        if asked.counts:
            book.asked()
        return book

    def told(self) -> Mapping[str, Any]:
        """The arms, as plain data."""
        return {book.arm.name: book.told() for book in self._books}


def make_books(
    experiments: Mapping[str, ExperimentSettings],
    before: Mapping[ArmTerms, ArmBook],
    metrics: AimMetrics,
) -> dict[ArmTerms, ArmBook]:
    """Books for the arms of all experiments; those go on that were there before."""
    books: dict[ArmTerms, ArmBook] = {}
    for name, experiment in experiments.items():
        for each in experiment.arms:
            terms, arm = ArmTerms(name, each.name, each.model), _arm(each)
            number, kept = len(books) + 1, before.get(terms)
            if kept is not None and kept.number == number:
                kept.arm = arm
                books[terms] = kept
            else:
                books[terms] = ArmBook(arm, number, name, metrics)
    return books


def _arm(each: ArmSettings) -> Arm:
    return Arm(each.name, each.model, each.weight)
