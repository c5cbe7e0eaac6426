"""The tables of faults name what there is: tests that exist, reasons that are counted."""

import re
from pathlib import Path

import pytest

from headrace.cache.rules import Refusal

ROOT = Path(__file__).resolve().parents[2]
CACHE, FLOW = ((ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in ("cache", "flow"))

tables = pytest.mark.parametrize(
    ("text", "folder"), [(CACHE, "faults"), (FLOW, "flow_faults")], ids=["cache", "flow"]
)


def section(title: str, text: str = CACHE) -> str:
    """What stands below a heading, whatever its level."""
    return re.split(rf"^#+ {title}\n", text, flags=re.MULTILINE)[1].partition("\n## ")[0]


@tables
def test_every_test_of_a_fault_is_there(text: str, folder: str) -> None:
    table = section("When things break", text)
    named = re.findall(r"`((?:unit|integration|property)/[\w/]+\.py)`", table)
    assert len(named) > 20
    assert [name for name in named if not (ROOT / "tests" / name).is_file()] == []


@tables
def test_every_fault_has_a_row_with_its_test(text: str, folder: str) -> None:
    tests = {path.name for path in (ROOT / "tests/integration" / folder).glob("test_*.py")}
    table = section("When things break", text)
    assert tests == set(re.findall(rf"integration/{folder}/(\w+\.py)", table))


def test_every_reason_not_to_store_is_told_in_the_order_of_the_table() -> None:
    told = re.findall(r"^\| `(\w+)` \|", section("What is never stored"), re.MULTILINE)
    assert told == [refusal.value for refusal in Refusal]
