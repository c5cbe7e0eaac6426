"""Providers that are passed over: they do not answer their checks, or fail more than others."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import OPENAI, free_port
from tests.support.waiting import eventually
from tests.support.wire import Response, connect, encode_request

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

QUICK = {"path": "/v1/models", "interval_s": 0.3, "interval_s_ill": 0.2, "timeout_s": 2}


@pytest.fixture(scope="module")
def sims() -> Iterator[dict[str, ThreadedSim]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(running(SimOptions())) for name in ("one", "two")}


@pytest.fixture(autouse=True)
def mended(sims: dict[str, ThreadedSim]) -> None:
    for sim in sims.values():
        sim.reset()


def settings(sims: dict[str, ThreadedSim], **more: Any) -> dict[str, Any]:
    usual = {"dialect": "openai", "retry": {"tries_max": 1}, "warm_connections": 0}
    usual["breaker"] = {"enabled": False}
    return {
        "providers": {name: {**usual, "base_url": f"{sim.url}/v1"} for name, sim in sims.items()},
        "models": {"smart": {"targets": ["one/m", "two/m"]}},
        **more,
    }


def ask(gateway: Gateway, number: int) -> Response:
    response = gateway.post(OPENAI.path, OPENAI.document("smart", seed=number))
    assert response.status == 200, response
    return response


def seen(response: Response) -> tuple[str, str]:
    return response.headers["x-headrace-provider"], response.headers["x-headrace-attempts"]


def provider(gateway: Gateway, name: str) -> dict[str, Any]:
    told: dict[str, Any] = gateway.get("/admin/flow").json()["providers"][name]
    return told


def said(gateway: Gateway, event: str) -> dict[str, Any]:
    return eventually(
        lambda: next((each for each in gateway.events() if each["event"] == event), None)
    )


def test_dead_provider_is_passed_over_before_a_call_finds_out(
    tmp_path: Path, sims: dict[str, ThreadedSim]
):
    wanted = settings(sims)
    wanted["providers"]["one"] |= {"base_url": f"http://127.0.0.1:{free_port()}/v1"}
    wanted["providers"]["one"] |= {"health": QUICK}
    with Gateway(tmp_path, wanted) as gateway:
        assert said(gateway, "provider_ill")["about"] == "one"
        assert seen(ask(gateway, 1)) == ("two", "1")
        assert provider(gateway, "one")["is_out"] is True
        assert provider(gateway, "one")["health"] == "ill"
        assert provider(gateway, "two")["health"] is None
        metrics = gateway.metrics()
        assert metrics['headrace_providers_out{provider="one"}'] == 1
        assert metrics['headrace_health_checks_total{provider="one",outcome="failed"}'] >= 3


@pytest.mark.heavy
def test_provider_that_is_well_again_is_back(tmp_path: Path, sims: dict[str, ThreadedSim]):
    wanted = settings(sims)
    wanted["providers"]["one"] |= {"health": QUICK}
    ill = Fault(kind=FaultKind.STATUS, status=503, times=None, path="/v1/models")
    with Gateway(tmp_path, wanted) as gateway:
        assert seen(ask(gateway, 1)) == ("one", "1")
        sims["one"].script(ill)
        said(gateway, "provider_ill")
        assert seen(ask(gateway, 2)) == ("two", "1")
        sims["one"].script()
        said(gateway, "provider_well")
        assert seen(ask(gateway, 3)) == ("one", "1")
        assert gateway.metrics()['headrace_providers_out{provider="one"}'] == 0


@pytest.mark.heavy
def test_where_all_are_out_they_are_asked_all_the_same(
    tmp_path: Path, sims: dict[str, ThreadedSim]
):
    wanted = settings(sims)
    for each in wanted["providers"].values():
        each["health"] = {**QUICK, "path": "/nowhere"}
    with Gateway(tmp_path, wanted) as gateway:
        eventually(lambda: all(provider(gateway, name)["is_out"] for name in sims) or None)
        assert seen(ask(gateway, 1)) == ("one", "1")
        assert seen(gateway.post(OPENAI.path, OPENAI.document("two/m", seed=2))) == ("two", "1")


@pytest.mark.heavy
def test_one_that_is_out_is_asked_where_the_others_fail(
    tmp_path: Path, sims: dict[str, ThreadedSim]
):
    wanted = settings(sims)
    wanted["providers"]["one"]["health"] = {**QUICK, "path": "/nowhere"}
    with Gateway(tmp_path, wanted) as gateway:
        said(gateway, "provider_ill")
        sims["two"].script(Fault(kind=FaultKind.STATUS, status=500))
        assert seen(ask(gateway, 1)) == ("one", "2")


def test_outlier_is_ejected_and_comes_back(tmp_path: Path, sims: dict[str, ThreadedSim]):
    outlier = {"enabled": True, "row_max": 3, "ejected_s": 1}
    with Gateway(tmp_path, settings(sims, outlier=outlier)) as gateway:
        sims["one"].script(Fault(kind=FaultKind.STATUS, status=500, times=3))
        assert [seen(ask(gateway, number)) for number in range(3)] == [("two", "2")] * 3
        assert said(gateway, "provider_ejected")["about"] == "one"
        assert gateway.metrics()['headrace_provider_ejections_total{provider="one"}'] == 1
        said(gateway, "provider_returned")
        assert seen(ask(gateway, 4)) == ("one", "1")
        assert provider(gateway, "one")["ejected"] is None


def test_ejection_outlives_a_reload_and_ends_with_the_setting(
    tmp_path: Path, sims: dict[str, ThreadedSim]
):
    wanted = settings(sims, outlier={"enabled": True, "row_max": 2, "ejected_s": 600})
    with Gateway(tmp_path, wanted) as gateway:
        sims["one"].script(Fault(kind=FaultKind.STATUS, status=500, times=2))
        for number in range(2):
            ask(gateway, number)
        assert seen(ask(gateway, 3)) == ("two", "1")
        wanted["models"]["more"] = {"targets": ["two/m"]}
        gateway.write_settings(wanted)
        gateway.reload()
        assert seen(ask(gateway, 4)) == ("two", "1")
        assert provider(gateway, "one")["ejected"]["cause"] == "consecutive"
        wanted["outlier"]["enabled"] = False
        gateway.write_settings(wanted)
        gateway.reload()
        assert seen(ask(gateway, 5)) == ("one", "1")
        assert gateway.metrics()['headrace_providers_out{provider="one"}'] == 0


@pytest.mark.heavy
def test_calls_to_a_provider_that_was_removed_fail_as_they_would_have(
    tmp_path: Path, sims: dict[str, ThreadedSim]
):
    wanted = settings(sims, outlier={"enabled": True, "row_max": 2, "ejected_s": 600})
    failing = Fault(kind=FaultKind.STATUS, status=500, times=None, delay_ms=2000)
    with Gateway(tmp_path, wanted) as gateway:
        sims["one"].script(failing)
        with ExitStack() as stack:
            wires = [stack.enter_context(connect(gateway.url)) for _ in range(3)]
            for number, wire in enumerate(wires):
                wire.send(encode_request(OPENAI.path, OPENAI.document("one/m", seed=number)))
            eventually(lambda: gateway.status()["upstream_calls"] == 3 or None)
            del wanted["providers"]["one"], wanted["outlier"]
            wanted["models"]["smart"]["targets"] = ["two/m"]
            gateway.write_settings(wanted)
            assert gateway.reload()["event"] == "reloaded"
            assert [wire.response().status for wire in wires] == [500] * 3
        gateway.wait_until_quiet()


@pytest.mark.heavy
def test_provider_that_is_gone_is_not_out(tmp_path: Path, sims: dict[str, ThreadedSim]):
    wanted = settings(sims)
    breaker = {"row_max": 1, "open_s": 600, "open_s_max": 600}
    wanted["providers"]["one"] |= {
        "health": {**QUICK, "path": "/nowhere"},
        "breaker": breaker,
        "quota": {"requests_per_minute": 10},
    }
    with Gateway(tmp_path, wanted) as gateway:
        said(gateway, "provider_ill")
        sims["one"].script(Fault(kind=FaultKind.STATUS, status=500))
        assert gateway.post(OPENAI.path, OPENAI.document("one/m", seed=1)).status == 500
        series = {
            'headrace_providers_out{provider="one"}',
            'headrace_circuits_open{provider="one"}',
            'headrace_quota_used_ratio{provider="one",key="1",kind="requests"}',
        }
        before = gateway.metrics()
        assert {name for name in series if before.get(name, 0) > 0} == series
        del wanted["providers"]["one"]
        wanted["models"]["smart"]["targets"] = ["two/m"]
        gateway.write_settings(wanted)
        gateway.reload()
        after = gateway.metrics()
        assert {name for name in series if after.get(name, 0) > 0} == set()


@pytest.mark.heavy
def test_provider_that_is_busy_is_not_ill(tmp_path: Path, sims: dict[str, ThreadedSim]):
    wanted = settings(sims)
    for each in wanted["providers"].values():
        each["health"] = {**QUICK, "interval_s": 0.2, "timeout_s": 0.2}
    wanted["providers"]["one"]["connections_max"] = 1
    passed = 'headrace_health_checks_total{{provider="{}",outcome="passed"}}'
    failed = 'headrace_health_checks_total{provider="one",outcome="failed"}'
    with Gateway(tmp_path, wanted) as gateway, connect(gateway.url) as wire:
        sims["one"].script(Fault(kind=FaultKind.STALL_BEFORE, path=OPENAI.path))
        wire.send(encode_request(OPENAI.path, OPENAI.document("one/m", seed=1)))
        # From now on the only connection is the call's; a check before may have been late.
        eventually(lambda: sims["one"].stats().requests.get(OPENAI.path))
        before = gateway.metrics()
        here = before.get(passed.format("two"), 0)
        eventually(lambda: gateway.metrics().get(passed.format("two"), 0) >= here + 8 or None)
        assert gateway.metrics().get(failed, 0) == before.get(failed, 0)
        assert provider(gateway, "one")["is_out"] is False
        wire.reset()
        here = gateway.metrics().get(passed.format("one"), 0)
        eventually(lambda: gateway.metrics().get(passed.format("one"), 0) > here or None)
