"""Pages of what is kept, words that are found in it, and its end."""

from tests.support.stores import Place
from tests.support.talks import SECRET, Talk, counts, fails, index_hits, talking, words

from headrace.clock import ManualClock
from headrace.conversations.pages import Page
from headrace.dialects.responses.request import read_request
from headrace.errors import NotFound

DAY_S = 86_400.0
ALL = Page(100, "", True)


def test_pages_of_conversations_and_words_that_were_said(place: Place) -> None:
    async def use(talk: Talk) -> None:
        made = [await talk.shelf.begin("app", [], {"n": str(n)}) for n in range(5)]
        await talk.turn("the blue river runs", conversation=made[1]["id"])
        await talk.turn("a river, and blue", conversation=made[3]["id"])
        await talk.turn("blue only", conversation=made[4]["id"])
        await talk.turn("the blue river", tenant="other")
        ids = [each["id"] for each in made]
        up = await talk.shelf.conversations("app", Page(2, "", True))
        assert ([each["id"] for each in up["data"]], up["has_more"]) == (ids[:2], True)
        assert up["data"][1]["metadata"] == {"n": "1"}
        rest = await talk.shelf.conversations("app", Page(3, up["last_id"], True))
        assert ([each["id"] for each in rest["data"]], rest["has_more"]) == (ids[2:], False)
        down = await talk.shelf.conversations("app", Page(2, ids[3], False))
        assert [each["id"] for each in down["data"]] == [ids[2], ids[1]]

        async def found(words: str, page: Page = ALL) -> list[str]:
            told = await talk.shelf.conversations("app", page, words)
            return [each["id"] for each in told["data"]]

        assert await found("River BLUE") == [ids[1], ids[3]]
        assert await found("river", Page(1, ids[1], True)) == [ids[3]]
        assert await found("river", Page(9, "", False)) == [ids[3], ids[1]]
        for nothing in ('"', "'", "river AND", "green", "NEAR(", "a* OR b", "\0", "!", "x:y", "()"):
            assert await found(nothing) in ([], [ids[3]]), nothing
        assert await talk.shelf.conversations("other", ALL, "river") == {
            "object": "list",
            "data": [],
            "first_id": None,
            "last_id": None,
            "has_more": False,
        }

    talking(place, use)


def test_pages_of_what_was_said(place: Place) -> None:
    async def use(talk: Talk) -> None:
        begun = await talk.shelf.begin(
            "app", read_request({"model": "m", "input": "zero"}).items, {}
        )
        for number in range(3):
            await talk.turn(f"{number}", conversation=begun["id"])
        up = await talk.shelf.items("app", begun["id"], Page(3, "", True))
        assert words(up["data"]) == ["zero", "0", "answer 1"]
        rest = await talk.shelf.items("app", begun["id"], Page(100, up["last_id"], True))
        assert words(rest["data"]) == ["1", "answer 2", "2", "answer 3"]
        down = await talk.shelf.items("app", begun["id"], Page(2, "", False))
        assert words(down["data"]) == ["answer 3", "2"]
        other = await talk.turn("elsewhere")
        await fails(
            talk.shelf.items("app", begun["id"], Page(1, other["output"][0]["id"], True)),
            NotFound,
            "item_not_found",
        )

    talking(place, use)


def test_what_is_old_goes_and_what_is_used_stays(place: Place) -> None:
    clock = ManualClock()

    async def use(talk: Talk) -> None:
        old = await talk.turn(SECRET)
        unused = await talk.shelf.begin("app", [], {})
        used = await talk.shelf.begin("app", [], {})
        await talk.turn("early", conversation=used["id"])
        await talk.turn("early", conversation=unused["id"])
        clock.advance(20 * DAY_S)
        young = await talk.turn("young")
        await talk.turn("late", conversation=used["id"])
        clock.advance(11 * DAY_S)
        assert await talk.room.sweep() == 2
        assert await talk.room.sweep() == 0
        assert index_hits(place, SECRET) == 0
        await fails(talk.shelf.response("app", old["id"]), NotFound, "response_not_found")
        assert (await talk.shelf.conversations("app", ALL))["first_id"] == used["id"]
        assert await talk.history(conversation=used["id"]) == [
            *("early", "answer 2", "late", "answer 5")
        ]
        assert await talk.history(previous_response_id=young["id"]) == ["young", "answer 4"]
        assert counts(place) == [3, 1, 6]

    talking(place, use, clock=clock)


def test_much_that_is_old_goes_a_little_at_once(place: Place) -> None:
    clock = ManualClock()

    async def use(talk: Talk) -> None:
        for _ in range(60):
            await talk.turn("x")
        clock.advance(31 * DAY_S)
        assert await talk.room.sweep() == 50
        assert await talk.room.sweep() == 10
        assert counts(place) == [0, 0, 0]

    talking(place, use, clock=clock)
