"""Connections opened ahead of calls, while more and more of them run at once."""

from tests.unit.upstream.test_pool import REQUEST, Limits, Sink, call, pooled, run, until


def test_spares_are_opened_ahead_while_more_and_more_calls_run():
    async def test() -> None:
        async with pooled(Limits(connections_max=100)) as (pool, provider, _):
            provider.gate.clear()
            sinks = [Sink() for _ in range(16)]
            for sink in sinks:
                pool.send(REQUEST, sink)
                await until(lambda sink=sink: sink.attempts == 1)  # type: ignore[misc]
            await until(lambda: pool.idle > 0)
            sinks.append(Sink())
            pool.send(REQUEST, sinks[-1])
            assert sinks[-1].attempts == 1  # it had to wait for nothing
            provider.gate.set()
            for sink in sinks:
                await sink.wait()
            assert provider.opened <= len(sinks) * 5 // 4

    run(test)


def test_spares_count_among_the_connections():
    async def test() -> None:
        async with pooled(Limits(connections_max=10)) as (pool, provider, _):
            provider.gate.clear()
            sinks = [Sink() for _ in range(9)]
            for sink in sinks:
                pool.send(REQUEST, sink)
            await until(lambda: provider.open == 9)
            pool.send(REQUEST, last := Sink())
            provider.gate.set()
            for sink in (*sinks, last):
                await sink.wait()
            await until(lambda: pool.active == 0)
            assert provider.open_max == 10

    run(test)


def test_one_call_at_a_time_needs_no_spare():
    async def test() -> None:
        async with pooled() as (pool, provider, _):
            for _ in range(10):
                await call(pool)
            assert provider.opened == 1

    run(test)


def test_a_spare_that_cannot_be_opened_is_nobodys_trouble():
    async def test() -> None:
        async with pooled(Limits(connections_max=100)) as (pool, provider, meter):
            provider.gate.clear()
            sinks = [Sink() for _ in range(8)]
            for sink in sinks:
                pool.send(REQUEST, sink)
            await until(lambda: provider.open == 8)
            provider.stop_listening()
            provider.gate.set()
            for sink in sinks:
                await sink.wait()
            await until(lambda: pool.idle == 8)
            provider.gate.clear()
            for sink in sinks:
                sink.done.clear()
                pool.send(REQUEST, sink)  # eight at once want two spares
            await until(lambda: pool.active == 8)
            provider.gate.set()
            for sink in sinks:
                await sink.wait()
            assert set(meter.said) == {"connected"}

    run(test)
