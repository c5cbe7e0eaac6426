"""Merged embeddings that are refused, broken off, or answered in a way that cannot be shared."""

from typing import Any

import pytest
from tests.support.embedding import EmbedEngine, embed, refuse, reply, run
from tests.support.engine import JSON

from headrace.gateway.embeds.habits import ALONE_S, CEILING_S, HABITS_MAX, Habits
from headrace.upstream.faults import UpstreamFault


def test_poison_is_refused_alone_in_the_providers_words() -> None:
    async def test(engine: EmbedEngine) -> None:
        texts = [*"abcde", "poison", *"fg"]
        callers = [engine.ask(text) for text in texts]
        sizes = await engine.serve()
        assert sizes == [8, 4, 4, 2, 2, 1, 1]
        for text, caller in zip(texts, callers, strict=True):
            if text == "poison":
                message = caller.document["error"]["message"]
                assert message == "'input[0]' is poison."  # its own only one
            else:
                assert caller.vectors == [[text]]
        assert engine.batcher.counts.refused == 3

    run(test)


def test_a_list_with_poison_is_not_taken_apart() -> None:
    async def test(engine: EmbedEngine) -> None:
        callers = [engine.ask(["a", "poison"]), engine.ask("b")]
        await engine.serve()
        assert callers[0].document["error"]["message"] == "'input[1]' is poison."
        assert callers[1].vectors == [["b"]]

    run(test)


def test_all_poison_costs_two_calls_each_at_most() -> None:
    async def test(engine: EmbedEngine) -> None:
        callers = [engine.ask(["poison", str(at)]) for at in range(8)]
        assert len(await engine.serve()) == 15
        assert all("error" in caller.document for caller in callers)

    run(test)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_what_says_nothing_of_inputs_goes_to_everybody(status: int) -> None:
    async def test(engine: EmbedEngine) -> None:
        callers = [engine.ask(text) for text in "abc"]
        await engine.turns()
        _, sink = engine.sent.pop()
        refuse(sink, "not now", status)
        await engine.turns()
        assert engine.sent == []
        for caller in callers:
            assert caller.document["error"]["message"] == "not now"
            assert caller.prepared.status == status

    run(test)


def test_headers_of_the_answer_go_to_everybody() -> None:
    async def test(engine: EmbedEngine) -> None:
        callers = [engine.ask(text) for text in "ab"]
        await engine.turns()
        _, sink = engine.sent.pop()
        reply(sink, 429, {"error": {}}, [*JSON, (b"retry-after", b"7"), (b"content-length", b"9")])
        await engine.turns()
        for caller in callers:
            assert dict(caller.prepared.headers)[b"retry-after"] == b"7"
            assert b"content-length" not in dict(caller.prepared.headers)

    run(test)


@pytest.mark.parametrize("kind", ["reset", "cut", "timeout_total", "connect", "garbage"])
def test_a_broken_call_is_told_to_everybody(kind: Any) -> None:
    async def test(engine: EmbedEngine) -> None:
        callers = [engine.ask(text) for text in "abc"]
        await engine.turns()
        _, sink = engine.sent.pop()
        sink.on_fault(UpstreamFault(kind, "p"))
        sink.on_fault(UpstreamFault(kind, "p"))  # twice is once
        assert [caller.said[-1] for caller in callers] == [f"fail upstream_{kind}"] * 3
        late = engine.ask("a")
        await engine.serve()
        assert late.vectors == [["a"]]

    run(test)


def test_an_answer_that_is_too_large_is_asked_for_in_halves() -> None:
    async def test(engine: EmbedEngine) -> None:
        callers = [engine.ask(text) for text in "abc"]
        await engine.turns()
        _, sink = engine.sent.pop()
        sink.on_fault(UpstreamFault("too_large", "p", received=True))
        assert engine.asked == [["a", "b"], ["c"]]
        await engine.serve()
        assert [caller.vectors for caller in callers] == [[["a"]], [["b"]], [["c"]]]

    run(test)


STRANGE: list[tuple[Any, Any]] = [
    ({"count": 1}, JSON),
    ({"data": None}, JSON),
    ({}, [*JSON, (b"content-encoding", b"gzip")]),
    ({"error": {"message": "in a 200"}}, JSON),
]


@pytest.mark.parametrize(("fields", "headers"), STRANGE)
def test_an_answer_that_cannot_be_shared_is_asked_for_by_each(fields: Any, headers: Any) -> None:
    async def test(engine: EmbedEngine) -> None:
        callers = [engine.ask(text) for text in "abc"]
        await engine.turns()
        _, sink = engine.sent.pop()
        embed(sink, list("abc"), headers=headers, **fields)
        assert engine.asked == [["a"], ["b"], ["c"]]
        await engine.serve()
        assert [caller.vectors for caller in callers] == [[["a"]], [["b"]], [["c"]]]
        assert engine.batcher.counts.unread == 1
        # For a while everybody asks by itself.
        engine.ask("d")
        assert len(engine.left) == 1
        engine.clock.advance(ALONE_S)
        engine.ask("e")
        assert len(engine.left) == 1
        await engine.serve()

    run(test)


def test_who_waits_while_sharing_fails_is_still_answered() -> None:
    async def test(engine: EmbedEngine) -> None:
        for text in "ab":
            engine.ask(text)
        await engine.turns()
        later = [engine.ask(text) for text in "cd"]
        _, sink = engine.sent.pop()
        embed(sink, list("ab"), count=1)
        await engine.serve()
        assert [caller.vectors for caller in later] == [[["c"]], [["d"]]]

    run(test)


def test_a_provider_that_takes_fewer_inputs_is_found_out() -> None:
    async def test(engine: EmbedEngine) -> None:
        async def provider(most: int) -> list[int]:
            sizes = []
            await engine.turns()
            while engine.sent:
                request, sink = engine.sent.pop(0)
                inputs = engine.inputs(request)
                sizes.append(len(inputs))
                if len(inputs) > most:
                    refuse(sink, "too many inputs", 413)
                else:
                    embed(sink, inputs)
                await engine.turns()
            return sizes

        callers = [engine.ask(f"a{at}") for at in range(8)]
        assert await provider(2) == [8, 4, 4, 2, 2, 2, 2]
        callers += [engine.ask(f"b{at}") for at in range(8)]
        assert await provider(2) == [2, 2, 2, 2]
        assert all(caller.vectors for caller in callers)
        engine.clock.advance(CEILING_S)
        callers = [engine.ask(f"c{at}") for at in range(8)]
        assert await provider(100) == [8]
        assert all(caller.vectors for caller in callers)

    run(test)


def test_poison_that_left_is_not_taken_for_a_matter_of_size() -> None:
    async def test(engine: EmbedEngine) -> None:
        callers = [engine.ask(text) for text in ("a", "b", "poison", "c", "d")]
        await engine.turns()
        callers[2].seat.leave()
        assert await engine.serve() == [5, 2, 2]
        callers = [engine.ask(f"e{at}") for at in range(5)]
        assert await engine.serve() == [5]

    run(test)


def test_the_last_who_waits_for_a_refused_call_gets_its_own_words() -> None:
    async def test(engine: EmbedEngine) -> None:
        gone, stays = engine.ask("a"), engine.ask(["b", "poison"])
        await engine.turns()
        gone.seat.leave()
        assert await engine.serve() == [3, 2]
        assert stays.document["error"]["message"] == "'input[1]' is poison."

    run(test)


def test_attempts_are_counted_for_each() -> None:
    async def test(engine: EmbedEngine) -> None:
        callers = [engine.ask("a"), engine.ask("poison")]
        sources = [caller.seat._relay for caller in callers]  # type: ignore[attr-defined]
        await engine.serve()
        assert [relay.attempts for relay in sources] == [2, 2]

    run(test)


def test_what_is_known_of_models_is_bounded() -> None:
    habits = Habits()
    first = habits.of("p", "m", 100, 0.0)
    first.stay_alone(0.0)
    for at in range(HABITS_MAX - 1):
        habits.of("p", f"m{at}", 100, 0.0)
        assert habits.of("p", "m", 100, 0.0) is first
    for at in range(HABITS_MAX):
        habits.of("q", f"m{at}", 100, 0.0)
    assert not habits.of("p", "m", 100, 0.0).is_alone(0.0)


def test_a_bug_in_sending_is_told_to_who_waits() -> None:
    async def test(engine: EmbedEngine) -> None:
        def fail(order: Any) -> None:
            raise ZeroDivisionError

        callers = [engine.ask(text) for text in "ab"]
        engine.prepare = fail  # type: ignore[method-assign]
        await engine.turns()
        assert [caller.said[-1] for caller in callers] == ["fail internal_error"] * 2
        assert [type(bug) for bug in engine.bugs] == [ZeroDivisionError]
        engine.bugs.clear()

    run(test)
