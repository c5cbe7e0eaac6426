"""Loads on real targets: what came is what was sent, and what goes wrong is told by its kind."""

import socket

import pytest
import uvloop
from tests.support.benching import make_phase, make_plan, only, run_plan
from tests.support.raw_server import Peer, RawServer, answering, silent

from headrace.bench.load.crew import Target
from headrace.bench.load.plan import (
    Arrivals,
    Clients,
    Closed,
    Constant,
    Gamma,
    Mix,
    Modulated,
    Phase,
    Poisson,
    Workload,
)
from headrace.bench.phases.run import Now, Run, Terms
from headrace.bench.records import RunRecord
from headrace.clock import SystemClock
from headrace.sim.options import SimOptions
from headrace.sim.thread import running

CHATS = Workload(mix=Mix(chat=1, stream=0, embeddings=0))
STREAMS = Workload(mix=Mix(chat=0, stream=1, embeddings=0))
BODY = b'{"choices": [{"message": {"content": "ok"}}]}'
EVENT = b'data: {"choices": [{"delta": {"content":"word"}}]}\n\n'


def http(status: str, body: bytes, *fields: str) -> bytes:
    head = "".join(f"{field}\r\n" for field in (*fields, f"content-length: {len(body)}"))
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def brief(**fields: object) -> Phase:
    return make_phase(**{"seconds": 0.3, "timeout_s": 20.0, "arrivals": Constant(), **fields})


@pytest.mark.heavy
@pytest.mark.parametrize(
    "arrivals",
    [Constant(), Poisson(), Gamma(), Modulated(period_s=0.5), Clients(count=5)],
    ids=lambda a: type(a).__name__,
)
def test_all_that_was_scheduled_is_sent_and_answered(arrivals: Arrivals) -> None:
    with running(SimOptions(port=0)) as sim:
        record = run_plan(make_plan(make_phase(arrivals=arrivals)), sim.url, workers=2)
        seen = sim.stats().requests_total
    summary = only(record).summary
    assert (summary.requests, summary.failed) == (seen, 0)
    assert record.status == "whole"
    assert summary.outcomes == {"ok": seen}
    requests = only(record).requests
    assert requests is not None
    assert len(requests.e2e_ms) == requests.seen == seen


def test_a_stream_tells_its_first_token_and_its_pace() -> None:
    with running(SimOptions(port=0)) as sim:
        summary = only(run_plan(make_plan(brief(), workload=STREAMS), sim.url)).summary
    assert summary.failed == 0
    assert summary.ttft.count == summary.tpot.count == summary.requests > 0
    assert summary.gaps.count > 0
    assert summary.ttft.p50_ms <= summary.e2e.p50_ms  # type: ignore[operator]


@pytest.mark.heavy
def test_a_closed_loop_asks_again_when_it_is_answered() -> None:
    plan = make_plan(make_phase(users=3, seconds=0.5, arrivals=Closed()), workload=CHATS)
    with running(SimOptions(port=0)) as sim:
        summary = only(run_plan(plan, sim.url)).summary
        stats = sim.stats()
    assert summary.requests == stats.requests_total > 3
    assert summary.failed == 0


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (http("200 OK", BODY), "ok"),
        (http("503 Service Unavailable", b""), "status_5xx"),
        (b"\x00\x01garbage\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", "cut"),
        *(
            pytest.param(answer, outcome, marks=pytest.mark.heavy)
            for answer, outcome in (
                (http("429 Too Many Requests", b"{}"), "status_429"),
                (http("404 Not Found", b"{}"), "status_4xx"),
                (http("301 Moved", b""), "status_other"),
                (http("200 OK", b"{}"), "malformed"),
                (http("200 OK", b"\xff\xfe"), "malformed"),
                (b"", "closed"),
            )
        ),
    ],
)
def test_every_way_to_fail_has_its_name(answer: bytes, outcome: str) -> None:
    def once(peer: Peer) -> None:
        peer.request()
        peer.send(answer)

    # Who closes after an answer would race with the next request on that connection.
    serve = once if outcome in {"closed", "cut"} else answering(answer)
    plan = make_plan(brief(), workload=CHATS)
    with RawServer(serve) as server:
        phase = only(run_plan(plan, server.url))
    assert set(phase.summary.outcomes) == {outcome}
    assert phase.summary.failed == (0 if outcome == "ok" else phase.summary.requests)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (EVENT * 3 + b"data: [DONE]\n\n", "ok"),
        (EVENT * 3, "cut"),
        (EVENT + b'data: {"error": {"message": "broke"}}\n\n', "cut"),
    ],
)
def test_a_stream_is_whole_with_its_last_event_only(body: bytes, outcome: str) -> None:
    with RawServer(answering(http("200 OK", body))) as server:
        summary = only(run_plan(make_plan(brief(), workload=STREAMS), server.url)).summary
    assert set(summary.outcomes) == {outcome}


@pytest.mark.heavy
@pytest.mark.parametrize("said", [(), (b"HTTP/1.1 200 OK\r\n",)])
def test_a_target_that_never_answers_is_given_up(said: tuple[bytes, ...]) -> None:
    plan = make_plan(brief(timeout_s=0.3, seconds=0.2), workload=CHATS)
    with RawServer(silent(*said)) as server:
        summary = only(run_plan(plan, server.url)).summary
    assert set(summary.outcomes) == {"timeout"}


def test_a_target_that_is_not_there_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        summary = only(run_plan(make_plan(brief()), url)).summary
    assert set(summary.outcomes) == {"connect"}
    assert summary.strict.p50_ms is None
    assert summary.details


@pytest.mark.heavy
def test_who_stops_a_run_gets_what_there_was() -> None:
    plan = make_plan(make_phase(name="long", seconds=600.0), make_phase(name="never"))

    def stop(run: Run, now: Now) -> None:
        if now.sent >= 3:
            run.stop()

    with running(SimOptions(port=0)) as sim:
        record = run_plan(plan, sim.url, on_now=stop)
    assert record.status == "interrupted"
    assert [each.phase.name for each in record.phases] == ["long"]
    assert record.phases[0].summary.requests >= 3


@pytest.mark.heavy
def test_who_stops_while_the_last_answers_are_awaited_waits_no_longer() -> None:
    """The target answers nobody, and a request has ten minutes."""
    plan = make_plan(brief(timeout_s=600.0), workload=CHATS)

    def stop(run: Run, now: Now) -> None:
        if now.phase == len(plan.phases):
            run.stop()

    with RawServer(silent()) as server:
        record = run_plan(plan, server.url, on_now=stop)
    assert record.status == "interrupted"
    assert only(record).summary.outcomes == {"interrupted": 9}


def test_who_stops_a_run_before_it_begins_gets_an_empty_one() -> None:
    async def stopped(url: str) -> RunRecord:
        run = Run(
            make_plan(), Target.of(url), url, Terms(workers=2), SystemClock(), lambda _now: None
        )
        run.stop()
        return await run.whole()

    with running(SimOptions(port=0)) as sim:
        record = uvloop.run(stopped(sim.url))
        assert sim.stats().requests_total == 0
    assert (record.status, record.phases) == ("interrupted", ())


@pytest.mark.heavy
def test_another_run_asks_what_no_run_has_asked() -> None:
    def bodies(nonce: str) -> set[bytes]:
        def serve(peer: Peer) -> None:
            while request := peer.request():
                asked.add(request.partition(b"\r\n\r\n")[2])
                peer.send(http("200 OK", BODY))

        asked: set[bytes] = set()
        with RawServer(serve) as server:
            assert run_plan(plan, server.url, nonce=nonce).nonce == nonce
        return asked

    plan = make_plan(workload=CHATS)
    first, second, first_again = bodies("first"), bodies("second"), bodies("first")
    assert first == first_again
    assert first
    assert not first & second


@pytest.mark.heavy
def test_an_answer_too_many_is_no_answer() -> None:
    plan = make_plan(brief(), workload=CHATS)
    with RawServer(answering(http("200 OK", BODY) * 2)) as server:
        summary = only(run_plan(plan, server.url)).summary
    assert set(summary.outcomes) == {"malformed"}
