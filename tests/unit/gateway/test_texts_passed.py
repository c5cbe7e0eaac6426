"""A text that another gateway, asked as a provider, gave in place of an answer: nothing is learnt
from it of what models use."""

import asyncio

from tests.support.engine import JSON, StillEngine, run
from tests.unit.gateway.test_relay import EVENTS, Flow
from tests.unit.gateway.test_spending import adopt, held_usd, rows

from headrace.dialects.openai_reply import write_chat_reply
from headrace.dialects.openai_stream import disassemble_chat
from headrace.gateway.flight import Flight
from headrace.gateway.ledger.bill import Bill, bill_of
from headrace.model import Usage

TEXTS = 50
MARK = (b"x-headrace-fallback", b"text")


async def give_text(still: StillEngine) -> None:
    """The gateway behind has nobody who answers."""
    body = write_chat_reply("Later, please.", model="m", reply_id="x", created_s=0)
    sent, still.sent = still.sent, []
    for _, sink in sent:
        sink.on_attempt(Flow())
        sink.on_head(200, [*JSON, MARK])
        sink.on_body(body)
        sink.on_end()
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_texts_of_another_gateway_do_not_make_calls_seem_cheaper() -> None:
    async def test(still: StillEngine) -> None:
        adopt(still)
        still.engine.pipeline.handle_all([still.order("Hello?")])
        usual_usd = held_usd(still)
        for number in range(TEXTS):
            await give_text(still)
            assert held_usd(still) == 0
            still.engine.pipeline.handle_all([still.order(f"Is it {number}?")])
        assert held_usd(still) >= usual_usd

    run(test)


def test_a_stream_of_one_costs_nothing_though_nobody_says_so() -> None:
    async def test(still: StillEngine) -> None:
        adopt(still)
        order = still.order("Hello?")
        order.body = order.body[:-1] + b', "stream": true}'
        still.engine.pipeline.handle_all([order])
        ((_, sink),), still.sent = still.sent, []
        assert isinstance(sink, Flight)
        sink.on_attempt(Flow())
        sink.on_head(200, [*EVENTS, MARK])
        body = write_chat_reply("Later, please.", model="m", reply_id="x", created_s=0)
        sink.on_body(disassemble_chat(body, include_usage=False))
        sink.on_end()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        (booked,) = rows(still, "models").values()
        assert (booked["usd"], booked["input_tokens"], booked["output_tokens"]) == (0, 0, 0)
        assert bill_of(sink) == Bill(Usage(), 0.0, is_estimated=False)

    run(test)
