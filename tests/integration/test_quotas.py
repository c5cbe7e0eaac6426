"""Quotas of providers are kept, by one key or several, and who finds no room waits or is told."""

import contextlib
import json
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.integration.test_turns import Asking, question
from tests.support.gateway import Gateway
from tests.support.house import OPENAI
from tests.support.provider import ScriptedProvider, scripted, sized, streamed
from tests.support.waiting import eventually
from tests.support.wire import Response, connect, encode_request

from headrace.sim.options import SimOptions
from headrace.sim.thread import running

USAGE = {"prompt_tokens": 1040, "completion_tokens": 1600, "total_tokens": 2640}
MESSAGE = {"role": "assistant", "content": "Water."}
WHOLE = json.dumps(
    {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}],
        "usage": USAGE,
    }
).encode()
KEYS = [{"key": "sk-first-secret", "name": "main"}, {"key": "sk-second-secret"}]


def gateway_to(
    folder: Path, url: str, *, listen: dict[str, Any] | None = None, **provider: Any
) -> Gateway:
    settings = {
        "dialect": "openai",
        "base_url": f"{url}/v1",
        "retry": {"tries_max": 1},
        "warm_connections": 0,
        **provider,
    }
    return Gateway(folder, {"providers": {"sim": settings}, "listen": listen or {}})


def told(gateway: Gateway) -> Any:
    """What the console tells of the provider."""
    return gateway.get("/admin/flow").json()["providers"]["sim"]


def left(gateway: Gateway, kind: str, key: int = 0) -> float:
    """How much is left of one limit of a key."""
    return float(told(gateway)["keys"][key]["left"]["m"][kind]["left"])


def waiting(gateway: Gateway) -> int:
    """Calls that wait for their turn, or for a key with room."""
    return int(told(gateway)["models"]["m"]["queue"]["waiting"])


def waits(gateway: Gateway, calls: int) -> bool:
    """Whether so many calls wait."""
    return waiting(gateway) == calls


def ask(gateway: Gateway, number: int, **headers: str) -> Response:
    return gateway.post(OPENAI.path, question(number), headers=headers)


def good(*headers: str) -> bytes:
    return sized(WHOLE, headers=headers)


def refusal(status: str, *headers: str) -> bytes:
    return sized(b'{"error": {"message": "no"}}', status=status, headers=headers)


def keys_used(provider: ScriptedProvider) -> list[int]:
    """Which key each call came with, from 1."""
    secrets = [str(each["key"]).encode() for each in KEYS]
    return [next(at for at, each in enumerate(secrets, 1) if each in h) for h in provider.heads]


@pytest.mark.heavy
def test_a_quota_is_kept_and_used(tmp_path: Path) -> None:
    """More callers than the quota has room for: none is refused, by nobody, and most go at once."""
    calls, limit = 49, 60
    quota = {"requests_per_minute": limit, "headroom": 0.25}  # room for a machine that is slow
    with (
        running(SimOptions(rate_limit_rpm=limit)) as sim,
        gateway_to(tmp_path, sim.url, quota=quota) as gateway,
    ):
        asking = [Asking(gateway, number) for number in range(calls)]
        assert {each.end().status for each in asking} == {200}
        assert sim.stats().refused == 0
        metrics = gateway.metrics()
        answers = 'headrace_upstream_requests_total{provider="sim",status_class="2xx"}'
        assert metrics[answers] == calls
        assert not any(name.startswith("headrace_upstream_limited") for name in metrics)
        used = metrics['headrace_quota_used_ratio{provider="sim",key="1",kind="requests"}']
        assert used > 0.8
        waited = [each for each in asking if "schedule" in each.response.headers["server-timing"]]
        assert 1 <= len(waited) <= 4


def test_without_a_quota_nothing_is_counted(tmp_path: Path) -> None:
    with running(SimOptions(rate_limit_rpm=5)) as sim, gateway_to(tmp_path, sim.url) as gateway:
        statuses = [ask(gateway, number).status for number in range(6)]
        assert statuses == [200] * 5 + [429]
        assert told(gateway)["keys"] == []
        assert not any(name.startswith("headrace_quota") for name in gateway.metrics())


def test_the_key_with_most_left_is_taken(tmp_path: Path) -> None:
    keys = [
        {**KEYS[0], "quota": {"requests_per_minute": 60}},
        {**KEYS[1], "quota": {"requests_per_minute": 20}},
    ]
    with scripted() as provider, gateway_to(tmp_path, provider.url, api_keys=keys) as gateway:
        provider.answers = [good()]
        assert {ask(gateway, number).status for number in range(40)} == {200}
        used = keys_used(provider)
        assert (used.count(1), used.count(2)) == (30, 10)
        shown = told(gateway)["keys"]
        assert [each["name"] for each in shown] == ["main", ""]
        assert [each["number"] for each in shown] == [1, 2]


def test_keys_are_shown_nowhere(tmp_path: Path) -> None:
    with scripted() as provider, gateway_to(tmp_path, provider.url, api_keys=KEYS) as gateway:
        provider.answers = [refusal("429 Too Many Requests", "retry-after: 40")]
        answers = [ask(gateway, 0), ask(gateway, 1)]
        pages = [each.raw_head + each.body for each in answers]
        pages += [gateway.get(path).body for path in ("/admin/flow", "/admin/status", "/metrics")]
        pages += [gateway.log.encode(), gateway.stderr.encode()]
        assert not any(b"secret" in page for page in pages)


def test_headers_put_right_what_a_stranger_used(tmp_path: Path) -> None:
    with (
        scripted() as provider,
        gateway_to(tmp_path, provider.url, quota={"requests_per_minute": 600}) as gateway,
    ):
        provider.answers = [
            good("x-ratelimit-limit-requests: 600", "x-ratelimit-remaining-requests: 41")
        ]
        assert ask(gateway, 0).status == 200
        assert left(gateway, "requests") < 200  # ten come back in a second


def test_limits_are_learnt_where_there_are_none(tmp_path: Path) -> None:
    with scripted() as provider, gateway_to(tmp_path, provider.url, quota={}) as gateway:
        provider.answers = [
            good(
                "x-ratelimit-limit-tokens: 30000",
                "x-ratelimit-remaining-tokens: 5000",
                "x-ratelimit-reset-tokens: 50s",
            )
        ]
        assert ask(gateway, 0).status == 200
        tokens = told(gateway)["keys"][0]["left"]["m"]["tokens"]
        assert tokens["per_minute"] == 30000
        assert tokens["left"] < 15000  # 500 come back in a second


@pytest.mark.parametrize(
    "headers",
    [
        ("x-ratelimit-limit-requests: many", "x-ratelimit-remaining-requests: few"),
        ("x-ratelimit-limit-requests: -1", "x-ratelimit-remaining-requests: -600"),
        ("x-ratelimit-limit-requests: 1e3", "x-ratelimit-remaining-requests: nan"),
        ("x-ratelimit-remaining-requests: 99999999999999999999",),
        ("retry-after: 100000",),  # of a success it says nothing
        ("x-ratelimit-limit-requests: 0", "x-ratelimit-remaining-requests: 0"),
    ],
    ids=str,
)
def test_headers_that_lie_change_nothing(tmp_path: Path, headers: tuple[str, ...]) -> None:
    with (
        scripted() as provider,
        gateway_to(tmp_path, provider.url, quota={"requests_per_minute": 600}) as gateway,
    ):
        provider.answers = [good(*headers)]
        assert [ask(gateway, number).status for number in range(3)] == [200] * 3
        requests = told(gateway)["keys"][0]["left"]["m"]["requests"]
        assert requests["per_minute"] == 600
        assert requests["left"] >= 600 * 0.95 - 3


def test_a_good_answer_is_given_whatever_another_target_is_for(tmp_path: Path) -> None:
    """Its head is looked at for the key's sake, and is no failure for that."""
    with scripted() as provider, scripted() as other:
        provider.answers, other.answers = [good()], [good()]
        settings = {
            name: {"dialect": "openai", "base_url": f"{each.url}/v1", "warm_connections": 0}
            for name, each in (("sim", provider), ("other", other))
        }
        settings["sim"]["quota"] = {"requests_per_minute": 600}
        after = ["refused", "denied", "too_long"]
        targets = ["sim/m", {"target": "other/m", "on": after}]
        with Gateway(
            tmp_path, {"providers": settings, "models": {"m": {"targets": targets}}}
        ) as gateway:
            reply = gateway.post(OPENAI.path, {**question(0), "model": "m"})
            assert (reply.status, reply.headers["x-headrace-provider"]) == (200, "sim")
            assert reply.headers["x-headrace-attempts"] == "1"
            assert other.heads == []


def test_a_429_of_one_key_goes_to_another_at_once(tmp_path: Path) -> None:
    with scripted() as provider, gateway_to(tmp_path, provider.url, api_keys=KEYS) as gateway:
        provider.closes = False
        provider.answers = [
            refusal("429 Too Many Requests", "retry-after: 30"),
            good(),
        ]
        first = ask(gateway, 0)
        assert (first.status, first.headers["x-headrace-attempts"]) == (200, "2")
        assert [ask(gateway, number).status for number in range(1, 4)] == [200] * 3
        used = keys_used(provider)
        assert used[0] != used[1]
        assert used[1:] == [used[1]] * 4  # the refused one is left alone
        shut = told(gateway)["keys"][used[0] - 1]
        assert 20 < shut["closed_s"] <= 30
        assert shut["refused"] == 1
        series = f'headrace_upstream_limited_total{{provider="sim",key="{used[0]}"}}'
        assert gateway.metrics()[series] == 1


def test_a_key_that_is_not_known_any_more_is_left_alone(tmp_path: Path) -> None:
    with scripted() as provider, gateway_to(tmp_path, provider.url, api_keys=KEYS) as gateway:
        provider.answers = [refusal("401 Unauthorized"), good()]
        assert [ask(gateway, number).status for number in range(4)] == [200] * 4
        used = keys_used(provider)
        assert used.count(used[0]) == 1


def test_where_every_key_is_unknown_callers_see_it(tmp_path: Path) -> None:
    with scripted() as provider, gateway_to(tmp_path, provider.url, api_keys=KEYS) as gateway:
        provider.answers = [refusal("401 Unauthorized")]
        assert [ask(gateway, number).status for number in range(3)] == [401] * 3


def test_retry_after_shuts_the_only_key(tmp_path: Path) -> None:
    with scripted() as provider, gateway_to(tmp_path, provider.url, quota={}) as gateway:
        provider.answers = [refusal("429 Too Many Requests", "retry-after: 100"), good()]
        assert ask(gateway, 0).status == 429
        refused = ask(gateway, 1)  # waits for 30 s at the most
        assert (refused.status, refused.error["code"]) == (503, "quota_exhausted")
        assert 60 <= int(refused.headers["retry-after"]) <= 100
        late = ask(gateway, 2, **{"x-headrace-deadline-ms": "5000"})
        assert (late.status, late.error["code"]) == (503, "deadline_out_of_reach")
        assert 60 <= int(late.headers["retry-after"]) <= 100
        assert len(provider.heads) == 1


def test_an_absurd_retry_after_is_bounded(tmp_path: Path) -> None:
    quota = {"retry_after_s_max": 0.5}
    with scripted() as provider, gateway_to(tmp_path, provider.url, quota=quota) as gateway:
        provider.answers = [refusal("429 Too Many Requests", "retry-after: 99999999"), good()]
        assert ask(gateway, 0).status == 429
        assert ask(gateway, 1).status == 200


def test_a_call_above_the_quota_is_told_at_once(tmp_path: Path) -> None:
    quota = {"tokens_per_minute": 1000}
    with scripted() as provider, gateway_to(tmp_path, provider.url, quota=quota) as gateway:
        provider.answers = [good()]
        asked = gateway.post(OPENAI.path, {**question(0), "max_tokens": 5000})
        assert (asked.status, asked.error["code"]) == (400, "above_quota")
        long = {"role": "user", "content": "water " * 4000}
        sent = gateway.post(OPENAI.path, {**question(0), "messages": [long]})
        assert (sent.status, sent.error["code"]) == (400, "above_quota")
        picture = {"role": "user", "content": "data:image/png;base64," + "A" * 60_000}
        assert gateway.post(OPENAI.path, {**question(0), "messages": [picture]}).status == 200
        assert len(provider.heads) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_usage_is_settled_at_the_end(tmp_path: Path, stream: bool) -> None:
    quota = {"input_tokens_per_minute": 6000, "output_tokens_per_minute": 6000}
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": MESSAGE}]}
    done = {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    events = (chunk, done, {**chunk, "choices": [], "usage": USAGE})
    with scripted() as provider, gateway_to(tmp_path, provider.url, quota=quota) as gateway:
        lines = [b"data: " + json.dumps(each).encode() + b"\n\n" for each in events]
        provider.answers = [streamed(*lines, b"data: [DONE]\n\n") if stream else good()]
        document = {**question(0), "max_tokens": 4000, "stream": stream}
        assert gateway.post(OPENAI.path, document).status == 200
        full = 6000 * 0.95
        # What was asked for is more, and what was guessed is less; a second gives 100 back.
        assert full - 1040 <= left(gateway, "input_tokens") <= full - 500
        assert full - 1600 <= left(gateway, "output_tokens") <= full - 1000
        assert told(gateway)["keys"][0]["inflight"] == 0


def test_a_stream_that_breaks_off_is_settled_too(tmp_path: Path) -> None:
    quota = {"output_tokens_per_minute": 6000}
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": MESSAGE}]}
    line = b"data: " + json.dumps(chunk).encode() + b"\n\n"
    with scripted() as provider, gateway_to(tmp_path, provider.url, quota=quota) as gateway:
        provider.answers = [streamed(line, line, ends=False)]
        document = {**question(0), "max_tokens": 4000, "stream": True}
        assert gateway.post(OPENAI.path, document).events[-1] != "[DONE]"
        eventually(lambda: told(gateway)["keys"][0]["inflight"] == 0)
        assert left(gateway, "output_tokens") > 5000


def test_who_waits_is_told_when_it_cannot_be_served(tmp_path: Path) -> None:
    """A call in ten seconds: the next waits, others are told how long it takes, or go away."""
    quota = {"requests_per_minute": 6, "burst_s": 10, "headroom": 0}
    listen = {"drain_timeout_s": 0.5}
    with (
        scripted() as provider,
        gateway_to(tmp_path, provider.url, listen=listen, quota=quota) as gateway,
    ):
        provider.answers = [good()]
        assert ask(gateway, 0).status == 200
        first = Asking(gateway, 1)
        eventually(lambda: waiting(gateway) == 1)
        second = Asking(gateway, 2)
        eventually(lambda: waiting(gateway) == 2)
        assert gateway.metrics()['headrace_waiting_calls{provider="sim"}'] == 2
        late = ask(gateway, 3, **{"x-headrace-deadline-ms": "1000"})
        assert (late.status, late.error["code"]) == (503, "deadline_out_of_reach")
        assert 20 <= int(late.headers["retry-after"]) <= 30
        gateway.signal(signal.SIGTERM)
        ends = [first.end(), second.end()]
        assert [each.status for each in ends] == [503, 503]
        assert {each.error["code"] for each in ends} == {"shutting_down"}
        assert len(provider.heads) == 1
        assert gateway.wait_for_exit() == 0  # a signal more would find nobody who minds it


def test_who_goes_away_while_waiting_leaves_nothing(tmp_path: Path) -> None:
    quota = {"requests_per_minute": 6, "burst_s": 10, "headroom": 0}
    with scripted() as provider, gateway_to(tmp_path, provider.url, quota=quota) as gateway:
        provider.answers = [good()]
        assert ask(gateway, 0).status == 200
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(connect(gateway.url)) for _ in range(3)]
            for number, wire in enumerate(wires, 1):
                wire.send(encode_request(OPENAI.path, question(number)))
                eventually(partial(waits, gateway, number))
            for wire in (wires[1], wires[0]):  # the next to wait, and the one whose turn it is
                wire.close()
            eventually(lambda: waiting(gateway) == 1)
        eventually(lambda: waiting(gateway) == 0)
        assert told(gateway)["models"]["m"]["inflight"] == 0
        assert len(provider.heads) == 1
        gateway.wait_until_quiet()


def test_keys_go_on_from_where_they_stood_after_a_reload(tmp_path: Path) -> None:
    with (
        scripted() as provider,
        gateway_to(tmp_path, provider.url, quota={"requests_per_minute": 60}) as gateway,
    ):
        provider.answers = [good()]
        assert {ask(gateway, number).status for number in range(30)} == {200}
        settings = json.loads(gateway.config_file.read_text())
        settings["providers"]["sim"]["quota"]["requests_per_minute"] = 50
        settings["providers"]["sim"]["idle_timeout_s"] = 30
        gateway.write_settings(settings)
        assert gateway.reload()["event"] == "reloaded"
        requests = told(gateway)["keys"][0]["left"]["m"]["requests"]
        assert requests["per_minute"] == 50
        assert requests["left"] < 40


@pytest.mark.heavy
def test_who_waits_is_served_although_the_lane_was_replaced(tmp_path: Path) -> None:
    quota = {"requests_per_minute": 30, "burst_s": 2, "headroom": 0}
    with scripted() as provider, gateway_to(tmp_path, provider.url, quota=quota) as gateway:
        provider.answers = [good()]
        assert ask(gateway, 0).status == 200
        first, second = Asking(gateway, 1), Asking(gateway, 2)
        eventually(lambda: waiting(gateway) == 2)
        settings = json.loads(gateway.config_file.read_text())
        settings["providers"]["sim"]["idle_timeout_s"] = 30
        gateway.write_settings(settings)
        assert gateway.reload()["event"] == "reloaded"
        assert [first.end().status, second.end().status] == [200, 200]
        assert len(provider.heads) == 3
        gateway.wait_until_quiet()
