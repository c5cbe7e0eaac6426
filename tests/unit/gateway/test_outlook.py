"""What a call may use: guessed high, and learnt from those before it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from headrace.gateway.spend.outlook import Outlook, Outlooks


def body(text: str = "Tell me of water.", **fields: object) -> bytes:
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": "m", "messages": messages, **fields}).encode()


def test_output_is_what_the_request_allows() -> None:
    outlook = Outlook()
    for name in ("max_tokens", "max_completion_tokens"):
        forecast = outlook.forecast(body(**{name: 77}), 3, has_output=True)
        assert (forecast.output_tokens, forecast.usual_tokens) == (231, 231)


def test_embeddings_have_no_output() -> None:
    forecast = Outlook().forecast(body(), 1, has_output=False)
    assert (forecast.output_tokens, forecast.usual_tokens) == (0, 0)
    assert forecast.input_tokens > 0


@given(st.lists(st.integers(1, 500), min_size=20, max_size=60))
def test_output_that_is_not_bounded_is_guessed_above_the_usual(outputs: list[int]) -> None:
    outlook = Outlook()
    for output in outputs:
        outlook.learn(outlook.forecast(body(), 1, has_output=True), 1, 10, output)
    forecast = outlook.forecast(body(), 1, has_output=True)
    assert min(outputs) <= forecast.usual_tokens <= forecast.output_tokens
    assert outlook.forecast(body(), 2, has_output=True).output_tokens == 2 * forecast.output_tokens


def test_output_is_learnt_by_the_choice() -> None:
    outlook = Outlook()
    for _ in range(200):
        outlook.learn(outlook.forecast(body(), 4, has_output=True), 4, 10, 400)
    assert abs(outlook.forecast(body(), 1, has_output=True).usual_tokens - 100) < 5


def test_the_ratio_of_input_rises_at_once_and_falls_slowly() -> None:
    outlook, text = Outlook(), body("x" * 1000)
    first = outlook.forecast(text, 1, has_output=True).input_tokens
    dense = round(len(text) * 0.7)
    outlook.learn(outlook.forecast(text, 1, has_output=True), 1, dense, 1)
    risen = outlook.forecast(text, 1, has_output=True).input_tokens
    assert first < dense < risen <= len(text)
    for _ in range(10):
        outlook.learn(outlook.forecast(text, 1, has_output=True), 1, dense // 4, 1)
    fallen = outlook.forecast(text, 1, has_output=True).input_tokens
    assert dense // 4 < fallen < risen


def test_a_picture_is_not_a_text() -> None:
    encoded = "data:image/png;base64," + "iVBORw0KGgo" * 20_000
    forecast = Outlook().forecast(body(encoded), 1, has_output=True)
    assert 1600 <= forecast.input_tokens < 2000


def test_models_are_learnt_apart_and_bounded() -> None:
    outlooks = Outlooks()
    known = outlooks.of("p", "m")
    assert outlooks.of("p", "m") is known
    assert outlooks.of("q", "m") is not known
    for number in range(300):
        outlooks.of("p", f"made-up-{number}")
    assert outlooks.of("p", "m") is not known
