"""Credentials stay where they belong: none is ever shown, and each goes to one side only."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gateway import Gateway
from tests.support.house import ANTHROPIC, OPENAI, SPEECHES, House, Speech, free_port
from tests.support.waiting import eventually
from tests.support.wire import Response, connect, encode_request

from headrace.sim.faults import FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import running

CALLER = "caller-key-5f1c9a"
OPENAI_KEY = "provider-key-77ab01"
ANTHROPIC_KEY = "provider-key-c3d9e2"
EXTRA = "header-value-90e1f4"
STALE = "wrong-key-1b2c3d"
SECRETS = (CALLER, OPENAI_KEY, ANTHROPIC_KEY, EXTRA, STALE)

speeches = pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder: Path = tmp_path_factory.mktemp("secrets")
    with running(SimOptions(api_keys=(OPENAI_KEY, ANTHROPIC_KEY))) as sim:

        def lane(dialect: str, key: str, url: str = sim.url) -> dict[str, object]:
            headers = {"x-extra": EXTRA}
            return {"dialect": dialect, "base_url": url, "api_key": key, "headers": headers}

        closed = f"http://127.0.0.1:{free_port()}/v1"
        providers = {
            "sim": lane("openai", "${OPENAI_SECRET}", sim.url + "/v1"),
            "claude-sim": lane("anthropic", ANTHROPIC_KEY, sim.url + "/v1"),
            "refused": {**lane("openai", OPENAI_KEY, closed), "warm_connections": 1},
            "stale": lane("openai", STALE, sim.url + "/v1"),
        }
        settings = {
            "providers": providers,
            "keys": [{"key": CALLER, "tenant": "t", "admin": True}],
            "log": {"level": "debug"},
        }
        environment = {"OPENAI_SECRET": OPENAI_KEY}
        gateway = Gateway(folder, settings, environment=environment, admin_key=CALLER)
        with gateway:
            yield House(gateway, sim)


def assert_silent(text: str) -> None:
    for secret in SECRETS:
        assert secret not in text
        assert base64.b64encode(secret.encode()).decode() not in text


def calls_in_every_state(house: House) -> list[Response]:
    """Good calls and all kinds of failures, with the caller's key in either header."""
    answers = []
    for speech in SPEECHES:
        for headers in ({"authorization": f"Bearer {CALLER}"}, {"x-api-key": CALLER}):
            good = speech.document(house.model(speech.lane("sim")))
            answers += [house.ask(speech, good, headers) for _ in range(2)]
            for kind in (FaultKind.GARBAGE, FaultKind.STATUS, FaultKind.CUT):
                for stream in (False, True):
                    model = house.model(speech.lane("sim"))
                    house.spoil(model, kind=kind, after_chunks=1)
                    answers.append(
                        house.ask(speech, speech.document(model, stream=stream), headers)
                    )
            answers.append(house.ask(speech, {"model": CALLER, "messages": 1}, headers))
        for key in (CALLER[:-1], CALLER + "0", STALE):
            answers.append(house.ask(speech, {}, {"authorization": f"Bearer {key}"}))
        for lane in ("refused", "stale", "unknown"):
            document = speech.document(f"{lane}/{len(answers)}")
            answers.append(house.ask(speech, document, {"x-api-key": CALLER}))
    with connect(house.gateway.url) as wire:
        wire.send(f"GET / HTTP/1.1\r\nauthorization: Bearer {CALLER}\r\n folded\r\n\r\n".encode())
        answers.append(wire.response())
    with connect(house.gateway.url) as wire:
        wire.send(encode_request(f"/v1/{CALLER}", headers={"x-api-key": CALLER})[:-1])
        wire.reset()
    return answers


@pytest.mark.heavy
def test_no_secret_is_ever_shown(house: House):
    answers = calls_in_every_state(house)
    statuses = {answer.status for answer in answers}
    assert {200, 400, 401, 404, 502} <= statuses, statuses
    for answer in answers:
        assert_silent(answer.raw_head.decode("latin-1"))
        assert_silent(answer.body.decode("latin-1"))
    gateway = house.gateway
    assert_silent(gateway.get("/metrics").body.decode())
    status = gateway.get("/admin/status", headers={"x-api-key": CALLER})
    assert status.status == 200
    assert_silent(status.body.decode())
    gateway.write_settings({"providers": {"p": {"dialect": OPENAI_KEY, "api_key": OPENAI_KEY}}})
    assert gateway.reload()["event"] == "reload_refused"
    eventually(lambda: len(gateway.requests()) >= len(answers))
    assert_silent(gateway.log)
    assert_silent(gateway.stderr)


@speeches
def test_the_provider_gets_its_own_key_and_never_the_callers(house: House, speech: Speech):
    for headers in ({"authorization": f"Bearer {CALLER}"}, {"x-api-key": CALLER}):
        sent = {**headers, "cookie": f"session={CALLER}", "x-forwarded-for": "10.0.0.1"}
        document = speech.document(house.model(speech.lane("sim")))
        assert house.ask(speech, document, sent).status == 200
        seen = house.sim.stats().last_requests[-1]
        assert CALLER not in str(seen)
        assert seen.headers["x-extra"] == EXTRA
        if speech is ANTHROPIC:
            assert seen.headers["x-api-key"] == ANTHROPIC_KEY
            assert "authorization" not in seen.headers
        else:
            assert seen.headers["authorization"] == f"Bearer {OPENAI_KEY}"
            assert "x-api-key" not in seen.headers
        assert not {"cookie", "x-forwarded-for"} & seen.headers.keys()


def test_the_callers_trace_goes_along(house: House):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"x-api-key": CALLER, "traceparent": trace, "idempotency-key": "once"}
    document = OPENAI.document(house.model())
    assert house.ask(OPENAI, document, headers).status == 200
    seen = house.sim.stats().last_requests[-1].headers
    assert (seen["traceparent"], seen["idempotency-key"]) == (trace, "once")
