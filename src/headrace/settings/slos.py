"""What service levels are: which answers are good, and how many have to be."""

import re
from collections.abc import Iterable, Iterator
from math import sqrt
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from headrace.settings.bounded import Filled

SLOS_MAX: Final = 8
FASTEST_BURN: Final = 14.4
"""The burn rate that wakes somebody at once: in an hour 2 % of a month's budget are gone."""
BAD_LEAST: Final = 5
"""Fewer bad answers are no state of affairs, whatever share of few answers they are."""
WINDOW_DAYS_MAX: Final = 90
_NAME: Final = re.compile("[a-z][a-z0-9_-]{0,30}")
MODEL_ROUTES: Final = ("chat", "embeddings", "messages", "responses")
"""Routes whose answers service levels are about."""

SloKind = Literal["availability", "latency", "ttft"]
ReactionAction = Literal["shed", "degrade", "template"]

# .45 and 2 are objectives of the usual service levels: a threshold has to be a bucket's edge.
REQUEST_S: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.45, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0),
)
"""Edges in seconds of the histograms of requests."""
EDGES_MS: Final = tuple(round(edge * 1000, 6) for edge in REQUEST_S)
"""The same in milliseconds."""
LEVELS_MAX: Final = 1 + 2 * len(REQUEST_S)
"""How many numbers `level_number` gives."""


class Reaction(msgspec.Struct, frozen=True, kw_only=True):
    """What is done about a budget that burns too fast: calls that can wait give way.

    Attributes:
        action: what becomes of them: `shed`, they are refused; `degrade`, a cheaper model is asked;
            `template`, they are answered by the fallback text of their model.
        model: the cheaper model of `degrade`; else that of the tier below.
        burn_rate: from which on it begins, over both windows, and grows.
        rest_rate: down to which it goes back.
        fast_s: the short window, in seconds.
        slow_s: the long one.
        look_s: how often it is looked at.
        share_max: of the calls that are not of high priority, never more give way.
    """

    action: ReactionAction
    model: Filled | None = None
    burn_rate: Annotated[float, Meta(ge=1.1, le=10_000)] | None = None
    rest_rate: Annotated[float, Meta(ge=0, le=10_000)] = 1.0
    fast_s: Annotated[float, Meta(ge=1, le=3600)] = 300.0
    slow_s: Annotated[float, Meta(ge=1, le=3600)] = 3600.0
    look_s: Annotated[float, Meta(ge=0.25, le=600)] = 10.0
    share_max: Annotated[float, Meta(gt=0, le=1)] = 0.9


class Slo(msgspec.Struct, frozen=True, kw_only=True):
    """A service level: so large a share of the answers has to be good.

    Attributes:
        name: small letters, digits, `_` and `-`; metrics call it by its number.
        kind: what makes an answer good: `availability`, that it is no fault of the gateway or a
            provider; `latency`, that all of it came in time; `ttft`, that a stream began in time.
        threshold_ms: the time, in milliseconds; an edge of the histograms. Not of `availability`.
        objective: the share, below 1.
        window_days: the days over which it has to hold.
        reaction: what is done about a budget that burns too fast, if anything is.
    """

    name: str
    kind: SloKind
    threshold_ms: Annotated[float, Meta(gt=0)] | None = None
    objective: Annotated[float, Meta(ge=0.5, le=0.99999)]
    window_days: Annotated[int, Meta(ge=1, le=WINDOW_DAYS_MAX)] = 30
    reaction: Reaction | None = None

    @property
    def budget(self) -> float:
        """The share of answers that may be bad."""
        return 1.0 - self.objective

    @property
    def window_s(self) -> float:
        """The time over which it has to hold, in seconds."""
        return self.window_days * 86_400.0

    @property
    def start_rate(self) -> float:
        """The burn rate from which on its reaction begins.

        By default that of the fastest alert, or halfway, as rates are told, between one at which
        the budget lasts and one at which all answers are bad: where that is less.
        """
        if self.reaction is not None and self.reaction.burn_rate is not None:
            return self.reaction.burn_rate
        return min(FASTEST_BURN, sqrt(1 / self.budget))


USUAL_SLOS: Final = (
    Slo(name="availability", kind="availability", objective=0.999),
    Slo(name="latency", kind="latency", threshold_ms=2000, objective=0.95),
    Slo(name="first-token", kind="ttft", threshold_ms=500, objective=0.95),
)
"""What a service that talks with people usually promises."""


def edge_s(slo: Slo) -> float:
    """The edge of a histogram that is a service level's threshold, in seconds.

    Raises:
        ValueError: its threshold is none.
    """
    if slo.threshold_ms in EDGES_MS:
        return REQUEST_S[EDGES_MS.index(slo.threshold_ms)]
    raise ValueError(f"{slo.name}: {slo.threshold_ms} ms is no edge of the histograms")


def level_number(slo: Slo) -> int:
    """The number of what a service level counts: the same for all of one kind and threshold.

    Raises:
        ValueError: its threshold is no edge of the histograms.
    """
    if slo.kind == "availability":
        return 0
    at = REQUEST_S.index(edge_s(slo))
    return 1 + at + (len(REQUEST_S) if slo.kind == "ttft" else 0)


def level_name(slo: Slo) -> str:
    """The same in words, for what outlives a gateway whose edges may become others."""
    return slo.kind if slo.threshold_ms is None else f"{slo.kind} {slo.threshold_ms:g} ms"


def slo_problems(slos: Iterable[tuple[int, Slo]]) -> Iterator[tuple[int, str, str]]:
    """What is wrong with declared service levels: position, field and text of each problem."""
    seen: set[str] = set()
    for at, slo in slos:
        if at >= SLOS_MAX:
            yield at, "name", f"there are more than {SLOS_MAX}"
        if not _NAME.fullmatch(slo.name):
            yield at, "name", "expected up to 31 small letters, digits, _ and -, a letter first"
        if slo.name in seen:
            yield at, "name", f"'{slo.name}' stands twice"
        seen.add(slo.name)
        yield from ((at, f"reaction.{field}", text) for field, text in _reaction_problems(slo))
        if slo.kind == "availability":
            if slo.threshold_ms is not None:
                yield at, "threshold_ms", "availability knows no time: leave it out"
        elif slo.threshold_ms not in EDGES_MS:
            edges = ", ".join(f"{edge:g}" for edge in EDGES_MS)
            yield at, "threshold_ms", f"expected one of {edges}"


def _reaction_problems(slo: Slo) -> Iterator[tuple[str, str]]:
    reaction = slo.reaction
    if reaction is None:
        return
    if slo.start_rate >= 1 / slo.budget:
        most = f"{1 / slo.budget:.4g}"
        yield "burn_rate", f"this budget never burns faster than {most}: expected less"
    if reaction.rest_rate >= slo.start_rate:
        yield "rest_rate", f"expected less than burn_rate, which is {slo.start_rate:.4g}"
    if reaction.fast_s > reaction.slow_s:
        yield "fast_s", "expected no more than slow_s"
    if reaction.model is not None and reaction.action != "degrade":
        yield "model", "only action: degrade asks another model"
