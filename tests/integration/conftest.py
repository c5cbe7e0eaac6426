"""What tests share: the gateway most of them ask, the provider and loops of the library's, and a
PostgreSQL server."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import uvloop
from tests.support.adapter import Loop
from tests.support.house import House
from tests.support.postgres import URL_VARIABLE, Databases, PostgresServer, find_binaries
from tests.support.stores import Place

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


@pytest.fixture(scope="session")
def own_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server that tests may kill; each leaves it running."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL here: neither `postgres` nor the `pgserver` wheel")
    server = PostgresServer(binaries)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def server(own_server: PostgresServer) -> Iterator[PostgresServer]:
    """The same server; runs again after the test, whatever the test did to it."""
    yield own_server
    if own_server.is_running:
        own_server.thaw()
    else:
        own_server.start()


@pytest.fixture
def own_url(server: PostgresServer) -> Iterator[str]:
    """An empty database on the server that tests may kill."""
    with server.databases.fresh() as url:
        yield url
        if not server.is_running:
            server.start()
        server.thaw()


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Databases:
    """Makes databases, on the server that the environment names or else on one of our own."""
    if url := os.environ.get(URL_VARIABLE):
        return Databases(url)
    server: PostgresServer = request.getfixturevalue("own_server")
    return server.databases


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where an empty store is, of each kind."""
    with ExitStack() as stack:
        url = "sqlite"
        if request.param == "postgresql":
            found: Databases = request.getfixturevalue("databases")
            url = stack.enter_context(found.fresh())
        yield Place(url, tmp_path)
