"""Videos made by jobs: one step for each scene, files that outlive a killed worker."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from headrace.clock import SystemClock
from headrace.errors import HeadraceError
from headrace.jobs.context import JobContext, JobFailed, JobRefused
from headrace.jobs.video_options import VideoOptions
from headrace.settings.programs import ffmpeg_path
from headrace.video.captions import to_srt, to_webvtt
from headrace.video.faults import VideoFault
from headrace.video.ffmpeg import Cancellation, Runner, find_ffmpeg, usable_cores
from headrace.video.fonts import FontShelf
from headrace.video.parts import PartsFolder
from headrace.video.studio import Production, Tools, Wish
from headrace.video.voices import EspeakVoice

T = TypeVar("T")

VIDEO_FILE: Final = "video.mp4"
_PARTS_FOLDER: Final = ".parts"
# Callers of the gateway come first.
_NICENESS: Final = 10
_FULL_RETRY_S: Final = 30.0
_SCENES_SHARE: Final = 0.95


class VideoTold(msgspec.Struct, frozen=True):
    """What a job tells of its video.

    Attributes:
        file: of the video, among the job's files.
        captions: files of the captions.
        duration_s: how long it lasts.
        size_bytes: of the file.
        scenes: how many, the title card among them.
        width: pixels.
        height: pixels.
        warnings: what could not be shown as it is written.
    """

    file: str
    captions: tuple[str, ...]
    duration_s: float
    size_bytes: int
    scenes: int
    width: int
    height: int
    warnings: tuple[str, ...]


class RenderPlace:
    """Where the videos of this process are rendered: one child for each core at most.

    Args:
        children_max: how many run at once; the others wait for their turn.
    """

    def __init__(self, children_max: int | None = None) -> None:
        self._turns = asyncio.Semaphore(children_max or usable_cores())

    async def make(
        self,
        job: JobContext,
        title: str,
        script: str | Sequence[str],
        options: VideoOptions,
        *,
        before: float = 0.0,
    ) -> VideoTold:
        """Make a video among the job's files.

        Args:
            job: whose it is.
            title: of the first card; empty for none.
            script: prose, or the texts of the scenes.
            options: its look.
            before: the share of the job that is done.

        Raises:
            JobFailed: it cannot be made, now or later.
            JobRefused: it could not be made now.
        """
        stop = Cancellation()
        wish = Wish(
            script=script if isinstance(script, str) else tuple(script),
            title=title,
            look=options.look(),
            duration_s=options.duration_s,
            voice=EspeakVoice(options.speech) if options.speech else None,
        )
        with ThreadPoolExecutor(1, thread_name_prefix="headrace-video") as thread:
            hand = _Hand(job, thread, stop)
            try:
                return await self._make(job, hand, wish, before)
            except VideoFault as fault:
                raise _told(fault, hand) from fault
            except HeadraceError as error:
                hand.remove_parts()
                raise JobFailed(error.message, code=error.code) from error
            except asyncio.CancelledError:
                # Only where it is for good: another try goes on with what is rendered.
                if job.is_unwanted:
                    hand.remove_parts()
                raise

    async def _make(self, job: JobContext, hand: "_Hand", wish: Wish, before: float) -> VideoTold:
        production = await hand.do(partial(hand.plan, wish))
        if wish.voice is not None:
            for number in range(production.scenes):
                await job.progress(before, f"scene {number + 1} is being said")
                await hand.do(partial(production.say, number))
        share = (1 - before) * _SCENES_SHARE / production.scenes
        for number in range(production.scenes):
            await job.progress(before + share * number, _scene(number, production))
            async with self._turns:
                render = partial(production.render, number)
                await job.step(f"scene-{number}", partial(hand.do, render), bool)
        await job.progress(before + share * production.scenes, "the scenes are put together")
        async with self._turns:
            await hand.do(partial(hand.finish, production))
        size_bytes = (job.files / VIDEO_FILE).stat().st_size
        hand.remove_parts()
        return VideoTold(
            file=VIDEO_FILE,
            captions=("captions.vtt", "captions.srt"),
            duration_s=production.duration_s,
            size_bytes=size_bytes,
            scenes=production.scenes,
            width=wish.look.width,
            height=wish.look.height,
            warnings=production.warnings,
        )


class _Hand:
    """Does the blocking work of one job, in one thread."""

    def __init__(self, job: JobContext, thread: ThreadPoolExecutor, stop: Cancellation) -> None:
        self._files = job.files
        self._thread = thread
        self._stop = stop
        self._parts = PartsFolder(job.files / _PARTS_FOLDER)

    async def do(self, work: Callable[[], T]) -> T:
        """Do it; where the job is cancelled meanwhile, its child is ended first."""
        done = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            self._stop.cancel()
            # It ends with a fault of its own, which nobody needs to hear of.
            await asyncio.gather(done, return_exceptions=True)
            raise

    def plan(self, wish: Wish) -> Production:
        runner = Runner(self._stop, SystemClock(), niceness=_NICENESS)
        tools = Tools(find_ffmpeg(ffmpeg_path()), FontShelf(), runner)
        production = Production(wish, self._parts, tools)
        production.open()
        return production

    def finish(self, production: Production) -> None:
        """Put it together. What a step recorded elsewhere is not here is rendered again."""
        for number in range(production.scenes):
            production.render(number)
        production.assemble(self._files / VIDEO_FILE)
        _write(self._files / "captions.vtt", to_webvtt(production.captions))
        _write(self._files / "captions.srt", to_srt(production.captions))

    def remove_parts(self) -> None:
        self._parts.remove()


def _told(fault: VideoFault, hand: _Hand) -> Exception:
    if fault.may_pass:
        wait_s = _FULL_RETRY_S if fault.cause == "disk_full" else None
        return JobRefused(fault.message, retry_after_s=wait_s)
    hand.remove_parts()
    return JobFailed(fault.message, code=fault.code)


def _scene(number: int, production: Production) -> str:
    return f"scene {number + 1} of {production.scenes} is being rendered"


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(text, "utf-8", "replace")
    unfinished.replace(path)
