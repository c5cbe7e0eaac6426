"""Lines that are asked again, and the end of that."""

import asyncio
import json
from typing import Any, cast

from tests.support.engine import StillEngine, run

from headrace.batches.answers import Answers
from headrace.batches.lines import Line
from headrace.batches.results import Writing
from headrace.batches.window import Window
from headrace.dialects.base import Operation
from headrace.errors import Overloaded
from headrace.flow.scheduler import Priority
from headrace.gateway.asking import Asker
from headrace.identity.keys import Principal
from headrace.settings import parse_settings
from headrace.upstream.faults import UpstreamFault

LINE = Line(1, "a", b"{}")
WHO = Principal("app", "k")
TEXT = "Please ask again."
WORDED = {
    "providers": {
        "p": {
            "dialect": "openai",
            "base_url": "http://127.0.0.1:1/v1",
            "retry": {"tries_max": 1},
        }
    },
    "models": {"m": {"targets": ["p/m"], "fallback_text": TEXT}},
}


class Busy:
    """Always too much to do."""

    def __init__(self) -> None:
        self.asked = 0
        self.was_asked = asyncio.Event()

    async def ask(self, *_words: Any, **_fields: Any) -> Any:
        self.asked += 1
        self.was_asked.set()
        raise Overloaded("Later.", retry_after_s=600.0)

    def error_body(self, *_words: Any) -> bytes:
        return b"{}"


def answers_of(asker: Asker, endpoint: str) -> Answers:
    return Answers(
        asker,
        WHO,
        endpoint,
        Writing("b"),
        Window(1, lambda: 0.0),
        tries=3,
        uniform=lambda: 0.0,
        now_s=lambda: 0.0,
        on_retry=lambda: None,
    )


def test_who_waits_to_ask_again_ends_when_the_gateway_does() -> None:
    async def main() -> None:
        busy = Busy()
        answers = answers_of(cast("Any", busy), "/v1/embeddings")
        waiting = asyncio.ensure_future(answers.result(LINE))
        await busy.was_asked.wait()
        answers.stop()
        assert not (await waiting).is_good
        assert not (await answers.result(LINE)).is_good
        assert busy.asked == 2

    asyncio.run(asyncio.wait_for(main(), 60))


def test_the_text_for_a_caller_whose_call_a_line_has_joined_is_no_answer() -> None:
    async def test(still: StillEngine) -> None:
        engine = still.engine
        engine.reload(parse_settings(json.dumps(WORDED), {}, "test.yaml"))
        engine.pipeline.plan.lanes["p"].endpoint.pool.send = still._send  # type: ignore[method-assign]
        asker = Asker(engine.pipeline, engine.dialects, still.clock.monotonic_s)
        answers = answers_of(asker, "/v1/chat/completions")
        body = still.order("?").body
        asking = asker.ask(WHO, Operation.CHAT, body, priority=Priority.NORMAL)
        caller = asyncio.ensure_future(asking)
        line = asyncio.ensure_future(answers.result(Line(1, "a", body)))
        await sent(still)
        assert still.count("flights_joined") == 1
        still.sent.pop()[1].on_fault(UpstreamFault("reset", "p"))
        assert TEXT.encode() in (await caller).answer.body
        await sent(still)
        await still.answer()
        result = await line
        assert result.is_good
        assert b"Water." in result.line

    run(test)


async def sent(still: StillEngine) -> None:
    """Let others go on until a provider is asked."""
    for _ in range(1000):
        if still.sent:
            return
        await asyncio.sleep(0)
    raise AssertionError("no provider was asked")
