from collections.abc import Iterator

import pytest

from headrace.cli.demo_books import Books, disagreements, keep_books, totals
from headrace.cli.demo_http import Reply
from headrace.cli.demo_phases import Phase, Tally, chat
from headrace.model import Price

METRICS = """\
# HELP headrace_saved_calls_total Upstream calls that were not needed.
# TYPE headrace_saved_calls_total counter
headrace_saved_calls_total {saved_calls}
headrace_saved_seconds_total 1.5
headrace_tokens_total{{provider="openai",type="input"}} 10
headrace_tokens_total{{provider="openai",type="output"}} 20
headrace_tokens_total{{provider="openai",type="cached"}} 7
headrace_tokens_total{{provider="anthropic",type="output"}} {output}
headrace_saved_tokens_total{{type="input"}} 10
headrace_saved_tokens_total{{type="output"}} 20
headrace_spent_usd_total{{provider="openai"}} {spent}
headrace_saved_usd_total 5e-05
process_cpu_seconds_total 3
"""
GOOD = {"saved_calls": 1, "output": 0, "spent": 5e-05}


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
