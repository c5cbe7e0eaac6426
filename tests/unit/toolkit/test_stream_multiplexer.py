"""One stream to many readers: pace, history, errors, and who ends what."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterable

import pytest

from headrace.clock import ManualClock
from headrace.errors import InvalidRequest, NotRunning, Overloaded
from headrace.toolkit.stream_multiplexer import StreamMultiplexer


class Source:
    """Says what the test puts in; remembers whether it was stopped before its end."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[object] = asyncio.Queue()
        self.asked = 0
        self.was_stopped = False

    async def __aiter__(self) -> AsyncIterator[object]:
        try:
            while True:
                self.asked += 1
                item = await self.queue.get()
                if isinstance(item, BaseException):
                    raise item
                if item is None:
                    return
                yield item
        except (asyncio.CancelledError, GeneratorExit):
            self.was_stopped = True
            raise

    def say(self, *items: object) -> None:
        for item in items:
            self.queue.put_nowait(item)


async def said(items: Iterable[object]) -> AsyncIterator[object]:
    for item in items:
        yield item


async def rest(reader) -> list[object]:
    return [chunk async for chunk in reader]


async def turns(number: int = 20) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def run(test) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))


def test_every_reader_gets_everything_and_the_source_is_read_once():
    async def test() -> None:
        source = Source()
        source.say("a", "b", "c", None)
        stream = StreamMultiplexer(source, coalesce_max=1)
        readers = [stream.read() for _ in range(3)]
        assert await asyncio.gather(*map(rest, readers)) == [["a", "b", "c"]] * 3
        assert source.asked == 4
        assert await rest(stream.read()) == ["a", "b", "c"]

    run(test)


def test_nothing_is_asked_before_the_first_reader():
    async def test() -> None:
        source = Source()
        stream = StreamMultiplexer(source)
        await turns()
        assert (source.asked, stream.progress.elapsed_s) == (0, 0.0)

    run(test)


def test_who_comes_late_gets_what_is_kept_and_is_told_what_is_not():
    async def test() -> None:
        source = Source()
        stream = StreamMultiplexer(source, history_max=2, coalesce_max=1)
        early = stream.read()
        source.say("a", "b", "c")
        assert [await anext(early) for _ in range(3)] == ["a", "b", "c"]
        late = stream.read()
        source.say("d", None)
        assert (late.missed, await rest(late), await rest(early)) == (1, ["b", "c", "d"], ["d"])

    run(test)


def test_a_reader_that_lags_gets_several_chunks_as_one_but_never_the_first():
    async def test() -> None:
        stream = StreamMultiplexer(said("abcdefg"), coalesce_max=4)
        reader = stream.read()
        await turns()
        assert await rest(reader) == ["a", "bcde", "fg"]

    run(test)


def test_a_reader_that_keeps_up_gets_chunks_as_they_come():
    async def test() -> None:
        source = Source()
        reader = StreamMultiplexer(source).read()
        for chunk in (b"a", b"b", b"c"):
            source.say(chunk)
            assert await anext(reader) == chunk

    run(test)


def test_chunks_of_other_kinds_are_joined_by_whoever_knows_how():
    async def test() -> None:
        alone = StreamMultiplexer(said([1, 2, 3])).read()
        summed = StreamMultiplexer(said([1, 2, 3]), join=sum).read()
        await turns()
        assert (await rest(alone), await rest(summed)) == ([1, 2, 3], [1, 5])

    run(test)


def test_the_source_waits_for_a_slow_reader():
    async def test() -> None:
        source = Source()
        source.say(*"abcdef", None)
        stream = StreamMultiplexer(source, buffer_max=2, coalesce_max=1)
        slow, fast = stream.read(), stream.read()
        assert await anext(fast) == "a"
        await turns()
        assert stream.progress.chunks == 2
        assert await anext(slow) == "a"
        await turns()
        assert stream.progress.chunks == 3
        slow.leave()
        assert await rest(fast) == list("bcdef")

    run(test)


def test_a_slow_reader_is_dropped_and_no_other():
    async def test() -> None:
        source = Source()
        stream = StreamMultiplexer(source, buffer_max=2, slow="drop")
        slow, fast = stream.read(), stream.read()
        for chunk in "abc":
            source.say(chunk)
            assert await anext(fast) == chunk
        await turns()
        with pytest.raises(Overloaded) as told:
            await anext(slow)
        assert told.value.code == "slow_reader"
        source.say("d", None)
        assert await rest(fast) == ["d"]
        assert (stream.progress.dropped, stream.progress.readers) == (1, 1)

    run(test)


def test_what_came_before_a_reader_does_not_make_it_slow():
    async def test() -> None:
        source = Source()
        stream = StreamMultiplexer(source, buffer_max=2, slow="drop", coalesce_max=1)
        early = stream.read()
        for chunk in "abcdef":
            source.say(chunk)
            await anext(early)
        late = stream.read()
        source.say("g")
        await turns()
        assert [await anext(late) for _ in range(7)] == list("abcdefg")

    run(test)


def test_a_source_that_never_waits_drops_nobody_who_reads():
    async def test() -> None:
        stream = StreamMultiplexer(said("x" * 1000), buffer_max=3, slow="drop")
        assert len("".join(await rest(stream.read()))) == 1000  # type: ignore[arg-type]
        assert stream.progress.dropped == 0

    run(test)


def test_an_error_reaches_every_reader_after_what_came_before_it():
    async def test() -> None:
        source = Source()
        source.say("a", ValueError("broke"))
        stream = StreamMultiplexer(source)
        for reader in (stream.read(), stream.read()):
            assert await anext(reader) == "a"
            with pytest.raises(ValueError, match="broke"):
                await anext(reader)
        late = stream.read()
        assert await anext(late) == "a"
        with pytest.raises(ValueError, match="broke"):
            await anext(late)

    run(test)


def test_the_last_reader_that_leaves_cancels_the_source():
    async def test() -> None:
        source = Source()
        stream = StreamMultiplexer(source)
        async with stream.read():
            async with stream.read():
                await turns()
            await turns()
            assert not source.was_stopped
        await turns()
        assert source.was_stopped
        assert stream.progress.is_over
        with pytest.raises(NotRunning):
            stream.read()

    run(test)


def test_a_reader_that_nobody_holds_leaves():
    async def test() -> None:
        source = Source()
        stream = StreamMultiplexer(source)
        reader = stream.read()
        await turns()
        del reader
        gc.collect()
        await turns()
        assert source.was_stopped

    run(test)


def test_a_source_that_is_paused_is_closed_too():
    async def test() -> None:
        source = Source()
        source.say("a", "b")
        stream = StreamMultiplexer(source, buffer_max=1)
        reader = stream.read()
        await turns()
        reader.leave()
        await turns()
        assert source.was_stopped
        with pytest.raises(StopAsyncIteration):
            await anext(reader)

    run(test)


def test_a_cancelled_read_takes_nothing():
    async def test() -> None:
        source = Source()
        stream = StreamMultiplexer(source)
        reader, other = stream.read(), stream.read()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(reader), 0.01)
        source.say("a", None)
        assert (await rest(reader), await rest(other)) == (["a"], ["a"])

    run(test)


def test_closing_tells_readers_after_what_waits_for_them():
    async def test() -> None:
        source = Source()
        source.say("a")
        async with StreamMultiplexer(source) as stream:
            reader = stream.read()
            await turns()
        assert await anext(reader) == "a"
        with pytest.raises(NotRunning):
            await anext(reader)
        assert source.was_stopped
        await stream.aclose()

    run(test)


def test_closing_before_anybody_reads():
    async def test() -> None:
        stream = StreamMultiplexer(Source())
        await stream.aclose()
        with pytest.raises(NotRunning):
            stream.read()

    run(test)


def test_progress():
    async def test() -> None:
        clock, source = ManualClock(), Source()
        stream = StreamMultiplexer(source, measure=len, clock=clock)
        reader = stream.read()
        clock.advance(2.0)
        source.say("abc")
        await anext(reader)
        clock.advance(4.0)
        source.say("de")
        await anext(reader)
        told = stream.progress
        assert (told.chunks, told.tokens, told.readers, told.is_over) == (2, 5, 1, False)
        assert (told.elapsed_s, told.first_s, told.tokens_per_s) == (6.0, 2.0, 0.5)
        source.say(None)
        await rest(reader)
        clock.advance(100.0)
        assert (stream.progress.elapsed_s, stream.progress.is_over) == (6.0, True)

    run(test)


@pytest.mark.parametrize(
    "wrong", [{"buffer_max": 0}, {"coalesce_max": 0}, {"history_max": -1}, {"slow": "wait"}]
)
def test_arguments_out_of_bounds(wrong):
    async def test() -> None:
        with pytest.raises(InvalidRequest):
            StreamMultiplexer(Source(), **wrong)

    run(test)
