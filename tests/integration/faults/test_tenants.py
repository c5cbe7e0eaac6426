"""Tenants never see each other's answers, whichever tier has them."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import SPEECHES, Speech
from tests.support.tiered import asking, tiered, writes
from tests.support.valkey import Valkey
from tests.support.waiting import eventually
from tests.support.wire import Response, ask, encode_request

from headrace.sim.thread import ThreadedSim

TIERS = ("l1", "l2", "l3", "semantic")
US, THEM = ({"authorization": f"Bearer key-of-{name}"} for name in ("us", "them"))
STORED = "How do I sort a list in Java?"
ALIKE = "In Java, how do I sort a list?"


@pytest.fixture(params=TIERS)
def tier(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def gateway(tier: str, sim: ThreadedSim, tmp_path: Path) -> Iterator[Gateway]:
    cache: dict[str, Any] = {"tier_timeout_ms": 2000, "entries_max": 100 if tier == "l1" else 1}
    with ExitStack() as stack:
        if tier == "l2":
            (tmp_path / "valkey").mkdir()
            cache["shared"] = stack.enter_context(Valkey(tmp_path / "valkey")).url
        elif tier == "l3":
            cache["durable"] = True
        elif tier == "semantic":
            cache["entries_max"] = 100
            cache["semantic"] = {
                "enabled": True,
                "embedder": "sim/sim-embed",
                "asks_dimensions": True,
                "embed_timeout_ms": 5000,
            }
        keys = [
            {"key": f"key-of-{name}", "tenant": name, "admin": name == "us"}
            for name in ("us", "them")
        ]
        whole = tiered(sim, cache=cache, keys=keys, data_dir=str(tmp_path))
        yield stack.enter_context(Gateway(tmp_path / "gateway", whole, admin_key="key-of-us"))


def is_kept(gateway: Gateway, tier: str) -> None:
    """Wait until what was asked can be found where it is looked for, and nowhere above."""
    if tier == "semantic":
        told = encode_request("/admin/cache", headers=US)
        eventually(lambda: ask(gateway.url, told).json()["semantic"]["entries"] >= 1)
    elif tier != "l1":
        eventually(lambda: writes(gateway, tier) >= 1)
        asking(gateway, "Something else, to push it out of memory.", headers=US)


@pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)
def test_tenants_never_meet(gateway: Gateway, tier: str, speech: Speech):
    def found(headers: dict[str, str]) -> Response:
        again = ALIKE if tier == "semantic" else STORED
        return asking(gateway, again, speech, headers)

    first = asking(gateway, STORED, speech, US)
    assert first.cache == "miss"
    is_kept(gateway, tier)
    theirs = found(THEM)
    assert theirs.cache == "miss"
    ours = found(US)
    assert (ours.cache, ours.body) == (tier, first.body)
    assert theirs.headers["x-headrace-key"] != first.headers["x-headrace-key"]
