"""Marks through a real gateway, in front of a provider that caches prompts and bills them."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.prompts import chat_tool, text, tool, turn

from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

CLAUDE, GPT = "claude-sonnet-4-5", "gpt-5.6"
BILLED = {"input": 1.0, "output": 1.0, "cached": 0.1, "cache_write": 1.25, "cache_write_1h": 2.0}


@pytest.fixture(scope="module")
def sims() -> Iterator[list[ThreadedSim]]:
    options = SimOptions(prompt_cache=True)
    with running(options) as one, running(options) as two:
        yield [one, two]


@pytest.fixture(scope="module")
def gateway(sims: list[ThreadedSim], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    def place(dialect: str, sim: ThreadedSim) -> dict[str, Any]:
        return {"dialect": dialect, "base_url": f"{sim.url}/v1", "api_key": "k", "marks": "on"}

    one, two = sims
    settings = {
        "providers": {
            "claude": place("anthropic", one),
            "other": place("anthropic", two),
            "gpt": place("openai", one),
            "unmarked": {**place("anthropic", one), "marks": "off"},
        },
        "models": {
            "priced": {"targets": [f"claude/{CLAUDE}"], "price": BILLED},
            "either": {
                "targets": [f"claude/{CLAUDE}", f"other/{CLAUDE}"],
                "balance": "weighted",
            },
        },
        "prompt": {"marks": {"enabled": True, "order": True}},
    }
    with Gateway(tmp_path_factory.mktemp("marks"), settings) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def forget(sims: list[ThreadedSim]) -> None:
    for sim in sims:
        sim.reset()


def usage(gateway: Gateway, document: dict[str, Any], path: str) -> dict[str, Any]:
    response = gateway.post(path, document)
    assert response.status == 200, response.body
    told: dict[str, Any] = response.json()["usage"]
    return told


def talk(name: str, turns: int) -> list[dict[str, Any]]:
    """A conversation whose last turn is the user's."""
    return [
        turn("assistant" if at % 2 else "user", text(300, f"{name}.{at}"))
        for at in range(2 * turns - 1)
    ]


def claude(gateway: Gateway, model: str, **fields: Any) -> tuple[int, int]:
    document = {"model": model, "max_tokens": 9, **fields}
    told = usage(gateway, document, "/v1/messages")
    return told["cache_read_input_tokens"], told["cache_creation_input_tokens"]


def test_each_turn_reads_the_turns_before_it_and_what_that_saves_is_booked(
    gateway: Gateway, sims: list[ThreadedSim]
):
    before = gateway.metrics()
    fields = {"system": text(1500, "s"), "tools": [tool("look", 500)]}
    kept = fresh = 0
    for turns in range(1, 5):
        read, written = claude(gateway, "priced", **fields, messages=talk("a", turns))
        assert read == kept
        assert written > 0
        kept, fresh = read + written, fresh + written
    after = gateway.metrics()

    def grown(name: str) -> float:
        return after[f"headrace_{name}"] - before[f"headrace_{name}"]

    report = sims[0].stats()
    assert report.written_tokens == fresh
    saved, fees = grown("prompt_cache_saved_usd_total"), grown("prompt_cache_fees_usd_total")
    assert saved == pytest.approx(0.9e-6 * report.cached_tokens)
    assert fees == pytest.approx(0.25e-6 * report.written_tokens)


def test_callers_who_shuffle_their_tools_share_a_beginning(gateway: Gateway):
    tools = [tool(name, 500) for name in ("look", "find", "go")]
    model = f"claude/{CLAUDE}"
    _, written = claude(gateway, model, tools=tools, messages=talk("b", 1))
    turned = [dict(reversed(each.items())) for each in reversed(tools)]
    read, _ = claude(gateway, model, tools=turned, messages=talk("c", 1))
    assert 1500 < read < written


def test_a_provider_that_is_not_to_be_marked_is_not(gateway: Gateway):
    for number in range(2):
        fields = {"system": text(1500, "t"), "messages": talk(f"d{number}", 1)}
        assert claude(gateway, f"unmarked/{CLAUDE}", **fields) == (0, 0)


def test_long_prompts_that_begin_alike_keep_to_one_target(
    gateway: Gateway, sims: list[ThreadedSim]
):
    for number in range(4):
        fields = {"system": text(1500, f"u{number}"), "messages": talk(f"e{number}", 1)}
        _, written = claude(gateway, "either", **fields)
        fields["messages"] = talk(f"e{number}", 2)
        assert claude(gateway, "either", **fields)[0] == written
    asked = [sim.stats().requests_total for sim in sims]
    assert sum(asked) == 8
    for number in range(4):
        claude(gateway, "either", messages=[turn("user", f"Short {number}?")])
    assert [sim.stats().requests_total for sim in sims] == [count + 2 for count in asked]


def test_chats_with_newer_models_share_what_they_begin_with(gateway: Gateway):
    def details(name: str, turns: int) -> dict[str, Any]:
        document = {
            "model": f"gpt/{GPT}",
            "messages": [turn("system", text(1500, "v")), *talk(name, turns)],
            "tools": [chat_tool("look", 200)],
        }
        told: dict[str, Any] = usage(gateway, document, "/v1/chat/completions")
        return told["prompt_tokens_details"]

    first, second, other = details("f", 1), details("f", 2), details("g", 1)
    assert first["cached_tokens"] == 0
    assert second["cached_tokens"] == first["cache_write_tokens"]
    assert 1500 < other["cached_tokens"] < second["cached_tokens"]


def test_the_callers_own_breakpoints_are_left_alone(gateway: Gateway, sims: list[ThreadedSim]):
    mark = {"type": "ephemeral"}
    blocks = [{"type": "text", "text": text(400, f"w{n}"), "cache_control": mark} for n in range(4)]
    read, written = claude(
        gateway, f"claude/{CLAUDE}", system=blocks, messages=talk("h", 1), tools=[tool("look")]
    )
    assert (read, written) == (0, written)
    sent = sims[0].stats().last_requests[-1].body
    assert sent.count("cache_control") == 4
