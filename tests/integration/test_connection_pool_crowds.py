"""Both faces of the connection pool with many callers, some of which leave, and at its end."""

import asyncio
import os
import random
import signal
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.support.adapter import soon
from tests.support.pool_faces import Make, on_asyncio, on_threads, on_uvloop
from tests.support.raw_server import Peer, RawServer, answering, silent
from tests.support.waiting import eventually

from headrace import ConnectionPool, NotRunning, Overloaded, SyncConnectionPool, UpstreamBroken
from headrace.limits import POOL_WAITERS_MAX

HALF = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"


def test_threads_share_connections() -> None:
    with RawServer(answering()) as server, SyncConnectionPool(4) as pool:
        with ThreadPoolExecutor(16) as crew:
            answers = list(crew.map(lambda _: pool.get(server.url).content, range(400)))
        stats = pool.stats()
        assert answers == [b"ok"] * 400
        assert stats.opened == len(server.peers) <= 4
        assert stats.opened + stats.reused == 400
        assert (stats.active, stats.waiting, stats.errors) == (0, 0, 0)
        assert stats.waits > 0


def test_tasks_share_connections() -> None:
    async def main(url: str) -> None:
        async with ConnectionPool(4, max_keepalive=2) as pool:
            answers = await asyncio.gather(*(pool.get(url) for _ in range(400)))
            stats = pool.stats()
            assert [answer.content for answer in answers] == [b"ok"] * 400
            assert (stats.opened, stats.reused, stats.waits) == (4, 396, 396)
            assert (stats.idle, stats.active, stats.waiting) == (2, 0, 0)

    with RawServer(answering()) as server:
        asyncio.run(main(server.url))
        assert len(server.peers) == 4


@pytest.mark.parametrize("make", [on_asyncio, on_uvloop, on_threads])
def test_origins_have_places_of_their_own(make: Make) -> None:
    with RawServer(answering()) as one, RawServer(answering()) as other, make(1) as pool:
        for server in (one, other, one, other):
            pool.get(server.url)
        assert (pool.stats().opened, pool.stats().idle) == (2, 2)


def test_threads_wait_no_longer_than_they_may() -> None:
    with RawServer(silent()) as server, SyncConnectionPool(1, pool_timeout_s=0.05) as pool:
        with ThreadPoolExecutor(1) as crew:
            asked = crew.submit(pool.get, server.url, timeout_s=2.0)
            eventually(lambda: pool.stats().active == 1)
            with pytest.raises(Overloaded, match="pool_size") as told:
                pool.get(server.url)
            assert isinstance(asked.exception(60), UpstreamBroken)
        assert (told.value.code, told.value.retry_after_s) == ("pool_exhausted", 1)
        assert pool.stats().waiting == 0


def test_tasks_wait_no_longer_than_they_may() -> None:
    async def main(url: str) -> None:
        async with ConnectionPool(1, pool_timeout_s=0.05) as pool:
            first = asyncio.ensure_future(pool.get(url))
            with pytest.raises(Overloaded, match="pool_size"):
                await asyncio.gather(*(pool.get(url) for _ in range(3)))
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            await asyncio.sleep(0.1)
            assert (pool.stats().active, pool.stats().waiting) == (0, 0)

    with RawServer(silent()) as server:
        asyncio.run(main(server.url))


def test_too_many_do_not_wait() -> None:
    async def main(url: str) -> None:
        async with ConnectionPool(1) as pool:
            calls = [asyncio.ensure_future(pool.get(url)) for _ in range(1 + POOL_WAITERS_MAX)]
            await soon(lambda: pool.stats().waiting == POOL_WAITERS_MAX)
            with pytest.raises(Overloaded, match="too many"):
                await pool.get(url)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
            assert (pool.stats().active, pool.stats().waiting) == (0, 0)

    with RawServer(silent()) as server:
        asyncio.run(main(server.url))


def test_cancelled_tasks_leave_their_places_to_others() -> None:
    async def main(url: str) -> None:
        async with ConnectionPool(2) as pool:
            for turns in range(12):  # cancelled at every step of the way
                calls = [asyncio.ensure_future(pool.get(url)) for _ in range(6)]
                for _ in range(turns):
                    await asyncio.sleep(0)
                for call in calls[::2]:
                    call.cancel()
                done = await asyncio.gather(*calls, return_exceptions=True)
                assert [getattr(each, "content", None) for each in done[1::2]] == [b"ok"] * 3
                assert (pool.stats().active, pool.stats().waiting) == (0, 0)

    with RawServer(answering()) as server:
        asyncio.run(main(server.url))


def moody(peer: Peer) -> None:
    """Echoes paths, and now and then does not: breaks off, closes, or says more than asked."""
    dice = random.Random(peer.number)
    while request := peer.request():
        path = request.split(b" ")[1]
        answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(path), path)
        mood = dice.random()
        if mood < 0.03:
            return peer.reset()
        if mood < 0.06:
            return peer.send(answer[:-1])
        if mood < 0.09:
            return peer.send(answer)  # and closes without a word
        peer.send(answer + (answer if mood < 0.12 else b""))
    return None


def test_threads_get_their_own_answers_from_a_moody_server() -> None:
    with RawServer(moody) as server, SyncConnectionPool(4, uniform=lambda: 0.0) as pool:

        def ask(number: int) -> bytes:
            try:
                return pool.get(f"{server.url}/{number}", retries=1).content
            except UpstreamBroken:
                return b"broken"

        with ThreadPoolExecutor(8) as crew:
            answers = list(crew.map(ask, range(800)))
        assert_own(answers)
        assert (pool.stats().active, pool.stats().waiting) == (0, 0)


def test_tasks_get_their_own_answers_from_a_moody_server() -> None:
    async def main(url: str) -> None:
        async with ConnectionPool(4, uniform=lambda: 0.0) as pool:

            async def ask(number: int) -> bytes:
                try:
                    async with pool.stream("GET", f"{url}/{number}", retries=1) as answer:
                        return await answer.read(100)
                except UpstreamBroken:
                    return b"broken"

            assert_own(await asyncio.gather(*(ask(number) for number in range(800))))
            assert (pool.stats().active, pool.stats().waiting) == (0, 0)

    with RawServer(moody) as server:
        asyncio.run(main(server.url))


def assert_own(answers: list[bytes]) -> None:
    """Each call got what it asked for, or was told that it did not; few were."""
    wrong = [
        (number, answer)
        for number, answer in enumerate(answers)
        if answer not in (b"/%d" % number, b"broken")
    ]
    assert wrong == []
    assert answers.count(b"broken") < 200


# The end.


@pytest.mark.parametrize("is_tls", [False, True])
def test_closing_ends_calls_of_other_threads(tmp_path: Path, *, is_tls: bool) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    with (
        RawServer(silent(HALF), tls if is_tls else None) as server,
        SyncConnectionPool(2, ca_file=tmp_path / "ca.pem") as pool,
    ):
        with ThreadPoolExecutor(4) as crew:
            calls = [crew.submit(pool.get, server.url) for _ in range(4)]
            eventually(lambda: (pool.stats().opened, pool.stats().waiting) == (2, 2))
            pool.close()
            assert [type(call.exception(60)) for call in calls] == [NotRunning] * 4
        assert (pool.stats().active, pool.stats().waiting) == (0, 0)


def test_closing_ends_calls_of_other_tasks() -> None:
    async def main(url: str) -> None:
        pool = ConnectionPool(2)
        calls = [asyncio.ensure_future(pool.get(url)) for _ in range(4)]
        await soon(lambda: (pool.stats().waiting, pool.stats().opened) == (2, 2))
        await pool.close()
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(each) for each in done] == [NotRunning] * 4
        assert (pool.stats().active, pool.stats().waiting) == (0, 0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with RawServer(silent(HALF)) as server:
        asyncio.run(main(server.url))


def test_closing_ends_streams_and_pauses_of_other_tasks() -> None:
    async def main(url: str, busy: str) -> None:
        pool = ConnectionPool(uniform=lambda: 1.0)
        pausing = asyncio.ensure_future(pool.get(busy))
        async with pool.stream("GET", url) as answer:
            assert await anext(answer) == b"half"
            await soon(lambda: pool.stats().retries == 1)
            await pool.close()
            with pytest.raises(NotRunning):
                await anext(answer)
        with pytest.raises(NotRunning):
            await pausing

    waits = b"HTTP/1.1 503 Busy\r\nretry-after: 25\r\ncontent-length: 0\r\n\r\n"
    with RawServer(silent(HALF)) as server, RawServer(answering(waits)) as busy:
        asyncio.run(main(server.url, busy.url))


def test_pool_of_another_loop_is_refused() -> None:
    pool = ConnectionPool()

    async def main(url: str) -> int:
        return (await pool.get(url)).status

    async def end() -> None:
        await pool.close()

    with RawServer(answering()) as server, asyncio.Runner() as runner:
        assert runner.run(main(server.url)) == 200
        with pytest.raises(NotRunning, match="loop"):
            threading_run(main(server.url))
        runner.run(end())


def threading_run(coroutine: Any) -> Any:
    """Run a coroutine on a loop of another thread."""
    with ThreadPoolExecutor(1) as crew:
        return crew.submit(asyncio.run, coroutine).result(60)


def test_fork_goes_on_with_its_own_connections() -> None:
    with RawServer(answering()) as server, SyncConnectionPool() as pool:
        pool.get(server.url)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                is_good = pool.get(server.url).content == b"ok" and pool.stats().idle == 1
                status = 0 if is_good else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert pool.get(server.url).content == b"ok"
        assert pool.stats().opened == 1
        assert len(server.peers) == 2


def test_fork_with_the_lock_held_does_not_hang() -> None:
    with RawServer(answering()) as server, SyncConnectionPool() as pool:
        pool.get(server.url)
        with pool._held()._lock:
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    status = 0 if pool.get(server.url).content == b"ok" else 2
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("is_waiting", [False, True])
def test_interrupted_calls_leave_their_places(*, is_waiting: bool) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def ask_for_a_moment() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        pool.get(server.url)

    with (
        RawServer(silent()) as server,
        ThreadPoolExecutor(1) as crew,
        SyncConnectionPool(1) as pool,
    ):
        if is_waiting:
            crew.submit(pool.get, server.url)
            eventually(lambda: pool.stats().opened == 1)
        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            with pytest.raises(KeyboardInterrupt):
                ask_for_a_moment()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert (pool.stats().active, pool.stats().waiting) == (int(is_waiting), 0)
