"""What tests have started ends with them, however they do."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60.0
TESTS = """
import os, sys
from pathlib import Path
from tests.support import headrace_process

process = headrace_process.start(
    "sim", "--port", "0", environment=os.environ, folder=Path(sys.argv[1])
)
print(process.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.heavy
def test_a_program_does_not_outlive_tests_that_are_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", TESTS, tmp_path],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as tests:
        assert tests.stdout is not None
        program = psutil.Process(int(tests.stdout.readline()))
        assert program.is_running()
        tests.kill()
    try:
        assert psutil.wait_procs([program], TIMEOUT_S)[1] == []
    finally:
        if program.is_running():
            program.kill()
