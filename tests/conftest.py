"""For all tests: on CI the same tree is tried with the same examples, so that red means changed.

Elsewhere hypothesis looks for new ones each time, for fewer where `make test` wants it `quick`, and
what it finds becomes a test of its own. How long an example takes says nothing of it: other tests
run at the same time.
"""

import gc
import os
import tempfile
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture.providers import HypothesisProvider
from hypothesis.internal.constants_ast import Constants
from tests.support.memory import memory_folder

from headrace.scratch import Scratch

_ANY_SPEED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("here", **_ANY_SPEED)
settings.register_profile("quick", **_ANY_SPEED, max_examples=30)
settings.register_profile("ci", **_ANY_SPEED, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
if os.environ.get("CI"):
    # Or constants of whatever modules a process has loaded by then would be among the examples.
    HypothesisProvider._local_constants = Constants()  # type: ignore[assignment]


def pytest_configure(config: pytest.Config) -> None:
    """Files of tests are in memory, nothing is kept in the home of whoever runs them, and what is
    temporary goes with the run, whatever was killed in it.

    Nearly every test with a store writes it through to the disk; no test is about a disk's own.
    """
    if not hasattr(config, "workerinput"):  # which takes over what is set here
        _keep_what_is_temporary(config)
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="state-")


def _keep_what_is_temporary(config: pytest.Config) -> None:
    place = str(memory_folder() or tempfile.gettempdir())
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", place)
    tempfile.tempdir = place
    files = Scratch("tests")
    config.add_cleanup(files.remove)
    files.path.chmod(0o711)  # servers that run as other users have folders in it
    os.environ["TMPDIR"] = tempfile.tempdir = str(files.path)


def _variant(item: pytest.Item) -> list[object]:
    return list(item.callspec.params.values()) if hasattr(item, "callspec") else []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is heavy on PostgreSQL alone is marked there, before any is left out.

    Making a database takes most of such a test there, and next to nothing on SQLite.
    """
    for item in items:
        if item.get_closest_marker("heavy_on_postgresql") and "postgresql" in _variant(item):
            item.add_marker("heavy")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported lives as long as the tests: no pass of the collector need look at it."""
    gc.disable()
    result = yield
    gc.collect()
    gc.freeze()
    gc.enable()
    return result
