"""The help of `headrace bench` and the docs name every plan that ships."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from headrace.bench.phases import plans
from headrace.cli.bench import app

DOCS = Path(__file__).resolve().parents[3] / "docs" / "benchmarking.md"


@pytest.mark.parametrize("command", ["run", "plan"])
def test_every_plan_that_ships_is_named(command: str) -> None:
    told = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output
    assert [name for name in plans.names() if f"{name}, " not in told] == []


def test_the_docs_have_a_row_for_every_plan() -> None:
    text = DOCS.read_text("utf-8")
    assert [name for name in plans.names() if f"\n| `{name}` | " not in text] == []
