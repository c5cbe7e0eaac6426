"""A look at all lines of a batch, before any is asked."""

from collections.abc import Sequence
from typing import Final

import msgspec

from headrace.batches.lines import LineFault
from headrace.batches.source import LineSource

FAULTS_TOLD_MAX: Final = 50
"""Bad lines that a batch itself names; all of them stand in its file of errors."""


class Checked(msgspec.Struct, frozen=True):
    """What there is to do.

    Attributes:
        total: lines that are not empty.
        requests: those of them that can be asked.
        faults: what is wrong with the first of the others.
    """

    total: int
    requests: int
    faults: Sequence[LineFault]


async def check(source: LineSource, lines_max: int) -> Checked:
    """Look at all lines.

    Args:
        source: at its beginning.
        lines_max: the longest batch.

    Raises:
        OSError: the file cannot be read.
    """
    total = requests = 0
    faults: list[LineFault] = []
    while (line := await source.next()) is not None:
        total += 1
        if source.number > lines_max:
            message = f"The file has more than {lines_max} lines: send it in parts."
            return Checked(0, 0, [LineFault(0, "too_many_lines", message)])
        if not isinstance(line, LineFault):
            requests += 1
        elif len(faults) < FAULTS_TOLD_MAX:
            faults.append(line)
    if total == 0:
        faults.append(LineFault(0, "empty_file", "The file has no lines."))
    return Checked(total, requests, faults)


def faults_told(faults: Sequence[LineFault]) -> str:
    """Faults as a batch tells them, as JSON."""
    told = [
        {
            "code": fault.code,
            "message": fault.message,
            "param": fault.param,
            "line": fault.line or None,
        }
        for fault in faults
    ]
    return msgspec.json.encode(told).decode()
