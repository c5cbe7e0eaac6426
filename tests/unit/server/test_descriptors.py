"""The limit of open files: raised to what the settings need, never beyond what is allowed."""

import subprocess
import sys

import pytest

from headrace.server.descriptors import SPARE


def told_under(soft: int, hard: int, connections: list[int]) -> tuple[int, str]:
    """The soft limit afterwards and what was said, in a process of its own."""
    program = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from headrace.server.descriptors import raise_descriptor_limit
told = raise_descriptor_limit({connections})
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], told)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    limit, _, told = done.stdout.strip().partition(" ")
    return int(limit), told


@pytest.mark.parametrize(
    ("soft", "hard", "limit"),
    [(128, 512, 300 + SPARE), (450, 512, 450), (300 + SPARE, 300 + SPARE, 300 + SPARE)],
)
def test_it_is_raised_to_what_is_needed_and_never_lowered(soft: int, hard: int, limit: int) -> None:
    assert told_under(soft, hard, [100, 200]) == (limit, "None")


def test_a_hard_limit_that_is_too_low_is_told() -> None:
    limit, told = told_under(128, 256, [100, 200])
    assert limit == 256
    assert "only 256 files may be open" in told
    assert str(300 + SPARE) in told
