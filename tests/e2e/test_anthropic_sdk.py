"""The Anthropic SDK against the gateway."""

from typing import Any

import anthropic
import pytest
from tests.e2e.asking import MESSAGE_TOOL, PIXEL, last_body, message
from tests.e2e.conftest import PROVIDER_KEY

from headrace.sim.thread import ThreadedSim


def test_messages_whole_and_streamed(claude: anthropic.Anthropic, question: str) -> None:
    asked = message(question, system="Be brief.")
    with claude.messages.stream(**asked) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert (final.stop_reason, final.content[0].text) == ("end_turn", text)
    assert final.usage.input_tokens > 0
    asked = message(f"{question} Again.", system="Be brief.")
    whole = claude.messages.create(**asked)
    assert whole.content[0].text
    assert whole.usage.output_tokens > 10


def test_events_come_in_the_order_of_the_api(claude: anthropic.Anthropic, question: str) -> None:
    with claude.messages.create(**message(question), stream=True) as stream:
        kinds = [event.type for event in stream]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[2:-3]) == {"content_block_delta"}


def test_the_system_prompt_counts(
    claude: anthropic.Anthropic, sim: ThreadedSim, question: str
) -> None:
    systems: tuple[Any, ...] = (
        "Be brief.",
        "Be thorough.",
        [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    )
    for system in systems:
        raw = claude.messages.with_raw_response.create(**message(question, system=system))
        assert raw.headers["x-headrace-cache"] == "miss"
        assert last_body(sim)["system"] == system


def test_tools(claude: anthropic.Anthropic, question: str) -> None:
    asked = message(question, tools=[MESSAGE_TOOL], tool_choice={"type": "any"})
    whole = claude.messages.create(**asked)
    assert (whole.stop_reason, whole.content[0].type) == ("tool_use", "tool_use")
    assert set(whole.content[0].input) == {"city", "days"}
    live = message(f"{question} Live.", tools=[MESSAGE_TOOL], tool_choice={"type": "any"})
    with claude.messages.stream(**live) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        final = stream.get_final_message()
    assert len(pieces) > 4
    assert set(final.content[0].input) == {"city", "days"}
    said = {"role": "assistant", "content": whole.content}
    block = {"type": "tool_result", "tool_use_id": whole.content[0].id, "content": "rain"}
    asked["messages"] += [said, {"role": "user", "content": [block]}]
    asked["tool_choice"] = {"type": "auto"}
    assert claude.messages.create(**asked).stop_reason == "end_turn"


def test_images(claude: anthropic.Anthropic, sim: ThreadedSim, question: str) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    content = [{"type": "image", "source": source}, {"type": "text", "text": question}]
    asked = message("") | {"messages": [{"role": "user", "content": content}]}
    assert claude.messages.create(**asked).content[0].text
    assert last_body(sim)["messages"][0]["content"] == content


def test_models(claude: anthropic.Anthropic) -> None:
    listed = claude.models.list()
    assert [model.id for model in listed] == ["claude-sim"]
    assert claude.models.retrieve("claude-sim").type == "model"
    with pytest.raises(anthropic.NotFoundError):
        claude.models.retrieve("claude-unknown")


def test_headers_of_the_dialect_go_on_and_the_callers_key_does_not(
    claude: anthropic.Anthropic, sim: ThreadedSim, question: str
) -> None:
    beta = {"anthropic-beta": "token-efficient-tools-2025-02-19"}
    claude.messages.create(**message(question), extra_headers=beta)
    headers = sim.stats().last_requests[-1].headers
    assert headers["x-api-key"] == PROVIDER_KEY
    assert headers["anthropic-version"] == claude.default_headers["anthropic-version"]
    assert headers["anthropic-beta"] == beta["anthropic-beta"]
    assert "authorization" not in headers
    # A beta can change the answer, so it is part of the question.
    raw = claude.messages.with_raw_response.create(**message(question))
    assert raw.headers["x-headrace-cache"] == "miss"
