"""Answers below memory, through a running gateway: kept, shared, purged, and never in the way."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import SPEECHES, Speech
from tests.support.valkey import Valkey
from tests.support.waiting import eventually
from tests.support.wire import Response, ask, encode_request

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

Make = Callable[..., Gateway]
PATH = "/v1/chat/completions"


@pytest.fixture
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as sim:
        yield sim


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    folder = tmp_path / "valkey"
    folder.mkdir()
    with Valkey(folder) as valkey:
        yield valkey


def settings(sim: ThreadedSim, **more: Any) -> dict[str, Any]:
    lanes = {
        speech.prefix + "sim": {
            "dialect": speech.name,
            "base_url": sim.url + ("/v1" if speech.name == "openai" else ""),
        }
        for speech in SPEECHES
    }
    return {"providers": lanes, **more}


def durable(sim: ThreadedSim, folder: Path) -> dict[str, Any]:
    return settings(sim, cache={"durable": True, "tier_timeout_ms": 2000}, data_dir=str(folder))


def shared(sim: ThreadedSim, valkey: Valkey) -> dict[str, Any]:
    return settings(sim, cache={"shared": valkey.url, "tier_timeout_ms": 2000})


def question(speech: Speech, text: str = "Tell me of water.", **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return speech.document(speech.lane("sim") + "/sim-small", messages=messages, **fields)


def written(gateway: Gateway, tier: str, count: int = 1) -> None:
    series = f'headrace_tier_writes_total{{tier="{tier}",outcome="written"}}'
    eventually(lambda: gateway.metrics().get(series, 0) >= count)


def purge(gateway: Gateway, query: str) -> Response:
    return ask(gateway.url, encode_request(f"/admin/cache?{query}", method="DELETE"))


def test_who_gave_a_stored_answer_is_told_wherever_it_was_stored(
    sim: ThreadedSim, valkey: Valkey, tmp_path: Path
):
    """The first target was down when it was asked, and is asked first still."""
    first = {"dialect": "openai", "base_url": f"{sim.url}/v1", "retry": {"tries_max": 1}}
    second = {"dialect": "openai", "base_url": f"{sim.url}/v1"}
    both = {
        **shared(sim, valkey),
        "providers": {"first": first, "second": second},
        "models": {"m": {"targets": ["first/small", "second/large"]}},
    }
    sim.script(Fault(kind=FaultKind.STATUS, model="small"))
    document = {"model": "m", "messages": [{"role": "user", "content": "Who?"}]}
    with Gateway(tmp_path / "a", both) as gateway:
        asked = gateway.post(PATH, document)
        assert (asked.cache, asked.headers["x-headrace-provider"]) == ("miss", "second")
        written(gateway, "l2")
    with Gateway(tmp_path / "b", both) as gateway:
        for tier in ("l2", "l1"):
            asked = gateway.post(PATH, document)
            told = asked.headers["x-headrace-provider"], asked.headers["x-headrace-model"]
            assert (asked.cache, *told) == (tier, "second", "large")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)
def test_an_answer_outlives_the_process(
    sim: ThreadedSim, tmp_path: Path, speech: Speech, stream: bool
):
    document = question(speech, stream=stream)
    with Gateway(tmp_path / "a", durable(sim, tmp_path)) as gateway:
        first = gateway.post(speech.path, document)
        assert first.cache == "miss"
    with Gateway(tmp_path / "b", durable(sim, tmp_path)) as gateway:
        again = gateway.post(speech.path, document)
        assert (again.cache, again.body) == ("l3", first.body)
        assert again.headers["content-type"] == first.headers["content-type"]
        assert again.headers["x-headrace-cost-usd"] == "0"
        assert gateway.post(speech.path, document).cache == "l1"
        other = gateway.post(speech.path, {**document, "stream": not stream})
        assert other.cache == "l1"


def test_what_saved_most_is_in_memory_after_a_restart(sim: ThreadedSim, tmp_path: Path):
    document = question(SPEECHES[0])
    kept = {**durable(sim, tmp_path), "models": {"priced": priced()}}
    asked = {**document, "model": "priced"}
    with Gateway(tmp_path / "a", kept) as gateway:
        gateway.post(PATH, asked)
        written(gateway, "l3")
    with Gateway(tmp_path / "b", kept) as gateway:  # a use of what the store holds
        eventually(lambda: gateway.post(PATH, asked).cache in ("l3", "l1"))
    with Gateway(tmp_path / "c", kept) as gateway:
        eventually(lambda: gateway.status()["cache"]["entries"] == 1)
        assert gateway.post(PATH, asked).cache == "l1"


def priced() -> dict[str, Any]:
    price = {"input": 1000.0, "output": 1000.0}
    return {"targets": [SPEECHES[0].lane("sim") + "/sim-small"], "price": price}


def test_what_was_kept_is_not_given_after_a_purge(sim: ThreadedSim, tmp_path: Path):
    one, two = (question(SPEECHES[0], text) for text in ("one", "two"))
    with Gateway(tmp_path / "a", durable(sim, tmp_path)) as gateway:
        gateway.post(PATH, one, headers={"x-headrace-tags": "old"})
        gateway.post(PATH, two)
        written(gateway, "l3", 2)
        purge(gateway, "tag=old")
        assert gateway.post(PATH, one, headers={"cache-control": "only-if-cached"}).status == 504
    with Gateway(tmp_path / "b", durable(sim, tmp_path)) as gateway:
        found = eventually(lambda: hit_only(gateway.post(PATH, two)))
        assert found.cache in ("l3", "l1")
        assert gateway.post(PATH, one).cache == "miss"


def test_two_gateways_share_what_was_answered(sim: ThreadedSim, valkey: Valkey, tmp_path: Path):
    document = question(SPEECHES[0])
    with (
        Gateway(tmp_path / "a", shared(sim, valkey)) as one,
        Gateway(tmp_path / "b", shared(sim, valkey)) as two,
    ):
        first = one.post(PATH, document)
        written(one, "l2")
        again = two.post(PATH, document)
        assert (again.cache, again.body) == ("l2", first.body)
        assert two.post(PATH, document).cache == "l1"


def test_a_purge_reaches_every_gateway(sim: ThreadedSim, valkey: Valkey, tmp_path: Path):
    document = question(SPEECHES[0])
    tagged = {"x-headrace-tags": "news"}
    with (
        Gateway(tmp_path / "a", shared(sim, valkey)) as one,
        Gateway(tmp_path / "b", shared(sim, valkey)) as two,
    ):
        one.post(PATH, document, headers=tagged)
        written(one, "l2")
        eventually(lambda: two.post(PATH, document).cache == "l1")
        told = purge(one, "tag=news").json()
        assert told["reach"] == "every process that shares a tier"
        cached = {"cache-control": "only-if-cached"}
        assert one.post(PATH, document, headers=cached).status == 504
        eventually(lambda: two.post(PATH, document, headers=cached).status == 504)


def test_gateways_ask_once_for_the_same(sim: ThreadedSim, valkey: Valkey, tmp_path: Path):
    document = question(SPEECHES[0], "Who asks?")
    slow = {"x-sim-ttft-ms": "1000"}
    lanes = settings(sim)["providers"]
    for lane in lanes.values():
        lane["headers"] = slow
    both = {**shared(sim, valkey), "providers": lanes}
    with (
        Gateway(tmp_path / "a", both) as one,
        Gateway(tmp_path / "b", both) as two,
        ThreadPoolExecutor(8) as pool,
    ):
        asked = [pool.submit(gateway.post, PATH, document) for gateway in (one, two) * 4]
        found = [each.result() for each in asked]
    assert {each.status for each in found} == {200}
    assert len({each.body for each in found}) == 1
    assert sim.stats().requests["/v1/chat/completions"] == {"sim-small": 1}


def hit_only(response: Response) -> Response | None:
    return response if response.cache in ("l1", "l2", "l3") else None
