"""A gateway in a process of its own before a simulated provider, and the SDKs unchanged."""

from collections.abc import Iterator

import anthropic
import openai
import pytest
from tests.e2e.asking import numbered
from tests.support.gateway import Gateway

from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

APP_KEY = "hr-application-key"
ADMIN_KEY = "hr-operator-key"
PROVIDER_KEY = "sk-of-the-provider"


@pytest.fixture(scope="session")
def sim() -> Iterator[ThreadedSim]:
    """A provider that accepts its own key and no other."""
    with running(SimOptions(seed=4, api_keys=(PROVIDER_KEY,))) as server:
        yield server


@pytest.fixture(scope="session")
def gateway(sim: ThreadedSim, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    retry = {"tries_max": 1}  # what the SDKs do about failures is to be seen
    provider = {"base_url": f"{sim.url}/v1", "api_key": PROVIDER_KEY, "retry": retry}
    settings = {
        "providers": {
            "openai": {"dialect": "openai", **provider},
            "anthropic": {"dialect": "anthropic", **provider},
        },
        "models": {
            "gpt-4o-mini": {"targets": ["openai/gpt-4o-mini"]},
            "text-embedding-3-small": {"targets": ["openai/text-embedding-3-small"]},
            "quick": {"targets": ["openai/gpt-4o-mini"]},
            "claude-sim": {"targets": ["anthropic/claude-sim"]},
        },
        "keys": [
            {"key": APP_KEY, "tenant": "app"},
            {"key": ADMIN_KEY, "tenant": "operations", "admin": True},
        ],
    }
    folder = tmp_path_factory.mktemp("gateway")
    settings["data_dir"] = str(folder / "data")
    with Gateway(folder, settings, admin_key=ADMIN_KEY) as served:
        yield served
        served.wait_until_quiet()


@pytest.fixture
def gpt(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=APP_KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def claude(gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.url, api_key=APP_KEY, max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def questions() -> Iterator[str]:
    return numbered()


@pytest.fixture
def question(questions: Iterator[str]) -> str:
    """One that nobody has asked before."""
    return next(questions)
