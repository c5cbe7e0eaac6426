"""What the tests of faults share: a provider, and a Valkey of each test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.valkey import Valkey

from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running


@pytest.fixture
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as sim:
        yield sim


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A server of this test alone, that runs."""
    folder = tmp_path / "valkey"
    folder.mkdir()
    with Valkey(folder) as valkey:
        yield valkey
