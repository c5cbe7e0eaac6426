"""What is kept of conversations, on SQLite and on PostgreSQL."""

import asyncio
import sqlite3

import psycopg
import pytest
from tests.support.stores import Place
from tests.support.talks import SECRET, Talk, counts, fails, index_hits, rows, talking, words

from headrace.conversations.conversations import REFERENCES_MAX
from headrace.conversations.pages import Page
from headrace.dialects.responses.request import read_request
from headrace.errors import InvalidRequest, NotFound, Overloaded
from headrace.store.records.records import Step

pytestmark = pytest.mark.heavy_on_postgresql

ALL = Page(100, "", True)


def test_a_chain_is_recalled_from_its_beginning(place: Place) -> None:
    async def use(talk: Talk) -> None:
        first = await talk.turn("one")
        second = await talk.turn("two", previous_response_id=first["id"])
        fork = await talk.turn("other", previous_response_id=first["id"])
        assert second["store"] is True
        assert await talk.history(previous_response_id=second["id"]) == [
            *("one", "answer 1", "two", "answer 2"),
        ]
        assert await talk.history(previous_response_id=fork["id"]) == [
            *("one", "answer 1", "other", "answer 3"),
        ]

    talking(place, use)


def test_items_that_are_only_named(place: Place) -> None:
    async def use(talk: Talk) -> None:
        first = await talk.turn("one")
        (given,) = (await talk.shelf.inputs("app", first["id"], ALL))["data"]
        names = [{"type": "item_reference", "id": i["id"]} for i in (given, *first["output"])]
        asked = read_request({"model": "m", "input": [*names, {"role": "user", "content": "two"}]})
        found = await talk.conversations.resolve("app", asked)
        assert words(found.items) == ["one", "answer 1", "two"]
        assert found.references == []
        for tenant, sought in (("other", given["id"]), ("app", talk.new_id("msg")), ("app", "x")):
            bad = read_request({"model": "m", "input": [{"id": sought}]})
            error = await fails(talk.conversations.resolve(tenant, bad), NotFound, "item_not_found")
            assert error.param == "input"

    talking(place, use)


def test_items_that_are_named_are_not_more_than_may_be_recalled(place: Place) -> None:
    async def use(talk: Talk) -> None:
        first = await talk.turn("x" * 2000)
        (given,) = (await talk.shelf.inputs("app", first["id"], ALL))["data"]
        asked = read_request({"model": "m", "input": [{"id": given["id"]}]})
        await fails(
            talk.conversations.resolve("app", asked), InvalidRequest, "conversation_too_long"
        )

    talking(place, use, bytes_max=1024)


def test_an_item_that_is_named_often_counts_as_often(place: Place) -> None:
    async def use(talk: Talk) -> None:
        first = await talk.turn("x" * 2000)
        ((given,), begun) = (
            (await talk.shelf.inputs("app", first["id"], ALL))["data"],
            await talk.turn("y" * 2000),
        )

        async def go_on(many: int, **fields: str) -> int:
            named = [{"id": given["id"]}] * many
            asked = read_request({"model": "m", "input": named, **fields})
            found = await talk.conversations.resolve("app", asked)
            await talk.recalled(found)
            return len(found.items)

        assert await go_on(3) == 3
        assert await go_on(1, previous_response_id=begun["id"]) == 1
        await fails(go_on(5), InvalidRequest, "conversation_too_long")
        too_long = go_on(3, previous_response_id=begun["id"])
        await fails(too_long, InvalidRequest, "conversation_too_long")
        error = await fails(go_on(REFERENCES_MAX + 1), InvalidRequest, "invalid_value")
        assert error.param == "input"

    talking(place, use, bytes_max=8192)


def test_a_response_is_told_as_it_was(place: Place) -> None:
    async def use(talk: Talk) -> None:
        items = [
            {"role": "user", "content": [{"type": "input_text", "text": 'a "b" \0 😀'}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "x"},
        ]
        made = await talk.turn(items, metadata={"a": "b"}, instructions="Be brief.")
        assert await talk.shelf.response("app", made["id"]) == made
        page = await talk.shelf.inputs("app", made["id"], Page(2, "", True))
        assert [item["type"] for item in page["data"]] == ["message", "function_call"]
        assert page["has_more"] is True
        assert page["data"][0]["content"][0]["text"] == 'a "b" \0 😀'
        rest = await talk.shelf.inputs("app", made["id"], Page(2, page["last_id"], True))
        assert [item["type"] for item in rest["data"]] == ["function_call_output"]
        down = await talk.shelf.inputs("app", made["id"], Page(1, rest["last_id"], False))
        assert down["data"] == page["data"][1:]
        assert len({item["id"] for item in (*page["data"], *rest["data"])}) == 3

    talking(place, use)


def test_ids_that_lead_nowhere_and_those_of_other_tenants_are_the_same(place: Place) -> None:
    async def use(talk: Talk) -> None:
        made = await talk.turn("mine")
        conversation = await talk.shelf.begin("app", [], {})
        unknown = [talk.new_id("resp"), "resp_1", "", "resp_\0", "'; DROP TABLE x; --", "x" * 5000]
        messages = set()
        for sought in (made["id"], *unknown):
            error = await fails(
                talk.shelf.response("other", sought), NotFound, "response_not_found"
            )
            messages.add(error.message.replace(f"'{sought[:100]}'", "ID"))
            await fails(talk.shelf.delete_response("other", sought), NotFound, error.code)
            await fails(talk.shelf.inputs("other", sought, ALL), NotFound, error.code)
        assert len(messages) == 1
        for sought in (made["id"], *unknown[:2]):
            await fails(
                talk.history("other", previous_response_id=sought),
                InvalidRequest,
                "previous_response_not_found",
            )
        code = "conversation_not_found"
        for sought in (conversation["id"], talk.new_id("conv"), "x"):
            await fails(talk.history("other", conversation=sought), NotFound, code)
            await fails(talk.shelf.conversation("other", sought), NotFound, code)
            await fails(talk.shelf.describe("other", sought, {}), NotFound, code)
            await fails(talk.shelf.items("other", sought, ALL), NotFound, code)
            await fails(talk.shelf.delete_conversation("other", sought), NotFound, code)
            added = talk.shelf.add("other", sought, [], 1000)
            await fails(added, NotFound, code)
        assert (await talk.shelf.conversations("other", ALL))["data"] == []
        assert await talk.history(previous_response_id=made["id"]) == ["mine", "answer 1"]

    talking(place, use)


def test_a_chain_with_a_part_deleted_does_not_go_on(place: Place) -> None:
    async def use(talk: Talk) -> None:
        first = await talk.turn("one")
        second = await talk.turn("two", previous_response_id=first["id"])
        third = await talk.turn("three", previous_response_id=second["id"])
        asked = read_request({"model": "m", "input": "x", "previous_response_id": second["id"]})
        thread = await talk.recalled(asked)
        await talk.shelf.delete_response("app", second["id"])
        error = await fails(
            talk.history(previous_response_id=third["id"]),
            InvalidRequest,
            "previous_response_not_found",
        )
        assert second["id"] in error.message
        # What was asked before it was deleted is answered, and not kept.
        assert (await talk.answered(asked, thread))["store"] is False
        assert await talk.history(previous_response_id=first["id"]) == ["one", "answer 1"]

    talking(place, use)


def test_deleted_is_gone_from_every_table(place: Place) -> None:
    async def use(talk: Talk) -> None:
        response = await talk.turn(SECRET)
        conversation = await talk.shelf.begin("app", [], {"name": SECRET})
        in_it = await talk.turn(SECRET, conversation=conversation["id"])
        assert index_hits(place, SECRET) == 2
        await talk.shelf.delete_response("app", response["id"])
        await talk.shelf.delete_conversation("app", conversation["id"])
        assert counts(place) == [0, 0, 0]
        assert index_hits(place, SECRET) == 0
        assert index_hits(place, "answer") == 0
        if place.dialect == "sqlite":
            rows(
                place,
                "INSERT INTO headrace_item_words (headrace_item_words) VALUES ('integrity-check')",
            )
        await fails(talk.shelf.response("app", in_it["id"]), NotFound, "response_not_found")
        await fails(
            talk.shelf.delete_response("app", response["id"]), NotFound, "response_not_found"
        )

    talking(place, use)


def test_a_response_of_a_conversation_leaves_what_was_said_there(place: Place) -> None:
    async def use(talk: Talk) -> None:
        begun = await talk.shelf.begin("app", [], {})
        made = await talk.turn("hello", conversation=begun["id"])
        error = await fails(
            talk.history(previous_response_id=made["id"]), InvalidRequest, "invalid_value"
        )
        assert begun["id"] in error.message
        await talk.shelf.delete_response("app", made["id"])
        assert await talk.history(conversation=begun["id"]) == ["hello", "answer 1"]
        (first, _) = (await talk.shelf.items("app", begun["id"], ALL))["data"]
        await talk.shelf.delete_item("app", begun["id"], first["id"])
        assert await talk.history(conversation=begun["id"]) == ["answer 1"]
        gone = talk.shelf.item("app", begun["id"], first["id"])
        await fails(gone, NotFound, "item_not_found")

    talking(place, use)


def test_two_who_write_into_one_conversation_come_one_after_the_other(place: Place) -> None:
    async def use(talk: Talk) -> None:
        begun = await talk.shelf.begin("app", [], {})

        async def turn(name: str) -> None:
            asked = read_request({"model": "m", "input": name, "conversation": begun["id"]})
            thread = await talk.recalled(asked)
            await asyncio.sleep(0)  # the other one begins
            await talk.answered(asked, thread)

        names = [f"n{number}" for number in range(12)]
        await asyncio.gather(*map(turn, names))
        said = await talk.history(conversation=begun["id"])
        assert sorted(said[::2]) == sorted(names), "each question stands before an answer"
        assert sorted(said[1::2]) == sorted(f"answer {n + 1}" for n in range(12))
        found = rows(place, "SELECT place FROM headrace_items ORDER BY place")
        assert [place for (place,) in found] == list(range(24))

    talking(place, use)


def test_a_conversation_that_was_deleted_meanwhile_keeps_nothing(place: Place) -> None:
    async def use(talk: Talk) -> None:
        begun = await talk.shelf.begin("app", [], {})
        asked = read_request({"model": "m", "input": "x", "conversation": begun["id"]})
        thread = await talk.recalled(asked)
        await talk.shelf.delete_conversation("app", begun["id"])
        assert (await talk.answered(asked, thread))["store"] is False
        assert counts(place) == [0, 0, 0]

    talking(place, use)


def test_a_conversation_that_is_written_twice_is_there_once(place: Place) -> None:
    async def use(talk: Talk) -> None:
        first = await talk.turn("one")
        asked = read_request({"model": "m", "input": "two", "previous_response_id": first["id"]})
        thread = await talk.recalled(asked)
        response = await talk.answered(asked, thread)
        steps = talk.conversations._steps("app", thread or first, asked, response)
        for _ in range(2):  # as after a commit that nobody heard of
            outcome = await talk.records.write(*steps)
            assert outcome[0] == [{"id": response["id"]}]
        (responses, _, items) = counts(place)
        assert responses == 2
        assert items == 2 + 2 + 1, "what was sent has another id with each request"

    talking(place, use)


@pytest.mark.parametrize(
    ("settings", "words_each", "code"),
    [({"turns_max": 3}, "hi", "turns_max"), ({"bytes_max": 2000}, "x" * 500, "bytes_max")],
)
def test_what_is_too_much_to_go_on_from(
    place: Place, settings: dict[str, int], words_each: str, code: str
) -> None:
    async def use(talk: Talk) -> None:
        fields: dict[str, str] = {}
        for _ in range(3):
            made = await talk.turn(words_each, **fields)
            fields = {"previous_response_id": made["id"]}
        error = await fails(talk.turn("x", **fields), InvalidRequest, "conversation_too_long")
        assert f"conversations.{code}" in error.message

    talking(place, use, **settings)


def test_a_conversation_that_is_too_long_takes_nothing_more(place: Place) -> None:
    async def use(talk: Talk) -> None:
        begun = await talk.shelf.begin("app", [], {})
        await talk.turn("x" * 2000, conversation=begun["id"])
        await fails(
            talk.turn("x", conversation=begun["id"]), InvalidRequest, "conversation_too_long"
        )
        await fails(
            talk.shelf.add("app", begun["id"], [], 1024), InvalidRequest, "conversation_too_long"
        )
        (first, _) = (await talk.shelf.items("app", begun["id"], ALL))["data"]
        await talk.shelf.delete_item("app", begun["id"], first["id"])
        assert await talk.history(conversation=begun["id"]) == ["answer 1"]

    talking(place, use, bytes_max=1024)


def test_a_chain_cannot_be_a_circle(place: Place) -> None:
    async def use(talk: Talk) -> None:
        first = await talk.turn("one")
        second = await talk.turn("two", previous_response_id=first["id"])
        # No request can do that: it would have to name a response that is not there yet.
        change = f"UPDATE headrace_responses SET previous = '{second['id']}'"  # noqa: S608
        if place.dialect == "sqlite":
            with sqlite3.connect(place.folder / "records.sqlite3") as file:
                file.execute(f"{change} WHERE id = '{first['id']}'")
        else:
            with psycopg.connect(place.url) as server:
                server.execute(f"{change} WHERE id = '{first['id']}'".encode())
        await fails(
            talk.history(previous_response_id=second["id"]),
            InvalidRequest,
            "previous_response_not_found",
        )

    talking(place, use, turns_max=50)


def test_ten_megabytes_are_kept_and_found_by_their_first_words(place: Place) -> None:
    async def use(talk: Talk) -> None:
        begun = await talk.shelf.begin("app", [], {})
        text = " ".join(f"w{number}" for number in range(1_400_000))
        assert len(text) > 10_000_000
        await talk.turn(text, conversation=begun["id"])
        assert (await talk.history(conversation=begun["id"]))[0] == text
        found = await talk.shelf.conversations("app", ALL, "w77")
        assert found["first_id"] == begun["id"]

    talking(place, use, bytes_max=1 << 30)


def test_a_store_that_is_away(place: Place) -> None:
    async def use(talk: Talk) -> None:
        made = await talk.turn("one")
        await talk.records.close()
        away = await talk.turn("two")
        assert away["store"] is False
        assert talk.said == ["conversation_store_failed"]
        error = await fails(
            talk.history(previous_response_id=made["id"]), Overloaded, "store_unavailable"
        )
        assert str(place.folder) not in error.message
        assert error.retry_after_s == 2.0
        assert talk.said == ["conversation_store_failed"], "it is left alone for a while"

    talking(place, use)


def test_a_response_that_has_to_be_kept_is_refused_where_it_cannot_be(place: Place) -> None:
    async def use(talk: Talk) -> None:
        await talk.records.close()
        await fails(talk.turn("one"), Overloaded, "store_unavailable")

    talking(place, use, required=True)


def test_where_nothing_is_kept_nothing_is_recalled(place: Place) -> None:
    async def use(talk: Talk) -> None:
        asked = read_request({"model": "m", "input": "x"})
        assert not talk.conversations.keeps(asked)
        for field in ("previous_response_id", "conversation"):
            await fails(talk.history(**{field: "x"}), InvalidRequest, "conversations_off")

    talking(place, use, enabled=False)


def test_items_of_a_response_that_is_gone_meanwhile_are_not_left_behind(place: Place) -> None:
    async def use(talk: Talk) -> None:
        first = await talk.turn("one")
        asked = read_request({"model": "m", "input": "x", "previous_response_id": first["id"]})
        thread = await talk.recalled(asked)
        values = {"id": first["id"], "tenant": "app"}
        await talk.records.write(Step("conversations.drop_response", values))
        await talk.records.write(Step("conversations.drop_answer", values))
        assert (await talk.answered(asked, thread))["store"] is False
        assert counts(place) == [0, 0, 0]

    talking(place, use)
