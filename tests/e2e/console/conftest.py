"""A browser, and a gateway for it to look at."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.support.console import ADMIN_KEY, APP_KEY
from tests.support.gateway import Gateway

from headrace.sim.options import SimOptions
from headrace.sim.thread import running

if TYPE_CHECKING:
    from tests.support.browser import Chromium


@pytest.fixture(scope="session")
def browser() -> Iterator["Chromium"]:
    # Not above: a file of fixtures is read where the driver is not installed, too.
    from tests.support.browser import chromium, why_not

    reason = why_not()
    if reason:
        pytest.skip(reason)
    with chromium() as one:
        yield one


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(SimOptions(seed=7)) as sim:
        settings = {
            "providers": {"sim": {"dialect": "openai", "base_url": f"{sim.url}/v1"}},
            "models": {"fast": {"targets": ["sim/gpt-4o-mini"]}},
            "slos": [
                {
                    "name": "up",
                    "kind": "availability",
                    "objective": 0.9,
                    "reaction": {"action": "shed"},
                }
            ],
            "keys": [
                {"key": APP_KEY, "tenant": "shop", "name": "shop-app"},
                {"key": ADMIN_KEY, "tenant": "operations", "name": "operator", "admin": True},
            ],
        }
        folder = tmp_path_factory.mktemp("watched")
        with Gateway(folder, settings, admin_key=ADMIN_KEY) as served:
            yield served
