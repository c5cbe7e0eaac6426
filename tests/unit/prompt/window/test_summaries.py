"""What is asked for a summary, when, and where it stays."""

from typing import Any

from headrace.prompt.window.fit import FitReport, Ranges
from headrace.prompt.window.summaries import SummaryShelf, Wanted, digest_of, wanted

TALK: list[dict[str, Any]] = [
    {"role": role, "content": f"{role} says {n}"}
    for n in range(6)
    for role in ("user", "assistant")
]


def report(left_out: Ranges = (), next_out: Ranges = ()) -> FitReport:
    return FitReport(
        tokens_before=9, tokens_after=9, budget_tokens=9, left_out=left_out, next_out=next_out
    )


def missing(shelf: SummaryShelf, told: FitReport) -> Wanted | None:
    return wanted(shelf, b"scope", TALK, told, tokens_max=100)


def test_nothing_left_out_needs_no_summary() -> None:
    assert missing(SummaryShelf(10_000), report()) is None


def test_what_goes_next_is_summed_up_ahead() -> None:
    shelf = SummaryShelf(10_000)
    told = report(left_out=((1, 4),), next_out=((1, 6),))
    first = missing(shelf, told)
    assert first is not None
    assert first.digest == digest_of(b"scope", TALK[1:4])
    assert "user: user says 1" in first.prompt
    assert "user says 2" not in first.prompt
    shelf.put(first.digest, "so far")
    second = missing(shelf, told)
    assert second is not None
    assert second.digest == digest_of(b"scope", TALK[1:6])
    shelf.put(second.digest, "so far")
    assert missing(shelf, told) is None


def test_what_goes_first_is_summed_up_before_it_goes() -> None:
    found = missing(SummaryShelf(10_000), report(next_out=((1, 6),)))
    assert found is not None
    assert found.digest == digest_of(b"scope", TALK[1:6])


def test_a_summary_goes_on_from_the_one_before() -> None:
    shelf = SummaryShelf(10_000)
    shelf.put(digest_of(b"scope", TALK[1:4]), "they greeted each other")
    found = missing(shelf, report(left_out=((1, 4),), next_out=((1, 6),)))
    assert found is not None
    assert "they greeted each other" in found.prompt
    assert "user says 1" not in found.prompt
    assert "user says 2" in found.prompt


def test_whose_it_is_tells_summaries_apart() -> None:
    assert digest_of(b"one", TALK) != digest_of(b"two", TALK)
    assert digest_of(b"one", TALK) != digest_of(b"one", TALK[1:])


def test_calls_and_results_are_told_and_images_and_thoughts_are_not() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"at":"x"}'}}
    talk: list[dict[str, Any]] = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "begin" + "." * 9000 + "end"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "secret", "signature": "s"},
                {"type": "tool_use", "id": "d", "name": "find", "input": {"q": "\ud800"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "d", "content": [{"type": "text"}]},
                {"type": "image", "source": {"data": "QUJD"}},
                "odd",
            ],
        },
    ]
    found = wanted(SummaryShelf(99), b"", talk, report(left_out=((0, 4),)), tokens_max=100)
    assert found is not None
    for told in ("look", "begin", "end", "find", "[image]", "[...]"):
        assert told in found.prompt
    for kept in ("secret", "QUJD"):
        assert kept not in found.prompt
    assert len(found.prompt) < 4000


def test_a_long_conversation_is_told_in_part() -> None:
    talk = [{"role": "user", "content": f"{n} " + "word " * 700} for n in range(500)]
    found = wanted(SummaryShelf(99), b"", talk, report(left_out=((0, 500),)), tokens_max=100)
    assert found is not None
    assert len(found.prompt) < 125_000
    assert "user: 0 word" in found.prompt
    assert "user: 499 word" in found.prompt


def test_a_shelf_keeps_to_its_bound_and_what_was_used_last() -> None:
    shelf = SummaryShelf(3 * 300)
    for name in (b"a", b"b", b"c"):
        shelf.put(name, "x" * 100)
    assert shelf.get(b"a") is not None
    shelf.put(b"d", "x" * 100)
    assert (shelf.get(b"b"), len(shelf)) == (None, 3)
    assert shelf.get(b"a") is not None
    shelf.put(b"a", "y")
    assert shelf.bytes_held == 2 * 300 + 201
    shelf.put(b"huge", "x" * 5000)
    assert (len(shelf), shelf.bytes_held) == (0, 0)
