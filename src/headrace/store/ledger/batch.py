"""A part of a journal as the tables take it: calls, what was said in them, and their sums. Pure."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from headrace.store.ledger.rollup import Sums, by_month
from headrace.store.ledger.row import CallRow, ContentRow, Row

# Sums of many of them are bounded by 63 bits too.
_NUMBER_MAX: Final = 1 << 48

Values = dict[str, Any]


class Batch(msgspec.Struct, frozen=True):
    """What is stored in one transaction.

    Attributes:
        calls: a row each, its values in the order of `CallRow`.
        contents: what was said in some of them.
        days: what they come to, by day.
        months: and by month.
        unreadable: records that are no rows.
    """

    calls: list[tuple[Any, ...]]
    contents: list[Values]
    days: list[Values]
    months: list[Values]
    unreadable: int

    def named_calls(self) -> list[Values]:
        """The calls again, their values by name."""
        return [dict(zip(CallRow.__struct_fields__, call, strict=True)) for call in self.calls]


class BatchMaker:
    """Makes a batch, a few records at a time."""

    def __init__(self) -> None:
        self._decode = msgspec.msgpack.Decoder(Row).decode
        self._calls: list[tuple[Any, ...]] = []
        self._contents: list[Values] = []
        self._sums = Sums()
        self._unreadable = 0

    def add(self, records: Iterable[bytes]) -> None:
        """Take records of a journal.

        Args:
            records: as they were written, by this version or another one.
        """
        for record in records:
            try:
                row = self._decode(record)
            except (msgspec.DecodeError, UnicodeDecodeError):
                self._unreadable += 1
                continue
            if isinstance(row, CallRow):
                call = _storable(row)
                self._sums.add(call)
                self._calls.append(msgspec.structs.astuple(call))
            else:
                self._contents.append(_content_values(row))

    def batch(self) -> Batch:
        """All that was taken."""
        days = self._sums.days()
        return Batch(self._calls, self._contents, days, by_month(days), self._unreadable)


def _storable(row: CallRow) -> CallRow:
    """The same without what databases do not take: zeros in what callers make up, and numbers
    beyond all bounds in what providers do."""
    if max(row.input_tokens, row.output_tokens, row.cost_nano or 0, row.saved_nano) > _NUMBER_MAX:
        row = _bounded(row)
    if isinstance(row.stages, list):
        row.stages = _told_stages(row.stages)
    if "\0" in row.asked or "\0" in row.model:
        row.asked, row.model = row.asked.replace("\0", ""), row.model.replace("\0", "")
    return row


def _told_stages(stages: list[str | float]) -> str:
    half = len(stages) // 2
    times = (round(float(took_ms), 3) for took_ms in stages[half:])
    return msgspec.json.encode(list(zip(stages[:half], times, strict=True))).decode()


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
