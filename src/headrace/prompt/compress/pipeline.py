"""One text through all stages: each is kept only if it saves tokens and its checks hold.

The stages run over and over until nothing changes, twice as a rule. What comes out is thereby a
text that they leave as it is, so compressing it again gives it back: if they do not come to rest,
the text stays as it was.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from headrace.prompt.compress import (
    duplicates,
    html_text,
    json_text,
    logs,
    phrases,
    protected,
    rows,
    sentences,
    traces,
    whitespace,
)
from headrace.prompt.compress.rules import (
    SAVED_SHARE_MAX,
    CompressRules,
    CountText,
    Kind,
    Place,
    Stage,
)
from headrace.prompt.compress.segments import split

TEXT_CHARS_MAX: Final = 16_000_000
"""Longer texts are left as they are."""

USER_CHARS_MIN: Final = 2000
"""Shorter turns of users are questions: only white space is looked at."""

_ROUNDS_MAX: Final = 4

Shorten = Callable[[str, float], str]
"""A model that leaves words out: text, share to keep, and the text without them."""

Effect = tuple[Stage, int, bool]
"""What a stage did to a text: which one, tokens saved in all, and whether it was taken back."""


class Job(msgspec.Struct, frozen=True):
    """What is asked of a text.

    Attributes:
        place: whose words it is.
        rules: what may be done.
        count: tokens of a text.
        query: words of the question that `lossy` selects by.
        shorten: a model that leaves words out, for `lossy`; `None`: there is none.
    """

    place: Place
    rules: CompressRules
    count: CountText
    query: tuple[str, ...] = ()
    shorten: Shorten | None = None


class Outcome(msgspec.Struct, frozen=True):
    """What became of a text.

    Attributes:
        text: as it is sent; the very same object where nothing changed.
        before: its tokens as it came.
        after: its tokens now.
        effects: what each stage did, in one row where it was kept and one where it was not.
    """

    text: str
    before: int
    after: int
    effects: tuple[Effect, ...] = ()


class _Step(msgspec.Struct, frozen=True):
    """A stage for one kind of text: what it does, and what has to hold afterwards."""

    stage: Stage
    run: Callable[[str, Job], str]
    holds: Callable[[str, str], bool]


def compress_text(text: str, job: Job) -> Outcome:
    """Take out of `text` what the rules let go of.

    Time is linear in the length. Texts of more than 16 million characters stay as they are.
    """
    before = job.count(text)
    unchanged = Outcome(text, before, before)
    if len(text) > TEXT_CHARS_MAX or not text.strip():
        return unchanged
    effects: list[Effect] = []
    done = _Round(text, before, None)
    for _ in range(_ROUNDS_MAX):
        last = done
        done = _round(last, job)
        if done.text == last.text:
            break
        effects += done.effects
    else:
        return unchanged
    if done.text == text or not done.text.strip() or done.tokens >= before:
        reverted = tuple(each for each in done.effects if each[2])
        return Outcome(text, before, before, _summed(reverted))
    return Outcome(done.text, before, done.tokens, _summed(effects))


def _summed(effects: Iterable[Effect]) -> tuple[Effect, ...]:
    """No more rows than there are stages, however many stretches a text has."""
    sums: dict[tuple[Stage, bool], int] = {}
    for stage, saved, is_reverted in effects:
        sums[stage, is_reverted] = sums.get((stage, is_reverted), 0) + saved
    return tuple((stage, saved, is_reverted) for (stage, is_reverted), saved in sums.items())


class _Round(msgspec.Struct):
    """What came out of a round.

    Attributes:
        text: what came out.
        tokens: how many it has.
        kind: what all of it was taken for, `None` where that was several things.
        settled: stages from this one on have seen `text` as it is, and left it alone.
        effects: what stages did.
    """

    text: str
    tokens: int
    kind: Kind | None
    settled: int | None = None
    effects: Sequence[Effect] = ()


def _round(last: _Round, job: Job) -> _Round:
    """All stages once, but for those that have nothing more to do."""
    text, effects = last.text, list[Effect]()
    segments = split(text)
    if len(segments) == 1:
        kind = segments[0].kind
        steps = _steps(kind, job, len(text))
        steps = steps[: last.settled if kind == last.kind else None]
        done = _stages(text, last.tokens, steps, job, effects)
        return _Round(done[0], done[1], kind, done[2], effects)
    pieces: list[str] = []
    for segment in segments:
        steps = _steps(segment.kind, job, len(text))
        pieces.append(_stages(segment.text, -1, steps, job, effects)[0])
    joined = "".join(pieces)
    tokens = last.tokens if joined == text else job.count(joined)
    return _Round(joined, tokens, None, None, effects)


def _stages(
    text: str, tokens: int, steps: Sequence[_Step], job: Job, effects: list[Effect]
) -> tuple[str, int, int]:
    """Some stages over a text of `tokens`, -1 if they are not known.

    Returns:
        The text, its tokens as far as they are known, and the number of the last stage that
        changed it, 0 for none.
    """
    changed = 0
    for number, step in enumerate(steps, 1):
        candidate = step.run(text, job)
        if candidate == text:
            continue
        tokens = job.count(text) if tokens < 0 else tokens
        after = job.count(candidate)
        saved = tokens - after
        is_fit = 0 < saved <= SAVED_SHARE_MAX[step.stage] * tokens
        if is_fit and step.holds(text, candidate):
            effects.append((step.stage, saved, False))
            text, tokens, changed = candidate, after, number
        else:
            effects.append((step.stage, 0, True))
    return text, tokens, changed


def _steps(kind: Kind, job: Job, length: int) -> Sequence[_Step]:
    """The stages for a kind of text, by whose words they are and how long all of them are."""
    if job.place == "system" or (job.place == "user" and length < USER_CHARS_MIN):
        return (_TRIM,) if kind == "prose" else ()
    if job.place == "user":
        return _USER_STEPS.get(kind, ())
    return (_RESULT_STEPS if job.rules.level == "safe" else _LOSSY_STEPS).get(kind, ())


def _same_words(before: str, after: str) -> bool:
    return before.split() == after.split()


def _same_spans(before: str, after: str) -> bool:
    return protected.span_texts(before) == protected.span_texts(after)


def _no_word_lost(before: str, after: str) -> bool:
    return protected.words(before) <= protected.words(after)


def _same_rows(before: str, after: str) -> bool:
    value = json_text.parse(before)
    return value is not None and _is_unfolded(value[0], after)


def _same_lines(before: str, after: str) -> bool:
    lines = [json_text.parse(line) for line in before.split("\n")]
    values = [line[0] for line in lines if line is not None]
    return len(values) == len(lines) and _is_unfolded(values, after)


def _is_unfolded(value: Any, folded: str) -> bool:
    try:
        return bool(rows.plain(value) == rows.unfold(folded))
    except RecursionError:
        return False


def _same_json_lines(before: str, after: str) -> bool:
    first = [line for line in before.split("\n") if line.strip()]
    second = after.split("\n")
    return len(first) == len(second) and all(map(json_text.is_equal, first, second))


def _unfolds(before: str, after: str) -> bool:
    return logs.unfold(after) == before


def _anything(_before: str, _after: str) -> bool:
    return True


def _rows_of_lines(text: str, _job: Job) -> str:
    values = [found[0] for line in text.split("\n") if (found := json_text.parse(line)) is not None]
    return rows.fold(values) or text


def _rows_of_value(text: str, _job: Job) -> str:
    found = json_text.parse(text)
    return text if found is None else rows.fold(found[0]) or text


def _selected(text: str, job: Job) -> str:
    return sentences.select(text, job.query, job.rules.keep_share)


def _shortened(text: str, job: Job) -> str:
    if job.shorten is None or text.startswith(SHORTENED) or len(text) < sentences.CHARS_MIN:
        return text
    shorter = job.shorten(text, job.rules.keep_share)
    return text if shorter == text else SHORTENED + shorter


SHORTENED: Final = "[words left out]\n"

_TRIM: Final = _Step("whitespace", lambda text, _: whitespace.trim(text), _same_words)
_TIDY: Final = _Step("whitespace", lambda text, _: whitespace.tidy(text), _same_words)
_PHRASES: Final = _Step("phrases", lambda text, _: phrases.shorten(text), _same_spans)
_PARAGRAPHS: Final = _Step(
    "duplicates", lambda text, _: duplicates.without_paragraphs(text), _no_word_lost
)
_LINES: Final = _Step("duplicates", lambda text, _: duplicates.without_lines(text), _no_word_lost)
_MINIFY: Final = _Step("json", lambda text, _: json_text.minify(text), json_text.is_equal)
_MINIFY_LINES: Final = _Step("json", lambda text, _: json_text.minify_lines(text), _same_json_lines)
_ROWS: Final = _Step("rows", _rows_of_value, _same_rows)
_ROWS_OF_LINES: Final = _Step("rows", _rows_of_lines, _same_lines)
_HTML: Final = _Step("html", lambda text, _: html_text.to_text(text), _anything)
_TRACES: Final = _Step("traces", lambda text, _: traces.without_repeats(text), _no_word_lost)
_LIBRARIES: Final = _Step("traces", lambda text, _: traces.without_libraries(text), _anything)
_LOGS: Final = _Step("logs", lambda text, _: logs.fold(text), _unfolds)
_SENTENCES: Final = _Step("sentences", _selected, _anything)
_MODEL: Final = _Step("model", _shortened, _anything)

_PROSE: Final = (_TIDY, _PHRASES, _PARAGRAPHS, _LINES)
_USER_STEPS: Final[Mapping[Kind, Sequence[_Step]]] = {
    "prose": _PROSE,
    "json": (_MINIFY,),
    "lines": (_MINIFY_LINES,),
    "log": (_TRIM, _TRACES, _LOGS),
}
_RESULT_STEPS: Final[Mapping[Kind, Sequence[_Step]]] = {
    "prose": _PROSE,
    "json": (_MINIFY, _ROWS),
    "lines": (_MINIFY_LINES, _ROWS_OF_LINES),
    "html": (_HTML,),
    "log": (_TRIM, _TRACES, _LOGS),
}
_LOSSY_STEPS: Final[Mapping[Kind, Sequence[_Step]]] = {
    **_RESULT_STEPS,
    "prose": (*_PROSE, _SENTENCES, _MODEL),
    "log": (_TRIM, _TRACES, _LIBRARIES, _LOGS),
}
