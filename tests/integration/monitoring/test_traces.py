"""Spans of a running gateway, as a collector gets them; and callers' trace context on its way."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.collector import CLIENT, SERVER, Collector, SpanTold
from tests.support.gateway import Gateway
from tests.support.house import ANTHROPIC, OPENAI, House
from tests.support.provider import scripted, sized
from tests.support.waiting import eventually

from headrace.sim.faults import FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
UNSAMPLED = {"traceparent": f"00-{TRACE}-{CALLER}-00"}


@pytest.fixture(scope="module")
def provider() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as sim:
        yield sim


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


def traced(folder: Path, sim: ThreadedSim, collector: Collector, **more: Any) -> House:
    """A gateway that traces every request."""
    telemetry = {"traces": True, "sample": 1, "endpoint": collector.url, **more}
    return House.build(folder, sim, telemetry=telemetry)


def logged(gateway: Gateway, count: int) -> set[str]:
    """The traces that the access log names, once there are so many."""
    found = {line["trace_id"] for line in gateway.requests() if "trace_id" in line}
    return found if len(found) >= count else set()


def of_kind(spans: list[SpanTold], kind: int) -> list[SpanTold]:
    return [span for span in spans if span.kind == kind]


def test_a_request_is_a_span_and_its_call_a_child(
    tmp_path: Path, provider: ThreadedSim, collector: Collector
) -> None:
    house = traced(tmp_path, provider, collector)
    with house.gateway:
        model = house.model()
        answer = house.ask(OPENAI, OPENAI.document(model))
        repeat = house.ask(OPENAI, OPENAI.document(model))
        spans = list(collector.wait_for_spans(3))
        lines = eventually(lambda: logged(house.gateway, 2))
    first = next(
        span for span in of_kind(spans, SERVER) if span.attributes["headrace.cache"] == "miss"
    )
    (call,) = of_kind(spans, CLIENT)
    hit = next(span for span in of_kind(spans, SERVER) if span.attributes["headrace.cache"] == "l1")
    assert (call.trace_id, call.parent_id) == (first.trace_id, first.span_id)
    assert (first.parent_id, hit.parent_id) == ("", "")
    assert hit.trace_id != first.trace_id
    assert first.name == f"chat {model}"
    usage = answer.json()["usage"]
    own_name = model.partition("/")[2]
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "sim",
        "gen_ai.request.model": model,
        "gen_ai.response.model": own_name,
        "gen_ai.usage.input_tokens": usage["prompt_tokens"],
        "gen_ai.usage.output_tokens": usage["completion_tokens"],
        "http.response.status_code": 200,
        "headrace.attempts": 1,
        "headrace.request_id": answer.headers["x-request-id"],
    }
    assert expected.items() <= first.attributes.items()
    assert {"headrace.stage.send_ms", "headrace.stage.route_ms"} <= first.attributes.keys()
    assert call.attributes["gen_ai.request.model"] == own_name
    assert call.attributes["http.response.status_code"] == 200
    assert call.events == ("sent", "first_byte")
    assert hit.attributes["headrace.request_id"] == repeat.headers["x-request-id"]
    assert lines == {first.trace_id, hit.trace_id}
    assert {span.service for span in spans} == {"headrace"}
    seen = provider.stats().last_requests[-1].headers["traceparent"]
    assert seen == f"00-{first.trace_id}-{call.span_id}-01"


def test_a_callers_trace_goes_on_with_a_span_of_its_own(
    tmp_path: Path, provider: ThreadedSim, collector: Collector
) -> None:
    house = traced(tmp_path, provider, collector, sample=0)
    sampled = {**SAMPLED, "tracestate": "vendor=1, other=2"}
    with house.gateway:
        model = house.model()
        for _ in range(2):
            assert house.ask(OPENAI, OPENAI.document(model), sampled).status == 200
        seen = provider.stats().last_requests[-1].headers
        spans = list(collector.wait_for_spans(3))
        unsampled = house.model()
        assert house.ask(OPENAI, OPENAI.document(unsampled), UNSAMPLED).status == 200
        after = provider.stats().last_requests[-1].headers
        assert house.ask(OPENAI, OPENAI.document(house.model())).status == 200
        alone = provider.stats().last_requests[-1].headers
    (call,) = of_kind(spans, CLIENT)
    served = of_kind(spans, SERVER)
    assert {span.trace_id for span in spans} == {TRACE}
    assert [span.parent_id for span in served] == [CALLER, CALLER]
    assert call.parent_id in {span.span_id for span in served}
    assert {span.state for span in spans} == {"vendor=1,other=2"}
    assert seen["traceparent"] == f"00-{TRACE}-{call.span_id}-01"
    assert seen["tracestate"] == "vendor=1,other=2"
    # What is not recorded goes on all the same, and says so.
    assert after["traceparent"].startswith(f"00-{TRACE}-")
    assert after["traceparent"].endswith("-00")
    assert CALLER not in after["traceparent"]
    assert alone["traceparent"].endswith("-00")
    assert len(collector.spans) == 3


@pytest.mark.heavy
@pytest.mark.parametrize(
    "told",
    [
        {"traceparent": f"00-{'0' * 32}-{CALLER}-01"},
        {"traceparent": f"00-{TRACE}-{CALLER}-01-more"},
        {"traceparent": "x" * 4000, "tracestate": "vendor=1"},
    ],
)
def test_a_trace_context_that_is_invalid_is_as_good_as_none(
    house: House, told: dict[str, str], tmp_path: Path, collector: Collector
) -> None:
    with traced(tmp_path, house.sim, collector).gateway as gateway:
        document = OPENAI.document(house.model())
        assert gateway.post(OPENAI.path, document, headers=told).status == 200
        seen = house.sim.stats().last_requests[-1].headers
        spans = collector.wait_for_spans(2)
    assert TRACE not in seen["traceparent"]
    assert "tracestate" not in seen
    assert {span.trace_id for span in spans} == {seen["traceparent"].split("-")[1]}


@pytest.mark.heavy
def test_every_try_is_a_span_and_says_how_it_went(
    tmp_path: Path, provider: ThreadedSim, collector: Collector
) -> None:
    house = traced(tmp_path, provider, collector)
    with house.gateway:
        model = house.model("stubborn")
        house.spoil(model, kind=FaultKind.STATUS, status=503)
        answer = house.ask(OPENAI, OPENAI.document(model))
        refused = house.ask(OPENAI, OPENAI.document(house.model("refused")))
        spans = list(collector.wait_for_spans(5))
    assert (answer.status, answer.headers["x-headrace-attempts"]) == (200, "2")
    assert refused.status == 502
    by_trace: dict[str, list[SpanTold]] = {}
    for span in of_kind(spans, CLIENT):
        by_trace.setdefault(span.attributes["gen_ai.provider.name"], []).append(span)
    failed, good = by_trace["stubborn"]
    assert failed.trace_id == good.trace_id
    assert failed.span_id != good.span_id
    assert (failed.is_error, failed.attributes["error.type"]) == (True, "503")
    assert (good.is_error, good.attributes.get("error.type")) == (False, None)
    (unsent,) = by_trace["refused"]
    assert unsent.attributes["error.type"] == "connect"
    served = {span.attributes["http.response.status_code"]: span for span in of_kind(spans, SERVER)}
    assert served[502].attributes["error.type"] == "upstream_connect"
    assert served[502].is_error
    assert not served[200].is_error


def test_a_stream_is_traced_and_passed_on_as_it_comes(
    tmp_path: Path, provider: ThreadedSim, collector: Collector
) -> None:
    house = traced(tmp_path, provider, collector)
    with house.gateway:
        for speech in (OPENAI, ANTHROPIC):
            model = house.model(speech.lane("trickle"))
            answer = house.ask(speech, speech.document(model, stream=True))
            assert speech.final in answer.events[-1]
        spans = list(collector.wait_for_spans(4))
    calls = of_kind(spans, CLIENT)
    assert [span.attributes["gen_ai.operation.name"] for span in calls] == ["chat", "chat"]
    assert all(span.took_s > 0.1 for span in calls)
    assert all("headrace.stage.relay_ms" in span.attributes for span in of_kind(spans, SERVER))


def test_without_traces_a_callers_context_goes_on_unchanged_or_not_at_all(
    tmp_path: Path, provider: ThreadedSim
) -> None:
    for name, passes in (("on", True), ("off", False)):
        house = House.build(tmp_path / name, provider, telemetry={"pass_context": passes})
        with house.gateway:
            told = {**SAMPLED, "tracestate": "vendor=1"}
            assert house.ask(OPENAI, OPENAI.document(house.model()), told).status == 200
            seen = provider.stats().last_requests[-1].headers
        kept = {name: seen[name] for name in told if name in seen}
        assert kept == (told if passes else {})


@pytest.mark.parametrize("traces", [True, False])
def test_a_reload_changes_nothing_of_who_names_the_trace(
    tmp_path: Path, collector: Collector, traces: bool
) -> None:
    with scripted() as provider:
        named = {"dialect": "openai", "base_url": f"{provider.url}/v1"}
        telemetry = {"sample": 1, "endpoint": collector.url}
        declared = {"providers": {"one": named}}
        provider.answers = [sized(b"{}")]
        with Gateway(tmp_path, {**declared, "telemetry": {**telemetry, "traces": traces}}) as it:
            it.write_settings({**declared, "telemetry": {**telemetry, "traces": not traces}})
            assert it.reload()["event"] == "reloaded"
            told = it.post(OPENAI.path, OPENAI.document("one/m"), headers=SAMPLED)
            assert told.status == 200
    lines = provider.heads[-1].lower().split(b"\r\n")
    contexts = [line for line in lines if line.startswith(b"traceparent:")]
    assert len(contexts) == 1
    assert (CALLER.encode() in contexts[0]) is not traces


def test_no_secret_and_no_word_of_a_prompt_is_in_what_is_sent(
    tmp_path: Path, provider: ThreadedSim, collector: Collector
) -> None:
    key, token = "hr-key-that-nobody-may-see", "token-that-nobody-may-see"
    telemetry = {
        "traces": True,
        "metrics": True,
        "sample": 1,
        "endpoint": collector.url,
        "headers": {"authorization": f"Bearer {token}"},
    }
    keys = [{"key": key, "tenant": "app", "admin": True}]
    lane = {"dialect": "openai", "base_url": f"{provider.url}/v1", "api_key": "sk-of-the-provider"}
    settings = {"providers": {"sim": lane}, "keys": keys, "telemetry": telemetry}
    with Gateway(tmp_path, settings, admin_key=key) as gateway:
        document = OPENAI.document("sim/secret-test")
        headers = {"authorization": f"Bearer {key}"}
        assert gateway.post(OPENAI.path, document, headers=headers).status == 200
        collector.wait_for_spans(2)
        gateway.stop()
        told = gateway.log + gateway.stderr
    assert {each["authorization"] for each in collector.headers} == {f"Bearer {token}"}
    for secret in (key, "sk-of-the-provider", "Tell me of water"):
        assert secret.encode() not in collector.raw
    assert token.encode() not in collector.raw
    assert token not in told
    assert collector.named("gen_ai.client.operation.duration")


def test_where_the_collector_is_stands_in_the_usual_variables_of_the_environment(
    tmp_path: Path, provider: ThreadedSim, collector: Collector
) -> None:
    lane = {"dialect": "openai", "base_url": f"{provider.url}/v1"}
    settings = {"providers": {"sim": lane}, "telemetry": {"traces": True, "sample": 1}}
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=seven",
        "OTEL_SERVICE_NAME": "edge",
    }
    with Gateway(tmp_path, settings, environment=environment) as gateway:
        assert gateway.post(OPENAI.path, OPENAI.document("sim/from-environment")).status == 200
        spans = collector.wait_for_spans(2)
    assert {span.service for span in spans} == {"edge"}
    assert collector.headers[0]["x-tenant"] == "seven"


def test_what_was_answered_last_is_sent_at_the_end(
    tmp_path: Path, provider: ThreadedSim, collector: Collector
) -> None:
    house = traced(tmp_path, provider, collector)
    with house.gateway as gateway:
        models = [house.model() for _ in range(20)]
        for model in models:
            assert house.ask(OPENAI, OPENAI.document(model)).status == 200
        gateway.stop()
    served = {span.attributes["gen_ai.request.model"] for span in of_kind(collector.spans, SERVER)}
    assert served == set(models)
