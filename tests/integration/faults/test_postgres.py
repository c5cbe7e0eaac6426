"""Whatever becomes of PostgreSQL, callers get right answers, and it is used when it is back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.postgres import PostgresServer
from tests.support.tiered import (
    BACK_TIMEOUT_S,
    DOWN,
    UP,
    Callers,
    asking,
    calling,
    changes,
    state,
    tiered,
)
from tests.support.waiting import eventually

from headrace.sim.thread import ThreadedSim

PATIENT_MS = 2000
QUICK_MS = 50


def durable(sim: ThreadedSim, url: str, timeout_ms: int = PATIENT_MS) -> dict[str, Any]:
    cache = {"durable": True, "tier_timeout_ms": timeout_ms}
    return tiered(sim, cache=cache, store={"url": url})


def is_open(gateway: Gateway) -> None:
    """Wait until it has seen that there are no keys in the store."""
    eventually(lambda: asking(gateway, "Is it open?").status == 200, BACK_TIMEOUT_S)


@contextmanager
def calling_once_open(gateway: Gateway, sim: ThreadedSim) -> Iterator[Callers]:
    is_open(gateway)
    with calling(gateway, sim) as callers:
        yield callers


@pytest.mark.heavy
def test_down_at_start_and_up_later(
    sim: ThreadedSim, own_url: str, server: PostgresServer, tmp_path: Path
):
    before = tmp_path / "before"
    before.mkdir()
    data_dir = {"data_dir": str(tmp_path / "data")}
    with Gateway(before, durable(sim, own_url) | data_dir) as gateway:
        is_open(gateway)  # and where that was seen, it is so without the store too
    server.stop()
    with Gateway(tmp_path, durable(sim, own_url)) as gateway, calling(gateway, sim) as callers:
        assert set(callers.answered()) <= {"miss", "joined", "l1"}
        eventually(lambda: state(gateway, "l3") == DOWN, BACK_TIMEOUT_S)
        server.start()
        callers.finds_in("l3")
        eventually(lambda: state(gateway, "l3") == UP, BACK_TIMEOUT_S)
        eventually(lambda: changes(gateway, "l3") == ["tier_down", "tier_up"])


@pytest.mark.heavy
def test_killed_in_a_write_under_load(
    sim: ThreadedSim, own_url: str, server: PostgresServer, tmp_path: Path
):
    with (
        Gateway(tmp_path, durable(sim, own_url)) as gateway,
        calling_once_open(gateway, sim) as callers,
    ):
        callers.finds_in("l3")
        server.kill()
        eventually(lambda: state(gateway, "l3") == DOWN, BACK_TIMEOUT_S)
        assert "l3" not in callers.answered()
        server.start()
        callers.finds_in("l3")
        eventually(lambda: state(gateway, "l3") == UP, BACK_TIMEOUT_S)


@pytest.mark.heavy
def test_frozen(sim: ThreadedSim, own_url: str, server: PostgresServer, tmp_path: Path):
    with (
        Gateway(tmp_path, durable(sim, own_url, QUICK_MS)) as gateway,
        calling_once_open(gateway, sim) as callers,
    ):
        callers.finds_in("l3")
        server.freeze()
        eventually(lambda: state(gateway, "l3") == DOWN, BACK_TIMEOUT_S)
        assert "l3" not in callers.answered(500)  # nobody waits for it
        server.thaw()
        callers.finds_in("l3")
        eventually(lambda: state(gateway, "l3") == UP, BACK_TIMEOUT_S)


def test_down_when_the_gateway_ends(
    sim: ThreadedSim, own_url: str, server: PostgresServer, tmp_path: Path
):
    with Gateway(tmp_path, durable(sim, own_url)) as gateway:
        with calling_once_open(gateway, sim) as callers:
            callers.finds_in("l3")
            server.kill()
            callers.answered()
        gateway.stop()
