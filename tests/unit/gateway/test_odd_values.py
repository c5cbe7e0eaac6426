"""Requests with anything in place of anything: passed on or refused, and never too much for us."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.engine import StillEngine, run
from tests.unit.gateway.test_relay import Reader

from headrace.dialects.base import Operation
from headrace.gateway.call import Hints, Stopwatch, make_call
from headrace.gateway.order import Order
from headrace.model import DialectName
from headrace.settings import Settings, parse_settings

Place = tuple[str | int, ...]

ODD: tuple[Any, ...] = ([], {}, [[]], {"type": []}, [{"type": {}}], True, 5, None, "")
LONG = "Some words of no great weight. " * 40
NAMES = {"openai": ("easy", "hard"), "anthropic": ("claude-haiku-4-5", "claude-sonnet-4-5")}


def settings(dialect: str) -> Settings:
    """Everything that reads requests, in one gateway."""
    origin = "http://127.0.0.1:1" + ("/v1" if dialect == "openai" else "")
    cheap, strong = NAMES[dialect]
    price = {"input": 1, "output": 1}
    whole = {
        "providers": {"p": {"dialect": dialect, "base_url": origin, "marks": "on"}},
        "models": {
            "cheap": {"targets": [f"p/{cheap}"], "price": price, "balance": "weighted"},
            "strong": {"targets": [f"p/{strong}"], "price": price, "balance": "weighted"},
        },
        "tiers": {
            "auto": {"cheap": {"model": "cheap"}, "strong": {"model": "strong"}, "cheap_share": 0.5}
        },
        "intents": {"any": {"default": "auto", "rules": [{"intent": "sql", "words": ["sql"]}]}},
        "budgets": [{"name": "all", "day_usd": 1000}],
        "counting": {"estimate_costs": True},
        "prompt": {
            "compress": {"level": "lossy"},
            "window": {"enabled": True, "tokens_max": 600},
            "marks": {"enabled": True},
        },
    }
    return parse_settings(json.dumps(whole), {}, "test.yaml")


def openai_document() -> dict[str, Any]:
    function = {"name": "look", "arguments": '{"a": 1}'}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": LONG}], "name": "ann"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "c", "content": LONG},
        {"role": "assistant", "content": LONG},
        {"role": "user", "content": LONG},
        {"role": "assistant", "content": LONG},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a"}}]},
        {"role": "assistant", "content": LONG},
        {"role": "user", "content": [{"type": "text", "text": "Which sql?"}]},
    ]
    return {
        "model": "any",
        "messages": messages,
        "max_tokens": 9,
        "tools": [{"type": "function", "function": {"name": "look", "parameters": {}}}],
        "tool_choice": {"type": "function"},
        "reasoning_effort": "high",
        "response_format": {"type": "json_object"},
        "prompt_cache_key": "k",
        "user": "ann",
    }


def anthropic_document() -> dict[str, Any]:
    text = {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}
    called = {"type": "tool_use", "id": "t", "name": "look", "input": {"a": 1}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [text], "is_error": True}
    messages = [
        {"role": "user", "content": [text]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": LONG}, called]},
        {"role": "user", "content": [result]},
        {"role": "assistant", "content": LONG},
        {"role": "user", "content": LONG},
        {"role": "assistant", "content": LONG},
        {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "a"}}]},
        {"role": "assistant", "content": LONG},
        {"role": "user", "content": [{"type": "text", "text": "Which sql?"}]},
    ]
    return {
        "model": "any",
        "system": [text],
        "messages": messages,
        "max_tokens": 9,
        "tools": [{"name": "look", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "any"},
        "thinking": {"type": "enabled", "budget_tokens": 5},
        "metadata": {"user_id": "ann"},
    }


def places(value: Any, above: Place = ()) -> Iterator[Place]:
    """Where something stands in a document, from the outside."""
    inner = value.items() if isinstance(value, dict) else ()
    for name, each in enumerate(value) if isinstance(value, list) else inner:
        yield (*above, name)
        yield from places(each, (*above, name))


def with_odd(document: dict[str, Any], place: Place, odd: Any) -> dict[str, Any]:
    changed: Any = json.loads(json.dumps(document))  # in which nothing stands twice
    inner = changed
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = odd
    return changed  # type: ignore[no-any-return]


async def passed_on_or_refused(still: StillEngine, dialect: DialectName, document: Any) -> bool:
    operation = Operation.CHAT if dialect == "openai" else Operation.MESSAGES
    call = make_call(still.engine.dialects[dialect], operation, "t", Hints(), ())
    watch = Stopwatch(still.clock.monotonic_s, 0.0)
    reader = Reader()
    order = Order(call, json.dumps(document).encode(), reader, watch)
    still.engine.pipeline.handle_all([order])
    while under_way := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(under_way)  # it is being shaped in a thread
    is_sent = bool(still.sent)
    for _, sink in still.sent:
        sink.on_head(400, [])
        sink.on_end()
    still.sent.clear()
    return is_sent or (order.error is not None and order.error.status == 400) or bool(reader.said)


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_anything_may_stand_for_anything(dialect: DialectName) -> None:
    document = openai_document() if dialect == "openai" else anthropic_document()

    async def test(still: StillEngine) -> None:
        still.engine.reload(settings(dialect))
        still.engine.pipeline.plan.lanes["p"].endpoint.pool.send = still._send  # type: ignore[method-assign]
        failed = []
        for place in places(document):
            for odd in ODD:
                asked = with_odd(document, place, odd)
                if not await passed_on_or_refused(still, dialect, asked) or still.bugs:
                    failed.append((place, odd, still.bugs.copy()))
                    still.bugs.clear()
        assert not failed

    run(test)
