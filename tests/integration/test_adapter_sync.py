"""The library face without asyncio: many threads, one adapter."""

import asyncio
import gc
import inspect
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.adapter import CHAT, MODELS, settings_for
from tests.support.waiting import eventually

from headrace import (
    Adapter,
    InvalidRequest,
    NotRunning,
    SyncAdapter,
    UpstreamBroken,
    UpstreamRefused,
)
from headrace.library import Stream
from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim

ROOT = Path(__file__).resolve().parents[2]
THREADS = 8
ROUNDS = 20
ENDLESS = {"idle_timeout_s": 3600.0, "total_timeout_s": 3600.0}  # not what ends a stream


@pytest.fixture
def sim(shared_sim: ThreadedSim) -> Iterator[ThreadedSim]:
    """The provider; after the test no call, connection or thread of an adapter is left."""
    shared_sim.reset()
    yield shared_sim
    eventually(lambda: shared_sim.stats().connections_open == 0)
    assert shared_sim.stats().inflight == 0
    assert [thread.name for thread in threading.enumerate() if thread.name == "headrace"] == []


@pytest.fixture
def adapter(sim: ThreadedSim) -> Iterator[SyncAdapter]:
    with SyncAdapter(settings_for(sim.url, **ENDLESS)) as adapter:
        yield adapter


@pytest.mark.parametrize("model", MODELS)
def test_it_does_what_the_adapter_does(sim: ThreadedSim, adapter: SyncAdapter, model: str) -> None:
    answer = adapter.generate("Hello", model=model)
    assert (answer.cache, adapter.generate("Hello", model=model).cache) == ("miss", "l1")
    stream = adapter.stream("Hello", model=model)
    assert "".join(event.text for event in stream) == answer.text
    assert stream.completion().text == answer.text
    assert len(adapter.embed(["a", "b"], model="openai/sim-embed").vectors) == 2
    assert model in adapter.models()
    assert adapter.metrics()["requests"]["l1"] == 2
    assert "headrace_requests_total" in adapter.metrics_text()
    assert adapter.clear_cache() == 2
    with pytest.raises(InvalidRequest):
        adapter.generate("Hello", model="who-knows")


def test_it_purges_what_the_adapter_purges(sim: ThreadedSim, adapter: SyncAdapter) -> None:
    stream = adapter.stream("Hello", model=MODELS[0], tags=["news"])
    assert "".join(event.text for event in stream)
    assert adapter.generate("Hello", model=MODELS[0]).cache == "l1"
    assert adapter.purge("tag:news")["purged"] == "tag:news"
    assert adapter.generate("Hello", model=MODELS[0]).cache == "miss"
    with pytest.raises(InvalidRequest):
        adapter.purge("tags:news")


@pytest.mark.parametrize("name", ["generate", "stream", "embed", "models", "purge"])
def test_it_takes_what_the_adapter_takes(name: str) -> None:
    told = [inspect.signature(getattr(face, name)) for face in (Adapter, SyncAdapter)]
    assert told[0].parameters == told[1].parameters
    returned = (told[0].return_annotation, told[1].return_annotation)
    assert returned[0] == returned[1] or returned == (Stream, "SyncStream")
    assert inspect.getdoc(getattr(SyncAdapter, name))


def test_threads_share_calls_and_cache(sim: ThreadedSim, adapter: SyncAdapter) -> None:
    def work(number: int) -> list[str]:
        texts = []
        for turn in range(ROUNDS):
            texts.append(adapter.generate(f"Question {turn}", model=CHAT).text)
            events = adapter.stream(f"Stream {turn}", model=CHAT)
            texts.append("".join(event.text for event in events))
        return texts

    with ThreadPoolExecutor(THREADS) as threads:
        results = list(threads.map(work, range(THREADS)))
    assert all(result == results[0] for result in results)
    assert sim.stats().requests_total == 2 * ROUNDS
    counted = adapter.metrics()["requests"]
    assert counted["miss"] == 2 * ROUNDS
    assert sum(counted.values()) == 2 * ROUNDS * THREADS


def test_errors_reach_the_calling_thread(sim: ThreadedSim, adapter: SyncAdapter) -> None:
    sim.script(Fault(kind=FaultKind.STATUS, status=429))
    with pytest.raises(UpstreamRefused):
        adapter.generate("Hi", model=CHAT)
    sim.script(Fault(kind=FaultKind.CUT, after_chunks=3))
    with pytest.raises(UpstreamBroken):
        list(adapter.stream("Hi", model=CHAT))


def test_a_stream_that_is_left_is_cancelled(sim: ThreadedSim, adapter: SyncAdapter) -> None:
    fault = Fault(kind=FaultKind.STALL_MID, after_chunks=3)
    sim.script(fault)
    for _ in adapter.stream("Break", model=CHAT):
        break
    gc.collect()
    eventually(lambda: sim.stats().streams_aborted == 1)
    sim.script(fault)
    with adapter.stream("Context", model=CHAT) as stream:
        next(stream)
    eventually(lambda: sim.stats().streams_aborted == 2)
    assert list(stream) == []


def test_an_unfinished_stream_does_not_hold_up_the_end(sim: ThreadedSim) -> None:
    sim.script(Fault(kind=FaultKind.STALL_MID, after_chunks=3))
    with SyncAdapter(settings_for(sim.url, **ENDLESS), close_timeout_s=3600) as adapter:
        stream = adapter.stream("Held", model=CHAT)
        next(stream)


def test_the_end_waits_for_other_threads(sim: ThreadedSim) -> None:
    sim.script(Fault(kind=FaultKind.SLOW, delay_ms=1000))
    with ThreadPoolExecutor(1) as threads:
        with SyncAdapter(settings_for(sim.url)) as adapter:
            answer = threads.submit(adapter.generate, "Last", model=CHAT)
            eventually(lambda: sim.stats().inflight == 1)
        assert answer.result().text


def test_it_is_used_where_it_runs_only(sim: ThreadedSim) -> None:
    adapter = SyncAdapter(settings_for(sim.url))
    with pytest.raises(NotRunning, match="not started"):
        adapter.generate("Hi", model=CHAT)
    adapter.close()
    adapter.start()
    with pytest.raises(NotRunning, match="starts only once"):
        adapter.start()
    adapter.close()
    adapter.close()
    for use in (adapter.generate, adapter.stream):
        with pytest.raises(NotRunning) as caught:
            use("Hi", model=CHAT)
        assert caught.value.code == "closed"
    assert adapter.metrics()["failed"] == 0


def test_a_running_loop_may_use_it_from_a_thread(sim: ThreadedSim, adapter: SyncAdapter) -> None:
    async def main() -> str:
        answer = await asyncio.to_thread(adapter.generate, "Hi", model=CHAT)
        return answer.text

    assert asyncio.run(main())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_is_told_to_make_its_own(sim: ThreadedSim) -> None:
    program = f"""
import os
from headrace import NotRunning, SyncAdapter
with SyncAdapter({settings_for(sim.url)!r}) as adapter:
    adapter.generate("Hi", model={CHAT!r})
    child = os.fork()
    if child == 0:
        try:
            adapter.generate("Hi", model={CHAT!r})
        except NotRunning as error:
            os._exit(42 if error.code == "forked" else 1)
        os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 42, status
"""
    assert finish(start(program)) == (0, "")


def test_an_interrupt_cancels_the_call(sim: ThreadedSim) -> None:
    sim.script(Fault(kind=FaultKind.STALL_BEFORE))
    program = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from headrace import SyncAdapter
with SyncAdapter({settings_for(sim.url)!r}) as adapter:
    try:
        adapter.generate("Hi", model={CHAT!r})
    except KeyboardInterrupt:
        assert adapter.generate("Hi", model={CHAT!r}).text
        raise SystemExit(7)
"""
    process = start(program)
    eventually(lambda: sim.stats().inflight == 1, 60)
    process.send_signal(signal.SIGINT)
    assert finish(process) == (7, "")
    eventually(lambda: sim.stats().calls_aborted == 1)


def start(program: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Exit code and what was said on stderr."""
    try:
        _, stderr = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, stderr
