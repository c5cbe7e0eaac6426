from typing import Any

import msgspec
import pytest
from tests.support.prompts import block, text, tool, turn

from headrace.clock import ManualClock
from headrace.errors import InvalidRequest
from headrace.sim import anthropic
from headrace.sim.anthropic_prefix import check_marks, tokens_min
from headrace.sim.prefixes import ClockShift, PrefixStore, Shelf

Document = dict[str, Any]
LEAST = 1024


class Asking:
    """One account that asks, and what its usage says."""

    def __init__(self, account: bytes = b"key", store: PrefixStore | None = None) -> None:
        self.store = store or PrefixStore(ManualClock(), seed=1)
        self._shelf = Shelf(self.store, account)

    def usage(self, **fields: Any) -> Document:
        document = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [], **fields}
        reply = anthropic.messages(1, msgspec.json.encode(document), 5, 0, self._shelf)
        self.store.keep(reply.bill.kept)
        return msgspec.json.decode(reply.body)["usage"]

    def read_and_written(self, **fields: Any) -> tuple[int, int]:
        usage = self.usage(**fields)
        return usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]


ASKS = [turn("user", "What now?")]


def test_what_a_breakpoint_ends_is_written_once_and_read_afterwards():
    asking = Asking()
    system = [block(1500, ttl="5m")]
    first = asking.usage(system=system, messages=ASKS)
    second = asking.usage(system=system, messages=[turn("user", "And now?")])
    assert first["cache_creation_input_tokens"] == second["cache_read_input_tokens"] == 1500
    assert first["cache_read_input_tokens"] == second["cache_creation_input_tokens"] == 0
    assert first["cache_creation"] == {
        "ephemeral_5m_input_tokens": 1500,
        "ephemeral_1h_input_tokens": 0,
    }
    assert first["input_tokens"] == second["input_tokens"] == 9


def test_without_a_breakpoint_nothing_is_cached():
    asking = Asking()
    for _ in range(2):
        assert asking.read_and_written(system=text(2000), messages=ASKS) == (0, 0)


def test_a_short_prefix_is_not_cached():
    asking = Asking()
    for _ in range(2):
        assert asking.read_and_written(system=[block(1000, ttl="5m")], messages=ASKS) == (0, 0)


def test_neither_breakpoints_nor_a_string_as_a_block_change_text_or_tokens():
    plain = {"model": "m", "max_tokens": 99, "system": text(50), "messages": ASKS}
    plain["tools"] = [tool("look")]
    marked = {
        **plain,
        "system": [block(50, "text", ttl="1h")],
        "tools": [{**tool("look"), "cache_control": {"type": "ephemeral"}}],
        "messages": [turn("user", [{"type": "text", "text": "What now?"}])],
    }
    marked["tools"][0]["cache_control"]["ttl"] = "1h"
    first, second = (
        msgspec.json.decode(anthropic.messages(1, msgspec.json.encode(each), None, 0).body)
        for each in (plain, marked)
    )
    assert first == second


def test_the_prefix_is_exact_to_the_byte():
    asking = Asking()
    tools = [tool("look", 1200)]
    marked = [{**tools[0], "cache_control": {"type": "ephemeral"}}]
    _, written = asking.read_and_written(tools=marked, messages=ASKS)
    assert written > 1200
    turned = [dict(reversed(marked[0].items()))]
    assert asking.read_and_written(tools=turned, messages=ASKS) == (0, written)
    assert asking.read_and_written(tools=marked, messages=ASKS) == (written, 0)


def test_accounts_and_models_share_nothing():
    store = PrefixStore(ManualClock(), seed=1)
    system = [block(1500, ttl="5m")]
    assert Asking(b"a", store).read_and_written(system=system, messages=ASKS) == (0, 1500)
    assert Asking(b"b", store).read_and_written(system=system, messages=ASKS) == (0, 1500)
    assert Asking(b"a", store).read_and_written(system=system, messages=ASKS) == (1500, 0)
    other = {"model": "claude-opus-4-1", "system": system, "messages": ASKS}
    assert Asking(b"a", store).read_and_written(**other) == (0, 1500)


@pytest.mark.parametrize(("blocks", "found"), [(19, True), (20, False)])
def test_a_breakpoint_looks_back_twenty_blocks(blocks: int, found: bool):
    asking = Asking()
    history = [block(1500, ttl="5m")]
    asking.usage(messages=[turn("user", history)])
    grown = [block(1500)] + [block(1, f"{n}") for n in range(blocks)]
    grown[-1]["cache_control"] = {"type": "ephemeral"}
    read, written = asking.read_and_written(messages=[turn("user", grown)])
    assert (read, written) == ((1503, blocks) if found else (0, 1503 + blocks))


def test_an_hour_and_five_minutes_are_told_apart_and_refreshed_by_use():
    asking = Asking()
    system, messages = [block(1100, ttl="1h")], [turn("user", [block(400, "u", ttl="5m")])]
    usage = asking.usage(system=system, messages=messages)
    assert usage["cache_creation"] == {
        "ephemeral_5m_input_tokens": 403,
        "ephemeral_1h_input_tokens": 1100,
    }
    asking.store.leap(ClockShift(200))
    assert asking.read_and_written(system=system, messages=messages) == (1503, 0)
    asking.store.leap(ClockShift(200))
    assert asking.read_and_written(system=system, messages=messages) == (1503, 0)
    asking.store.leap(ClockShift(301))
    assert asking.read_and_written(system=system, messages=messages) == (1100, 403)
    asking.store.leap(ClockShift(3601))
    assert asking.read_and_written(system=system, messages=messages) == (0, 1503)


def test_one_for_the_whole_request_is_at_its_last_block():
    asking = Asking()
    marked = {"cache_control": {"type": "ephemeral"}, "messages": [turn("user", text(1500))]}
    assert asking.read_and_written(**marked) == (0, 1503)
    assert asking.read_and_written(**marked) == (1503, 0)


def test_another_tool_choice_leaves_tools_and_system_cached():
    asking = Asking()
    fields = {
        "system": [block(1500, ttl="5m")],
        "messages": [turn("user", [block(500, "u", ttl="5m")])],
    }
    assert asking.read_and_written(**fields) == (0, 2003)
    assert asking.read_and_written(**fields, tool_choice={"type": "none"}) == (1500, 503)


@pytest.mark.parametrize(
    "fields",
    [
        {"system": [block(1, f"{n}", "5m") for n in range(5)]},
        {"system": [block(1, "a", "5m"), block(1, "b", "1h")]},
        {"system": [{"type": "text", "text": "", "cache_control": {"type": "ephemeral"}}]},
        {"system": [{"type": "thinking", "cache_control": {"type": "ephemeral"}}]},
        {"system": [{"type": "text", "text": "a", "cache_control": {"type": "durable"}}]},
        {"system": [block(1, "a", "2h")]},
        {
            "system": [block(1, f"{n}", "5m") for n in range(4)],
            "cache_control": {"type": "ephemeral"},
        },
    ],
)
def test_breakpoints_that_the_api_refuses(fields: Document):
    with pytest.raises(InvalidRequest):
        check_marks({"messages": ASKS, **fields})


def test_a_part_of_a_result_counts_as_a_breakpoint_too():
    inner = {"type": "tool_result", "tool_use_id": "t", "content": [block(1, "a", "5m")]}
    marked = [{**inner, "cache_control": {"type": "ephemeral"}}] + [block(1, "b", "5m")] * 2
    check_marks({"messages": [turn("user", marked)]})
    with pytest.raises(InvalidRequest):
        check_marks({"messages": [turn("user", [*marked, block(1, "c", "5m")])]})


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("claude-opus-5", 512),
        ("claude-opus-4-7", 2048),
        ("claude-opus-4-6", 4096),
        ("claude-haiku-4-5-20251001", 4096),
        ("claude-opus-4-8", 1024),
        ("claude-3-5-haiku-latest", 2048),
        ("claude-sonnet-5", 1024),
        ("anything", LEAST),
    ],
)
def test_shortest_prefixes(model: str, tokens: int):
    assert tokens_min(model) == tokens
