"""Stores on a real SQLite file and a real PostgreSQL server."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.postgres import URL_VARIABLE, Databases, PostgresServer
from tests.support.stores import Place


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
