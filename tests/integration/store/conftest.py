"""Stores on a real SQLite file and a real PostgreSQL server."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.postgres import URL_VARIABLE, Databases, PostgresServer, find_binaries
from tests.support.stores import Place


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


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Databases:
    """Makes databases, on the server that the environment names or else on one of our own."""
    if url := os.environ.get(URL_VARIABLE):
        return Databases(url)
    server: PostgresServer = request.getfixturevalue("own_server")
    return server.databases


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


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where an empty store is, of each kind."""
    with ExitStack() as stack:
        url = "sqlite"
        if request.param == "postgresql":
            found: Databases = request.getfixturevalue("databases")
            url = stack.enter_context(found.fresh())
        yield Place(url, tmp_path)
