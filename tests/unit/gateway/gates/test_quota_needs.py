"""What a call will use is guessed from its request, and learnt from what calls used."""

import json
from typing import Any

from headrace.gateway.gates.quota_needs import Guess, Habit


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [], **fields}).encode()


def guess(habit: Habit, request: bytes, choices: int = 1) -> Guess:
    return habit.guess(request, choices, has_output=True)


def test_a_guess_is_a_quarter_of_the_bytes_and_what_is_asked_for() -> None:
    request = body(max_tokens=500)
    need = guess(Habit(), request).need
    assert need.requests == 1
    assert need.input_tokens == len(request) / 4
    assert need.output_tokens == 500
    assert need.tokens == need.input_tokens + 500


def test_answers_are_multiplied_by_their_number() -> None:
    assert guess(Habit(), body(max_completion_tokens=500), choices=3).need.output_tokens == 1500
    assert guess(Habit(), body(max_tokens=5), choices=10**400).least.tokens < 10_000


def test_what_makes_no_sense_is_as_good_as_nothing_said() -> None:
    usual = guess(Habit(), b"{}").need.output_tokens
    for bound in (-5, 0, "many", None, 1.5, [1]):
        assert guess(Habit(), body(max_tokens=bound)).need.output_tokens == usual
    assert guess(Habit(), b"no json").need.output_tokens == usual


def test_embeddings_have_no_output() -> None:
    need = Habit().guess(body(max_tokens=500), 1, has_output=False).need
    assert need.output_tokens == 0
    assert need.tokens == need.input_tokens


def test_pictures_count_by_the_piece() -> None:
    picture = "data:image/png;base64," + "A" * 100_000
    seen = guess(Habit(), body(picture=picture, other=picture, max_tokens=1))
    assert 3200 < seen.need.input_tokens < 3300
    assert seen.least.tokens < 100


def test_texts_are_no_pictures() -> None:
    for text in ("water " * 1000, "水" * 1000, "\n".join("x" * 40 for _ in range(50))):
        request = json.dumps({"text": text}, ensure_ascii=False).encode()
        assert guess(Habit(), request).text_bytes == len(request)
    numbers = json.dumps({"input": list(range(1000))}).encode()
    assert guess(Habit(), numbers.replace(b" ", b"")).text_bytes == len(numbers.replace(b" ", b""))


def test_usage_is_learnt() -> None:
    habit = Habit()
    request = body(text="water " * 100, max_tokens=4000)
    for _ in range(50):
        habit.learn(guess(habit, request), len(request) / 3, 200)
    need = guess(habit, request).need
    assert abs(need.input_tokens - len(request) / 3) < 2
    assert 400 <= need.output_tokens < 420  # twice the mean, not the 4000 that it may be
    assert need.tokens >= 4000  # where what is asked for counts
    assert 200 <= guess(habit, body()).need.tokens - guess(habit, body()).need.input_tokens < 210


def test_absurd_usage_moves_nothing_far() -> None:
    habit = Habit()
    for _ in range(100):
        habit.learn(guess(habit, body()), 1e12, 0)
    assert guess(habit, body()).need.input_tokens <= len(body())
