"""The examples of the library's documentation run as they are written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.sim.thread import ThreadedSim

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "library.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_every_example_is_found() -> None:
    assert len(EXAMPLES) == TEXT.count("```python") > 5


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example_runs(sim: ThreadedSim, number: int) -> None:
    known = {name: text for name, text in os.environ.items() if not name.endswith("_API_KEY")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", EXAMPLES[number]],
        env={
            **known,
            "PYTHONPATH": str(ROOT / "src"),
            "OPENAI_BASE_URL": f"{sim.url}/v1",
            "ANTHROPIC_BASE_URL": sim.url,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
