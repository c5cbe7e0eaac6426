"""What tests share: the gateway most of them ask, and the provider and loops of the library's."""

import asyncio
from collections.abc import Iterator

import pytest
import uvloop
from tests.support.adapter import Loop
from tests.support.house import House

from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running


@pytest.fixture(scope="session")
def shared_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running(SimOptions()) as sim:
        house = House.build(
            tmp_path_factory.mktemp("house"),
            sim,
            listen={"cors_origins": ["https://app.example.com"]},
        )
        with house.gateway:
            yield house


@pytest.fixture
def house(shared_house: House) -> Iterator[House]:
    """The shared gateway; after the test the next request works and nothing is left behind."""
    yield shared_house
    shared_house.assert_sound()


@pytest.fixture(scope="module")
def shared_sim() -> Iterator[ThreadedSim]:
    """The provider that the tests of a module share."""
    with running(SimOptions()) as sim:
        yield sim


@pytest.fixture
def sim(shared_sim: ThreadedSim) -> ThreadedSim:
    """A provider that has seen nothing yet."""
    shared_sim.reset()
    return shared_sim


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Loop:
    """Makes the loop of a test; each runs with asyncio's and with uvloop's."""
    made: Loop = request.param
    return made
