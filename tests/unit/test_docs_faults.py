"""The tables of docs/cache.md name what there is: tests that exist, reasons that are counted."""

import re
from pathlib import Path

from headrace.cache.rules import Refusal

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "cache.md").read_text("utf-8")


def section(title: str) -> str:
    return TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_every_test_of_a_fault_is_there() -> None:
    named = re.findall(
        r"`((?:unit|integration|property)/[\w/]+\.py)`", section("When things break")
    )
    assert len(named) > 20
    assert [name for name in named if not (ROOT / "tests" / name).is_file()] == []


def test_every_fault_has_a_row_with_its_test() -> None:
    tests = {path.name for path in (ROOT / "tests/integration/faults").glob("test_*.py")}
    assert tests == set(re.findall(r"integration/faults/(\w+\.py)", section("When things break")))


def test_every_reason_not_to_store_is_told_in_the_order_of_the_table() -> None:
    told = re.findall(r"^\| `(\w+)` \|", section("What is never stored"), re.MULTILINE)
    assert told == [refusal.value for refusal in Refusal]
