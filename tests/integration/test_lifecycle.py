"""The gateway's life: settings read again while it runs, and an end that loses nothing."""

import contextlib
import json
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import OPENAI, SPEECHES, House, Speech, lanes
from tests.support.waiting import eventually
from tests.support.wire import Response, Wire, ask, connect, encode_request

from headrace.sim.faults import FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

Build = Callable[..., House]

ACTIVE_TRICKLE = 'headrace_upstream_connections{provider="trickle",state="active"}'

speeches = pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)


@pytest.fixture(scope="module")
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as sim:
        yield sim


@pytest.fixture
def build(tmp_path: Path, sim: ThreadedSim) -> Iterator[Build]:
    """Makes a gateway of the test's own; the test ends it, or it is ended here."""
    with contextlib.ExitStack() as stack:

        def build(**settings: Any) -> House:
            house = House.build(tmp_path, sim, **settings)
            stack.callback(house.gateway.kill)
            return house

        yield build


def is_refused(url: str) -> bool:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.socket() as sock:
        return sock.connect_ex((host, int(port))) != 0


def begin(house: House, speech: Speech, wire: Wire, model: str) -> bytes:
    """Ask for a stream and read its beginning."""
    wire.send(encode_request(speech.path, speech.document(model, stream=True)))
    data = b""
    while b"data:" not in data:
        data += wire.read_some()
    return data


def test_sigterm_finishes_what_runs(build: Build):
    house = build()
    gateway = house.gateway
    with contextlib.ExitStack() as stack:
        idle, stream, whole = (stack.enter_context(connect(gateway.url)) for _ in range(3))
        idle.send(encode_request("/healthz"))
        assert idle.response().status == 200
        slow = house.model()
        house.spoil(slow, kind=FaultKind.SLOW, delay_ms=2000)
        whole.send(encode_request(OPENAI.path, OPENAI.document(slow)))
        eventually(lambda: house.calls(slow) == 1)
        begun = begin(house, OPENAI, stream, house.model("trickle"))
        gateway.signal(signal.SIGTERM)
        eventually(lambda: is_refused(gateway.url))
        assert idle.is_ended
        response = whole.response()
        assert (response.status, response.headers["connection"]) == (200, "close")
        assert whole.is_ended
        rest = stream.read_to_end()
    assert OPENAI.final.encode() in begun + rest
    assert rest.endswith(b"0\r\n\r\n")
    assert gateway.wait_for_exit() == 0
    assert gateway.bugs() == []
    assert [line["status"] for line in gateway.requests()].count(200) >= 3
    assert gateway.log_lines()[-1].get("event") == "stopped"  # behind the last of the requests


def stalled_stream(house: House, speech: Speech, stack: contextlib.ExitStack) -> Wire:
    """A client in the middle of a stream that would never end."""
    wire = stack.enter_context(connect(house.gateway.url))
    model = house.model(speech.lane("sim"))
    house.spoil(model, kind=FaultKind.STALL_MID, after_chunks=2)
    begin(house, speech, wire, model)
    return wire


def test_what_runs_longer_than_the_limit_is_cut(build: Build):
    house = build(listen={"drain_timeout_s": 0.3})
    with contextlib.ExitStack() as stack:
        wire = stalled_stream(house, OPENAI, stack)
        house.gateway.signal(signal.SIGTERM)
        rest = wire.read_to_end()
        assert house.gateway.wait_for_exit() == 0
    assert not rest.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(build: Build, number: signal.Signals):
    house = build(listen={"drain_timeout_s": 600})
    with contextlib.ExitStack() as stack:
        wire = stalled_stream(house, OPENAI, stack)
        house.gateway.signal(number)
        eventually(lambda: is_refused(house.gateway.url))
        assert house.gateway.process.poll() is None
        house.gateway.signal(number)
        assert not wire.read_to_end().endswith(b"0\r\n\r\n")
        assert house.gateway.wait_for_exit() == 0


def test_an_address_that_is_taken_is_told_in_words(build: Build, tmp_path: Path):
    taken = build().gateway
    port = int(taken.url.rpartition(":")[2])
    settings = {"providers": lanes(taken.url), "listen": {"port": port}}
    with pytest.raises(AssertionError, match=f"Cannot listen on 127.0.0.1:{port}"):
        Gateway(tmp_path / "second", settings)


def keys(*names: str) -> list[dict[str, object]]:
    return [{"key": name, "tenant": "t", "admin": True} for name in names]


def test_keys_come_and_go_with_a_reload(build: Build, sim: ThreadedSim):
    house = build(keys=keys("old", "kept"), admin_key="kept")
    document = OPENAI.document(house.model())

    def request(key: str) -> bytes:
        return encode_request(OPENAI.path, document, headers={"x-api-key": key})

    with connect(house.gateway.url) as wire, connect(house.gateway.url) as between:
        for cache in ("miss", "l1"):  # its head is known, and its body is cached
            wire.send(request("old"))
            assert wire.response().cache == cache
        head, mark, body = request("old").partition(b"\r\n\r\n")
        between.send(head + mark)  # the head comes before the reload, the body after it
        eventually(lambda: house.gateway.status()["connections"] == 3)
        settings = {"providers": lanes(sim.url), "keys": keys("new", "kept")}
        house.gateway.write_settings(settings)
        assert house.gateway.reload()["event"] == "reloaded"
        wire.send(request("old"))
        assert wire.response().status == 401
        between.send(body)
        assert between.response().status in (200, 401)
        between.send(request("old"))
        assert between.response().status == 401
        wire.send(request("new"))
        assert wire.response().status == 200
    assert ask(house.gateway.url, request("old")).status == 401
    assert ask(house.gateway.url, request("kept")).status == 200
    house.gateway.wait_until_quiet()
    house.gateway.stop()


def test_open_connections_go_by_the_bounds_of_a_reload(build: Build, sim: ThreadedSim):
    house = build()
    many = {f"x-{number}": "x" for number in range(20)}
    long = {"x-long": "x" * 2000}
    chunked = encode_request(OPENAI.path, method="POST", headers={"transfer-encoding": "chunked"})
    asked = [
        (encode_request("/healthz", headers=many), 200, 431),
        (encode_request("/healthz", headers=long), 200, 431),
        (chunked + b"400\r\n%b\r\n0\r\n\r\n" % (b"x" * 1024), 400, 413),
        (encode_request("/healthz")[:-2], None, 408),
    ]
    bounds = {
        "header_count_max": 10,
        "header_bytes_max": 1024,
        "body_bytes_max": 1000,
        "header_timeout_s": 0.1,
    }
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(connect(house.gateway.url)) for _ in asked]
        for wire, (request, before, _) in zip(wires, asked, strict=True):
            wire.send(request if before else encode_request("/healthz"))
            assert wire.response().status == (before or 200)
        house.gateway.write_settings({"providers": lanes(sim.url), "listen": bounds})
        assert house.gateway.reload()["event"] == "reloaded"
        for wire, (request, _, after) in zip(wires, asked, strict=True):
            wire.send(request)
            assert wire.response().status == after
            assert wire.is_ended
    house.gateway.wait_until_quiet()
    house.gateway.stop()


def answer_of(house: House, speech: Speech, document: object, model: str) -> Response | None:
    """The answer, once `model` gives it."""
    response = ask(house.gateway.url, encode_request(speech.path, document))
    return response if response.json()["model"] == model else None


@speeches
def test_another_target_counts_although_the_body_was_cached(
    build: Build, sim: ThreadedSim, speech: Speech
):
    def settings(target: str) -> dict[str, Any]:
        models = {"fast": {"targets": [f"{speech.lane('sim')}/{target}"]}}
        return {"providers": lanes(sim.url), "models": models}

    house = build(models=settings("first-target")["models"])
    document = speech.document("fast")
    with connect(house.gateway.url) as wire:
        for cache in ("miss", "l1"):
            wire.send(encode_request(speech.path, document))
            response = wire.response()
            assert (response.cache, response.json()["model"]) == (cache, "first-target")
        house.gateway.write_settings(settings("second-target"))
        assert house.gateway.reload()["event"] == "reloaded"
        for cache in ("miss", "l1"):
            wire.send(encode_request(speech.path, document))
            response = wire.response()
            assert (response.cache, response.json()["model"]) == (cache, "second-target")
        house.gateway.write_settings(settings("first-target"))
        house.gateway.signal(signal.SIGHUP)
        # What the first target said is still there.
        back = eventually(lambda: answer_of(house, speech, document, "first-target"))
        assert back.cache == "l1"
    house.gateway.stop()


@pytest.mark.parametrize(
    "text",
    ["providers: {", "listen: {port: -1}", "", '{"providers": {}}', "\x00"],
    ids=["no-yaml", "wrong-value", "empty", "no-provider", "no-text"],
)
def test_a_file_that_cannot_be_used_changes_nothing(build: Build, text: str):
    house = build()
    document = OPENAI.document(house.model())
    assert house.ask(OPENAI, document).cache == "miss"
    house.gateway.config_file.write_text(text, "utf-8")
    told = house.gateway.reload()
    assert (told["event"], told["level"]) == ("reload_refused", "error")
    assert str(house.gateway.config_file) in json.dumps(told)
    assert house.ask(OPENAI, document).cache == "l1"
    house.assert_sound()
    house.gateway.stop()


def test_a_stream_outlives_the_reload_that_takes_its_provider_away(build: Build, sim: ThreadedSim):
    kept = lanes(sim.url)
    trickle = kept.pop("trickle")
    trickle["headers"] = {**trickle["headers"], "x-sim-token-ms": "50"}  # longer than the reload
    house = build(providers={**kept, "trickle": trickle})
    with connect(house.gateway.url) as wire:
        begun = begin(house, OPENAI, wire, house.model("trickle"))
        house.gateway.write_settings({"providers": kept})
        assert house.gateway.reload()["event"] == "reloaded"
        status = house.gateway.status()
        assert "trickle" not in status["providers"]
        assert [(p["name"], p["active"]) for p in status["retired_providers"]] == [("trickle", 1)]
        assert status["upstream_calls"] == 1
        assert house.gateway.metrics()[ACTIVE_TRICKLE] == 1
        rest = wire.read_until(b"\r\n0\r\n\r\n")
        assert OPENAI.final.encode() in begun + rest
        wire.send(encode_request(OPENAI.path, OPENAI.document(house.model("trickle"))))
        assert wire.response().status == 404
    eventually(lambda: house.gateway.status()["retired_providers"] == [])
    assert house.gateway.metrics()[ACTIVE_TRICKLE] == 0
    house.assert_sound()
    house.gateway.stop()
