"""Counting whole requests, and learning from what providers report of them."""

import base64
import random
from collections.abc import Mapping
from typing import Any

import pytest
from tests.unit.prompt.counting.test_images import png

from headrace.prompt.counting import counters as counters_module
from headrace.prompt.counting.counters import Counters
from headrace.prompt.counting.document import read_document
from headrace.prompt.counting.public import count_tokens

# The cookbook's own example, whose counts the API confirmed.
COOKBOOK = [
    {
        "role": "system",
        "content": "You are a helpful, pattern-following assistant that translates corporate "
        "jargon into plain English.",
    },
    {
        "role": "system",
        "name": "example_user",
        "content": "New synergies will help drive top-line growth.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Things working well together will increase revenue.",
    },
    {
        "role": "system",
        "name": "example_user",
        "content": "Let's circle back when we have more bandwidth to touch base on opportunities "
        "for increased leverage.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Let's talk later when we're less busy about how to do better.",
    },
    {
        "role": "user",
        "content": "This late pivot means we don't have time to boil the ocean for the client "
        "deliverable.",
    },
]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_current_weather",
        "description": "Get the current weather in a given location",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {
                    "type": "string",
                    "description": "The city and state, e.g. San Francisco, CA",
                },
                "unit": {
                    "type": "string",
                    "description": "The unit of temperature to return",
                    "enum": ["celsius", "fahrenheit"],
                },
            },
            "required": ["location"],
        },
    },
}
WEATHER_MESSAGES = [
    {
        "role": "system",
        "content": "You are a helpful assistant that can answer to questions about the weather.",
    },
    {"role": "user", "content": "What's the weather like in San Francisco?"},
]


@pytest.mark.parametrize(("model", "tokens"), [("gpt-4o", 124), ("gpt-4", 129)])
def test_messages_come_to_what_openai_counted(model: str, tokens: int) -> None:
    count = count_tokens(COOKBOOK, model=model)
    assert (count.tokens, count.is_exact, count.error_p95) == (tokens, True, 0.0)


@pytest.mark.parametrize(("model", "tokens"), [("gpt-4o", 101), ("gpt-4", 105)])
def test_tools_come_to_what_openai_counted(model: str, tokens: int) -> None:
    count = count_tokens(WEATHER_MESSAGES, model=model, tools=[WEATHER])
    assert count.tokens == tokens
    assert not count.is_exact
    assert 0 < count.error_p95 <= 0.05


def test_a_text_is_counted_as_such() -> None:
    assert count_tokens("hello world", model="gpt-4o").tokens == 2
    assert count_tokens("", model="gpt-4o").tokens == 0
    assert count_tokens("", model="claude-opus-4-7").tokens == 0


def test_an_estimate_says_so() -> None:
    count = count_tokens("The water turns the wheel. " * 40, model="claude-opus-4-7")
    exact = count_tokens("The water turns the wheel. " * 40, model="gpt-4o")
    assert not count.is_exact
    assert count.error_p95 > 0
    assert count.tokens > exact.tokens


def test_a_model_that_nobody_knows_is_estimated_too() -> None:
    for name in ("", "no-such-thing", "a/b/c", "\ud800"):
        count = count_tokens("some words of a text", model=name)
        assert 3 <= count.tokens <= 10
        assert count.error_p95 >= 0.3


def test_both_dialects_of_tools_are_read() -> None:
    anthropic = {
        "name": WEATHER["function"]["name"],  # type: ignore[index]
        "description": WEATHER["function"]["description"],  # type: ignore[index]
        "input_schema": WEATHER["function"]["parameters"],  # type: ignore[index]
    }
    same = [
        count_tokens("hi", model="gpt-4o", tools=[tool]).tokens for tool in (WEATHER, anthropic)
    ]
    assert same[0] == same[1] > 60
    claude = count_tokens("hi", model="claude-opus-4-7", tools=[anthropic])
    assert claude.tokens > 346  # what Anthropic says around tools


def test_images_count_by_their_size() -> None:
    data = base64.b64encode(png(1000, 1000)).decode()
    openai = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    source = {"type": "base64", "media_type": "image/png", "data": data}
    for model, part, tokens in (
        ("gpt-4o", openai, 765),
        ("claude-opus-4-7", {"type": "image", "source": source}, 1334),
    ):
        without = count_tokens([{"role": "user", "content": []}], model=model)
        count = count_tokens([{"role": "user", "content": [part]}], model=model)
        assert count.tokens - without.tokens == tokens
        assert not count.is_exact


def test_an_image_somewhere_else_makes_the_count_uncertain() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    count = count_tokens([{"role": "user", "content": [part]}], model="gpt-4o")
    assert not count.is_exact
    assert count.error_p95 >= 0.5


NONSENSE: list[Any] = [
    {},
    {"messages": None},
    {"messages": "hello"},
    {"messages": [1, None, "x", [], {}]},
    {"messages": [{"role": 5, "content": 5, "name": 7, "tool_calls": 3}]},
    {"messages": [{"role": "user", "content": [None, 3, {"type": None}, {"type": "image"}]}]},
    {"messages": [{"role": "assistant", "tool_calls": [None, {"function": 3}, {}]}]},
    {"messages": [], "tools": [None, 3, {"function": 5}, {"name": 4, "parameters": []}]},
    {"messages": [], "tools": {"a": 1}, "system": 5, "response_format": 5},
    {"messages": [], "tools": [{"name": "x", "parameters": {"properties": {"a": 3, "b": None}}}]},
    {"input": [[1, 2, 3], 5, None]},
]


@pytest.mark.parametrize("document", NONSENSE)
@pytest.mark.parametrize("model", ["gpt-4o", "claude-opus-4-7", "what"])
def test_nonsense_counts_something_and_raises_nothing(document: Any, model: str) -> None:
    assert Counters().of(model).count_document(document).tokens >= 0


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


@pytest.mark.parametrize("model", ["gpt-4o", "claude-opus-4-7"])
def test_deep_json_is_counted_as_far_as_it_makes_sense(model: str) -> None:
    tool = {"name": "x", "parameters": deep(50_000)}
    content: Any = "x"
    for _ in range(50_000):
        content = [{"type": "tool_result", "content": content}]
    document = {"messages": [{"role": "user", "content": content}], "tools": [tool]}
    assert Counters().of(model).count_document(document).tokens > 0
    while content != "x":  # taken apart from outside: the interpreter would do it by recursion
        content = content[0].pop("content")
    schema = tool["parameters"]
    while isinstance(schema, dict) and "properties" in schema:
        schema = schema.pop("properties")["a"]


def test_many_messages_and_a_long_one() -> None:
    messages = [{"role": "user", "content": "hi"}] * 100_000
    assert count_tokens(messages, model="gpt-4o").tokens == 100_000 * 5 + 3
    text = "The mill stands by the river. " * 350_000  # 10 MB
    assert count_tokens(text, model="gpt-4o").tokens > 2_000_000
    assert count_tokens(text, model="claude-opus-4-7").tokens > 2_500_000


def test_lone_surrogates_are_counted() -> None:
    for model in ("gpt-4o", "claude-opus-4-7", "gemini-2.5-pro"):
        messages = [{"role": "\udfff", "content": "a\ud800b" * 100, "name": "\ud800"}]
        assert count_tokens(messages, model=model, tools=[{"name": "\ud800"}]).tokens > 100


def test_what_was_counted_before_is_remembered_within_bounds() -> None:
    made = Counters(memo_bytes=4096)
    counter = made.of("gpt-4o")
    texts = [f"{number} " * 80 for number in range(100)]
    first = [counter.tokens_of(text) for text in texts]
    assert 0 < made.memo.bytes_held <= 4096
    assert [counter.tokens_of(text) for text in texts] == first
    # The same text is counted once for models that share a vocabulary.
    held = len(made.memo)
    made.of("claude-opus-4-7").tokens_of(texts[-1])
    assert len(made.memo) == held
    assert counter.tokens_of(texts[-1]) == first[-1]


KINDS = (
    "The water of the river turns the wheel of the mill, and the miller is asleep. ",
    "Das Wasser des Flusses dreht das Rad der Mühle, und der Müller schläft für heute. ",
    "Вода реки вращает колесо мельницы, а мельник спит до самого утра. ",
    "河水转动水车,磨坊主还在睡觉。",
    "def turn(wheel: Wheel, *, force: float) -> None:\n    wheel.angle += force * wheel.arm\n",
    '{"river": "Thames", "mills": [{"id": 17, "wheels": 3}], "open": true},\n',
)
HIDDEN = (1.45, 1.9, 1.5, 1.1, 1.7, 1.3)


def asked(rng: random.Random) -> tuple[Mapping[str, Any], int]:
    """A request, and what a tokenizer that nobody knows makes of it."""
    exact = Counters().of("gpt-4o")
    messages, tokens = [], 10.0
    for _ in range(rng.randint(1, 4)):
        kind = rng.randrange(len(KINDS))
        text = KINDS[kind] * rng.randint(2, 60)
        messages.append({"role": "user", "content": text})
        tokens += 7 + HIDDEN[kind] * exact.tokens_of(text)
    return {"messages": messages}, round(tokens)


def test_claude_is_learnt_from_what_it_reports() -> None:
    rng, made = random.Random(6), Counters()
    for _ in range(300):
        document, told = asked(rng)
        assert made.learn("claude-opus-4-7", document, told)
    errors = []
    for _ in range(200):
        document, told = asked(rng)
        count = made.of("claude-opus-4-7").count_document(document)
        errors.append(abs(count.tokens - told) / told)
    assert sorted(errors)[189] < 0.1
    assert made.errors()["claude"] == made.of("claude-sonnet-5").error_p95 < 0.15


def test_families_learn_apart() -> None:
    made = Counters()
    before = made.of("gemini-2.5-pro").tokens_of(KINDS[0] * 9)
    for _ in range(50):
        made.learn(
            "claude-opus-4-7", {"messages": [{"role": "user", "content": KINDS[0] * 9}]}, 900
        )
    assert made.of("gemini-2.5-pro").tokens_of(KINDS[0] * 9) == before
    assert set(made.errors()) == {"claude"}


@pytest.mark.parametrize(
    ("model", "document", "told"),
    [
        ("gpt-4o", {"messages": [{"role": "user", "content": "x"}]}, 8),  # nothing to learn
        ("claude-opus-4-7", {"messages": [{"role": "user", "content": "x"}]}, 0),
        ("claude-opus-4-7", {"messages": [{"role": "user", "content": [{"type": "file"}]}]}, 900),
        ("claude-opus-4-7", {}, 100),
    ],
)
def test_nothing_is_learnt_from_what_says_nothing(
    model: str, document: dict[str, Any], told: int
) -> None:
    made = Counters()
    made.learn(model, document, told)
    assert made.errors() == {}


def test_without_the_package_everything_is_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = Counters().of("gpt-4o")
    truths = [exact.tokens_of(text * 5) for text in KINDS]
    monkeypatch.setattr(counters_module, "encoder", lambda _: None)
    counter = Counters().of("gpt-4o")
    for text, truth in zip(KINDS, truths, strict=True):
        count = counter.count_text(text * 5)
        assert not count.is_exact
        assert count.error_p95 >= 0.2
        assert count.tokens == pytest.approx(truth, rel=0.35), text
    assert counter.count_document({"messages": COOKBOOK}).tokens == pytest.approx(124, rel=0.3)


def test_a_request_is_read_once_for_several_counts() -> None:
    parts = read_document({"messages": COOKBOOK, "system": "Be brief."})
    assert (parts.messages, parts.names, parts.is_plain) == (7, 4, True)


@pytest.mark.parametrize("said", [None, 5, b"text", {"a set"}, iter(()), object()])
def test_what_cannot_be_counted_is_refused(said: Any) -> None:
    with pytest.raises(TypeError, match="expected a text, a list of messages or a request, not"):
        count_tokens(said, model="gpt-4o")


def test_messages_that_are_none_are_refused() -> None:
    with pytest.raises(TypeError, match=r"messages\[1\]: expected a mapping, not str"):
        count_tokens([{"role": "user", "content": "a"}, "b"], model="gpt-4o")  # type: ignore[list-item]
