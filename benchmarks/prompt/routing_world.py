"""A world of requests for two models, whose difficulty prompts explain only a part of.

Kinds of work (greetings, rewriting, questions, code, analysis, agents) differ in how long requests
are, in words, code, lists, tools and errors of tools, and in how often the cheap model fails. Each
request is a body as it would be sent; features are read of it by the code that is measured. What
makes it hard is

    kind + slope * (what its kind usually looks like, exceeded or not) + noise

and the noise, a normal variable that no feature knows, and the lot are most of it: `NOISE` is set
so that sending the longest requests to the strong model recovers about .58 of the gap in the mean
over all shares (APGR), and weights about .60, as on RouteLLM's files of real answers (length .586
on MMLU and .601 on GSM8K, words .595 and .561; chance recovers .5). A model fails where a uniform
variable, the same for both, is below the logistic function of the difficulty; the strong one's is
lower by `AHEAD`. So the strong model is right wherever the cheap one is.
"""

from collections.abc import Sequence
from math import exp, log
from random import Random
from typing import Any, Final

import msgspec

from headrace.model import Usage
from headrace.routing.complexity.calibrate import Labelled
from headrace.routing.complexity.features import Features, read_features

NOISE: Final = 1.0
AHEAD: Final = 2.6
TOKENS_PER_WORD: Final = 1.3

_FILLER_TEXT: Final = (
    "the report for our team this week about an order that came in late and was sent back again "
    "with some notes on price color size and the date when customers had asked for it by mail or "
    "phone so please look at what they wrote before you answer them in a friendly tone today"
)
_HARD_TEXT: Final = "prove derive analyze debug design optimize evaluate compare why algorithm"
_EASY_TEXT: Final = "translate summarize rewrite list format extract rename spell classify"
_FILLERS: Final = tuple(_FILLER_TEXT.split())
_HARD: Final = tuple(_HARD_TEXT.split())
_EASY: Final = tuple(_EASY_TEXT.split())
_CODE: Final = "```\ndef f(x):\n    return g(x) + 1\n```"


class Kind(msgspec.Struct, frozen=True):
    """A kind of work.

    Attributes:
        share: of all requests.
        words: median length of the last turn.
        output_tokens: median length of the answer.
        difficulty: of the usual one, as a logit for the cheap model to fail.
        hard: mean number of words that ask for hard work.
        easy: the same of easy work.
        code: share with code.
        steps: mean number of items.
        turns: mean number of turns before.
        tools: tools offered.
        errors: mean number of results of tools that tell of an error.
    """

    share: float
    words: int
    output_tokens: int
    difficulty: float
    hard: float = 0.2
    easy: float = 0.2
    code: float = 0.0
    steps: float = 0.2
    turns: float = 0.5
    tools: int = 0
    errors: float = 0.0


KINDS: Final = (
    Kind(0.18, 12, 60, -2.2, hard=0.05, easy=0.5),  # small talk, orders
    Kind(0.20, 60, 180, -1.9, easy=1.2),  # rewriting
    Kind(0.24, 30, 250, -1.4, hard=0.4, turns=1.0),  # questions
    Kind(0.14, 160, 500, -0.9, hard=0.8, code=0.7, turns=2.0),  # code
    Kind(0.10, 260, 600, -0.6, hard=1.6, steps=2.5),  # analysis
    Kind(0.14, 60, 220, -1.1, hard=0.4, code=0.2, turns=6.0, tools=12, errors=0.5),  # agents
)


class Request(msgspec.Struct, frozen=True):
    """One request, and what would come of it.

    Attributes:
        session: requests of one conversation have the same.
        usage: tokens of the call, whoever answers.
        cheap_is_good: whether the cheap model's answer would be good enough.
        strong_is_good: whether the strong model's would.
    """

    session: bytes
    features: Features
    usage: Usage
    cheap_is_good: bool
    strong_is_good: bool

    @property
    def loss(self) -> float:
        """What the cheap model costs in quality here."""
        return float(self.strong_is_good) - float(self.cheap_is_good)

    def labelled(self) -> Labelled:
        """The same as a line to learn from."""
        return Labelled(self.features, self.cheap_is_good, self.strong_is_good)


def requests(count: int, seed: int, noise: float = NOISE) -> list[Request]:
    """Requests in the order they come, conversations of one to six of them, one after the other.

    Args:
        count: how many.
        seed: makes them.
        noise: standard deviation of what no feature knows.
    """
    random = Random(seed)
    made: list[Request] = []
    while len(made) < count:
        kind = random.choices(KINDS, [each.share for each in KINDS])[0]
        session, lasting = random.randbytes(8), random.gauss(0.0, noise / 2)
        turns = range(_poisson(random, kind.turns) + 1)
        made += [_request(random, kind, session, turn, lasting, noise) for turn in turns]
    return made[:count]


def _request(
    random: Random, kind: Kind, session: bytes, turn: int, lasting: float, noise: float
) -> Request:
    words = max(2, round(kind.words * exp(random.gauss(0.0, 0.8))))
    hard, easy = _poisson(random, kind.hard), _poisson(random, kind.easy)
    steps, errors = _poisson(random, kind.steps), _poisson(random, kind.errors)
    has_code = random.random() < kind.code
    seen = (
        0.55 * log(words / kind.words)
        + 0.2 * (hard - kind.hard)
        - 0.15 * (easy - kind.easy)
        + 0.25 * (has_code - kind.code)
        + 0.15 * (steps - kind.steps)
        + 0.4 * (errors - kind.errors)
        + 0.08 * turn
    )
    # Part of the noise lasts for the conversation: a hard subject stays hard.
    difficulty = kind.difficulty + seen + lasting + random.gauss(0.0, noise * 0.75**0.5)
    lot = random.random()
    document = _document(random, kind, turn, words, hard, easy, steps, errors, has_code)
    body_bytes = len(msgspec.json.encode(document))
    output = max(8, round(kind.output_tokens * exp(random.gauss(0.0, 0.5))))
    return Request(
        session,
        read_features(document, body_bytes).features,
        Usage(round(body_bytes / 5 * TOKENS_PER_WORD) + 40, output),
        lot >= _logistic(difficulty),
        lot >= _logistic(difficulty - AHEAD),
    )


def _document(
    random: Random,
    kind: Kind,
    turn: int,
    words: int,
    hard: int,
    easy: int,
    steps: int,
    errors: int,
    has_code: bool,
) -> dict[str, Any]:
    text = random.choices(_FILLERS, k=words)
    for several, pool in ((hard, _HARD), (easy, _EASY)):
        text += random.sample(pool, min(several, len(pool)))
    lines = [" ".join(text)] + [f"- item {at} of it" for at in range(steps)]
    if has_code:
        lines.append(_CODE)
    messages: list[dict[str, Any]] = []
    for _ in range(turn):
        messages.append({"role": "user", "content": " ".join(random.choices(_FILLERS, k=20))})
        messages.append({"role": "assistant", "content": " ".join(random.choices(_FILLERS, k=60))})
    messages.append({"role": "user", "content": "\n".join(lines)})
    messages += [{"role": "tool", "content": "Error: no such file"}] * errors
    document: dict[str, Any] = {"model": "auto", "messages": messages}
    if kind.tools:
        document["tools"] = [{"type": "function", "function": {"name": "f"}}] * kind.tools
    return document


def _poisson(random: Random, mean: float) -> int:
    """Knuth's method, for small means."""
    limit, count, product = exp(-mean), 0, random.random()
    while product > limit:
        count, product = count + 1, product * random.random()
    return count


def _logistic(logit: float) -> float:
    return 1.0 / (1.0 + exp(-logit))


def quality(made: Sequence[Request], strong: Sequence[bool]) -> float:
    """The share of answers that are good enough, where some went to the strong model."""
    good = [
        each.strong_is_good if is_strong else each.cheap_is_good
        for each, is_strong in zip(made, strong, strict=True)
    ]
    return sum(good) / len(good)
