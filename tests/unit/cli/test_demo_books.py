from collections.abc import Iterator

import pytest

from headrace.cli.demo_books import (
    Books,
    Source,
    disagreements,
    keep_books,
    overruns,
    totals,
)
from headrace.cli.demo_http import Reply
from headrace.cli.demo_phases import Phase, Tally, chat
from headrace.model import Price

METRICS = """\
# HELP headrace_saved_calls_total Upstream calls that were not needed.
# TYPE headrace_saved_calls_total counter
headrace_saved_calls_total{{by="l1"}} {saved_calls}
headrace_saved_calls_total{{by="joined"}} 0
headrace_saved_seconds_total{{by="l1"}} 1.5
headrace_tokens_total{{provider="openai",type="input"}} 10
headrace_tokens_total{{provider="openai",type="output"}} 20
headrace_tokens_total{{provider="openai",type="cached"}} 7
headrace_tokens_total{{provider="anthropic",type="output"}} {output}
headrace_saved_tokens_total{{by="l1",type="input"}} 10
headrace_saved_tokens_total{{by="l1",type="output"}} 20
headrace_saved_tokens_total{{by="l1",type="cached"}} 7
headrace_spent_usd_total{{provider="openai"}} {spent}
headrace_saved_usd_total{{by="l1"}} 5e-05
headrace_cache_calls_total{{for="prefetch"}} {own_calls}
headrace_cache_spent_usd_total{{for="prefetch"}} {own_usd}
process_cpu_seconds_total 3
"""
GOOD = {"saved_calls": 1, "output": 0, "spent": 5e-05, "own_calls": 0, "own_usd": 0}


def tally() -> Tally:
    """One call to the provider and one that was free, 10 tokens in and 20 out each."""
    ask = chat("gpt-4o-mini", "Hello?")
    done = Tally(Phase(name="p", asks=(ask,) * 2, upstream=1))
    for cache in ("miss", "l1"):
        body = b'{"usage":{"prompt_tokens":10,"completion_tokens":20}}'
        done.count(ask, Reply(200, {"x-headrace-cache": cache}, body, (0.25,), 0.25))
    done.upstream = 1
    return done


def told(books: Books, tallies: list[Tally]) -> Iterator[str]:
    return disagreements(books, tallies, lambda _model: Price(input=1.0, output=2.0))


def test_totals_sum_over_labels_and_count_no_token_twice() -> None:
    sums = totals(METRICS.format(**GOOD))
    assert sums["tokens"] == 30
    assert sums["saved_usd"] == 5e-05
    assert "process_cpu_seconds" not in sums


def test_books_show_both_sides() -> None:
    books = keep_books(METRICS.format(**GOOD), [tally()])
    assert (books.calls.spent, books.calls.saved, books.calls.whole) == (1, 1, 2)
    assert (books.waiting.spent, books.waiting.saved) == (500, 1500)
    assert books.tokens.whole == 60
    assert [row.spell(row.whole) for row in books.rows] == ["2", "2,000", "60", "$0.0001"]
    assert list(told(books, [tally()])) == []


def test_every_way_of_answering_has_its_part() -> None:
    books = keep_books(METRICS.format(**GOOD), [tally()])
    assert books.sources == (Source("from memory (l1)", 1, 30, 1.5, 5e-05),)


def test_what_was_spent_on_the_cache_itself_is_no_saving_and_was_not_asked_for() -> None:
    asked = tally()
    asked.upstream = 3  # two of them nobody has asked for
    told_so = METRICS.format(**GOOD | {"own_calls": 2, "own_usd": 1e-05, "spent": 6e-05})
    books = keep_books(told_so, [asked])
    assert (books.calls.whole, books.calls.net) == (2, -1)
    assert books.dollars.whole == pytest.approx(1e-04)
    assert books.dollars.net == pytest.approx(4e-05)
    assert list(told(books, [asked])) == []


def test_what_is_saved_by_nobody_is_told() -> None:
    metrics = METRICS.format(**GOOD).replace('saved_calls_total{by="l1"}', "saved_calls_total")
    books = keep_books(metrics, [tally()])
    assert list(told(books, [tally()])) == ["/metrics does not say by whom every call was saved"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"saved_calls": 2}, "2 calls were made; /metrics and the provider account for 3"),
        ({"output": 1}, "the answers hold 60 tokens; /metrics accounts for 61"),
        ({"spent": 6e-05}, "the answers are worth $0.000100; /metrics accounts for $0.000110"),
    ],
)
def test_a_wrong_count_is_told(wrong: dict[str, float], words: str) -> None:
    books = keep_books(METRICS.format(**GOOD | wrong), [tally()])
    (complaint,) = told(books, [tally()])
    assert complaint.startswith(words)


def test_answers_without_a_price_prove_nothing() -> None:
    books = keep_books("", [])
    assert [each for each in told(books, []) if "worth" in each]


def test_stages_that_took_too_long_are_told_by_name() -> None:
    family = "headrace_stage_overruns_total"
    metrics = f'# TYPE {family} counter\n{family}{{stage="route"}} 3\n{family}{{stage="send"}} 1\n'
    assert overruns(metrics) == {"route": 3, "send": 1}
    assert overruns(METRICS.format(**GOOD)) == {}
