import hashlib
import math
from typing import Any

import msgspec
import pytest
from tests.support.prompts import block

from headrace.clock import ManualClock
from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.pace import Profile
from headrace.sim.play import Play
from headrace.sim.service import Service
from headrace.sim.stats import Request

CHAT = "/v1/chat/completions"
HELLO = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def request(
    path: str = CHAT, document: Any = HELLO, method: str = "POST", **headers: str
) -> Request:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    lines = {k.replace("_", "-").encode(): v.encode() for k, v in headers.items()}
    return Request(method, path, lines, body, keep_alive=True)


def parts(play: Play) -> tuple[int, dict[str, str], Any]:
    head, _, body = b"".join(play.writes).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, msgspec.json.decode(body)


def ask(service: Service, *args: Any, **kwargs: Any) -> tuple[int, dict[str, str], Any]:
    return parts(service.respond(request(*args, **kwargs), reused=False))


def service(**options: Any) -> Service:
    return Service(SimOptions(**options), ManualClock())


def test_the_same_seed_and_request_give_the_same_answer():
    first = ask(service(seed=5))[2]
    assert first == ask(service(seed=5))[2]
    assert first != ask(service(seed=6))[2]
    other = {**HELLO, "model": "n"}
    assert first["choices"] != ask(service(seed=5), document=other)[2]["choices"]


def test_created_follows_the_clock_for_repeats_too():
    clock = ManualClock(wall_s=100)
    sim = Service(SimOptions(), clock)
    first = ask(sim)[2]
    clock.advance(60)
    second = ask(sim)[2]
    assert (first.pop("created"), second.pop("created")) == (100, 160)
    assert first == second


def test_the_rate_limit_is_told_in_each_dialect():
    sim = service(rate_limit_rpm=2)
    assert ask(sim)[1]["x-ratelimit-remaining-requests"] == "1"
    ask(sim)
    status, headers, body = ask(sim)
    assert (status, headers["retry-after"]) == (429, "30")
    assert body["error"]["code"] == "rate_limit_exceeded"
    assert headers["x-ratelimit-remaining-requests"] == "0"
    status, headers, body = ask(sim, "/v1/messages", {**HELLO, "max_tokens": 9})
    assert (status, body["error"]["type"]) == (429, "rate_limit_error")
    assert headers["anthropic-ratelimit-requests-remaining"] == "0"


def test_failures_have_their_share_and_are_seeded():
    def failed(seed: int) -> list[int]:
        sim = service(seed=seed, fail_rate=0.25)
        return [n for n in range(1000) if ask(sim)[0] == 500]

    assert math.isclose(len(failed(1)), 250, abs_tol=45)
    assert failed(1) == failed(1)
    assert failed(1) != failed(2)


def test_control_headers_replace_the_profile():
    sim = service(profile=Profile.REAL)
    streamed = {**HELLO, "stream": True}
    asked = request(CHAT, streamed, x_sim_tokens="7", x_sim_ttft_ms="30", x_sim_token_ms="20")
    play = sim.respond(asked, reused=False)
    assert (len(play.writes), play.delay_s, play.interval_s) == (7, 0.030, 0.020)
    assert ask(sim, x_sim_tokens="0")[0] == 400
    assert ask(sim, x_sim_ttft_ms="soon")[0] == 400


def test_above_the_capacity_latency_grows():
    sim = service(profile=Profile.FAST, capacity=4)
    calm = sim.respond(request(), reused=False)
    sim.stats.inflight = 12
    busy = sim.respond(request(), reused=False)
    assert busy.delay_s == pytest.approx(3 * calm.delay_s)


def test_keys_are_asked_for_in_both_dialects():
    sim = service(api_keys=("right",))
    assert ask(sim)[0] == 401
    assert ask(sim, authorization="Bearer wrong")[2]["error"]["code"] == "invalid_api_key"
    assert ask(sim, authorization="Bearer right")[0] == 200
    message = {**HELLO, "max_tokens": 9}
    status, _, body = ask(sim, "/v1/messages", message, x_api_key="wrong")
    assert (status, body["error"]["type"]) == (401, "authentication_error")
    assert ask(sim, "/v1/messages", message, x_api_key="right")[0] == 200
    assert ask(sim, "/healthz", b"", "GET")[0] == 200


@pytest.mark.parametrize(
    ("document", "param"),
    [
        (b"{", None),
        (b"\xff", None),
        (b"[]", None),
        ({"model": "m"}, "messages"),
        ({**HELLO, "messages": []}, "messages"),
        ({**HELLO, "messages": [{"role": "what", "content": ""}]}, "messages[0].role"),
        ({**HELLO, "messages": [{"role": "user"}]}, "messages[0].content"),
        ({**HELLO, "messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type"),
        ({**HELLO, "max_tokens": "9"}, "max_tokens"),
        ({**HELLO, "max_tokens": 0}, "max_tokens"),
        ({**HELLO, "n": 0}, "n"),
        ({**HELLO, "tool_choice": "required"}, "tool_choice"),
    ],
)
def test_bad_chat_requests_are_refused_with_the_field(document: Any, param: str | None):
    status, _, body = ask(service(), document=document)
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")
    assert body["error"]["param"] == param


@pytest.mark.parametrize(
    "document", [b"{", HELLO, {**HELLO, "max_tokens": 0}, {"model": "m", "max_tokens": 1}]
)
def test_bad_messages_requests_are_refused(document: Any):
    status, _, body = ask(service(), "/v1/messages", document)
    assert (status, body["type"]) == (400, "error")
    assert body["error"]["type"] == "invalid_request_error"


def test_unknown_models_paths_and_methods():
    sim = service()
    status, _, body = ask(sim, document={**HELLO, "model": "x-no-such-model-y"})
    assert (status, body["error"]["code"]) == (404, "model_not_found")
    assert ask(sim, "/v1/what")[0] == 404
    assert ask(sim, CHAT, b"", "GET")[0] == 405
    assert ask(sim, "/v1/models", b"", "GET")[2]["data"][0]["id"] == "sim-large"
    assert ask(sim, "/v1/models/any", b"", "GET")[2]["id"] == "any"


def test_images_and_unknown_fields_are_taken():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    content = [{"type": "text", "text": "what is it"}, image]
    plain = {**HELLO, "messages": [{"role": "user", "content": content[:1]}]}
    seen = {**HELLO, "messages": [{"role": "user", "content": content}], "unheard_of": {"a": 1}}
    sim = service()
    without, with_image = (ask(sim, document=d)[2]["usage"]["prompt_tokens"] for d in (plain, seen))
    assert (without, with_image) == (9, 94)


def test_vectors_have_length_one_and_likeness():
    texts = ["the mill by the river", "the mill beside the river", "a price in dollars"]
    reply = ask(service(), "/v1/embeddings", {"model": "e", "input": texts, "dimensions": 256})[2]
    one, near, far = (row["embedding"] for row in reply["data"])
    assert len(one) == 256
    assert math.hypot(*one) == pytest.approx(1)
    assert sum(map(float.__mul__, one, near)) > 0.7 > 0.3 > sum(map(float.__mul__, one, far))
    assert reply["usage"] == {"prompt_tokens": 14, "total_tokens": 14}


def test_stats_tell_what_came_and_reset_forgets():
    sim = service()
    body = msgspec.json.encode(HELLO)
    for _ in range(70):
        ask(sim, x_extra="1")
    report = ask(sim, "/_sim/stats", b"", "GET")[2]
    assert report["requests"] == {CHAT: {"m": 70}}
    assert report["bodies"] == {hashlib.sha256(body).hexdigest(): 70}
    assert len(report["last_requests"]) == 64
    assert report["last_requests"][-1] == {
        "method": "POST", "path": CHAT, "headers": {"x-extra": "1"}, "body": body.decode(),
    }  # fmt: skip
    ask(sim, "/_sim/reset", b"")
    assert sim.stats.report().requests_total == 0


def test_a_script_comes_over_http_and_mistakes_are_told():
    sim = service()
    fault = {"kind": "status", "status": 418, "headers": {"x-a": "b"}, "body": '{"tea":1}'}
    assert ask(sim, "/_sim/script", {"faults": [fault]})[0] == 200
    status, headers, body = ask(sim)
    assert (status, headers["x-a"], body) == (418, "b", {"tea": 1})
    assert ask(sim)[0] == 200
    assert sim.stats.report().faults_applied == {"status": 1}
    assert ask(sim, "/_sim/script", {"faults": [{"kind": "no"}]})[0] == 400


def test_options_out_of_range_are_errors():
    for wrong in (
        {"fail_rate": 2.0},
        {"rate_limit_rpm": 0},
        {"capacity": 0},
        {"tokens": 0},
        {"tokens": 100_001},
        {"tls_key_file": "k"},
    ):
        with pytest.raises(ValueError, match=r"must|together"):
            SimOptions(**wrong)


def test_answers_are_as_long_as_the_simulator_was_told_unless_the_call_says():
    sim = service(tokens=7)
    assert ask(sim)[2]["usage"]["completion_tokens"] == 7
    assert ask(sim, x_sim_tokens="9")[2]["usage"]["completion_tokens"] == 9


def test_calls_above_the_bound_are_refused_and_counted():
    sim = service(inflight_max=1)
    sim.stats.inflight = 1  # the connection counts a request in before it asks
    assert ask(sim)[0] == 200
    sim.stats.inflight = 2
    status, headers, body = ask(sim)
    assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
    assert "retry-after" not in headers
    assert sim.stats.report().refused == 1


def test_limits_change_while_it_runs_and_a_reset_takes_that_back():
    sim = service(capacity=4)
    sim.stats.inflight = 4
    assert ask(sim, "/_sim/limits", {"capacity": 2, "inflight_max": 4})[0] == 200
    asked = request(x_sim_ttft_ms="10")
    assert sim.respond(asked, reused=False).delay_s == pytest.approx(0.02)
    assert ask(sim, "/_sim/limits", {"inflight_max": 3})[0] == 200
    assert ask(sim)[0] == 429
    assert ask(sim, "/_sim/limits", {"inflight_max": None})[0] == 200
    assert sim.respond(asked, reused=False).delay_s == pytest.approx(0.02)
    sim.reset()
    assert sim.respond(asked, reused=False).delay_s == pytest.approx(0.01)


@pytest.mark.parametrize("told", [{"capacity": 0}, {"inflight_max": "x"}, {"capcity": 2}])
def test_limits_that_cannot_be_change_nothing(told: dict[str, Any]):
    sim = service(inflight_max=1)
    sim.stats.inflight = 2
    assert ask(sim, "/_sim/limits", told)[0] == 400
    assert ask(sim)[0] == 429


def test_an_answer_kept_for_repeats_is_refused_too_where_a_limit_came():
    sim = service()
    assert (ask(sim)[0], ask(sim)[0]) == (200, 200)
    ask(sim, "/_sim/limits", {"inflight_max": 1})
    sim.stats.inflight = 2
    assert ask(sim)[0] == 429


def test_inputs_of_embeddings_take_as_long_as_asked():
    document = {"model": "m", "input": ["a", "b", "c"]}
    asked = request("/v1/embeddings", document, x_sim_ttft_ms="10", x_sim_input_ms="2")
    assert service().respond(asked, reused=False).delay_s == pytest.approx(0.016)


MARKED = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 9,
    "system": [block(1500, ttl="5m")],
    "messages": [{"role": "user", "content": "What now?"}],
}


def test_the_prompt_cache_is_off_unless_asked_for():
    sim = service()
    for _ in range(2):
        usage = ask(sim, "/v1/messages", MARKED)[2]["usage"]
        assert (usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (0, 0)


def test_the_prompt_cache_is_billed_counted_shifted_and_forgotten():
    sim = service(prompt_cache=True)

    def read() -> int:
        return ask(sim, "/v1/messages", MARKED, x_api_key="one")[2]["usage"][
            "cache_read_input_tokens"
        ]

    assert [read(), read()] == [0, 1500]
    report = sim.stats.report()
    assert (report.cached_tokens, report.written_tokens) == (1500, 1500)
    assert ask(sim, "/_sim/clock", {"ahead_s": 301})[0] == 200
    assert [read(), read()] == [0, 1500]
    assert ask(sim, "/_sim/clock", {"ahead": 301})[0] == 400
    sim.reset()
    assert read() == 0


def test_a_call_that_is_refused_puts_nothing_into_the_prompt_cache():
    sim = service(prompt_cache=True)
    sim.script.load([Fault(kind=FaultKind.STATUS, status=529)])
    assert ask(sim, "/v1/messages", MARKED)[0] == 529
    assert ask(sim, "/v1/messages", MARKED)[2]["usage"]["cache_read_input_tokens"] == 0


def test_a_stream_tells_what_the_prompt_cache_had():
    sim = service(prompt_cache=True)
    for read in (0, 1500):
        play = sim.respond(request("/v1/messages", {**MARKED, "stream": True}), reused=False)
        assert b'"cache_read_input_tokens":%d' % read in b"".join(play.writes)
