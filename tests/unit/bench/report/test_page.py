"""The report: whole, harmless whatever it tells of, and asking nobody for anything."""

import re
from html.parser import HTMLParser

import msgspec
import pytest
from tests.support.showcases import make_showcase

from headrace.bench.exhibit.results import Pictures, Row, Showcase
from headrace.bench.report.forest import forest
from headrace.bench.report.markdown import summary
from headrace.bench.report.page import figures, page
from headrace.bench.statistics.figures import Interval

HOSTILE = "\"><script>alert('1')</script><img src=x onerror=alert(2)>|`x`$title&amp;</svg>"
IN_ORDER = ["forest", "percentiles", "loads", "timeline", "shifts", "pairs", "recovery", "money"]
VOID = frozenset(("meta", "br", "img", "link", "input"))


class Reader(HTMLParser):
    """Notes every element with its attributes, and that all of them are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(found: Showcase) -> Reader:
    reader = Reader()
    reader.feed(page(found))
    reader.close()
    assert reader.open == []
    return reader


def nothing_known() -> Showcase:
    """Where every trial failed."""
    found = make_showcase(pairs=1, alone=1)
    return msgspec.structs.replace(
        found, pictures=Pictures(), impact=None, average_improvement=None, promises=()
    )


@pytest.mark.parametrize("pairs", [1, 2, 6, 10])
def test_every_number_of_trials_makes_a_page(pairs: int) -> None:
    found = make_showcase(pairs, alone=1)
    assert read(found).seen
    words = "insufficient" if pairs < 6 else "better"
    assert words in page(found)
    assert words in summary(found)


def test_an_average_says_of_how_many_measures_it_is() -> None:
    found = make_showcase()
    asked = [row.measure.question.scale for row in found.main.rows]
    told = f"Over {asked.count('ratio')} of {len(asked)} measures"
    assert 0 < asked.count("ratio") < len(asked)
    assert told in page(found)
    assert told in summary(found)


def test_where_everything_failed_there_is_a_page_that_says_so() -> None:
    found = nothing_known()
    assert read(found).seen
    assert "Too few trials" in page(found)
    assert "insufficient" in summary(found)


def test_without_a_part_alone_no_empty_table_stands_for_them() -> None:
    found = msgspec.structs.replace(make_showcase(), alone=())
    assert read(found).seen
    for told in (page(found), summary(found)):
        assert "No part was measured alone" in told
        assert "optimisation" not in told


def test_measures_with_one_reason_are_told_apart() -> None:
    found = make_showcase(pairs=1, alone=1)
    assert "mean latency, by day; " in summary(found)


def test_without_a_control_the_rate_of_chance_is_told() -> None:
    found = msgspec.structs.replace(make_showcase(), control=None)
    assert read(found).seen
    assert "4.7 %" in page(found)
    assert "4.7 %" in summary(found)


def test_drawings_stand_in_their_order_each_with_words_and_numbers() -> None:
    found = make_showcase()
    drawn = figures(found)
    assert [each.name for each in drawn] == IN_ORDER
    for each in drawn:
        assert 'role="img"' in each.svg
        assert f'<title id="{each.name}-title">' in each.svg
        about = re.search(rf'<desc id="{each.name}-about">([^<]+)</desc>', each.svg)
        assert about is not None
        assert len(about[1]) > 15
        assert each.rows
        assert all(len(row) == len(each.heads) for row in each.rows)
    tags = [tag for tag, _ in read(found).seen]
    assert tags.count("figure") == len(IN_ORDER)
    assert tags.count("details") == len(IN_ORDER) + 1  # and what each measure is


def test_whose_latencies_are_told_and_whose_are_not_is_said() -> None:
    found = make_showcase()
    whose = "of requests that succeeded, from when they should have been sent"
    assert whose in page(found)
    assert whose in summary(found)
    assert all("requests that succeeded" in figures(found)[place].about for place in (1, 3, 4))


def test_parts_of_two_pairs_leave_the_forest_room_for_those_of_ten() -> None:
    """Student's interval of two pairs may reach from a thousandth to a thousand times as much."""

    def ticks(alone: int) -> list[str]:
        found = make_showcase(10, alone)
        wild = [
            msgspec.structs.replace(duel, rows=tuple(map(_wide, duel.rows))) for duel in found.alone
        ]
        svg = forest(found.main, found.control, wild if alone < 6 else found.alone).svg
        return re.findall(r">([\d.,]+)×<", svg)

    assert ticks(2) == ticks(8)


def _wide(row: Row) -> Row:
    estimate = row.answer.estimate
    assert estimate is not None
    wide = msgspec.structs.replace(estimate, interval=Interval(1e-9, 1e9))
    return msgspec.structs.replace(row, answer=msgspec.structs.replace(row.answer, estimate=wide))


def test_nothing_is_fetched_and_nothing_runs() -> None:
    found = make_showcase()
    reader = read(found)
    allowed = {"html", "head", "meta", "title", "style", "body", "header", "main", "section"}
    shown = {"p", "h1", "h2", "h3", "div", "span", "table", "thead", "tbody", "tr", "th", "td"}
    drawn = {"svg", "desc", "text", "line", "polyline", "rect", "circle"}
    rest = {"figure", "figcaption", "details", "summary", "dl", "dt", "dd", "pre", "ul", "li"}
    assert {tag for tag, _ in reader.seen} <= allowed | shown | drawn | rest
    for _, attributes in reader.seen:
        assert not {"src", "href", "style", "action"} & attributes.keys()
        assert not any(name.startswith("on") for name in attributes)
    style = re.search(r"<style>(.*)</style>", page(found), re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert "default-src 'none'" in page(found)


def test_names_of_elements_are_unique() -> None:
    names = [a["id"] for _, a in read(make_showcase()).seen if "id" in a]
    assert len(names) == len(set(names))


def test_whatever_comes_from_outside_is_text() -> None:
    found = make_showcase(name=HOSTILE, notes=(HOSTILE,))
    calm = read(make_showcase(name="m" * len(HOSTILE), notes=("x",)))
    hostile = read(found)
    assert [tag for tag, _ in hostile.seen] == [tag for tag, _ in calm.seen]
    assert "<script" not in page(found)


def test_the_summary_is_text_too() -> None:
    told = summary(make_showcase(name=HOSTILE, notes=(HOSTILE,)))
    prose = re.sub(r"^```.*?^```", "", told, flags=re.DOTALL | re.MULTILINE)
    assert "<script" not in prose.replace("\\<", "")
    rows = [line for line in told.splitlines() if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
    assert widths <= {4, 7, 8, 9}
    assert told.count("```") == 2


def test_a_drawing_says_no_number_that_is_none() -> None:
    for found in (make_showcase(), make_showcase(1, 1), nothing_known()):
        for each in figures(found):
            assert not re.search(r'"(?:nan|inf|-inf)"', each.svg)
            assert "nan" not in each.svg.lower()
