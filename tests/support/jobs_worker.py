"""A worker in a process of its own, with kinds of jobs that tests can look at.

Run as a program with the arguments URL DATA_DIR SETTINGS_JSON.
"""

import asyncio
import os
import sys
import threading
from pathlib import Path

import msgspec

from headrace.clock import SystemClock
from headrace.jobs.context import JobContext, JobFailed
from headrace.jobs.kinds import JobKind, Kinds
from headrace.jobs.last_resort import LastResort
from headrace.jobs.posting import Posting
from headrace.jobs.process import WorkerProcess
from headrace.settings.jobs import JobsSettings

EFFECTS = "effects"
# In the data directory: by how many seconds the wall clock is wrong.
CLOCK = "clock"
# In the data directory: where it is, steps that wait for it go on.
GATE = "gate"
# How long the end of a worker may take beyond the time that jobs have.
END_S = 20.0


class Numbered(msgspec.Struct, frozen=True):
    number: int = 0
    seconds: float = 0.0
    is_gated: bool = False


def note_effect(job: JobContext, name: str) -> None:
    """An effect that can be counted: a line in a file of all jobs."""
    folder = job.files.parents[2] / EFFECTS
    folder.mkdir(exist_ok=True)
    with (folder / f"{job.id}-{name}").open("a") as file:
        file.write(f"{os.getpid()}\n")


async def nothing(job: JobContext, wanted: Numbered) -> int:
    return wanted.number


async def sleep(job: JobContext, wanted: Numbered) -> str:
    note_effect(job, "began")
    await job.progress(0.5, "asleep")
    await asyncio.sleep(wanted.seconds)
    note_effect(job, "woke")
    return "woke"


async def stall(job: JobContext, wanted: Numbered) -> None:
    """Comes to no end where it is begun for the first time."""
    is_first = not (job.files / "begun").exists()
    (job.files / "begun").touch()
    note_effect(job, "began")
    if is_first:
        await asyncio.Event().wait()


async def gate(job: JobContext) -> None:
    while not (job.files.parents[2] / GATE).exists():  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def fail(job: JobContext, wanted: Numbered) -> None:
    note_effect(job, "tried")
    if wanted.number < 0:
        raise JobFailed("It is of no use.", code="hopeless")
    if job.attempt <= wanted.number:
        raise RuntimeError(f"try {job.attempt} failed")


async def steps(job: JobContext, wanted: Numbered) -> list[int]:
    """Each step leaves a line behind once it is recorded, by the step after it; where they are
    gated, all but the first wait for the gate."""
    found = []
    for at in range(3):

        async def work(at: int = at) -> int:
            await asyncio.sleep(wanted.seconds)
            if wanted.is_gated and at:
                await gate(job)
            note_effect(job, f"step{at}")
            return at + wanted.number

        found.append(await job.step(f"step{at}", work, int))
    if job.attempt == 1 and wanted.number == 100:
        raise RuntimeError("after the last step")
    return found


async def block(job: JobContext, wanted: Numbered) -> str:
    """Work in a thread, which looks whether it is still wanted."""
    over = threading.Event()

    def work() -> None:
        note_effect(job, "began")
        while not job.is_over:
            over.wait(0.02)
        note_effect(job, "ended")

    await asyncio.to_thread(work)
    return "never"


async def write(job: JobContext, wanted: Numbered) -> dict[str, str]:
    (job.files / "a file.txt").write_text("kept")
    (job.scratch / "draft").write_text("not kept")
    return {"file": "a file.txt"}


async def recorded(job: JobContext, wanted: Numbered) -> list[int]:
    """Steps that leave nothing but their records."""

    async def work() -> int:
        await asyncio.sleep(wanted.seconds)
        return wanted.number

    return [await job.step(f"step{at}", work, int) for at in range(3)]


async def odd(job: JobContext, wanted: Numbered) -> None:
    """Says what no database takes in a text."""
    await job.progress(0.5, "zero \0, half \ud800")
    raise JobFailed("zero \0, half \ud800", code="odd\0")


KINDS = Kinds(
    [
        JobKind("nothing", Numbered, nothing, about="Nothing.", has_steps=False),
        JobKind("sleep", Numbered, sleep, about="Sleeps.", has_steps=False),
        JobKind("stall", Numbered, stall, about="Stalls once.", has_steps=False),
        JobKind("fail", Numbered, fail, about="Fails.", has_steps=False),
        JobKind("steps", Numbered, steps, about="Three steps."),
        JobKind("recorded", Numbered, recorded, about="Three steps without effects."),
        JobKind("odd", Numbered, odd, about="Fails oddly.", has_steps=False),
        JobKind("block", Numbered, block, about="Blocks.", has_steps=False),
        JobKind("write", Numbered, write, about="Writes.", has_steps=False),
        JobKind("brief", Numbered, sleep, about="Late.", has_steps=False, limit_s=0.2),
    ]
)


class SetClock(SystemClock):
    """The machine's clocks, of which the wall clock goes wrong by what a file says.

    Args:
        path: of the file, which may come and change at any time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def wall_s(self) -> float:
        try:
            return super().wall_s() + float(self._path.read_text() or 0)
        except FileNotFoundError:
            return super().wall_s()


def main() -> None:
    url, data_dir, jobs = sys.argv[1:]
    settings = msgspec.json.decode(jobs, type=JobsSettings, dec_hook=lambda kind, told: kind(told))

    def say(level: str, event: str, about: str = "", **fields: object) -> None:
        print(level, event, about, fields, flush=True)

    async def work() -> None:
        clock = SetClock(Path(data_dir) / CLOCK)
        posting = Posting(url, data_dir, "http://127.0.0.1:9")
        last_resort = LastResort(settings.grace_s + END_S, say)
        process = WorkerProcess(
            settings, KINDS, posting, clock=clock, say=say, last_resort=last_resort
        )
        await process.run()

    asyncio.run(work())
