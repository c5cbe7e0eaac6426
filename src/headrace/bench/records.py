"""What a run leaves behind: one JSON document on one line of a file, for statistics to read."""

import os
import platform
import re
import stat
from pathlib import Path
from typing import Final, Literal

import msgspec

from headrace.bench.load.call import OUTCOMES
from headrace.bench.load.plan import Phase, Plan
from headrace.bench.load.samples import COLUMNS, NONE, Table
from headrace.bench.load.summary import Summary
from headrace.bench.load.workload import KINDS
from headrace.version import __version__

FORMAT: Final = "headrace-bench-1"
Status = Literal["whole", "interrupted", "target down"]
_DIGITS: Final = 3
# The words of msgspec for the beginning of a document.
_TRUNCATED: Final = "Input data was truncated"


class Environment(msgspec.Struct, frozen=True):
    """Where a run was made.

    Attributes:
        headrace: version of the client.
        python: version.
        system: name and version.
        processor: its model where the system tells, else its kind.
        cores: that this process may use.
        load_average: of the minute before the run.
    """

    headrace: str
    python: str
    system: str
    processor: str
    cores: int
    load_average: float

    @classmethod
    def here(cls) -> "Environment":
        """Ask the machine."""
        return cls(
            headrace=__version__,
            python=platform.python_version(),
            system=f"{platform.system()} {platform.release()}",
            processor=processor(),
            cores=len(os.sched_getaffinity(0)),
            load_average=os.getloadavg()[0],
        )


def processor(told: Path = Path("/proc/cpuinfo")) -> str:
    """The model of this machine's processor; its kind, such as `aarch64`, where nobody tells it.

    Args:
        told: where Linux tells it.
    """
    try:
        text = told.read_text("utf-8", "replace")
    except OSError:
        return platform.machine()
    found = re.search(r"^model name[ \t]*:[ \t]*(\S.*?)[ \t]*$", text, re.MULTILINE)
    return found.group(1) if found else platform.machine()


class Requests(msgspec.Struct, frozen=True, kw_only=True):
    """Requests one by one, in columns; `None` where a request has no such time.

    Attributes:
        seen: how many there were; if more than there are rows, the rows are a fair draw.
        at_s: intended, from the start of the phase.
        lag_ms: from there to when the client turned to it.
        e2e_ms: from the intended time to the end.
        ttft_ms: from the intended time to the first token.
        tpot_ms: of each further token.
        outcome: how it ended.
        kind: what was asked.
    """

    seen: int
    at_s: list[float]
    lag_ms: list[float]
    e2e_ms: list[float]
    ttft_ms: list[float | None]
    tpot_ms: list[float | None]
    outcome: list[str]
    kind: list[str]

    @classmethod
    def of(cls, table: Table) -> "Requests":
        """Unpack a table."""
        columns = {name: table.column(name) for name in COLUMNS}

        def ms(name: str) -> list[float]:
            return [round(value * 1000, _DIGITS) for value in columns[name]]

        def ms_or_none(name: str) -> list[float | None]:
            return [
                None if value == NONE else round(value * 1000, _DIGITS) for value in columns[name]
            ]

        return cls(
            seen=table.seen,
            at_s=[round(value, 6) for value in columns["at_s"]],
            lag_ms=ms("lag_s"),
            e2e_ms=ms("e2e_s"),
            ttft_ms=ms_or_none("ttft_s"),
            tpot_ms=ms_or_none("tpot_s"),
            outcome=[OUTCOMES[int(value)] for value in columns["outcome"]],
            kind=[KINDS[int(value)] for value in columns["kind"]],
        )


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one thing that a phase has to keep.

    Attributes:
        name: of the SLO.
        limit: what is asked.
        measured: what came out; `None` where there is none, as with latencies without end.
        is_kept: `None` where nobody can tell.
        note: why not, and more.
    """

    name: str
    limit: float
    measured: float | None
    is_kept: bool | None
    note: str = ""


class PhaseRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One phase of a run.

    Attributes:
        phase: as it was planned.
        summary: its figures.
        verdicts: on what it has to keep.
        notes: what else there is to say: whether it was steady, when the target was down.
        requests: one by one.
    """

    phase: Phase
    summary: Summary
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()
    requests: Requests | None = None


class Reading(msgspec.Struct, frozen=True):
    """What the target's processes took, at a time from the start of the run."""

    at_s: float
    rss_mb: float
    cpu_s: float


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A run.

    Attributes:
        format: of this record.
        name: of the plan.
        plan_digest: the same for the same plan.
        seed: of the plan.
        nonce: stood in every prompt.
        started_at: wall time, seconds since 1970.
        target: what was loaded.
        workers: processes that loaded it.
        environment: where.
        status: how it ended.
        void: why nothing of it may be used; else `None`.
        plan: as it was run.
        phases: those that began.
        readings: of the target's processes, where they are known.
    """

    format: str = FORMAT
    name: str
    plan_digest: str
    seed: int
    nonce: str = ""
    started_at: float
    target: str
    workers: int
    environment: Environment
    status: Status
    void: str | None
    plan: Plan
    phases: tuple[PhaseRecord, ...]
    readings: tuple[Reading, ...] = ()


def append(path: Path, *documents: object) -> None:
    """Add documents to a file, each as a line of JSON: all of them, or none.

    Half a line at its end, of a process that was killed while it wrote, is cut off.

    Args:
        path: of the file.
        documents: records, or what else JSON can tell.

    Raises:
        OSError: it cannot be written; the file is then what it was.
    """
    line = b"".join(msgspec.json.encode(document) + b"\n" for document in documents)
    with path.open("ab", buffering=0) as out:
        if _is_file(out.fileno()):
            line = _mended(path) + line
        before = out.seek(0, os.SEEK_END)
        try:
            done = 0
            while done < len(line):
                done += out.write(line[done:])
            if _is_file(out.fileno()):
                os.fsync(out.fileno())
        except OSError as error:
            if _is_file(out.fileno()):
                out.truncate(before)
            raise OSError(error.errno, f"{path}: {error.strerror}; no run was written") from None


def check_writable(path: Path) -> None:
    """Find out before a run what would else be found out after it.

    Raises:
        OSError: the file cannot be opened.
    """
    with path.open("ab"):
        return


def whole_lines(raw: bytes) -> list[bytes]:
    """The lines of a file of JSON documents, without half a one at its end.

    The beginning of an object is no JSON, so half a line is never taken for a whole one.
    """
    *lines, last = raw.split(b"\n")
    return [*lines, last] if last and not _is_half(last) else lines


def _mended(path: Path) -> bytes:
    """Cut half a line off the end of a file; what has to stand before the next one."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        if file.read() in {b"", b"\n"}:
            return b""
        file.seek(0)
        last = file.read().rpartition(b"\n")[2]
        if not _is_half(last):
            return b"\n"
        file.truncate(size - len(last))
    return b""


def _is_half(line: bytes) -> bool:
    """Whether it is an object that was begun and not ended, and nothing else with a brace."""
    # A number that was cut off may be none yet, and a digit more makes it one.
    return line.startswith(b"{") and (_is_truncated(line) or _is_truncated(line + b"0"))


def _is_truncated(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return str(error) == _TRUNCATED
    return False


def _is_file(number: int) -> bool:
    return stat.S_ISREG(os.fstat(number).st_mode)


def read(path: Path) -> list[RunRecord]:
    """The runs of a file; half a one at its end is none.

    Raises:
        OSError: it cannot be read.
        msgspec.DecodeError: a line is no run.
    """
    decoder = msgspec.json.Decoder(RunRecord)
    return [decoder.decode(line) for line in whole_lines(path.read_bytes()) if line.strip()]
