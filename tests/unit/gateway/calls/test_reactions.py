"""What becomes of calls that give way, and whose books have it."""

import json
from typing import Any

import pytest
from tests.support.engine import StillEngine, run
from tests.unit.gateway.test_relay import Reader

from headrace.flow.scheduler import Priority
from headrace.gateway.calls.reactions import Reactions
from headrace.observe.slo_council import Shares
from headrace.settings import parse_settings
from headrace.settings.slos import ReactionAction

ALL = Shares(1.0, 1.0, 1.0)


def give_way(still: StillEngine, action: ReactionAction, model: str | None = None) -> None:
    """From now on every call that can wait gives way."""
    lane = {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1", "retry": {"tries_max": 1}}
    arms = [{"name": "one", "model": "m", "weight": 1}, {"name": "no", "model": "m", "weight": 0}]
    reaction = {"action": action, **({"model": model} if model else {})}
    whole = {
        "providers": {"p": lane},
        "models": {
            "m": {"targets": ["p/m"], "fallback_text": "Please ask again."},
            "mute": {"targets": ["p/mute"]},
            "small": {"targets": ["p/small"]},
            "tried": {"targets": ["p/t"]},
        },
        "experiments": {"e": {"model": "tried", "arms": arms}},
        "slos": [{"name": "up", "kind": "availability", "objective": 0.9, "reaction": reaction}],
    }
    settings = parse_settings(json.dumps(whole), {}, "test.yaml")
    still.engine.reload(settings)
    pipeline = still.engine.pipeline
    pipeline.plan.lanes["p"].endpoint.pool.send = still._send  # type: ignore[method-assign]
    reactions = Reactions(lambda: 0.0, still.metrics)
    reactions.adopt(tuple(settings.slos), {"up": 0})
    reactions.renew(lambda _slot: ALL)
    pipeline.reactions = reactions


def asked(still: StillEngine, model: str, priority: Priority = Priority.NORMAL) -> Reader:
    """Who asks, and what it is told from now on."""
    order = still.order("?", model, priority=priority)
    reader = order.reader
    still.engine.pipeline.handle_all([order])
    assert isinstance(reader, Reader)
    return reader


def arm(still: StillEngine) -> tuple[int, int]:
    """Calls and errors of the arm that everything is asked in."""
    aim: Any = still.engine.pipeline.plan.aim
    told = aim.told()["experiments"]["e"]["arms"]["one"]
    assert told["requests"] == 1
    return told["calls"], told["errors"]


def test_who_asks_again_is_refused_where_others_get_the_text():
    async def test(still: StillEngine) -> None:
        give_way(still, "template")
        assert asked(still, "m").said[-1] == "answer"
        assert asked(still, "m", Priority.BATCH).said[-1] == "fail slo_shed"
        assert still.sent == []
        assert still.count("slo_reactions", 0, "template", "normal") == 1
        assert still.count("slo_reactions", 0, "shed", "batch") == 1
        # A model without a text goes on as it is.
        asked(still, "mute", Priority.BATCH)
        assert len(still.sent) == 1
        await still.answer()

    run(test)


def test_an_answer_of_the_cheaper_model_is_not_in_the_books_of_the_arm():
    async def test(still: StillEngine) -> None:
        give_way(still, "degrade", "small")
        reader = asked(still, "tried")
        assert b'"small"' in still.sent[0][0]
        await still.answer()
        assert reader.said[-1] == "answer"
        assert arm(still) == (0, 0)

    run(test)


@pytest.mark.parametrize("action", ["shed", "template"])
def test_a_call_that_nobody_was_asked_for_is_no_error_of_its_arm(action: ReactionAction):
    async def test(still: StillEngine) -> None:
        give_way(still, action)
        asked(still, "tried")
        assert still.sent == []
        assert arm(still) == (0, 0)

    run(test)
