"""The library forgets on demand what it has stored, by every scope there is."""

from typing import Any

import pytest
from tests.support.adapter import CHAT, MESSAGES, Loop, play

from headrace import Adapter, InvalidRequest
from headrace.sim.thread import ThreadedSim

KEY = "key:" + "0" * 16


@pytest.mark.parametrize(
    ("scope", "left"),
    [
        ("all", []),
        ("tag:news", ["other"]),
        ("tag:weather", ["other"]),
        ("tag:old", ["mine", "other"]),
        (f"model:openai/{CHAT}", ["other"]),
        ("tenant:b", ["mine"]),
        (KEY, ["mine", "other"]),
    ],
)
def test_what_was_purged_is_asked_for_again(
    loop: Loop, sim: ThreadedSim, scope: str, left: list[str]
) -> None:
    async def scenario(adapter: Adapter) -> None:
        async def ask(text: str) -> str:
            if text == "mine":
                answer = await adapter.generate(
                    text, model=f"openai/{CHAT}", tenant="a", tags=["weather", "news"]
                )
            else:
                answer = await adapter.generate(text, model=MESSAGES, tenant="b")
            return str(answer.cache)

        texts = ("mine", "other")
        assert [await ask(text) for text in texts] == ["miss"] * 2
        assert [await ask(text) for text in texts] == ["l1"] * 2
        assert await adapter.purge(scope) == {"purged": scope, "reach": "this process"}
        assert [text for text in texts if await ask(text) == "l1"] == left

    play(loop, sim, scenario)


@pytest.mark.parametrize(
    "scope",
    ["", "everything", "tag", "tag:", "model:gpt", "key:ABC", "key:" + "0" * 17, "color:red", None],
)
def test_a_scope_that_is_none_says_what_there_is(loop: Loop, sim: ThreadedSim, scope: Any) -> None:
    async def scenario(adapter: Adapter) -> None:
        await adapter.generate("Kept?", model=CHAT)
        with pytest.raises(InvalidRequest) as refused:
            await adapter.purge(scope)
        assert refused.value.code == "bad_scope"
        assert "PROVIDER/MODEL" in refused.value.message
        assert (await adapter.generate("Kept?", model=CHAT)).cache == "l1"

    play(loop, sim, scenario)


@pytest.mark.parametrize("tags", [["a b"], [""], ["x" * 65], [str(n) for n in range(17)], "news"])
def test_names_that_are_no_tags_are_refused(loop: Loop, sim: ThreadedSim, tags: Any) -> None:
    async def scenario(adapter: Adapter) -> None:
        with pytest.raises(InvalidRequest) as refused:
            await adapter.generate("Tagged?", model=CHAT, tags=tags)
        assert refused.value.param == "tags"
        with pytest.raises(InvalidRequest):
            adapter.stream("Tagged?", model=CHAT, tags=tags)
        assert sim.stats().requests_total == 0

    play(loop, sim, scenario)
