"""Rows as CSV (RFC 4180) that a spreadsheet may open."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

# A cell that begins so would be a formula there, and callers make up some of what stands in cells.
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_text(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows under a line with the names of their columns.

    Args:
        rows: have a value for each column.
        columns: in order.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in columns])
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULAS):
        return "'" + value
    if isinstance(value, float):
        return format(value, ".9f").rstrip("0").rstrip(".")
    return value
