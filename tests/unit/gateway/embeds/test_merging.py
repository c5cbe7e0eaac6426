"""Embeddings of many callers from one call: who goes together, when, and who gets what."""

import gc
import json

from tests.support.embedding import EmbedEngine, embed, run

from headrace.dialects.base import Operation
from headrace.gateway.embeds.merged import Call, Share
from headrace.gateway.flight import Flight
from headrace.upstream.faults import UpstreamFault
from headrace.upstream.pool import UpstreamCall


def test_a_lone_caller_goes_at_once_and_as_it_came() -> None:
    async def test(engine: EmbedEngine) -> None:
        caller = engine.ask("one", user="x")
        await engine.turns(1)
        (request, _) = engine.sent[0]
        assert request.partition(b"\r\n\r\n")[2] == (b'{"model": "m", "input": "one", "user": "x"}')
        await engine.serve()
        assert caller.vectors == [["one"]]
        assert caller.tokens == 10

    run(test)


def test_who_comes_in_one_turn_goes_together() -> None:
    async def test(engine: EmbedEngine) -> None:
        callers = [engine.ask(["a", "b"]), engine.ask("c"), engine.ask(["d"])]
        assert await engine.serve() == [4]
        assert [caller.vectors for caller in callers] == [[["a"], ["b"]], [["c"]], [["d"]]]
        assert [caller.tokens for caller in callers] == [20, 10, 10]

    run(test)


def test_who_comes_later_waits_for_company_until_nothing_is_on_its_way() -> None:
    async def test(engine: EmbedEngine) -> None:
        first = engine.ask("a")
        await engine.turns()
        later = [engine.ask(text) for text in "bcd"]
        await engine.turns()
        assert engine.asked == [["a"]]
        assert engine.batcher.waiting == 3
        assert await engine.serve() == [1, 3]
        assert first.vectors == [["a"]]
        assert [caller.vectors for caller in later] == [[["b"]], [["c"]], [["d"]]]

    run(test)


def test_full_goes_at_once() -> None:
    async def test(engine: EmbedEngine) -> None:
        engine.ask("a")
        await engine.turns()
        for text in "bcdef":
            engine.ask(text)
        await engine.turns()
        assert engine.asked == [["a"], ["b", "c"], ["d", "e"]]
        await engine.serve()

    run(test, items_max=2)


def test_tokens_bound_a_call() -> None:
    async def test(engine: EmbedEngine) -> None:
        callers = [engine.ask([[1] * 6]), engine.ask([[2] * 6]), engine.ask([[3] * 4])]
        await engine.turns()
        assert engine.asked == [[[1] * 6], [[2] * 6, [3] * 4]]
        await engine.serve()
        assert all(caller.vectors for caller in callers)

    run(test, tokens_max=10)


def test_waiting_ends_in_time() -> None:
    async def test(engine: EmbedEngine) -> None:
        engine.ask("a")
        await engine.turns()
        engine.ask("b")
        engine.clock.advance(0.049)
        engine.ask("c")
        await engine.turns()
        while len(engine.sent) < 2:
            await engine.turns()
            engine.clock.advance(0.001)
        assert engine.asked == [["a"], ["b", "c"]]
        assert engine.clock.monotonic_s() <= 0.1
        await engine.serve()

    run(test)


def test_equal_inputs_are_sent_once_and_shared() -> None:
    async def test(engine: EmbedEngine) -> None:
        callers = [engine.ask(["same", "own1"]), engine.ask(["own2", "same", "same"])]
        assert await engine.serve() == [3]
        assert callers[0].vectors == [["same"], ["own1"]]
        assert callers[1].vectors == [["own2"], ["same"], ["same"]]
        assert sum(caller.tokens for caller in callers) == 30
        counts = engine.batcher.counts
        assert (counts.orders, counts.inputs, counts.calls, counts.inputs_sent) == (2, 5, 1, 3)

    run(test)


def test_only_what_differs_in_nothing_but_its_inputs_goes_together() -> None:
    async def test(engine: EmbedEngine) -> None:
        kinds = [
            {},
            {"dimensions": 4},
            {"dimensions": 8},
            {"encoding_format": "base64"},
            {"user": "u"},
            {"model": "cheap"},
            {"headers": ((b"openai-beta", b"x"),)},
        ]
        callers = []
        for text in ("a", "b"):
            callers += [engine.ask(text, **kind) for kind in kinds]  # type: ignore[arg-type]
        callers += [engine.ask([1, 2]), engine.ask([[3]])]
        assert await engine.serve() == [2] * (len(kinds) + 1)
        assert [caller.vectors for caller in callers[: len(kinds)]] == [[["a"]]] * len(kinds)
        assert [callers[-2].vectors, callers[-1].vectors] == [[[[1, 2]]], [[[3]]]]

    run(test)


def test_a_merged_call_has_the_turn_of_the_tenant_that_asks_for_least() -> None:
    async def test(engine: EmbedEngine) -> None:
        engine.ask(["a", "b"], tenant="many")
        engine.ask("c", tenant="few")
        engine.ask("d", tenant="many")
        await engine.serve()
        engine.ask("e", tenant="many")
        await engine.serve()
        assert engine.tenants == ["few", "many"]

    run(test)


def test_fields_of_a_merged_call_are_those_of_each() -> None:
    async def test(engine: EmbedEngine) -> None:
        for text in "ab":
            engine.ask(text, dimensions=4, encoding_format="float", later="x")
        await engine.turns()
        assert json.loads(engine.sent[0][0].partition(b"\r\n\r\n")[2]) == {
            "model": "m",
            "dimensions": 4,
            "encoding_format": "float",
            "later": "x",
            "input": ["a", "b"],
        }
        await engine.serve()

    run(test)


def test_what_cannot_go_along_is_left_to_others() -> None:
    async def test(engine: EmbedEngine) -> None:
        engine.ask(["a", "b", "c"])
        engine.ask("long " * 100)
        engine.ask([{"text": "a"}])
        engine.terms.enabled = False
        engine.ask("off")
        await engine.turns()
        assert len(engine.left) == 4
        assert engine.sent == []
        order = engine.order("chat")
        order.lane = engine.left[0].lane
        engine.terms.enabled = True
        assert order.call.grammar.operation is Operation.CHAT
        assert not engine.batcher.submit(order, Flight(order, engine.engine.pipeline))

    run(test, items_max=2, tokens_max=50)


def test_answers_are_stored_for_each_and_usage_is_booked_once() -> None:
    async def test(engine: EmbedEngine) -> None:
        callers = [engine.ask(["a", "b"]), engine.ask("c")]
        await engine.serve()
        again = [engine.ask(["a", "b"]), engine.ask("c")]
        assert [caller.vectors for caller in again] == [caller.vectors for caller in callers]
        assert engine.sent == []
        booked = [caller.prepared.usage for caller in callers]
        assert [usage.input_tokens for usage in booked if usage is not None] == [20, 10]

    run(test)


def test_same_requests_are_joined_before_they_are_merged() -> None:
    async def test(engine: EmbedEngine) -> None:
        callers = [engine.ask("a"), engine.ask("a"), engine.ask("b")]
        assert await engine.serve() == [2]
        assert [caller.vectors for caller in callers] == [[["a"]], [["a"]], [["b"]]]
        assert engine.batcher.counts.orders == 2

    run(test)


def test_who_leaves_while_it_waits_is_not_sent() -> None:
    async def test(engine: EmbedEngine) -> None:
        engine.ask("a")
        await engine.turns()
        gone, stays = engine.ask("b"), engine.ask("c")
        gone.seat.leave()
        assert await engine.serve() == [1, 1]
        assert stays.vectors == [["c"]]

    run(test)


def test_who_leaves_a_merged_call_harms_nobody_and_the_last_ends_it() -> None:
    async def test(engine: EmbedEngine) -> None:
        callers = [engine.ask(text) for text in "abc"]
        await engine.turns()
        ((_, flight),) = engine.sent
        assert isinstance(flight, Flight)
        call = flight.call
        assert isinstance(call, UpstreamCall)
        callers[0].seat.leave()
        callers[1].seat.leave()
        assert not call.is_cancelled
        callers[2].seat.leave()
        assert call.is_cancelled
        engine.sent.clear()

    run(test)


def test_the_rest_get_theirs_when_one_has_left() -> None:
    async def test(engine: EmbedEngine) -> None:
        gone, stays = engine.ask("a"), engine.ask("b")
        await engine.turns()
        gone.seat.leave()
        await engine.serve()
        assert stays.vectors == [["b"]]
        assert stays.tokens == 10
        assert "answer" not in gone.said

    run(test)


def test_the_end_tells_who_waits() -> None:
    async def test(engine: EmbedEngine) -> None:
        sent = engine.ask("a")
        await engine.turns()
        waits = engine.ask("b")
        engine.batcher.close()
        assert waits.said[-1] == "fail upstream_shutdown"
        engine.sent.pop()[1].on_fault(UpstreamFault("shutdown", "p"))
        assert sent.said[-1] == "fail upstream_shutdown"

    run(test)


def test_a_slow_caller_holds_nobody_up() -> None:
    async def test(engine: EmbedEngine) -> None:
        slow, quick = engine.ask("a"), engine.ask("b")
        await engine.turns()
        slow.seat.pause()
        quick.seat.pause()
        _, sink = engine.sent.pop()
        embed(sink, ["a", "b"])
        await engine.turns()
        assert quick.vectors == [["b"]]
        assert slow.vectors == [["a"]]

    run(test)


def test_nothing_is_left_to_the_garbage_collector() -> None:
    async def test(engine: EmbedEngine) -> None:
        gc.collect()
        gc.disable()
        try:
            callers = [engine.ask(text) for text in ("a", "poison", "b")]
            gone = engine.ask("gone")
            await engine.turns()
            late = engine.ask("late")
            gone.seat.leave()
            late.seat.leave()
            await engine.serve()
            assert callers[0].vectors == [["a"]]
            engine.ask("left alone")
            await engine.turns()
            engine.sent.pop()[1].on_fault(UpstreamFault("reset", "p"))
            left = [each for each in gc.get_objects() if isinstance(each, Call | Share)]
            assert left == []
        finally:
            gc.enable()

    run(test)
