"""A part of a journal as the tables take it: calls, what was said in them, and their sums. Pure."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from headrace.store.ledger.rollup import by_month, sums
from headrace.store.ledger.row import CallRow, ContentRow, Row

# As the fields of a row, in their order.
COLUMNS: Final = tuple("key_name" if each == "key" else each for each in CallRow.__struct_fields__)

# Sums of many of them are bounded by 63 bits too.
_NUMBER_MAX: Final = 1 << 48

Values = dict[str, Any]


class Batch(msgspec.Struct, frozen=True):
    """What is stored in one transaction.

    Attributes:
        calls: a row each.
        contents: what was said in some of them.
        days: what they come to, by day.
        months: and by month.
        unreadable: records that are no rows.
    """

    calls: list[Values]
    contents: list[Values]
    days: list[Values]
    months: list[Values]
    unreadable: int


def read_batch(records: Sequence[bytes]) -> Batch:
    """What records of a journal say.

    Args:
        records: as they were written, by this version or another one.
    """
    decode = msgspec.msgpack.Decoder(Row).decode
    calls: list[CallRow] = []
    contents: list[Values] = []
    unreadable = 0
    for record in records:
        try:
            row = decode(record)
        except (msgspec.DecodeError, UnicodeDecodeError):
            unreadable += 1
            continue
        if isinstance(row, CallRow):
            calls.append(_storable(row))
        else:
            contents.append(_content_values(row))
    days = sums(calls)
    return Batch(list(map(call_values, calls)), contents, days, by_month(days), unreadable)


def call_values(row: CallRow) -> Values:
    """A call as its table takes it."""
    return dict(zip(COLUMNS, msgspec.structs.astuple(row), strict=True))


def _storable(row: CallRow) -> CallRow:
    """The same without what databases do not take: zeros in what callers make up, and numbers
    beyond all bounds in what providers do."""
    if max(row.input_tokens, row.output_tokens, row.cost_nano or 0, row.saved_nano) > _NUMBER_MAX:
        row = _bounded(row)
    if "\0" in row.asked or "\0" in row.model:
        row.asked, row.model = row.asked.replace("\0", ""), row.model.replace("\0", "")
    return row


def _bounded(row: CallRow) -> CallRow:
    fields = {
        name: _NUMBER_MAX
        for name, value in msgspec.structs.asdict(row).items()
        if isinstance(value, int) and value > _NUMBER_MAX
    }
    return msgspec.structs.replace(row, **fields)


def _content_values(row: ContentRow) -> Values:
    values = msgspec.structs.asdict(row)
    values["prompt"] = row.prompt.replace("\0", "")
    values["answer"] = row.answer.replace("\0", "")
    return values
