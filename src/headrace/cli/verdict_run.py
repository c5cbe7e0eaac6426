"""`headrace bench verdict`: two files of runs in, a verdict for each metric out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeGuard

import msgspec
import typer

from headrace.bench import records
from headrace.bench.phases.figures import HEADLINES, HIGHER_IS_BETTER, asked_of, figures
from headrace.bench.statistics.comparison import compare_all
from headrace.bench.statistics.question import Question, Runs
from headrace.cli.verdict_view import show

_BLOCK = "block"
# Of records: what was asked, which has to be the same in all that are compared.
_PLAN = "headrace-plan"
_LINES_MAX = 100_000
Line = Mapping[str, Any]


class Terms(NamedTuple):
    """How the caller wants runs compared.

    Attributes:
        metrics: names, with `:higher` or `:lower` behind; none: all that both files have.
        margin: the smallest change that matters: per cent, or the unit of the metric.
        level: of intervals, 0 to 1.
        unpaired: whether the runs are no pairs.
        difference: whether differences are compared in place of ratios.
    """

    metrics: tuple[str, ...]
    margin: float
    level: float
    unpaired: bool
    difference: bool


class Unreadable(Exception):
    """A file that is no list of runs, or two files that do not belong together."""


def run(a: Path, b: Path, terms: Terms, seed: int, json: bool) -> None:
    """Read both files and print what they say."""
    import numpy as np

    try:
        lines_a, lines_b = read_runs(a), read_runs(b)
        _check_plans((*lines_a, *lines_b))
        if not terms.unpaired:
            lines_a, lines_b = in_pairs(lines_a, lines_b)
        questions = questions_of(terms, lines_a, lines_b)
        runs = {q.metric: (_figures(lines_a, q), _figures(lines_b, q)) for q in questions}
        answers = compare_all(runs, questions, np.random.default_rng(seed))
    except Unreadable as why:
        typer.echo(f"Not compared: {why}", err=True)
        raise typer.Exit(1) from None
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(answers)).decode())
    else:
        show(answers)


def read_runs(path: Path) -> list[Line]:
    """The runs of a file, one JSON object on each line; empty lines are passed over.

    A line is figures by name, or a record that `headrace bench load` or `run` wrote.

    Raises:
        Unreadable: a line is something else, or there is none.
    """
    runs: list[Line] = []
    for number, text in enumerate(path.read_bytes().splitlines(), start=1):
        if not text.strip():
            continue
        try:
            document = msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unreadable(f"{path}, line {number} is no JSON object: {error}") from None
        runs.append(_line(document, f"{path}, line {number}"))
        if len(runs) > _LINES_MAX:
            raise Unreadable(f"{path} has more than {_LINES_MAX:,} runs")
    if not runs:
        raise Unreadable(f"{path} has no runs")
    return runs


def _line(document: dict[str, Any], where: str) -> Line:
    """The figures of a line, be it a record."""
    if document.get("format") != records.FORMAT:
        return document
    try:
        record = msgspec.convert(document, records.RunRecord)
    except msgspec.ValidationError as error:
        raise Unreadable(f"{where} is no record that can be read: {error}") from None
    return {_PLAN: asked_of(record.plan), **figures(record)}


def _check_plans(lines: Sequence[Line]) -> None:
    """Refuse to compare runs that were asked different things."""
    if len({line.get(_PLAN) for line in lines}) > 1:
        raise Unreadable(
            "the runs are not all of one plan; give both arms the same phases, users, times and "
            "workload, and let only the target differ"
        )


def in_pairs(a: list[Line], b: list[Line]) -> tuple[list[Line], list[Line]]:
    """Both files in the order of their blocks, or as they are where they name none.

    Raises:
        Unreadable: not every run has its partner.
    """
    named = [_BLOCK in line for line in (*a, *b)]
    if any(named):
        a_by, b_by = _by_block(a), _by_block(b)
        if not all(named) or len(a_by) < len(a) or len(b_by) < len(b):
            raise Unreadable('every run names a "block" of its own in its file, or none does')
        if set(a_by) != set(b_by):
            odd = ", ".join(sorted(set(a_by) ^ set(b_by))[:5])
            raise Unreadable(f"these blocks are in one file only: {odd}")
        return [a_by[key] for key in sorted(a_by)], [b_by[key] for key in sorted(a_by)]
    if len(a) != len(b):
        raise Unreadable(f"{len(a)} and {len(b)} runs are no pairs; --unpaired compares them so")
    return a, b


def questions_of(terms: Terms, a: Sequence[Line], b: Sequence[Line]) -> tuple[Question, ...]:
    """What is asked, in the order of the options, or of the first line.

    Raises:
        Unreadable: a metric is in one file only, or nowhere, or named twice.
    """
    in_a, in_b = _metrics(a), _metrics(b)
    both = [name for name in in_a if name in in_b and (in_a[name] or in_b[name])]
    if any(_PLAN in line for line in a):
        both = [name for name in both if _last_part(name) in HEADLINES]
    wanted = [wish_of(each) for each in terms.metrics or both]
    names = [name for name, _ in wanted]
    if not names or len(set(names)) < len(names):
        raise Unreadable("a metric is named twice" if names else "no figure is in both files")
    for name in names:
        if name not in in_a or name not in in_b:
            raise Unreadable(f"no run has a figure {name}; there are {', '.join(in_a) or 'none'}")
    return tuple(_question(name, better, terms) for name, better in wanted)


def wish_of(text: str) -> tuple[str, Literal["lower", "higher"]]:
    """A metric by what was typed of it, and which way it is better."""
    name, _, better = text.rpartition(":")
    if name and better == "higher":
        return name, "higher"
    if name and better == "lower":
        return name, "lower"
    return text, "higher" if _last_part(text) in HIGHER_IS_BETTER else "lower"


def _last_part(name: str) -> str:
    return name.rpartition(".")[2]


def _question(name: str, better: Literal["lower", "higher"], terms: Terms) -> Question:
    return Question(
        metric=name,
        better=better,
        margin=terms.margin if terms.difference else terms.margin / 100.0,
        scale="difference" if terms.difference else "ratio",
        is_paired=not terms.unpaired,
        level=terms.level,
    )


def _by_block(lines: Sequence[Line]) -> dict[str, Line]:
    return {str(line.get(_BLOCK)): line for line in lines}


def _metrics(lines: Sequence[Line]) -> dict[str, bool]:
    """Names of figures, in the order they are first seen, and whether one was to be had at all."""
    found: dict[str, bool] = {}
    for line in lines:
        for name, value in line.items():
            if name != _BLOCK and (value is None or _is_figure(value)):
                found[name] = found.get(name, False) or value is not None
    return found


def _is_figure(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _figures(lines: Sequence[Line], question: Question) -> Runs:
    """One figure for each run; one that has none counts as failed."""
    values = (line.get(question.metric) for line in lines)
    return [float(value) if _is_figure(value) else None for value in values]
