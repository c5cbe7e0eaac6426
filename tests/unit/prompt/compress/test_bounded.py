"""A model that leaves words out never keeps anybody waiting for long, whatever it does."""

from collections.abc import Callable
from threading import Event

from headrace.prompt.compress.bounded import CHARS_MAX, BoundedShortener
from headrace.prompt.compress.pipeline import Shorten

TEXT = "one two three four"


def half(text: str, rate: float) -> str:
    words = text.split()
    return " ".join(words[: int(len(words) * rate)])


def bounded(load: Callable[[], Shorten], seconds_max: float = 30) -> BoundedShortener:
    return BoundedShortener(load, rate=0.5, seconds_max=seconds_max)


def loaded(shorten: Shorten, seconds_max: float = 30) -> BoundedShortener:
    there = Event()

    def load() -> Shorten:
        there.set()
        return shorten

    made = bounded(load, seconds_max)
    assert there.wait(30)
    made._loaded.result(30)
    return made


def test_its_own_rate_counts() -> None:
    assert loaded(half)(TEXT, 0.9) == "one two"


def test_nobody_waits_for_it_to_be_loaded() -> None:
    go_on = Event()

    def load() -> Shorten:
        assert go_on.wait(30)
        return half

    made = bounded(load)
    assert made(TEXT, 0.5) == TEXT
    assert made.faults() == (None, 0)
    go_on.set()
    made._loaded.result(30)
    assert made(TEXT, 0.5) == "one two"


def test_who_waited_long_enough_goes_on_with_the_text_as_it_was() -> None:
    go_on, asked = Event(), list[str]()

    def slow(text: str, rate: float) -> str:
        asked.append(text)
        assert go_on.wait(30)
        return half(text, rate)

    made = loaded(slow, seconds_max=0.01)
    assert made(TEXT, 0.5) == TEXT
    assert made("five six", 0.5) == "five six"
    assert made.faults() == (None, 2)
    assert made.faults() == (None, 0)
    go_on.set()
    made._thread.shutdown()
    assert "five six" not in asked  # nobody wanted it any more


def test_what_fails_is_told_and_changes_nothing() -> None:
    def broken(text: str, rate: float) -> str:
        raise IndexError("no tokens")

    made = loaded(broken)
    assert made(TEXT, 0.5) == TEXT
    fault, late = made.faults()
    assert isinstance(fault, IndexError)
    assert late == 0
    assert made.faults() == (None, 0)


def test_what_cannot_be_loaded_is_told_and_changes_nothing() -> None:
    def load() -> Shorten:
        raise OSError("no model in the folder")

    made = bounded(load)
    made._loaded.exception(30)
    assert made(TEXT, 0.5) == TEXT
    assert isinstance(made.faults()[0], OSError)


def test_long_texts_nothing_left_and_the_end() -> None:
    made = loaded(half)
    assert made("x " * CHARS_MAX, 0.5) == "x " * CHARS_MAX
    assert made("one", 0.5) == "one"
    made.close()
    assert made(TEXT, 0.5) == TEXT
