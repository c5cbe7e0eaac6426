"""Rows of equal shape as a table: JSON objects without their names in every row.

    {"total":2,"items":"@rows1"}
    @rows1, 2 rows as CSV; in each: "unit":"kg"
    id,name
    1,flour
    2,"salt, fine"

An empty cell is a member that is not there. A cell is JSON; quotes are left out of a text that
cannot be taken for anything else. `unfold` gives the value back, which is how it is checked.
"""

import json
import re
from typing import Any, Final

from headrace.prompt.compress.json_text import Members, Spelled, parse, parse_at

ROWS_MIN: Final = 3
_DEPTH_MAX: Final = 4
_PRESENT_SHARE_MIN: Final = 0.6
_HEAD: Final = re.compile(r"@rows(\d+), (\d+) rows as CSV(?:; in each: (.+))?")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_NOT_BARE: Final = re.compile(r'[,"\\\x00-\x1f\x7f-\xa0\u2028\u2029\ud800-\udfff]')
_CONSTANTS: Final = frozenset(("true", "false", "null", "NaN", "Infinity", "-Infinity"))
_LITERALS: Final = {True: "true", False: "false", None: "null"}.items()

Row = dict[str, Any]


class _NotRowsError(ValueError):
    pass


def fold(value: Any) -> str | None:
    """A parsed JSON value as text with tables in it; `None` where it has no rows of equal shape.

    What nests deeper than the interpreter's stack is taken for a value without rows.
    """
    try:
        return _folded(value)
    except (_NotRowsError, RecursionError):
        return None


def _folded(value: Any) -> str | None:
    tables: list[list[Row]] = []
    outside = _taken_out(value, tables, depth=0)
    if not tables:
        return None
    lines = [] if isinstance(outside, _Place) else [write(outside)]
    for number, rows in enumerate(tables, 1):
        lines += _table_lines(number, rows)
    return "\n".join(lines)


def unfold(text: str) -> Any:
    """The value that `fold` wrote; `None` where `text` is nothing that it writes.

    Objects that were rows come back as dictionaries, for the order of their members is lost.
    """
    lines = text.split("\n")
    head = None if _HEAD.fullmatch(lines[0]) else parse(lines.pop(0))
    try:
        tables = _read_tables(lines)
        return tables.get("@rows1") if head is None else _put_back(head[0], tables)
    except (_NotRowsError, RecursionError):
        return None


def plain(value: Any) -> Any:
    """A parsed value with all objects as dictionaries, to compare with what `unfold` gives."""
    if isinstance(value, Members):
        return {name: plain(each) for name, each in value}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def write(value: Any) -> str:
    """A parsed value as JSON without white space; numbers as they were spelled."""
    if isinstance(value, Spelled | _Place):
        return str.__str__(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=_has_surrogates(value))
    if isinstance(value, Members):
        return "{" + ",".join(f"{write(name)}:{write(each)}" for name, each in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    return next(literal for constant, literal in _LITERALS if constant is value)


class _Place(str):
    """Where a table was taken out, as it is written in its place."""

    __slots__ = ()


def _taken_out(value: Any, tables: list[list[Row]], depth: int) -> Any:
    """`value` with its tables replaced by places; they are added to `tables`."""
    if isinstance(value, str) and value.startswith("@rows"):
        raise _NotRowsError
    if isinstance(value, list):
        rows = _uniform(value)
        if rows is not None:
            tables.append(rows)
            name = f"@rows{len(tables)}"
            return _Place(f'"{name}"')
    if depth == _DEPTH_MAX:
        return value
    if isinstance(value, Members):
        return Members((name, _taken_out(each, tables, depth + 1)) for name, each in value)
    return value


def _uniform(values: list[Any]) -> list[Row] | None:
    """Objects that share most of their names, as dictionaries; `None` for anything else."""
    if len(values) < ROWS_MIN or not all(isinstance(each, Members) and each for each in values):
        return None
    rows = [dict(each) for each in values]
    if any(len(row) != len(members) for row, members in zip(rows, values, strict=True)):
        return None
    names = {name for row in rows for name in row}
    present = sum(map(len, rows))
    if "" in names or present < _PRESENT_SHARE_MIN * len(names) * len(rows):
        return None
    return rows


def _table_lines(number: int, rows: list[Row]) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    written = [{name: write(value) for name, value in row.items()} for row in rows]
    first = written[0]
    constant = [n for n in names if n in first and all(row.get(n) == first[n] for row in written)]
    varying = [name for name in names if name not in set(constant)]
    if not varying:
        varying = [constant.pop()]
    head = f"@rows{number}, {len(rows)} rows as CSV"
    if constant:
        members = ",".join(f"{write(name)}:{first[name]}" for name in constant)
        head += f"; in each: {members}"
    cells = [[_cell(row, name) for name in varying] for row in rows]
    return [head, ",".join(map(_bare, varying)), *map(",".join, cells)]


def _cell(row: Row, name: str) -> str:
    if name not in row:
        return ""
    value = row[name]
    return _bare(value) if isinstance(value, str) and type(value) is str else write(value)


def _bare(text: str) -> str:
    """A text without quotes, where it can be told from anything else."""
    is_bare = (
        text
        and text == text.strip()
        and text[0] not in "[{@"
        and text not in _CONSTANTS
        and not _NUMBER.fullmatch(text)
        and not _NOT_BARE.search(text)
    )
    return text if is_bare else write(text)


def _has_surrogates(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _read_tables(lines: list[str]) -> dict[str, list[Row]]:
    tables: dict[str, list[Row]] = {}
    at = 0
    while at < len(lines):
        head = _HEAD.fullmatch(lines[at])
        if head is None or at + 1 + int(head[2]) >= len(lines):
            raise _NotRowsError
        shared = _members("{" + (head[3] or "") + "}")
        names = [str(name) for name in _read_cells(lines[at + 1])]
        rows = lines[at + 2 : at + 2 + int(head[2])]
        tables[f"@rows{head[1]}"] = [_read_row(names, row) | shared for row in rows]
        at += 2 + int(head[2])
    return tables


def _members(text: str) -> Row:
    found = parse(text)
    if found is None or not isinstance(found[0], Members):
        raise _NotRowsError
    return {name: plain(value) for name, value in found[0]}


def _read_row(names: list[str], line: str) -> Row:
    cells = _read_cells(line)
    if len(cells) != len(names):
        raise _NotRowsError
    return {n: cell for n, cell in zip(names, cells, strict=True) if cell is not _ABSENT}


_ABSENT: Final = Spelled("")


def _read_cells(line: str) -> list[Any]:
    cells: list[Any] = []
    at = 0
    while True:
        if line[at : at + 1] in ('"', "[", "{"):
            found = parse_at(line, at)
            if found is None:
                raise _NotRowsError
            cells.append(plain(found[0]))
            at = found[1]
        else:
            end = line.find(",", at)
            end = len(line) if end < 0 else end
            cells.append(_value(line[at:end]))
            at = end
        if at == len(line):
            return cells
        if line[at] != ",":
            raise _NotRowsError
        at += 1


def _value(cell: str) -> Any:
    if not cell:
        return _ABSENT
    if cell in {"true", "false", "null"}:
        return {"true": True, "false": False, "null": None}[cell]
    return Spelled(cell) if cell in _CONSTANTS or _NUMBER.fullmatch(cell) else cell


def _put_back(value: Any, tables: dict[str, list[Row]]) -> Any:
    if isinstance(value, Members):
        return {name: _put_back(each, tables) for name, each in value}
    if isinstance(value, list):
        return [_put_back(each, tables) for each in value]
    if type(value) is str and value in tables:
        return tables[value]
    return value
