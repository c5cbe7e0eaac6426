"""How well intents are told on lines that were not learnt from, and how long that takes.

On a machine that others use, the 99th percentile of what passes on the clock says how often
somebody else was given the processor. The promise is about the time that is used; both are told.
"""

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.prompt.window_case import Row
from headrace.routing.intent.classifier import IntentClassifier
from headrace.routing.intent.lines import read_lines
from headrace.routing.intent.rules import Rule
from headrace.routing.intent.training import Example, TrainRules, train
from headrace.routing.intent.trial import Figures, examined, fit
from headrace.routing.intent.weights import UNKNOWN, Weights

DATA: Final = Path(__file__).parents[1] / "data" / "intents"
_ROOT: Final = Path(__file__).parents[2]
# The one text here that nobody edits: figures of other days have to be of the same requests.
_PASTED: Final = _ROOT / "LICENSE"
_PASTED_CHARS: Final = 8000  # some 2,000 tokens
_PASTED_STARTS: Final = (0, 1000, 2000, 3000)
_SYSTEM: Final = (
    "You are a helpful assistant of a web shop. Answer politely and briefly, in the language of "
    "the user. Today is Monday. Never promise anything about delivery times."
)
_ACCURACY_MIN: Final = 0.9
_AUROC_MIN: Final = 0.9
_P99_MS_MAX: Final = 1.0
_ALIKE: Final = 0.5
_WORDS_MIN: Final = 3
_CALLS: Final = 1000

Say = Callable[[str], None]


def measure(rounds: int, say: Say) -> list[Row]:
    """Train on the one part, try on the other, take the time.

    Args:
        rounds: of 1,000 calls each, for each kind of text; the best one counts.
        say: told what is under way.
    """
    learnt = read_lines((DATA / "train.tsv").read_bytes()).examples
    held = read_lines((DATA / "heldout.tsv").read_bytes()).examples
    say("training, six times")
    begun_s = time.perf_counter()
    trained = fit(learnt, TrainRules())
    took_s = time.perf_counter() - begun_s
    say("trying")
    rows = [
        Row("lines learnt from", len(learnt), "", "", None),
        Row("training, tried in five parts", took_s, "s", "", None),
        Row("accuracy in these parts", trained.figures.accuracy, "", "", None),
    ]
    rows += _told(trained.weights, held)
    rows += _near(trained.weights, learnt, held)
    rows += _fewer(learnt, held)
    rows += _pasted(trained.weights, [each for each in held if each.intent != UNKNOWN])
    say("taking the time")
    return rows + _times(trained.weights, [each.text for each in held], rounds)


def pasted_texts() -> list[str]:
    """What callers may have pasted beside what they want: parts of the license of this project."""
    text = _PASTED.read_text("utf-8")
    return [text[start : start + _PASTED_CHARS] for start in _PASTED_STARTS]


def _told(weights: Weights, held: Sequence[Example]) -> list[Row]:
    figures = examined(weights, held)
    auroc = figures.auroc or 0.0
    right = sum(own.right for name, own in figures.intents.items() if name != UNKNOWN)
    found = sum(own.found for name, own in figures.intents.items() if name != UNKNOWN)
    return [
        _at_least("held out: accuracy", figures.accuracy, _ACCURACY_MIN),
        _at_least("held out: AUROC of unknown", auroc, _AUROC_MIN),
        Row("held out: lines of intents", figures.texts, "", "", None),
        Row("held out: of these told at all", figures.kept, "", "", None),
        Row("held out: what is told is right", right / found, "", "", None),
        Row("held out: unknown lines", figures.unknown_texts, "", "", None),
        Row("held out: of these found", figures.unknown_found, "", "", None),
    ]


def _fewer(learnt: Sequence[Example], held: Sequence[Example]) -> list[Row]:
    """What weights would be worth that had learnt from fewer lines."""
    rows = []
    for share in (8, 4, 2):
        weights = train(learnt[::share], TrainRules())
        accuracy = examined(weights, held).accuracy
        rows.append(Row(f"held out: accuracy with 1/{share} of the lines", accuracy, "", "", None))
    return rows


def _near(weights: Weights, learnt: Sequence[Example], held: Sequence[Example]) -> list[Row]:
    """How many held-out lines are near a learnt one, and how the others are told."""
    known = [words for each in learnt if (words := _words(each.text))]
    far = []
    for each in held:
        words = _words(each.text)
        nearest = max((len(words & other) / len(words | other) for other in known), default=0.0)
        if len(words) < _WORDS_MIN or nearest <= _ALIKE:
            far.append(each)
    figures = examined(weights, far)
    return [
        Row("held out: half the words as a learnt line", len(held) - len(far), "", "", None),
        Row("held out: accuracy without these", figures.accuracy, "", "", None),
    ]


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.casefold()))


def _pasted(weights: Weights, held: Sequence[Example]) -> list[Row]:
    """The same lines with something long beside them."""
    pasted = pasted_texts()
    ways: dict[str, Callable[[str, str], str]] = {
        "before 8,000 characters": lambda text, long: f"{text}\n\n{long}",
        "after 8,000 characters": lambda text, long: f"{long}\n\n{text}",
        "with a system prompt": lambda text, _: f"{_SYSTEM}\n{text}",
    }
    rows = []
    for name, way in ways.items():
        texts = [
            Example(way(each.text, pasted[at % len(pasted)]), each.intent)
            for at, each in enumerate(held)
        ]
        figures: Figures = examined(weights, texts)
        rows.append(Row(f"accuracy {name}", figures.accuracy, "", "", None))
    return rows


def _times(weights: Weights, texts: Sequence[str], rounds: int) -> list[Row]:
    rules = [
        Rule(f"rule{at}", words=tuple(f"word{at}x{n}" for n in range(5)), patterns=(rf"r{at} \d+",))
        for at in range(26)
    ]
    long = pasted_texts()[0]
    plain, ruled = IntentClassifier(weights), IntentClassifier(weights, rules)
    rows = []
    for name, classifier, asked in (
        ("a line", plain, list(texts)),
        ("2,000 tokens", plain, [f"{text}\n{long}" for text in texts]),
        ("the same, 26 rules", ruled, [f"{text}\n{long}" for text in texts]),
    ):
        goal = f"below {_P99_MS_MAX:g}"
        used_ms = _best(classifier, asked, rounds, time.thread_time)
        passed_ms = _best(classifier, asked, rounds, time.perf_counter)
        rows += [
            Row(f"{name}: median", passed_ms[0], "ms", "", None),
            Row(f"{name}: p99", passed_ms[1], "ms", "", None),
            Row(f"{name}: p99 of processor time", used_ms[1], "ms", goal, used_ms[1] < _P99_MS_MAX),
        ]
    return rows


def _best(
    classifier: IntentClassifier, texts: list[str], rounds: int, now_s: Callable[[], float]
) -> tuple[float, float]:
    """Median and 99th percentile of the round with the lowest of the latter, in ms."""
    found = []
    for _ in range(rounds):
        times_s = np.zeros(_CALLS)
        for at in range(_CALLS):
            text = texts[at % len(texts)]
            begun_s = now_s()
            classifier.classify(text)
            times_s[at] = now_s() - begun_s
        low, high = np.quantile(times_s, (0.5, 0.99)) * 1000.0
        found.append((float(high), float(low)))
    high_ms, low_ms = min(found)
    return low_ms, high_ms


def _at_least(figure: str, value: float, least: float) -> Row:
    return Row(figure, value, "", f"at least {least:g}", value >= least)
