"""One broker for all tests here, since it takes its time to start."""

from collections.abc import Iterator

import pytest
from tests.support.rabbitmq import RabbitServer, rabbit, why_not


@pytest.fixture(scope="package")
def broker() -> Iterator[RabbitServer]:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with rabbit() as server:
        yield server
