"""Questions and tags that try to break something: refused in plain words, or kept as they are."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gateway import Gateway
from tests.support.house import OPENAI, SPEECHES, Speech
from tests.support.tiered import asking, question, tiered, truth, words, writes
from tests.support.valkey import Valkey
from tests.support.waiting import eventually

from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

TEXTS = {
    "empty": "",
    "blank": " \n\t",
    "nul": "a\0b",
    "line ends": "a\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    "backwards": "\u202eback\u202c",
    "eighteen letters each": "\ufdfa" * 900,
    "combined": "e" + "\u0301" * 5000,
    "beyond 16 bits": "\U0001f600" * 1000,
    "huge": "x" * 1_000_000,
    "like a key": "headrace:*",
    "like a template": "{one} {0} %s ${HOME} {{",
    "like SQL": "'; DROP TABLE headrace_answers; --",
    "private use": "\ue000\uffff",
}


@pytest.fixture(scope="module")
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as sim:
        yield sim


@pytest.fixture(scope="module")
def gateway(sim: ThreadedSim, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("hostile")
    (folder / "valkey").mkdir()
    semantic = {
        "enabled": True,
        "embedder": "sim/sim-embed",
        "asks_dimensions": True,
        "embed_timeout_ms": 5000,
    }
    with Valkey(folder / "valkey") as valkey:
        below = {"shared": valkey.url, "durable": True, "tier_timeout_ms": 2000}
        cache = {**below, "semantic": semantic}
        with Gateway(folder, tiered(sim, cache=cache, data_dir=str(folder))) as gateway:
            yield gateway


@pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)
@pytest.mark.parametrize("kind", TEXTS)
def test_it_is_answered_and_kept_as_it_is(
    sim: ThreadedSim, gateway: Gateway, kind: str, speech: Speech
):
    text = TEXTS[kind]
    before = writes(gateway, "l2")
    first = asking(gateway, text, speech)
    assert (first.status, first.cache) == (200, "miss")
    assert words(first, speech) == truth(sim, text, speech)
    eventually(lambda: writes(gateway, "l2") > before)
    asking(gateway, "Something else, to push it out of memory.")
    again = asking(gateway, text, speech)
    assert (again.cache, again.body) == ("l2", first.body)


@pytest.mark.parametrize("name", [b"\\ud800", b"\\udc00\\ud800", b"\xed\xa0\x80", b"\xff"])
def test_what_is_no_text_is_refused(gateway: Gateway, name: bytes):
    body = b'{"model": "sim/sim-small", "messages": [{"role": "user", "content": "%b"}]}' % name
    refused = gateway.post(OPENAI.path, body=body)
    assert (refused.status, refused.error["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    "tags", ["", ",", " , ,", "a" * 5000, "a\tb", "\x80\xff", "*", "a," * 1000]
)
def test_tags_are_bounded_or_refused_and_break_nothing(gateway: Gateway, tags: str):
    document = question(f"What is tagged {tags!r}?")
    answer = gateway.post(OPENAI.path, document, headers={"x-headrace-tags": tags})
    assert answer.status in (200, 400, 431)
    assert gateway.get("/readyz").json()["tiers"] == {"l2": "up", "l3": "up"}


def test_nothing_of_it_was_a_bug(gateway: Gateway):
    assert gateway.bugs() == []
