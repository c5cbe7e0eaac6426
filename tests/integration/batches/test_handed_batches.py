"""Batches that are handed to the provider's own Batch API."""

from collections import Counter
from typing import Any

import openai
import pytest
from tests.integration.batches.conftest import Begin
from tests.support.batches import begin, client, jsonl, line, results, until
from tests.support.gateway import Gateway
from tests.support.waiting import eventually

from headrace.sim.batch_api import BatchTerms
from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim

LINES = 30
HELD = BatchTerms(delay_s=None)
AT_ONCE: dict[str, Any] = {"poll_s": 0.05}
CHATS = "/v1/chat/completions"


def chats(sim: ThreadedSim) -> int:
    """Calls that were made line by line."""
    return sum(sim.stats().requests.get(CHATS, {}).values())


def provider_batches(sim: ThreadedSim) -> list[Any]:
    with client(sim.url) as sdk:
        return list(sdk.batches.list(limit=100))


def numbers(sdk: Any, file_id: str | None) -> Counter[str]:
    return Counter(each["custom_id"] for each in results(sdk, file_id))


def all_of(count: int) -> Counter[str]:
    return Counter(f"c{n}" for n in range(count))


def lines(count: int = LINES) -> bytes:
    return jsonl(short(n) for n in range(count))


def short(number: int) -> dict[str, Any]:
    """A line whose answer ends by itself, and so may be stored."""
    asked = [{"role": "user", "content": f"What is {number} and one?"}]
    return line(number, body={"model": "m", "messages": asked})


def until_handed(sim: ThreadedSim, count: int = 1) -> None:
    eventually(lambda: len(provider_batches(sim)) == count)


def assert_answered_once(sdk: Any, batch: Any, sim: ThreadedSim, count: int = LINES) -> None:
    """All by one batch of the provider's."""
    assert (batch.status, batch.request_counts.completed) == ("completed", count)
    assert numbers(sdk, batch.output_file_id) == all_of(count)
    (handed,) = provider_batches(sim)
    assert (handed.status, handed.request_counts.total) == ("completed", count)
    assert chats(sim) == 0


def assert_told_of(gateway: Gateway) -> None:
    """That the provider was not as it should be was told, and surprised nobody."""
    assert [each for each in gateway.events() if each["event"] == "batch_handed"]
    assert gateway.bugs() == []


def test_lines_are_answered_by_the_batch_api_of_the_provider(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    gateway = begin_gateway(handed=AT_ONCE)
    with client(gateway.url) as sdk:
        batch = until(sdk, begin(sdk, lines()))
        assert_answered_once(sdk, batch, sim)
        assert batch.usage.output_tokens > 0
        # What was answered there is stored like any other answer, and costs half.
        tokens = batch.usage.input_tokens + batch.usage.output_tokens
        spent_usd = gateway.metrics()['headrace_spent_usd_total{provider="sim"}']
        assert spent_usd == pytest.approx(tokens * 0.001 / 2)
        assert_answered_once(sdk, until(sdk, begin(sdk, lines())), sim)
    (handed,) = provider_batches(sim)
    with client(sim.url) as sdk, pytest.raises(openai.NotFoundError):  # nothing is left there
        sdk.files.content(handed.output_file_id)
    assert [each for each in gateway.events() if each["event"] == "batch_handed"] == []


def test_what_is_stored_is_not_handed_over_and_what_is_the_same_is_only_once(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    gateway = begin_gateway(handed=AT_ONCE)
    with client(gateway.url) as sdk:
        first = until(sdk, begin(sdk, lines(10)))
        assert first.request_counts.completed == 10
        twins = [{**short(n), "custom_id": f"twin {n}"} for n in range(10, 15)]
        whole = jsonl([*(short(n) for n in range(LINES)), *twins])
        batch = until(sdk, begin(sdk, whole))
        assert batch.request_counts.completed == LINES + 5
        assert len(numbers(sdk, batch.output_file_id)) == LINES + 5
    second, _ = provider_batches(sim)
    assert second.request_counts.total == LINES - 10
    assert chats(sim) == 0


def test_more_lines_than_go_at_once_are_several_batches_there(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    gateway = begin_gateway(handed={**AT_ONCE, "lines_max": 8, "at_once": 2})
    with client(gateway.url) as sdk:
        batch = until(sdk, begin(sdk, lines()))
        assert numbers(sdk, batch.output_file_id) == all_of(LINES)
    totals = [each.request_counts.total for each in provider_batches(sim)]
    assert sorted(totals) == [6, 8, 8, 8]


@pytest.mark.heavy
@pytest.mark.parametrize("is_killed", [True, False])
def test_a_gateway_that_ends_goes_on_with_the_batch_that_is_there(
    begin_gateway: Begin, sim: ThreadedSim, *, is_killed: bool
) -> None:
    sim.batch_by(HELD)
    first = begin_gateway(handed=AT_ONCE)
    with client(first.url) as sdk:
        batch_id = begin(sdk, lines())
        until_handed(sim)
    if is_killed:
        first.kill()
    else:
        first.stop()
    second = begin_gateway(handed=AT_ONCE)
    eventually(lambda: second.metrics()["headrace_batches_running"] == 1)
    sim.batch_by(BatchTerms())
    with client(second.url) as sdk:
        assert_answered_once(sdk, until(sdk, batch_id), sim)


@pytest.mark.heavy
@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches"])
def test_a_gateway_that_is_killed_while_it_hands_over_does_so_once(
    begin_gateway: Begin, sim: ThreadedSim, path: str
) -> None:
    # A batch is created, and nobody is told; or a file is there, and no batch.
    sim.script(Fault(kind=FaultKind.STALL_BEFORE, path=path))
    first = begin_gateway(handed=AT_ONCE)
    with client(first.url) as sdk:
        batch_id = begin(sdk, lines())
        eventually(lambda: sim.stats().faults_applied)
    first.kill()
    second = begin_gateway(handed=AT_ONCE)
    with client(second.url) as sdk:
        assert_answered_once(sdk, until(sdk, batch_id), sim)


def test_a_batch_that_was_created_though_nobody_was_told_is_found(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    sim.script(Fault(kind=FaultKind.RESET_BEFORE, path="/v1/batches"))
    gateway = begin_gateway(handed=AT_ONCE)
    with client(gateway.url) as sdk:
        assert_answered_once(sdk, until(sdk, begin(sdk, lines())), sim)
    assert sim.stats().faults_applied == {"reset_before": 1}


def test_a_batch_that_is_cancelled_is_so_at_the_provider_and_keeps_what_it_has(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    sim.batch_by(BatchTerms(delay_s=None, answered_max=10))
    gateway = begin_gateway(handed=AT_ONCE)
    with client(gateway.url) as sdk:
        batch_id = begin(sdk, lines())
        until_handed(sim)
        sdk.batches.cancel(batch_id)
        batch = until(sdk, batch_id)
        assert (batch.status, batch.request_counts.completed) == ("cancelled", 10)
        assert numbers(sdk, batch.output_file_id) == all_of(10)
    (handed,) = provider_batches(sim)
    assert (handed.status, chats(sim)) == ("cancelled", 0)


@pytest.mark.heavy
def test_a_gateway_that_is_killed_before_the_provider_has_cancelled_goes_on_to_do_so(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    sim.batch_by(BatchTerms(delay_s=None, answered_max=10, cancels=False))
    first = begin_gateway(handed=AT_ONCE)
    with client(first.url) as sdk:
        batch_id = begin(sdk, lines())
        until_handed(sim)
        sdk.batches.cancel(batch_id)
        eventually(lambda: provider_batches(sim)[0].status == "cancelling")
    first.kill()
    sim.batch_by(BatchTerms(delay_s=None, answered_max=10))
    second = begin_gateway(handed=AT_ONCE)
    with client(second.url) as sdk:
        batch = until(sdk, batch_id)
        assert (batch.status, batch.request_counts.completed) == ("cancelled", 10)
    (handed,) = provider_batches(sim)
    assert (handed.status, chats(sim)) == ("cancelled", 0)


def test_bad_lines_are_told_by_their_numbers_and_the_rest_is_answered(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    gateway = begin_gateway(handed=AT_ONCE)
    body = {"model": "sim/no-such-model", "messages": [{"role": "user", "content": "a"}]}
    whole = jsonl(["{", *(short(n) for n in range(LINES)), line(99, body=body)])
    with client(gateway.url) as sdk:
        batch = until(sdk, begin(sdk, whole))
        counts = batch.request_counts
        assert (batch.status, counts.completed, counts.failed) == ("completed", LINES, 2)
        wrong = {each["custom_id"]: each for each in results(sdk, batch.error_file_id)}
    assert wrong[None]["error"]["code"] == "invalid_json"
    assert wrong["c99"]["response"]["status_code"] == 404
    assert chats(sim) == 0


@pytest.mark.heavy
@pytest.mark.parametrize("status", [429, 500])
@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches"])
def test_what_the_provider_refuses_for_now_is_handed_over_again(
    begin_gateway: Begin, sim: ThreadedSim, path: str, status: int
) -> None:
    sim.script(Fault(kind=FaultKind.STATUS, path=path, status=status))
    gateway = begin_gateway(handed=AT_ONCE)
    with client(gateway.url) as sdk:
        assert_answered_once(sdk, until(sdk, begin(sdk, lines())), sim)
    assert sim.stats().faults_applied == {"status": 1}
    assert_told_of(gateway)


@pytest.mark.heavy
@pytest.mark.parametrize("is_content", [False, True])
def test_a_provider_that_fails_again_and_again_is_asked_again(
    begin_gateway: Begin, sim: ThreadedSim, *, is_content: bool
) -> None:
    sim.batch_by(HELD)
    gateway = begin_gateway(handed=AT_ONCE)
    with client(gateway.url) as sdk:
        batch_id = begin(sdk, lines())
        until_handed(sim)
        (handed,) = provider_batches(sim)
        poll = Fault(kind=FaultKind.STATUS, path=f"/v1/batches/{handed.id}", status=503, times=None)
        sim.script(poll)
        eventually(lambda: sim.stats().faults_applied.get("status", 0) >= 4)
        sim.batch_by(BatchTerms())
        if is_content:
            path = f"/v1/files/{provider_batches(sim)[0].output_file_id}/content"
            sim.script(Fault(kind=FaultKind.STATUS, path=path, status=503, times=4))
        else:
            sim.script()
        assert_answered_once(sdk, until(sdk, batch_id), sim)
    assert_told_of(gateway)


@pytest.mark.parametrize("fallback", ["lines", "fail"])
def test_what_cannot_be_handed_over_goes_by_the_setting(
    begin_gateway: Begin, sim: ThreadedSim, fallback: str
) -> None:
    sim.script(Fault(kind=FaultKind.STATUS, path="/v1/files", status=500, times=None))
    gateway = begin_gateway(handed={**AT_ONCE, "fallback": fallback, "tries": 1})
    with client(gateway.url) as sdk:
        batch = until(sdk, begin(sdk, lines()))
        assert batch.status == "completed"
        wrong = results(sdk, batch.error_file_id)
        codes = Counter(each["error"]["code"] for each in wrong)
    is_asked = fallback == "lines"
    assert batch.request_counts.completed == chats(sim) == (LINES if is_asked else 0)
    assert codes == ({} if is_asked else {"provider_batch_failed": LINES})
    assert provider_batches(sim) == []


@pytest.mark.heavy
@pytest.mark.parametrize("fallback", ["lines", "fail"])
@pytest.mark.parametrize(("ending", "answered"), [("expired", 10), ("failed", 0)])
def test_lines_that_a_batch_there_leaves_go_by_the_setting(
    begin_gateway: Begin, sim: ThreadedSim, fallback: str, ending: Any, answered: int
) -> None:
    sim.batch_by(BatchTerms(ending=ending, answered_max=answered))
    gateway = begin_gateway(handed={**AT_ONCE, "fallback": fallback})
    with client(gateway.url) as sdk:
        batch = until(sdk, begin(sdk, lines()))
        counts = batch.request_counts
        codes = Counter(each["error"]["code"] for each in results(sdk, batch.error_file_id))
    assert batch.status == "completed"
    if fallback == "lines":
        assert (counts.completed, counts.failed, codes) == (LINES, 0, {})
        assert chats(sim) == LINES - answered
    else:
        assert (counts.completed, counts.failed) == (answered, LINES - answered)
        code = "batch_expired" if ending == "expired" else "provider_batch_failed"
        assert codes == {code: LINES - answered}
        assert chats(sim) == 0
    assert [each.status for each in provider_batches(sim)] == [ending]


def test_a_model_without_a_price_for_batches_is_asked_line_by_line(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    price = {"input": 1000, "output": 1000}
    models = {"m": {"targets": ["sim/m"], "price": price}}
    gateway = begin_gateway(handed=AT_ONCE, models=models)
    with client(gateway.url) as sdk:
        batch = until(sdk, begin(sdk, lines()))
        assert batch.request_counts.completed == LINES
    assert (chats(sim), provider_batches(sim)) == (LINES, [])


def test_a_budget_holds_and_settles_what_a_batch_costs_there(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    sim.batch_by(HELD)
    gateway = begin_gateway(
        handed=AT_ONCE,
        keys=[{"key": "k", "name": "app", "tenant": "acme"}],
        budgets=[{"tenant": "acme", "day_usd": 1.0}],
    )
    with client(gateway.url) as sdk:
        batch_id = begin(sdk, jsonl(line(n) for n in range(300)))
        until_handed(sim)
        (handed,) = provider_batches(sim)
        sim.batch_by(BatchTerms())
        batch = until(sdk, batch_id)
        counts = batch.request_counts
        codes = {
            each["response"]["body"]["error"]["code"] for each in results(sdk, batch.error_file_id)
        }
    assert codes == {"budget_exceeded"}
    assert 0 < counts.completed == handed.request_counts.total < 300
    tokens = batch.usage.input_tokens + batch.usage.output_tokens
    assert tokens * 0.001 / 2 <= 1.0
