"""Which questions come in which order: workloads that are made up, each a function of its seed.

Nobody's traffic looks like this. What is here is stated, so that a hit rate can be read for what
it is: a repeat that is a repeat has to be a hit, and the rest is the mix.
"""

import enum
import random
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

import msgspec

from benchmarks.semantic_case import Pair

TOPICS: Final = (
    "the opening hours", "a refund", "the invoice", "the delivery", "the guarantee", "my account",
    "the newsletter", "a broken part", "the manual", "an appointment", "the parking", "a discount",
)  # fmt: skip
FORMS: Final = (
    "What do I have to know about {topic}?",
    "Where do I read more about {topic}?",
    "Who can help me with {topic}?",
    "How long does it take with {topic}?",
)


class Kind(enum.StrEnum):
    """What a request is to those that came before it."""

    NEW = "new"
    LOOK_ALIKE = "looks like one before"
    REPEAT = "repeat"
    PARAPHRASE = "paraphrase"


class Asked(msgspec.Struct, frozen=True):
    """One request.

    Attributes:
        text: the question.
        kind: what it is to those before.
        meaning: the question whose answer serves it too: itself, or the one it is a paraphrase of.
        otherwise: whether its body is written in another way than usual: same fields, other bytes.
    """

    text: str
    kind: Kind
    meaning: str
    otherwise: bool = False


class Repeating(msgspec.Struct, frozen=True):
    """A workload that mostly repeats itself.

    Attributes:
        requests: how many.
        questions: those that come again and again.
        zipf: exponent of their popularity.
        once_share: share of requests that come once and never again.
        otherwise_share: share that is written in another way.
    """

    requests: int = 4000
    questions: int = 200
    zipf: float = 1.0
    once_share: float = 0.05
    otherwise_share: float = 0.1

    @property
    def made(self) -> str:
        """How it is made, in words."""
        return (
            f"{self.requests:,} requests: {1 - self.once_share:.0%} from {self.questions} questions"
            f" (Zipf {self.zipf:g}), {self.once_share:.0%} asked once; {self.otherwise_share:.0%}"
            " written in other bytes"
        )


class Mixed(msgspec.Struct, frozen=True):
    """A workload of repeats, paraphrases and new questions.

    Attributes:
        paraphrases: requests that mean what another one meant before, each once.
        repeats: requests that are, letter by letter, like one before.
        look_alikes: pairs of new questions that look alike and mean different things.
    """

    paraphrases: int = 60
    repeats: int = 60
    look_alikes: int = 10

    @property
    def requests(self) -> int:
        """How many there are."""
        return 2 * self.paraphrases + self.repeats + 2 * self.look_alikes

    @property
    def made(self) -> str:
        """How it is made, in words."""
        new = self.paraphrases + 2 * self.look_alikes
        return (
            f"{self.requests} requests: {self.repeats / self.requests:.0%} repeats, "
            f"{self.paraphrases / self.requests:.0%} paraphrases of an earlier question, "
            f"{new / self.requests:.0%} new, {self.look_alikes} of these look-alikes"
        )


def repeating(workload: Repeating, seed: int) -> list[Asked]:
    """The requests of a workload that repeats itself.

    Args:
        workload: how it is made.
        seed: the same gives the same requests.
    """
    dice = random.Random(seed)
    weights = list(accumulate((rank + 1) ** -workload.zipf for rank in range(workload.questions)))
    seen: set[str] = set()
    asked = []
    for number in range(workload.requests):
        if dice.random() < workload.once_share:
            text = _question(workload.questions + number)
        else:
            text = _question(dice.choices(range(workload.questions), cum_weights=weights)[0])
        kind = Kind.REPEAT if text in seen else Kind.NEW
        seen.add(text)
        otherwise = dice.random() < workload.otherwise_share
        asked.append(Asked(text, kind, text, otherwise))
    return asked


def mixed(workload: Mixed, pairs: Sequence[Pair], seed: int) -> list[Asked]:
    """The requests of a mixed workload.

    Of each pair the one or the other question comes first; between the two, and among the repeats,
    chance orders everything.

    Args:
        workload: how it is made.
        pairs: what may be asked, both such as mean the same and such as only look alike.
        seed: the same gives the same requests.

    Raises:
        ValueError: there are too few pairs without a question in common.
    """
    dice = random.Random(seed)
    chosen = _chosen(workload, pairs, dice)
    places: list[Pair | None] = [*chosen, *chosen, *[None] * workload.repeats]
    dice.shuffle(places)
    _begin_with_a_pair(places)
    first: dict[str, str] = {}
    asked: list[Asked] = []
    for pair in places:
        if pair is None:
            before = dice.choice(asked)
            asked.append(Asked(before.text, Kind.REPEAT, before.meaning))
        elif pair.id not in first:
            text = first[pair.id] = dice.choice((pair.a, pair.b))
            asked.append(Asked(text, Kind.NEW, text))
        else:
            text = pair.b if first[pair.id] == pair.a else pair.a
            asked.append(
                Asked(text, Kind.PARAPHRASE, first[pair.id])
                if pair.same
                else Asked(text, Kind.LOOK_ALIKE, text)
            )
    return asked


def _question(number: int) -> str:
    topic, form = TOPICS[number % len(TOPICS)], FORMS[number % len(FORMS)]
    return f"{form.format(topic=topic)} It is about case {number}."


def _chosen(workload: Mixed, pairs: Sequence[Pair], dice: random.Random) -> list[Pair]:
    wanted = {True: workload.paraphrases, False: workload.look_alikes}
    taken: set[str] = set()
    chosen = []
    for pair in dice.sample(pairs, len(pairs)):
        if wanted[pair.same] and not taken & {pair.a, pair.b}:
            wanted[pair.same] -= 1
            taken |= {pair.a, pair.b}
            chosen.append(pair)
    if any(wanted.values()):
        raise ValueError(f"{len(pairs)} pairs are too few for {workload.made}")
    return chosen


def _begin_with_a_pair(places: list[Pair | None]) -> None:
    at = next(number for number, pair in enumerate(places) if pair is not None)
    places[0], places[at] = places[at], places[0]
