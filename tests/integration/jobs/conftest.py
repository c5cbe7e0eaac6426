"""What tests of jobs share: a provider of one test, and gateways of one data directory."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.job_gateways import Begin, settings

from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running


@pytest.fixture
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as server:
        yield server


@pytest.fixture
def begin(sim: ThreadedSim, tmp_path: Path) -> Iterator[Begin]:
    """Begins gateways of one data directory, killed in the end where they still run."""
    with ExitStack() as stack:
        count = 0

        def made(*, pace: dict[str, str] | None = None, **more: Any) -> Gateway:
            nonlocal count
            count += 1
            whole = settings(sim, tmp_path / "data", pace, **more)
            gateway = Gateway(tmp_path / f"gateway {count}", whole)
            stack.callback(gateway.kill)
            return gateway

        yield made
