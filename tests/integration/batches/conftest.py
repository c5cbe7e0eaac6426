"""A gateway with files and batches before a simulated provider."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.postgres import Databases

from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

Begin = Callable[..., Gateway]
# As short as can be: many tests wait for the lease of a gateway that was killed.
LEASE_S = 3


@pytest.fixture
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as server:
        yield server


def settings(
    sim_url: str,
    data_dir: Path,
    pace: dict[str, str] | None = None,
    handed: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A dear model `m`, and nothing that tries again but batches.

    Args:
        handed: how lines are handed to the provider's Batch API; at half the price.
    """
    provider = {
        "dialect": "openai",
        "base_url": f"{sim_url}/v1",
        "headers": pace or {},
        "retry": {"tries_max": 1},
        "breaker": {"enabled": False},
        **({"batches": handed} if handed is not None else {}),
    }
    batches = {"lease_s": LEASE_S, **more.pop("batches", {})}
    price = {"input": 1000, "output": 1000, "batch": 0.5}
    return {
        "providers": {"sim": provider},
        "models": {"m": {"targets": ["sim/m"], "price": price}},
        "data_dir": str(data_dir),
        "batches": batches,
        **more,
    }


@pytest.fixture
def begin_gateway(sim: ThreadedSim, tmp_path: Path) -> Iterator[Begin]:
    """Begins gateways of one data directory, killed in the end where they still run."""
    with ExitStack() as stack:
        count = 0

        def made(
            *,
            pace: dict[str, str] | None = None,
            handed: dict[str, Any] | None = None,
            **more: Any,
        ) -> Gateway:
            nonlocal count
            count += 1
            whole = settings(sim.url, tmp_path / "data", pace, handed, **more)
            gateway = Gateway(tmp_path / f"gateway {count}", whole)
            stack.callback(gateway.kill)
            return gateway

        yield made


@pytest.fixture
def own_database(databases: Databases) -> Iterator[str]:
    """An empty database."""
    with databases.fresh() as url:
        yield url
