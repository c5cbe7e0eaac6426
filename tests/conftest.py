"""For all tests: on CI the same tree is tried with the same examples, so that red means changed.

Elsewhere hypothesis looks for new ones each time, and what it finds becomes a test of its own. How
long an example takes says nothing of it: other tests run at the same time.
"""

import gc
import os

from hypothesis import HealthCheck, settings

_ANY_SPEED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("here", **_ANY_SPEED)
settings.register_profile("ci", **_ANY_SPEED, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_collection_finish() -> None:
    """What was imported lives as long as the tests: no pass of the collector need look at it."""
    gc.collect()
    gc.freeze()
