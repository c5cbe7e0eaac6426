"""`import headrace` is cheap: it loads nothing that a program might never use."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
COSTLY: Final = frozenset(
    {
        "asyncio",
        "concurrent",
        "email",
        "http",
        "multiprocessing",
        "socket",
        "sqlite3",
        "ssl",
        "urllib",
    }
)
"""Slow parts of the standard library; third-party packages count as costly without exception."""


def loaded_by(statement: str) -> set[str]:
    """Top-level names of the modules that `statement` loads in a fresh interpreter."""
    program = (
        "import json, sys; before = set(sys.modules)\n"
        f"{statement}\n"
        "print(json.dumps(sorted({n.partition('.')[0] for n in set(sys.modules) - before})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        timeout=60,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "src")},
    )
    return set(json.loads(done.stdout))


def costly(names: set[str]) -> set[str]:
    """Those of `names` that are costly to load."""
    return {
        name
        for name in names
        if name in COSTLY or name not in sys.stdlib_module_names | {"headrace"}
    }


def test_importing_the_package_loads_nothing_costly() -> None:
    loaded = loaded_by("import headrace")
    assert "headrace" in loaded
    assert costly(loaded) == set()


def test_errors_alone_cost_no_engine() -> None:
    assert costly(loaded_by("import headrace.errors")) == set()


def test_what_is_costly_is_seen() -> None:
    assert "msgspec" in costly(loaded_by("import msgspec"))
    assert "asyncio" in costly(loaded_by("import headrace, asyncio"))
