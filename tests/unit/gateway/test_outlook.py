"""What a call may use: guessed high, and learnt from those before it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.gateway.spend.outlook import Outlook, Outlooks
from headrace.gateway.spend.size import Size, size_of


def body(text: str = "Tell me of water.", **fields: object) -> bytes:
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": "m", "messages": messages, **fields}).encode()


def test_output_is_what_the_request_allows() -> None:
    outlook = Outlook()
    for name in ("max_tokens", "max_completion_tokens"):
        forecast = outlook.forecast(size_of(body(**{name: 77}), 3, has_output=True))
        assert (forecast.output_tokens, forecast.usual_tokens) == (231, 231)


def test_embeddings_have_no_output() -> None:
    forecast = Outlook().forecast(size_of(body(), 1, has_output=False))
    assert (forecast.output_tokens, forecast.usual_tokens) == (0, 0)
    assert forecast.input_tokens > 0


@given(st.lists(st.integers(1, 500), min_size=20, max_size=60))
def test_output_that_is_not_bounded_is_guessed_above_the_usual(outputs: list[int]) -> None:
    outlook = Outlook()
    for output in outputs:
        outlook.learn(size_of(body(), 1, has_output=True), 10, output)
    forecast = outlook.forecast(size_of(body(), 1, has_output=True))
    assert min(outputs) <= forecast.usual_tokens <= forecast.output_tokens
    assert (
        outlook.forecast(size_of(body(), 2, has_output=True)).output_tokens
        == 2 * forecast.output_tokens
    )


def test_output_is_learnt_by_the_choice() -> None:
    outlook = Outlook()
    for _ in range(200):
        outlook.learn(size_of(body(), 4, has_output=True), 10, 400)
    assert abs(outlook.forecast(size_of(body(), 1, has_output=True)).usual_tokens - 100) < 5


def test_the_ratio_of_input_rises_at_once_and_falls_slowly() -> None:
    outlook, text = Outlook(), body("x" * 1000)
    first = outlook.forecast(size_of(text, 1, has_output=True)).input_tokens
    dense = round(len(text) * 0.7)
    outlook.learn(size_of(text, 1, has_output=True), dense, 1)
    risen = outlook.forecast(size_of(text, 1, has_output=True)).input_tokens
    assert first < dense < risen <= len(text)
    for _ in range(10):
        outlook.learn(size_of(text, 1, has_output=True), dense // 4, 1)
    fallen = outlook.forecast(size_of(text, 1, has_output=True)).input_tokens
    assert dense // 4 < fallen < risen


ENCODED = "iVBORw0KGgo" * 20_000
OPENAI = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{ENCODED}"}}
SOURCE = {"type": "base64", "media_type": "image/png", "data": ENCODED}
ANTHROPIC = {"type": "image", "source": SOURCE}
LINKED = [
    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
]


def of_parts(*parts: object) -> Size:
    messages = [{"role": "user", "content": list(parts)}]
    return size_of(json.dumps({"messages": messages}).encode(), 1, has_output=True)


@pytest.mark.parametrize(
    "part",
    [
        OPENAI,
        ANTHROPIC,
        {"type": "tool_result", "tool_use_id": "t", "content": [ANTHROPIC]},
        *LINKED,
    ],
)
def test_a_picture_is_not_a_text(part: object) -> None:
    size = of_parts(part, {"type": "text", "text": "What is it?"})
    assert size.pictures == 1
    assert size.text_bytes < 300


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": ENCODED},
        {"type": "text", "text": f"data:image/png;base64,{ENCODED}"},
        {"type": "text", "text": "x", "url": ENCODED, "image_url": OPENAI["image_url"]},
        {"type": "image_url", "image_url": {"url": f"data:application/pdf;base64,{ENCODED}"}},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{ENCODED}"}},
        {"type": "document", "source": {**SOURCE, "media_type": "application/pdf"}},
        {"type": "image", "source": {"type": "text", "data": ENCODED}, "text": ENCODED},
        {"type": "tool_use", "name": "image", "input": {"content": [OPENAI, ANTHROPIC]}},
        {"type": "image_url", "image_url": ENCODED},
    ],
)
def test_what_is_not_sure_to_be_a_picture_counts_by_its_bytes(part: object) -> None:
    assert of_parts(part).text_bytes > len(ENCODED)


@pytest.mark.parametrize("messages", [None, "image", [None, 5, {"content": [None, ["image"]]}]])
def test_what_is_no_conversation_counts_by_its_bytes(messages: object) -> None:
    sent = json.dumps({"messages": messages, "image": ENCODED}).encode()
    assert size_of(sent, 1, has_output=True)[:2] == (len(sent), 0)


def test_text_without_spaces_is_no_picture() -> None:
    forecast = Outlook().forecast(size_of(body("ab+/" * 200_000), 1, has_output=True))
    assert forecast.input_tokens >= 400_000


def test_models_are_learnt_apart_and_bounded() -> None:
    outlooks = Outlooks()
    known = outlooks.of("p", "m")
    assert outlooks.of("p", "m") is known
    assert outlooks.of("q", "m") is not known
    for number in range(300):
        outlooks.of("p", f"made-up-{number}")
    assert outlooks.of("p", "m") is not known
