"""Conversations that the gateway keeps, by the official SDK."""

import concurrent.futures
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.e2e.asking import last_body
from tests.e2e.conftest import ADMIN_KEY, APP_KEY
from tests.support.gateway import Gateway
from tests.support.wire import ask, encode_request

from headrace.sim.thread import ThreadedSim

MODEL = "gpt-4o-mini"


@pytest.fixture
def other(gateway: Gateway) -> Iterator[openai.OpenAI]:
    """Another tenant's client."""
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=ADMIN_KEY, max_retries=0) as client:
        yield client


def texts(sim: ThreadedSim) -> list[str]:
    """What the provider was told last, message by message."""
    return [message["content"] for message in last_body(sim)["messages"]]


@pytest.mark.parametrize("streams", [False, True])
def test_a_response_goes_on_from_the_one_before(
    gpt: openai.OpenAI, sim: ThreadedSim, question: str, streams: bool
) -> None:
    asked: dict[str, Any] = {"model": MODEL, "instructions": "Be brief."}
    if streams:
        *_, last = gpt.responses.create(**asked, input=question, stream=True)
        assert last.type == "response.completed"
        first = last.response
    else:
        first = gpt.responses.create(**asked, input=question)
    # At once: it was kept before its end was told.
    second = gpt.responses.create(model=MODEL, input="And why?", previous_response_id=first.id)
    assert texts(sim) == [question, first.output_text, "And why?"]
    assert second.previous_response_id == first.id
    third = gpt.responses.create(model=MODEL, input="Oh.", previous_response_id=second.id)
    assert texts(sim)[-2:] == [second.output_text, "Oh."]
    assert gpt.responses.retrieve(third.id).output_text == third.output_text


def test_a_call_and_its_result_in_two_requests(
    gpt: openai.OpenAI, sim: ThreadedSim, question: str
) -> None:
    tool: Any = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    first = gpt.responses.create(model=MODEL, input=question, tools=[tool], tool_choice="required")
    (call,) = first.output
    assert call.type == "function_call"
    with pytest.raises(openai.BadRequestError, match="No tool output found"):
        gpt.responses.create(model=MODEL, input="Well?", previous_response_id=first.id)
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    second = gpt.responses.create(model=MODEL, input=[output], previous_response_id=first.id)
    assert second.output_text
    roles = [message["role"] for message in last_body(sim)["messages"]]
    assert roles == ["user", "assistant", "tool"]


def test_items_may_be_named_in_place_of_being_sent(
    gpt: openai.OpenAI, sim: ThreadedSim, question: str
) -> None:
    first = gpt.responses.create(model=MODEL, input=question)
    said = first.output[0]
    assert said.type == "message"
    items: Any = [
        {"role": "user", "content": question},
        {"type": "item_reference", "id": said.id},
        {"role": "user", "content": "Go on."},
    ]
    gpt.responses.create(model=MODEL, input=items)
    assert texts(sim) == [question, first.output_text, "Go on."]
    items[1]["id"] = "msg_" + "0" * 26
    with pytest.raises(openai.NotFoundError):
        gpt.responses.create(model=MODEL, input=items)


def test_what_is_not_to_be_kept_is_not(gpt: openai.OpenAI, question: str) -> None:
    response = gpt.responses.create(model=MODEL, input=question, store=False)
    with pytest.raises(openai.NotFoundError) as missing:
        gpt.responses.retrieve(response.id)
    assert missing.value.code == "response_not_found"
    with pytest.raises(openai.BadRequestError) as unknown:
        gpt.responses.create(model=MODEL, input="x", previous_response_id=response.id)
    assert unknown.value.code == "previous_response_not_found"
    assert unknown.value.param == "previous_response_id"


def test_a_response_can_be_looked_at_and_deleted(gpt: openai.OpenAI, question: str) -> None:
    response = gpt.responses.create(model=MODEL, input=question, metadata={"a": "b"})
    kept = gpt.responses.retrieve(response.id)
    assert kept == response
    (item,) = gpt.responses.input_items.list(response.id)
    assert item.type == "message"
    with pytest.raises(openai.BadRequestError, match="in the background"):
        gpt.responses.cancel(response.id)
    gpt.responses.delete(response.id)
    for look in (gpt.responses.retrieve, gpt.responses.delete, gpt.responses.cancel):
        with pytest.raises(openai.NotFoundError):
            look(response.id)


def test_a_conversation(gpt: openai.OpenAI, sim: ThreadedSim, question: str) -> None:
    items: Any = [{"role": "user", "content": question}, {"role": "assistant", "content": "Hm."}]
    made = gpt.conversations.create(metadata={"topic": "water"}, items=items)
    assert made.id.startswith("conv_")
    response = gpt.responses.create(model=MODEL, input="Go on.", conversation=made.id)
    assert response.conversation is not None
    assert response.conversation.id == made.id
    assert texts(sim) == [question, "Hm.", "Go on."]
    streamed = list(
        gpt.responses.create(model=MODEL, input="More.", conversation={"id": made.id}, stream=True)
    )
    assert streamed[-1].type == "response.completed"
    assert texts(sim)[-2:] == [response.output_text, "More."]
    added = gpt.conversations.items.create(
        made.id,
        items=[{"type": "message", "role": "user", "content": "Thanks."}],
    )
    listed = list(gpt.conversations.items.list(made.id, order="asc", limit=2))
    assert len(listed) == 7
    assert listed[-1].id == added.data[0].id
    assert [item.id for item in gpt.conversations.items.list(made.id)] == [
        item.id for item in reversed(listed)
    ]
    assert gpt.conversations.items.retrieve(listed[0].id, conversation_id=made.id) == listed[0]
    changed = gpt.conversations.update(made.id, metadata={"topic": "wells"})
    assert changed.metadata == {"topic": "wells"}
    assert gpt.conversations.items.delete(listed[0].id, conversation_id=made.id) == changed
    assert gpt.conversations.retrieve(made.id) == changed
    gone = gpt.conversations.delete(made.id)
    assert (gone.deleted, gone.object) == (True, "conversation.deleted")
    with pytest.raises(openai.NotFoundError):
        gpt.conversations.items.list(made.id)
    with pytest.raises(openai.NotFoundError):
        gpt.responses.retrieve(response.id)


def test_what_is_anothers_is_not_there(
    gpt: openai.OpenAI, other: openai.OpenAI, question: str
) -> None:
    response = gpt.responses.create(model=MODEL, input=question)
    conversation = gpt.conversations.create()
    for look in (
        lambda: other.responses.retrieve(response.id),
        lambda: other.responses.delete(response.id),
        lambda: other.conversations.retrieve(conversation.id),
        lambda: other.conversations.delete(conversation.id),
        lambda: other.responses.create(model=MODEL, input="x", conversation=conversation.id),
    ):
        with pytest.raises(openai.NotFoundError):
            look()
    with pytest.raises(openai.BadRequestError):
        other.responses.create(model=MODEL, input="x", previous_response_id=response.id)
    assert gpt.responses.retrieve(response.id).id == response.id


def test_conversations_are_listed_and_searched(
    gpt: openai.OpenAI, gateway: Gateway, question: str
) -> None:
    made = gpt.conversations.create()
    gpt.responses.create(model=MODEL, input=f"{question} quixotic", conversation=made.id)

    def listed(path: str, key: str = APP_KEY) -> Any:
        headers = {"authorization": f"Bearer {key}"}
        return ask(gateway.url, encode_request(path, headers=headers))

    found = listed("/v1/conversations?query=Quixotic&order=asc").json()
    assert [each["id"] for each in found["data"]] == [made.id]
    assert listed("/v1/conversations?limit=1").json()["data"][0]["id"] == made.id
    shown = listed("/admin/conversations?tenant=app&query=quixotic", ADMIN_KEY).json()
    assert shown["first_id"] == made.id
    assert listed("/admin/conversations?tenant=app").status == 403
    assert listed("/admin/conversations", ADMIN_KEY).status == 400
    for bad in ("limit=0", "limit=101", "limit=x", "order=up", "after=conv_1"):
        assert listed(f"/v1/conversations?{bad}").status in (400, 404), bad


def test_two_who_go_on_at_once_from_one_response(gpt: openai.OpenAI, question: str) -> None:
    first = gpt.responses.create(model=MODEL, input=question)

    def go_on(number: int) -> str:
        made = gpt.responses.create(
            model=MODEL, input=f"{question} {number}", previous_response_id=first.id
        )
        return gpt.responses.retrieve(made.id).id

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(go_on, range(16)))) == 16
