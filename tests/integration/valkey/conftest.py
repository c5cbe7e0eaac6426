"""One Valkey for the tests of this folder, empty for each; who breaks one starts its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.valkey import Valkey


@pytest.fixture(scope="session")
def shared_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as valkey:
        yield valkey


@pytest.fixture
def valkey(shared_valkey: Valkey) -> Valkey:
    """A server that holds nothing."""
    shared_valkey.command("FLUSHALL")
    return shared_valkey


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Valkey]:
    """A server of this test alone."""
    with Valkey(tmp_path) as valkey:
        yield valkey
