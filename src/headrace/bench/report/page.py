"""The report: one HTML file that asks nobody for anything. Pure."""

from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Final

from headrace.bench.exhibit.results import Row, Showcase
from headrace.bench.report import parts
from headrace.bench.report.curves import loads, percentiles, timeline
from headrace.bench.report.forest import forest
from headrace.bench.report.frame import Figure
from headrace.bench.report.parts import Table
from headrace.bench.report.told import centre, effect, interval, runs
from headrace.bench.report.trials import money, pairs, recovery, shifts

_PROSE: Final = 36
_WORDS: Final = ' class="words"'


def page(found: Showcase) -> str:
    """The page. Whatever stands in what was found is text, and never markup."""
    folder = resources.files("headrace.bench.report")
    return Template((folder / "page.html").read_text("utf-8")).substitute(
        title=escape(found.title),
        style=(folder / "page.css").read_text("utf-8"),
        lead=escape(parts.lead(found)),
        cards="".join(map(_card, parts.cards(found))),
        verdicts=_verdicts(found),
        sections="\n".join(_sections(found)),
    )


def figures(found: Showcase) -> list[Figure]:
    """All drawings, in the order in which they are to be looked at."""
    drawn, arms = found.pictures, (found.main.a, found.main.b)
    in_order = [
        forest(found.main, found.control, found.alone),
        percentiles(drawn.percentiles),
        loads(drawn.loads, arms),
        timeline(drawn.timeline, drawn.spans),
        shifts(drawn.shifts),
        pairs(found.main),
        recovery(found.main),
    ]
    if found.impact is not None:
        in_order.append(money(found.impact, arms))
    return in_order


def _verdicts(found: Showcase) -> str:
    about = (
        "Better and worse: the whole interval lies beyond the margin (5 % of ratios), and the test "
        "finds a difference, at a rate of false discoveries of 5 %. Seen from: the smallest "
        "change that so many pairs show 8 times out of 10."
    )
    told = "".join(
        f"<dt>{escape(label)}</dt><dd>{escape(what)}</dd>"
        for label, what in parts.glossary(found.main)
    )
    return (
        _table(parts.verdicts(found.main, "Measure by measure", about))
        + _listed(parts.reasons(found.main))
        + f"<details><summary>What each measure is</summary><dl>{told}</dl></details>"
    )


def _sections(found: Showcase) -> Iterator[str]:
    yield _section(
        "control", "How much of it is chance", f"<p>{escape(parts.control(found.control))}</p>"
    )
    yield _section("promises", "Promises", _table(parts.promises(found.promises)))
    yield _section("made", "How it was made", _facts(found) + _notes(found.notes))
    drawn = "".join(map(_figure, figures(found)))
    yield _section("pictures", "To look at", f'<div class="figures">{drawn}</div>')
    alone = parts.alone(found.alone)
    brought = _table(alone) if alone.rows else f"<p>{escape(parts.NONE_ALONE)}</p>"
    yield _section("alone", "What each part brings", brought)
    arms = (found.main.a, found.main.b)
    told = (
        _table(parts.business(found.impact, arms))
        if found.impact is not None
        else "<p>Too few trials went well to say what it is worth.</p>"
    )
    yield _section("worth", "Business impact", told)


def _section(name: str, title: str, inner: str) -> str:
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{escape(title)}</h2>{inner}</section>'
    )


def _card(row: Row) -> str:
    measure, verdict = row.measure, row.answer.verdict
    return (
        f'<div class="card"><p class="what">{escape(measure.label)}</p>'
        f'<p class="value {verdict}">{escape(effect(row))}</p>'
        f'<p class="range">{escape(interval(row))}, from {escape(centre(row, "a"))} '
        f"to {escape(centre(row, 'b'))}, {escape(runs(row))} pairs</p>"
        f'<span class="tag {verdict}">{verdict}</span></div>'
    )


def _figure(each: Figure) -> str:
    numbers = _cells(each.heads, each.rows, -1)
    return (
        f'<figure id="figure-{each.name}"><figcaption><h3>{escape(each.title)}</h3>'
        f"<p>{escape(each.about)}</p></figcaption>{each.svg}"
        f"<details><summary>The same in numbers</summary>{numbers}</details></figure>"
    )


def _table(table: Table) -> str:
    return f"<h3>{escape(table.title)}</h3><p class='soft'>{escape(table.about)}</p>" + _cells(
        table.heads, table.rows, table.verdict
    )


def _cells(heads: Sequence[str], rows: Sequence[Sequence[str]], verdict: int) -> str:
    prose = {place for row in rows for place, each in enumerate(row) if len(each) > _PROSE}
    head = "".join(
        f'<th scope="col"{_WORDS if place in prose else ""}>{escape(each)}</th>'
        for place, each in enumerate(heads)
    )
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(
            f"<td>{_tag(each)}</td>"
            if place == verdict
            else f"<td{_WORDS if place in prose else ''}>{escape(each)}</td>"
            for place, each in enumerate(row)
            if place
        )
        + "</tr>"
        for row in rows
    )
    # What is wider than the screen is scrolled, by keyboard too.
    return (
        f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _tag(word: str) -> str:
    return f'<span class="tag {escape(word)}">{escape(word)}</span>'


def _facts(found: Showcase) -> str:
    told = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in found.facts.items()
    )
    return f"<dl>{told}</dl><p>Again:</p><pre>{escape(found.command)}</pre>"


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    return f"<h3>What else has to be said</h3>{_listed(notes)}"


def _listed(texts: Sequence[str]) -> str:
    told = "".join(f"<li>{escape(each)}</li>" for each in texts)
    return f"<ul>{told}</ul>" if told else ""
