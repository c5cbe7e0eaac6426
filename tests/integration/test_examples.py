"""The examples of the documentation that need no provider run as they are written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("flow.md", "routing.md", "templates.md", "toolkit.md")
TEXTS = {name: (ROOT / "docs" / name).read_text("utf-8") for name in NAMES}
EXAMPLES = {
    f"{name}-{number}": example
    for name, text in TEXTS.items()
    for number, example in enumerate(
        re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    )
}


def test_every_example_is_found() -> None:
    assert all("```python" in text for text in TEXTS.values())
    assert len(EXAMPLES) == sum(text.count("```python") for text in TEXTS.values())


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs(tmp_path: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", EXAMPLES[name]],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
