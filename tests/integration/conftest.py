"""The gateway that most tests share: each leaves it as it found it, which is checked."""

from collections.abc import Iterator

import pytest
from tests.support.house import House

from headrace.sim.options import SimOptions
from headrace.sim.thread import running


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
