"""A real gateway whose keys have limits: who asks too much is told when to come again."""

import contextlib
import itertools
import math
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import ANTHROPIC, OPENAI, SPEECHES, Speech, lanes
from tests.support.waiting import eventually
from tests.support.wire import Response, Wire, connect, encode_request

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim

FREE, OPERATOR = "hr-free", "hr-operator"
# A minute's worth lasts as long as any test here: what is used does not come back meanwhile.
FEW = {"requests_per_minute": 3}


class Door:
    """A gateway with one limited key, one that is not, and an operator's."""

    def __init__(self, folder: Path, sim: ThreadedSim, **limits: Any) -> None:
        self.key = "hr-limited"
        self._sim = sim
        self.gateway = Gateway(folder, self.settings(**limits), admin_key=OPERATOR)

    def settings(
        self,
        *,
        address: Any = None,
        workers: int = 1,
        models: Mapping[str, tuple[str, str]] = MappingProxyType({}),
        cache: Any = None,
        **limits: Any,
    ) -> dict[str, Any]:
        keys = [
            {"key": "hr-limited", "tenant": "a", "name": "limited", **limits},
            {"key": FREE, "tenant": "b"},
            {"key": OPERATOR, "tenant": "ops", "admin": True},
        ]
        texts = {
            name: {"targets": [target], "fallback_text": text}
            for name, (target, text) in models.items()
        }
        return {
            "providers": lanes(self._sim.url),
            "models": texts,
            "keys": keys,
            "listen": {"workers": workers},
            "limits": {"address": address or {}},
            "cache": cache or {},
        }

    def ask(
        self, document: Any, *, path: str = OPENAI.path, key: str = "", **more: str
    ) -> Response:
        headers = {"authorization": f"Bearer {key or self.key}", **more}
        return self.gateway.post(path, document, headers=headers)

    def chat(self, number: int, *, key: str = "", **fields: Any) -> Response:
        return self.ask(OPENAI.document("sim/m", seed=number, **fields), key=key)

    def listening(self) -> list[int]:
        """The workers that have begun so far."""
        return [each["pid"] for each in self.gateway.events() if each["event"] == "listening"]

    def told(self) -> Any:
        (told,) = self.gateway.status()["callers"]["keys"]
        return told


@pytest.fixture
def doors(tmp_path: Path, sim: ThreadedSim) -> Iterator[Any]:
    opened: list[Door] = []

    def opens(**limits: Any) -> Door:
        opened.append(Door(tmp_path, sim, **limits))
        return opened[-1]

    yield opens
    for door in opened:
        with door.gateway:
            pass


def code(response: Response) -> str:
    told: str = response.error["code"]
    return told


def test_requests_are_counted_for_each_key(doors: Any) -> None:
    door = doors(**FEW)
    for number in range(3):
        response = door.chat(number)
        assert response.status == 200
        assert response.headers["x-ratelimit-limit-requests"] == "3"
        assert response.headers["x-ratelimit-remaining-requests"] == str(2 - number)
        assert "x-ratelimit-limit-tokens" not in response.headers
    refused = door.chat(3)
    assert (refused.status, code(refused)) == (429, "rate_limit_requests")
    assert refused.error["type"] == "rate_limit_error"
    wait_ms = int(refused.headers["retry-after-ms"])
    assert 0 < wait_ms <= 20_000
    assert refused.headers["retry-after"] == str(math.ceil(wait_ms / 1000))
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert "x-should-retry" not in refused.headers
    for number in range(9):
        other = door.chat(number, key=FREE)
        assert other.status == 200
        # What the provider says of its own limits is passed on to those who have none here.
        assert other.headers["x-ratelimit-limit-requests"] != "3"
    metrics = door.gateway.metrics()
    assert metrics['headrace_rate_limited_total{limit="requests"}'] == 1
    assert sum(value for name, value in metrics.items() if "bad_requests" in name) == 0
    assert door.told()["refused"] == 1


def test_repeats_are_requests_however_they_are_found(doors: Any) -> None:
    door = doors(**FEW, tokens_per_minute=1_000_000)
    first = door.chat(0)
    left = first.headers["x-ratelimit-remaining-tokens"]
    again = door.chat(0)  # by its bytes
    spelled = door.ask(OPENAI.document("sim/m", seed=0) | {"stream": False})  # by what it means
    assert (again.cache, spelled.cache) == ("l1", "l1")
    for response, rest in ((again, "1"), (spelled, "0")):
        assert response.headers["x-ratelimit-remaining-requests"] == rest
        assert int(response.headers["x-ratelimit-remaining-tokens"]) >= int(left)
    assert door.chat(0).status == 429
    assert door.told()["inflight"] == 0


def test_tokens_used_are_the_providers_own_count(doors: Any) -> None:
    door = doors(tokens_per_minute=1_000_000)
    response = door.chat(0)
    used = response.json()["usage"]["total_tokens"]
    left = int(response.headers["x-ratelimit-remaining-tokens"])
    # What has come back since, at 17 tokens a millisecond, is all that may be added.
    assert 1_000_000 - used <= left <= 1_000_000
    assert response.headers["x-ratelimit-limit-tokens"] == "1000000"


@pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)
def test_a_debt_of_tokens_is_waited_for(doors: Any, speech: Speech) -> None:
    door = doors(tokens_per_minute=60)
    document = speech.document(speech.lane("flood") + "/m")  # an answer of 32,000 tokens
    first = door.ask(document, path=speech.path)
    assert first.status == 200
    refused = door.ask({**document, "temperature": 0.5}, path=speech.path)
    assert refused.status == 429
    assert refused.error["code"] == "rate_limit_tokens"
    # The stored answer needs none, asked for in the same words or in others.
    assert door.ask(document, path=speech.path).cache == "l1"
    assert door.ask({**document, "stream": False}, path=speech.path).cache == "l1"
    if speech is ANTHROPIC:
        assert refused.headers["anthropic-ratelimit-tokens-remaining"] == "0"
        assert refused.headers["anthropic-ratelimit-tokens-reset"].endswith("Z")
        assert refused.json()["error"]["type"] == "rate_limit_error"
    assert door.gateway.metrics()['headrace_rate_limited_total{limit="tokens"}'] == 1


def test_what_never_fits_is_not_to_be_tried_again(doors: Any) -> None:
    door = doors(tokens_per_minute=60)
    refused = door.chat(0, user="word " * 100)
    assert (refused.status, code(refused)) == (429, "rate_limit_too_small")
    assert refused.headers["x-should-retry"] == "false"
    assert "retry-after" not in refused.headers
    assert door.told()["inflight"] == 0


def test_embeddings_count_alike(doors: Any, sim: ThreadedSim) -> None:
    door = doors(tokens_per_minute=6000, requests_per_minute=3)
    documents = [{"model": "sim/e", "input": f"word {number}"} for number in range(4)]
    told = [door.ask(document, path="/v1/embeddings") for document in documents]
    assert [response.status for response in told] == [200, 200, 200, 429]
    used = sum(response.json()["usage"]["total_tokens"] for response in told[:3])
    assert used > 0
    assert int(told[2].headers["x-ratelimit-remaining-tokens"]) >= 6000 - used
    assert sim.stats().requests["/v1/embeddings"]["e"] == 3


@pytest.mark.heavy
def test_limits_of_the_provider_are_not_those_of_the_caller(doors: Any, sim: ThreadedSim) -> None:
    headers = {"x-ratelimit-remaining-requests": "77", "retry-after": "1"}
    door = doors(requests_per_minute=100)
    for key, left in (("", "99"), (FREE, "77")):
        sim.script(Fault(kind=FaultKind.STATUS, status=429, headers=headers))
        response = door.chat(0, key=key)
        assert (response.status, response.headers["retry-after"]) == (429, "1")
        assert response.headers["x-ratelimit-remaining-requests"] == left


@contextlib.contextmanager
def stream(door: Door, number: int = 0) -> Iterator[Wire]:
    """A stream of the limited key that has been asked for."""
    document = OPENAI.document("trickle/m", stream=True, seed=number)
    headers = {"authorization": f"Bearer {door.key}"}
    with connect(door.gateway.url) as wire:
        wire.send(encode_request(OPENAI.path, document, headers=headers))
        yield wire


def wait_for_place(door: Door) -> None:
    eventually(lambda: door.told()["inflight"] == 0 or None)


def test_a_stream_holds_its_place_to_its_end(doors: Any) -> None:
    door = doors(concurrent=1)
    with stream(door) as wire:
        assert b" 200 " in wire.read_until(b"\r\n\r\n")
        refused = door.chat(1)
        assert (refused.status, code(refused)) == (429, "rate_limit_concurrent")
        assert refused.headers["retry-after"] == "1"
        wire.read_until(b"[DONE]")
        wire.read_until(b"\r\n0\r\n\r\n")
        assert door.chat(2).status == 200


def test_who_goes_away_in_a_stream_gives_its_place_back(doors: Any) -> None:
    door = doors(concurrent=1)
    numbers = itertools.count()
    for mark, is_reset in itertools.product((b"\r\n\r\n", b"data:", b""), (False, True)):
        with stream(door, next(numbers)) as wire:
            if mark:
                wire.read_until(mark)
            else:
                eventually(lambda: door.told()["inflight"] == 1 or None)
            assert door.chat(next(numbers)).status == 429
            if is_reset:
                wire.reset()
        wait_for_place(door)
        assert door.chat(next(numbers)).status == 200


def test_tokens_of_a_stream_that_was_left_stay_counted(doors: Any) -> None:
    door = doors(tokens_per_minute=600)
    assert door.ask(OPENAI.document("trickle/m")).status == 200  # answers are 40 tokens long
    before = door.told()["tokens_left"]
    with stream(door) as wire:
        wire.read_until(b"data:")
    wait_for_place(door)
    assert door.told()["tokens_left"] < before


def test_a_call_that_fails_gives_its_place_back(doors: Any, sim: ThreadedSim) -> None:
    door = doors(concurrent=1, tokens_per_minute=100_000)
    faults = (
        {"kind": FaultKind.STATUS, "status": 500},
        {"kind": FaultKind.RESET_BEFORE},
        {"kind": FaultKind.CUT, "after_chunks": 2},
        {"kind": FaultKind.GARBAGE},
    )
    numbers = itertools.count()
    for fault, more in itertools.product(faults, ({}, {"stream": True})):
        sim.script(Fault(**fault))
        door.chat(next(numbers), **more)
        wait_for_place(door)
        assert door.chat(next(numbers)).status == 200


def test_what_is_given_where_all_failed_takes_no_tokens(doors: Any, sim: ThreadedSim) -> None:
    door = doors(tokens_per_minute=600, models={"m": ("sim/m", "Come again.")})
    sim.script(Fault(kind=FaultKind.STATUS, status=500))
    given = door.ask(OPENAI.document("m"))
    assert (given.status, given.headers["x-headrace-fallback"]) == (200, "text")
    assert given.headers["x-ratelimit-remaining-tokens"] == "600"


def test_whoever_is_refused_is_given_no_stale_answer(doors: Any, sim: ThreadedSim) -> None:
    cache = {"ttl_s": 0.1, "stale_if_error_s": 3600}
    door = doors(tokens_per_minute=60, cache=cache)
    document = OPENAI.document("flood/m")
    assert door.ask(document).status == 200
    eventually(lambda: door.ask(document).status == 429 or None)
    # Nor is one counted as given.
    assert not [name for name in door.gateway.metrics() if "cache_stale" in name]


def test_bad_requests_give_their_place_back(doors: Any, sim: ThreadedSim) -> None:
    door = doors(concurrent=1, tokens_per_minute=1000)
    assert door.ask({"model": "sim/m", "messages": 7}).status == 400
    assert door.ask({"model": "nobody/m", "messages": []}).status in (400, 404)
    late = OPENAI.document("sim/late")
    sim.script(Fault(kind=FaultKind.STALL_BEFORE, model="late"))
    assert door.ask(late, **{"x-headrace-deadline-ms": "50"}).status == 504
    assert door.told()["inflight"] == 0
    assert door.chat(0).status == 200


def test_a_reload_changes_limits_and_forgets_nothing(doors: Any) -> None:
    door = doors(**FEW, concurrent=1)
    with stream(door) as wire:
        wire.read_until(b"\r\n\r\n")
        door.gateway.write_settings(door.settings(requests_per_minute=6, concurrent=2))
        assert door.gateway.reload()["event"] == "reloaded"
        assert door.told()["inflight"] == 1
        assert [door.chat(number).status for number in range(1, 7)] == [200] * 4 + [
            429
        ] * 2  # a third was used
        wire.read_until(b"[DONE]")
        door.gateway.write_settings(door.settings())
        door.gateway.reload()
        assert door.gateway.status()["callers"]["keys"] == []
        assert door.chat(9).status == 200


def test_an_address_that_asks_too_much_is_refused_unread(doors: Any) -> None:
    door = doors(address={"requests_per_minute": 6, "burst_s": 60})
    gateway = door.gateway  # which has asked for nothing but /readyz so far
    told = [door.chat(0, key=key) for key in ("wrong", FREE, FREE, "wrong", FREE)]
    assert [response.status for response in told] == [401, 200, 200, 401, 200]
    assert [response.cache for response in told] == [None, "miss", "l1", None, "l1"]
    assert gateway.get("/metrics").status == 200
    for key in (FREE, "wrong"):
        refused = door.chat(0, key=key)
        assert (refused.status, code(refused)) == (429, "rate_limit_address")
        assert 0 < int(refused.headers["retry-after"]) <= 10
    assert gateway.get("/admin/status").status == 429
    assert [gateway.get(path).status for path in ("/healthz", "/readyz")] == [200, 200]
    gateway.write_settings(door.settings())
    gateway.reload()
    assert gateway.metrics()['headrace_rate_limited_total{limit="address"}'] == 3


def test_a_connection_may_go_on_after_a_refusal(doors: Any) -> None:
    door = doors(requests_per_minute=1)
    headers = {"authorization": f"Bearer {door.key}"}
    asked = encode_request(OPENAI.path, OPENAI.document("sim/m"), headers=headers)
    free = {"authorization": f"Bearer {FREE}"}
    with connect(door.gateway.url) as wire:
        wire.send(asked * 3)  # one behind the other
        assert [wire.response().status for _ in range(3)] == [200, 429, 429]
        wire.send(encode_request(OPENAI.path, OPENAI.document("sim/m"), headers=free))
        assert wire.response().status == 200


def test_workers_count_together(doors: Any) -> None:
    limits = {"workers": 2, "requests_per_minute": 12, "concurrent": 2}
    door = doors(**limits)
    eventually(lambda: len(door.listening()) == 2 or None)
    told = [door.chat(number) for number in range(16)]  # each on a connection of its own
    assert [response.status for response in told] == [200] * 12 + [429] * 4
    assert len({response.headers["x-request-id"].partition("-")[0] for response in told}) == 2
    left = [int(response.headers["x-ratelimit-remaining-requests"]) for response in told]
    assert left == sorted(left, reverse=True)
    del limits["requests_per_minute"]
    door.gateway.write_settings(door.settings(**limits))
    before = len(door.gateway.reloads())
    door.gateway.signal(signal.SIGHUP)
    eventually(lambda: len(door.gateway.reloads()) == before + 2 or None)
    with stream(door, 1000) as first, stream(door, 1001) as second:
        for wire in (first, second):
            assert b" 200 " in wire.read_until(b"\r\n\r\n")
        codes = {code(door.chat(number)) for number in range(4)}
        assert codes == {"rate_limit_concurrent"}


@pytest.mark.heavy
def test_a_worker_that_dies_gives_its_places_back(doors: Any, sim: ThreadedSim) -> None:
    door = doors(workers=2, concurrent=1, requests_per_minute=2)
    eventually(lambda: len(door.listening()) == 2 or None)
    sim.script(Fault(kind=FaultKind.STALL_BEFORE))
    with stream(door):
        eventually(lambda: sim.stats().requests.get(OPENAI.path) or None)
        assert door.chat(1).status == 429
        for pid in door.listening():
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: len(door.listening()) == 4 or None)
    response = door.chat(2)
    assert response.status == 200
    # What was asked of those that died still counts.
    assert response.headers["x-ratelimit-remaining-requests"] == "0"
