"""Batches whose gateway dies, whose disk is full, whose money is used up, whose caller leaves."""

import signal
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest
from tests.integration.batches.conftest import Begin
from tests.support.batches import TERMINAL, begin, client, jsonl, line, results, until
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually
from tests.support.wire import ask, encode_request

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim

CONCURRENCY = 8
LINES = 300
# Slow enough to be met in the middle: who has seen a tenth has five seconds to say so.
PACE = {"x-sim-ttft-ms": "150"}
AT_A_TIME = {"batches": {"concurrency": CONCURRENCY}}


def calls(sim: ThreadedSim) -> int:
    return sim.stats().requests_total


def assert_all_answered(sdk: Any, batch: Any, count: int) -> None:
    assert batch.status == "completed"
    assert batch.request_counts.completed == count
    found = Counter(each["custom_id"] for each in results(sdk, batch.output_file_id))
    assert found == Counter(f"c{n}" for n in range(count))


def in_the_middle(sdk: Any, batch_id: str, sim: ThreadedSim) -> None:
    eventually(lambda: calls(sim) > LINES // 10)
    assert until(sdk, batch_id, lambda batch: batch.status != "validating").status == "in_progress"


@pytest.mark.heavy
@pytest.mark.parametrize("url", ["sqlite", "postgresql"])
def test_a_gateway_that_is_killed_goes_on_and_asks_only_what_was_under_way(
    begin_gateway: Begin, sim: ThreadedSim, url: str, request: pytest.FixtureRequest
) -> None:
    more: dict[str, Any] = dict(AT_A_TIME)
    if url == "postgresql":
        url = request.getfixturevalue("own_database")
        more["store"] = {"url": url}
    first = begin_gateway(pace=PACE, **more)
    with client(first.url) as sdk:
        batch_id = begin(sdk, jsonl(line(n) for n in range(LINES)))
        in_the_middle(sdk, batch_id, sim)
    first.kill()
    second = begin_gateway(pace=PACE, **more)
    with client(second.url) as sdk:
        assert_all_answered(sdk, until(sdk, batch_id), LINES)
    assert LINES <= calls(sim) <= LINES + CONCURRENCY


@pytest.mark.heavy
def test_another_gateway_of_the_directory_takes_over(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    gateways = [begin_gateway(pace=PACE, **AT_A_TIME) for _ in range(2)]
    with client(gateways[0].url) as sdk:
        batch_id = begin(sdk, jsonl(line(n) for n in range(LINES)))
        in_the_middle(sdk, batch_id, sim)
    running = [each for each in gateways if each.metrics()["headrace_batches_running"] == 1]
    assert len(running) == 1  # only one runs it
    running[0].kill()
    (other,) = [each for each in gateways if each is not running[0]]
    with client(other.url) as sdk:
        assert_all_answered(sdk, until(sdk, batch_id), LINES)
    assert LINES <= calls(sim) <= LINES + CONCURRENCY


@pytest.mark.heavy
def test_a_gateway_that_is_stopped_finishes_what_is_under_way_and_leaves_the_rest(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    first = begin_gateway(pace=PACE, **AT_A_TIME)
    with client(first.url) as sdk:
        batch_id = begin(sdk, jsonl(line(n) for n in range(LINES)))
        in_the_middle(sdk, batch_id, sim)
    first.stop()
    assert calls(sim) < LINES
    second = begin_gateway(pace=PACE, **AT_A_TIME)
    with client(second.url) as sdk:
        assert_all_answered(sdk, until(sdk, batch_id), LINES)
    assert calls(sim) == LINES  # nothing was asked twice


def test_a_fallback_text_is_no_answer_to_a_line(begin_gateway: Begin, sim: ThreadedSim) -> None:
    text = "Please ask again in a minute."
    models = {"m": {"targets": ["sim/m"], "fallback_text": text}}
    sim.script(Fault(kind=FaultKind.STATUS, times=3))
    gateway = begin_gateway(models=models)
    with client(gateway.url) as sdk:
        batch = until(sdk, begin(sdk, jsonl(line(n) for n in range(4))))
        assert_all_answered(sdk, batch, 4)
        assert text not in sdk.files.content(batch.output_file_id).text
    assert gateway.metrics()["headrace_fallback_texts_total"] == 0


def test_a_batch_is_cancelled_in_the_middle(begin_gateway: Begin, sim: ThreadedSim) -> None:
    gateway = begin_gateway(pace=PACE, **AT_A_TIME)
    with client(gateway.url) as sdk:
        batch_id = begin(sdk, jsonl(line(n) for n in range(LINES)))
        in_the_middle(sdk, batch_id, sim)
        assert sdk.batches.cancel(batch_id).status in ("cancelling", "cancelled")
        batch = until(sdk, batch_id)
        assert (batch.status, batch.completed_at) == ("cancelled", None)
        assert batch.cancelled_at is not None
        asked = calls(sim)
        counts = batch.request_counts
        assert counts.total == LINES
        assert 0 < counts.completed < LINES
        assert len(results(sdk, batch.output_file_id)) == counts.completed
        again = sdk.batches.cancel(batch_id)  # twice is once
        assert again.status == "cancelled"
    gateway.wait_until_quiet()
    assert calls(sim) == asked


def test_a_batch_ends_with_its_key(begin_gateway: Begin, sim: ThreadedSim) -> None:
    operator = {"authorization": "Bearer root"}
    keys = [{"key": "root", "name": "root", "tenant": "acme", "admin": True}]
    gateway = begin_gateway(pace=PACE, keys=keys, **AT_A_TIME)
    made = gateway.post("/admin/keys", {"name": "app", "tenant": "acme"}, headers=operator).json()
    with client(gateway.url, made["key"]) as own, client(gateway.url, "root") as sdk:
        batch_id = begin(own, jsonl([*(line(n) for n in range(LINES)), "{"]))
        in_the_middle(own, batch_id, sim)
        path = f"/admin/keys/{made['id']}"
        request = encode_request(path, method="DELETE", headers=operator)
        assert ask(gateway.url, request).status == 200
        batch = until(sdk, batch_id)
        assert batch.status == "cancelled"
        why = [each.code for each in batch.errors.data]
        assert why == ["key_revoked", "invalid_json"]
        counts = batch.request_counts
        assert 0 < counts.completed < LINES
        assert len(results(sdk, batch.output_file_id)) == counts.completed


def test_a_batch_that_waits_is_cancelled_at_once(begin_gateway: Begin) -> None:
    gateway = begin_gateway(pace=PACE, batches={"concurrency": 1, "at_once": 1})
    with client(gateway.url) as sdk:
        first = begin(sdk, jsonl(line(n) for n in range(LINES)))
        second = begin(sdk, jsonl(line(n, f"other {n}") for n in range(LINES)))
        until(sdk, first, lambda batch: batch.status == "in_progress")
        sdk.batches.cancel(second)
        sdk.batches.cancel(first)
        batch = until(sdk, second)
        assert (batch.status, batch.output_file_id) == ("cancelled", None)


@pytest.mark.heavy
def test_an_overload_makes_a_batch_slower_and_fails_no_line(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    sim.script(
        Fault(kind=FaultKind.STATUS, status=429, headers={"retry-after": "0"}, times=10),
        Fault(kind=FaultKind.STATUS, status=503, times=5),
        Fault(kind=FaultKind.STATUS, status=500, times=1),
    )
    gateway = begin_gateway(**AT_A_TIME)
    with client(gateway.url) as sdk:
        batch = until(sdk, begin(sdk, jsonl(line(n) for n in range(20))))
        assert_all_answered(sdk, batch, 20)
    assert calls(sim) == 20 + 16
    assert gateway.metrics()["headrace_batch_retries_total"] == 16


def test_what_fails_again_and_again_is_an_error_of_its_line(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    sim.script(Fault(kind=FaultKind.STATUS, status=500, times=None))
    gateway = begin_gateway(batches={"tries": 2})
    with client(gateway.url) as sdk:
        batch = until(sdk, begin(sdk, jsonl(line(n) for n in range(3))))
        assert (batch.status, batch.request_counts.failed) == ("completed", 3)
        wrong = results(sdk, batch.error_file_id)
    assert [each["response"]["status_code"] for each in wrong] == [500] * 3
    assert calls(sim) == 6


def test_a_budget_that_is_used_up_fails_the_lines_that_are_left(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    gateway = begin_gateway(
        **AT_A_TIME,
        keys=[{"key": "k", "name": "app", "tenant": "acme"}],
        budgets=[{"tenant": "acme", "day_usd": 1.0}],
    )
    with client(gateway.url) as sdk:
        batch = until(sdk, begin(sdk, jsonl(line(n) for n in range(LINES))))
        counts = batch.request_counts
        assert batch.status == "completed"
        assert counts.completed > 0
        assert counts.failed > 0
        assert counts.completed + counts.failed == LINES
        wrong = results(sdk, batch.error_file_id)
    codes = {each["response"]["body"]["error"]["code"] for each in wrong}
    assert codes == {"budget_exceeded"}
    assert calls(sim) == counts.completed


@pytest.mark.heavy
def test_a_full_disk_makes_a_batch_wait(begin_gateway: Begin, sim: ThreadedSim) -> None:
    gateway = begin_gateway(pace=PACE, **AT_A_TIME)
    process = psutil.Process(gateway.process.pid)
    unlimited = process.rlimit(psutil.RLIMIT_FSIZE)
    with client(gateway.url) as sdk:
        batch_id = begin(sdk, jsonl(line(n, "word " * 50 + str(n)) for n in range(LINES)))
        in_the_middle(sdk, batch_id, sim)
        process.rlimit(psutil.RLIMIT_FSIZE, (1024, unlimited[1]))
        eventually(lambda: not sim.stats().inflight)  # nobody asks any more
        asked = calls(sim)
        process.rlimit(psutil.RLIMIT_FSIZE, unlimited)
        assert_all_answered(sdk, until(sdk, batch_id), LINES)
    assert asked < LINES
    assert calls(sim) == LINES


@pytest.mark.heavy
def test_a_batch_whose_time_is_over_keeps_what_it_has(
    begin_gateway: Begin, sim: ThreadedSim, tmp_path: Path
) -> None:
    gateway = begin_gateway(pace=PACE, **AT_A_TIME)
    with client(gateway.url) as sdk:
        batch_id = begin(sdk, jsonl([*(line(n) for n in range(LINES)), "{"]))
        in_the_middle(sdk, batch_id, sim)
        gateway.kill()
        age(tmp_path / "data" / "records.sqlite3", batch_id)
    second = begin_gateway(pace=PACE, **AT_A_TIME)
    with client(second.url) as sdk:
        batch = until(sdk, batch_id)
        assert batch.status == "expired"
        counts = batch.request_counts
        assert counts.completed + counts.failed == counts.total == LINES + 1
        assert counts.completed == len(results(sdk, batch.output_file_id)) < LINES
        wrong = results(sdk, batch.error_file_id)
        codes = Counter(each["error"]["code"] for each in wrong)
    assert codes == {"batch_expired": counts.failed - 1, "invalid_json": 1}


def age(file: Path, batch_id: str) -> None:
    """Let a batch have begun two days ago."""
    with sqlite3.connect(file) as records:
        asked = "UPDATE headrace_batches SET created_s = created_s - 172800 WHERE id = ?"
        assert records.execute(asked, (batch_id,)).rowcount == 1
    records.close()


def test_answers_that_are_stored_are_not_asked_again(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    gateway = begin_gateway(**AT_A_TIME)
    body = {"model": "m", "messages": [{"role": "user", "content": "The very same."}]}
    same = [line(n, body=body) for n in range(20)]
    with client(gateway.url) as sdk:
        assert_all_answered(sdk, until(sdk, begin(sdk, jsonl(same))), 20)
        assert_all_answered(sdk, until(sdk, begin(sdk, jsonl(same))), 20)
    assert calls(sim) == 1


@pytest.mark.heavy
def test_a_gateway_that_stood_still_loses_its_batch_and_writes_nothing_more(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    gateways = [begin_gateway(pace=PACE, **AT_A_TIME) for _ in range(2)]
    with client(gateways[0].url) as sdk:
        batch_id = begin(sdk, jsonl(line(n) for n in range(LINES)))
        in_the_middle(sdk, batch_id, sim)
    (frozen,) = [each for each in gateways if each.metrics()["headrace_batches_running"] == 1]
    (other,) = [each for each in gateways if each is not frozen]
    frozen.signal(signal.SIGSTOP)
    try:
        with client(other.url) as sdk:
            eventually(lambda: other.metrics()["headrace_batches_running"] == 1)
    finally:
        frozen.signal(signal.SIGCONT)
    with client(other.url) as sdk:
        assert_all_answered(sdk, until(sdk, batch_id), LINES)
    eventually(lambda: frozen.metrics()["headrace_batches_running"] == 0)
    assert LINES <= calls(sim) <= LINES + 2 * CONCURRENCY


@pytest.mark.heavy
def test_a_store_that_goes_away_in_the_middle_loses_nothing(
    begin_gateway: Begin, sim: ThreadedSim, server: PostgresServer, own_url: str
) -> None:
    # It goes on holding its batch while the server is away.
    batches = {"concurrency": CONCURRENCY, "lease_s": 60}
    gateway = begin_gateway(pace=PACE, store={"url": own_url}, batches=batches)
    with client(gateway.url) as sdk:
        batch_id = begin(sdk, jsonl(line(n) for n in range(LINES)))
        in_the_middle(sdk, batch_id, sim)
        server.kill()
        with pytest.raises(openai.APIStatusError) as refused:
            sdk.batches.retrieve(batch_id)
        assert refused.value.status_code == 503
        server.start()

        def look() -> Any:
            try:
                batch = sdk.batches.retrieve(batch_id)
            except openai.APIStatusError:
                return None
            return batch if batch.status in TERMINAL else None

        assert_all_answered(sdk, eventually(look, 60.0), LINES)
    assert LINES <= calls(sim) <= LINES + CONCURRENCY
