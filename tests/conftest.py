"""For all tests: on CI the same tree is tried with the same examples, so that red means changed.

Elsewhere hypothesis looks for new ones each time, and what it finds becomes a test of its own.
"""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
