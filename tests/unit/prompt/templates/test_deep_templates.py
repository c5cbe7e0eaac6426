"""Templates so deep that reading them by recursion would end the process."""

import subprocess
import sys
from pathlib import Path

import pytest

from headrace.prompt.templates.bounds import FILE_BYTES_MAX

READ = """
import sys
from headrace import SettingsInvalid, TemplateRegistry
try:
    registry = TemplateRegistry(sys.argv[1])
    registry.precompile_all()
    given = {name: 1 for name in registry.templates()[-1].variables}
    registry.render("deep", variables=given)
except SettingsInvalid as error:
    sys.exit("refused: " + error.message[-200:])
"""

ELIFS = "{% if a %}" + "{% elif a %}" * 20


def read(root: Path, body: str) -> subprocess.CompletedProcess[str]:
    """Read, compile and render a template in a process of its own."""
    assert len(body) <= FILE_BYTES_MAX
    (root / "deep.prompt").write_text(body, "utf-8")
    command = [sys.executable, "-c", READ, str(root)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "body",
    [
        "{{ " + "-" * 40_000 + "a }}",
        "{{ a" + "+a" * 40_000 + " }}",
        "{{ " + "not " * 40_000 + "a }}",
        "{{ a" + " ~ a" * 40_000 + " }}",
        "{{ a" + ".b" * 80_000 + " }}",
        "{{ a" + "|trim" * 40_000 + " }}",
        "{{ " + "(" * 40_000 + "a" + ")" * 40_000 + " }}",
        "{% if a %}" + "{% elif a %}" * 20_000 + "{% endif %}",
        "{% if a %}" * 10_000 + "{% endif %}" * 10_000,
        ELIFS * 120 + "{% endif %}" * 120,
        "{% set x = a" + " + a" * 40_000 + " %}",
    ],
    ids=lambda body: body[:20],
)
def test_what_is_too_deep_is_refused(tmp_path: Path, body: str) -> None:
    done = read(tmp_path, body)
    assert done.returncode == 1
    assert done.stderr.startswith("refused: ")


def test_what_is_as_deep_as_may_be_is_read(tmp_path: Path) -> None:
    inner = "{{ a" + "+a" * 249 + " }}"
    branches = "{% if a == 2 %}" + "{% elif a == 2 %}" * 198 + "{% elif a %}"
    body = "{% if a %}" * 60 + branches + inner + "{% endif %}" * 61
    done = read(tmp_path, body)
    assert (done.returncode, done.stderr) == (0, "")
