"""What gates came to, one after the other: a file of JSON lines, and where its figures broke."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from headrace.bench.gate.judge import Judged
from headrace.bench.load.faults import PlanInvalid
from headrace.bench.records import Environment, whole_lines
from headrace.bench.statistics.chance import chance
from headrace.bench.statistics.series import HISTORY_MAX, change_points

FORMAT: Final = "headrace-gate-1"
_BYTES_MAX: Final = 64 << 20
_SEED: Final = 1


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One gate.

    Attributes:
        format: of this line.
        at: wall time, seconds since 1970.
        commit: what was measured, as git describes it; `None` outside of a checkout.
        environment: where.
        ratios: of each budget by its name, with the yardstick behind it: `NAME / nginx`.
    """

    format: str = FORMAT
    at: float
    commit: str | None
    environment: Environment
    ratios: Mapping[str, float]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Where a figure broke.

    Attributes:
        name: of the ratio.
        commit: the first of the new stretch.
        at: wall time of that one.
        before: median of the stretch before it.
        after: of the new one.
    """

    name: str
    commit: str | None
    at: float
    before: float
    after: float


def entry_of(told: Sequence[Judged], at: float, commit: str | None) -> Entry:
    """What is to be remembered of a gate."""
    ratios = {f"{one.budget.name} / {one.yard}": one.ratio for one in told}
    return Entry(
        at=at,
        commit=commit,
        environment=Environment.here(),
        ratios={name: ratio for name, ratio in ratios.items() if ratio is not None},
    )


def read(path: Path) -> list[Entry]:
    """The gates of a file, without half a line at its end; none where there is no file yet.

    Raises:
        PlanInvalid: a line is no gate; the message tells which.
        OSError: it cannot be read.
    """
    if not path.is_file():
        return []
    with path.open("rb") as file:
        raw = file.read(_BYTES_MAX + 1)
    if len(raw) > _BYTES_MAX:
        raise PlanInvalid(f"{path}: is larger than {_BYTES_MAX >> 20} MiB: begin another.")
    decoder, entries = msgspec.json.Decoder(Entry), []
    for number, line in enumerate(whole_lines(raw), start=1):
        try:
            entries.append(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PlanInvalid(f"{path}:{number}: is no gate: {error}") from None
        if entries[-1].format != FORMAT:
            raise PlanInvalid(f"{path}:{number}: is no gate of this format, {FORMAT}.")
    return entries


def changes(entries: Sequence[Entry], here: Environment) -> list[Change]:
    """Where figures broke, of gates on machines like this one; of long histories, the end.

    Args:
        entries: in the order in which they were made.
        here: processor, cores and Python have to be the same.
    """
    alike = [entry for entry in entries if _kind(entry.environment) == _kind(here)][-HISTORY_MAX:]
    names = dict.fromkeys(name for entry in alike for name in entry.ratios)
    return [change for name in names for change in _changes_of(name, alike)]


def _changes_of(name: str, entries: Sequence[Entry]) -> list[Change]:
    told = [entry for entry in entries if name in entry.ratios]
    values = [entry.ratios[name] for entry in told]
    places = change_points(values, chance(_SEED))
    ends = [0, *places, len(values)]
    return [
        Change(
            name=name,
            commit=told[middle].commit,
            at=told[middle].at,
            before=median(values[before:middle]),
            after=median(values[middle:after]),
        )
        for before, middle, after in zip(ends, ends[1:], ends[2:], strict=False)
    ]


def _kind(environment: Environment) -> tuple[str, int, str]:
    minor = environment.python.rpartition(".")[0]
    return environment.processor, environment.cores, minor
