"""Which of a cheap, a standard and a strong model answers a request. Pure: told the time.

Scores say little in themselves; where a request stands among those of late says more. So what is
set is the share of calls that a tier is to have, or how good answers are to be on the whole, and
the thresholds follow from the scores of recent requests.

A session never comes down: whoever got a strong model's answers would see the change, and the
provider's prompt cache would be lost. Since the scores of a session count at the highest it has
had, the shares that are set are those that come about, sessions included.
"""

import enum
from collections.abc import Mapping
from math import inf, log
from typing import Final, Literal

import msgspec

from headrace.routing.complexity.features import Reading
from headrace.routing.complexity.weights import Scorer, probability
from headrace.routing.lengths import USUAL_TOKENS, LengthGuess
from headrace.routing.score_sketch import ScoreSketch

Why = Literal["score", "near", "cold", "unread", "session"]
WHYS: Final[tuple[Why, ...]] = ("score", "near", "cold", "unread", "session")

_UNREAD: Final[Why] = "unread"

# Thresholds are found anew after so many scores, or so much time.
_SCORES_MAX: Final = 64
_SECONDS_MAX: Final = 10.0


class Tier(enum.IntEnum):
    """How strong a model is; a higher one is never given up for a lower one in a session."""

    CHEAP = 0
    STANDARD = 1
    STRONG = 2


class Shares(msgspec.Struct, frozen=True):
    """The share of calls that is to go to the cheap model, and that to the strong one."""

    cheap: float
    strong: float


class Quality(msgspec.Struct, frozen=True):
    """The share of answers that are to be as good as the strong model's, between two tiers.

    Goes by what weights say of the probability that the cheap model is not good enough, so it is
    as true as these are.
    """

    share: float


class Fixed(msgspec.Struct, frozen=True):
    """Probabilities that the cheap model is not good enough: below, it is asked; from, the strong.

    Attributes:
        cheap_below: below it the cheap model answers.
        strong_from: from it on the strong one does.
    """

    cheap_below: float
    strong_from: float


Goal = Shares | Quality | Fixed


class TierTerms(msgspec.Struct, frozen=True):
    """What is set.

    Attributes:
        default: who answers where it is not certain who should.
        margin: scores this near to a threshold, as probabilities, are not certain.
        scores_min: with fewer recent scores than these nothing is certain.
        half_life_s: after this long a score counts half.
        sessions_max: sessions that are told apart; who was not seen for longest is forgotten.
        session_idle_s: and who was not seen for this long.
        per_dollar: whether what a request is expected to cost counts, and not only how hard it is;
            for shares alone.
    """

    goal: Goal
    default: Tier = Tier.STRONG
    margin: float = 0.0
    scores_min: int = 200
    half_life_s: float = 3600.0
    sessions_max: int = 20_000
    session_idle_s: float = 3600.0
    per_dollar: bool = False


class Decision(msgspec.Struct, frozen=True):
    """Who answers.

    Attributes:
        why: its score; it is near a threshold, or too few are known, or it could not be read, each
            of which leads to the default; or its session, which was higher.
        probability: that the cheap model is not good enough.
    """

    tier: Tier
    why: Why
    probability: float


class Thresholds(msgspec.Struct, frozen=True):
    """Logits: below `cheap` the cheap model answers, from `strong` on the strong one."""

    cheap: float
    strong: float

    def tier(self, logit: float) -> Tier:
        """Who answers at a logit."""
        if logit < self.cheap:
            return Tier.CHEAP
        return Tier.STRONG if logit >= self.strong else Tier.STANDARD


class TierChooser:
    """Chooses for one name that callers use. Belongs to one event loop.

    Args:
        terms: what is set.
        scorer: scores requests.

    Attributes:
        lengths: guesses how long answers will be, where that counts.
    """

    def __init__(self, terms: TierTerms, scorer: Scorer) -> None:
        self.terms = terms
        self.lengths = LengthGuess() if terms.per_dollar else None
        self._scorer = scorer
        self._sketch = ScoreSketch(terms.half_life_s)
        self._sessions = Sessions(terms.sessions_max, terms.session_idle_s)
        self._thresholds: Thresholds | None = None
        self._due_s = -inf
        self._due_scores = 0

    def choose(
        self,
        reading: Reading,
        session: bytes,
        now_s: float,
        *,
        opening: bytes = b"",
        is_new: bool = False,
        input_as_output: float = 0.0,
    ) -> Decision:
        """Who answers a request.

        Args:
            reading: of the request.
            session: what requests of one session have in common; empty: it has none.
            now_s: monotonic seconds.
            opening: what its first request was known by, where that was another.
            is_new: whether this is its first request, whatever is known of the like.
            input_as_output: tokens of an answer that would cost as much as the prompt does.
        """
        terms = self.terms
        held = None if is_new else self._held(session, opening, now_s)
        logit = self._scorer.logit(reading.features)
        score = self._score(reading, logit, input_as_output)
        tier, why = terms.default, _UNREAD
        if reading.is_read:
            highest = score if held is None else max(score, held.logit)
            self._sketch.add(highest, now_s)
            tier, why = self._by_score(score, now_s)
        else:
            highest = -inf if held is None else held.logit
        if held is not None and held.tier > tier:
            tier, why = held.tier, "session"
        if session:
            self._sessions.keep(session, Held(tier, highest, now_s))
        return Decision(tier, why, probability(logit))

    def peek(self, reading: Reading, now_s: float, *, input_as_output: float = 0.0) -> Decision:
        """Who would answer a request of no session, which teaches nothing."""
        logit = self._scorer.logit(reading.features)
        if not reading.is_read:
            return Decision(self.terms.default, "unread", probability(logit))
        score = self._score(reading, logit, input_as_output)
        tier, why = self._by_score(score, now_s)
        return Decision(tier, why, probability(logit))

    def told(self, now_s: float) -> Mapping[str, float | int | None]:
        """Thresholds as probabilities, and what they come from."""
        # What is divided by dollars is no probability.
        found = self._found(now_s) if self.lengths is None else None
        return {
            "cheap_below": None if found is None else round(_as_probability(found.cheap), 4),
            "strong_from": None if found is None else round(_as_probability(found.strong), 4),
            "scores": round(self._sketch.weight, 1),
            "sessions": len(self._sessions),
        }

    def _score(self, reading: Reading, logit: float, input_as_output: float) -> float:
        """What requests are put in order by: how hard they are, or that for each dollar."""
        if self.lengths is None:
            return logit
        output = self.lengths.tokens(reading.features) + input_as_output
        return log(probability(logit) * USUAL_TOKENS / output)

    def _held(self, session: bytes, opening: bytes, now_s: float) -> "Held | None":
        for key in (session, opening):
            if key and (held := self._sessions.find(key, now_s)) is not None:
                return held
        return None

    def _by_score(self, logit: float, now_s: float) -> tuple[Tier, Why]:
        found = self._found(now_s)
        if found is None:
            return self.terms.default, "cold"
        told, margin = probability(logit), self.terms.margin
        # Beyond the ends there is no threshold to be near to.
        edges = [edge for edge in (found.cheap, found.strong) if abs(edge) < inf]
        if any(abs(told - probability(edge)) < margin for edge in edges):
            return self.terms.default, "near"
        return found.tier(logit), "score"

    def _found(self, now_s: float) -> Thresholds | None:
        self._due_scores -= 1
        if self._due_scores < 0 or now_s >= self._due_s:
            self._due_scores, self._due_s = _SCORES_MAX, now_s + _SECONDS_MAX
            self._sketch.fade(now_s)
            self._thresholds = self._find()
        return self._thresholds

    def _find(self) -> Thresholds | None:
        goal, sketch = self.terms.goal, self._sketch
        if isinstance(goal, Fixed):
            return Thresholds(_as_logit(goal.cheap_below), _as_logit(goal.strong_from))
        if sketch.weight < self.terms.scores_min:
            return None
        if isinstance(goal, Quality):
            at = sketch.where_loss_is(1.0 - goal.share)
            return Thresholds(at, at)
        cheap = sketch.quantile(goal.cheap)
        return Thresholds(cheap, max(cheap, sketch.quantile(1.0 - goal.strong)))


class Held(msgspec.Struct, frozen=True):
    """What is known of a session.

    Attributes:
        logit: the highest of its requests; for each dollar where that counts.
        seen_s: when its last one came.
    """

    tier: Tier
    logit: float
    seen_s: float


class Sessions:
    """The tier of each session, of so many at most.

    Args:
        sessions_max: how many.
        idle_s: after this long without a request one is forgotten.
    """

    __slots__ = ("_held", "_idle_s", "_sessions_max")

    def __init__(self, sessions_max: int, idle_s: float) -> None:
        self._held: dict[bytes, Held] = {}
        self._sessions_max = sessions_max
        self._idle_s = idle_s

    def __len__(self) -> int:
        return len(self._held)

    def find(self, session: bytes, now_s: float) -> Held | None:
        """What is known of a session."""
        held = self._held.get(session)
        return None if held is None or now_s - held.seen_s > self._idle_s else held

    def keep(self, session: bytes, held: Held) -> None:
        """Keep what is known of a session, and forget who was not seen for long."""
        sessions = self._held
        sessions.pop(session, None)
        sessions[session] = held
        # In the order of their last requests: two at a time, so that the old go as new ones come.
        for _ in range(2):
            oldest = next(iter(sessions))
            is_idle = held.seen_s - sessions[oldest].seen_s > self._idle_s
            if len(sessions) <= self._sessions_max and not is_idle:
                break
            del sessions[oldest]


def _as_logit(share: float) -> float:
    if share <= 0:
        return -inf
    return inf if share >= 1 else log(share / (1.0 - share))


def _as_probability(logit: float) -> float:
    if abs(logit) == inf:
        return float(logit > 0)
    return probability(logit)
