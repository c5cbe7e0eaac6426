"""Videos of scripts, several at once: the face of `headrace.video` for applications."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from headrace.clock import Clock, SystemClock
from headrace.errors import HeadraceError, InvalidRequest, NotRunning
from headrace.settings.programs import ffmpeg_path
from headrace.toolkit.video_outcome import VideoProgress, VideoResult
from headrace.toolkit.video_wishes import (
    ProgressListener,
    VideoItem,
    checked,
    file_name,
    items_of,
)
from headrace.video.faults import VideoFault
from headrace.video.ffmpeg import Cancellation, Runner, find_ffmpeg, usable_cores
from headrace.video.fonts import FontShelf
from headrace.video.look import PALETTE, Look
from headrace.video.parts import PartsFolder
from headrace.video.program import Ffmpeg
from headrace.video.studio import Production, Tools, Wish
from headrace.video.voices import Voice

WORKERS_MAX: Final = 64
_LOOK_S: Final = 0.25


class VideoCreator:
    """Makes videos of scripts with ffmpeg; a context manager, for `with` and for `async with`.

    A video is a title card and scenes of some sentences each, with captions and a sound track, as
    an mp4 (H.264, AAC) that browsers play. Made up of parts that are kept until it is whole: who
    asks again after a crash gets it from there on.

    Args:
        max_workers: videos made at once, each by one ffmpeg child.
        preset: of x264, from `ultrafast` to `veryslow`.
        threads: of each child; by default the cores divided by the workers, so that there are
            never more at work than there are cores.
        output_dir: where files go whose name is not given; made when it is not there.
        width: pixels, even.
        height: pixels, even.
        fps: frames a second.
        crf: quality, from 0 (without loss) to 51.
        colors: of the backgrounds, as `#rrggbb`.
        crossfade_s: how long scenes go over into each other; 0 cuts.
        captions: whether there is a track of captions.
        voice: who says the text: `EspeakVoice` or `EndpointVoice`; nobody by default.
        font: a font file to use for all; found by itself otherwise.
        ffmpeg: the program; else `HEADRACE_FFMPEG`, imageio-ffmpeg's, or that on the PATH.
        clock: the time.

    Raises:
        InvalidRequest: an argument is out of its bounds; `param` names it.
    """

    def __init__(
        self,
        max_workers: int = 2,
        preset: str = "veryfast",
        threads: int | None = None,
        *,
        output_dir: str | Path = ".",
        width: int = 1280,
        height: int = 720,
        fps: int = 30,
        crf: int = 20,
        colors: Sequence[str] = PALETTE,
        crossfade_s: float = 0.5,
        captions: bool = True,
        voice: Voice | None = None,
        font: str | Path | None = None,
        ffmpeg: str | Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not 1 <= max_workers <= WORKERS_MAX:
            raise InvalidRequest(
                f"max_workers is {max_workers}; it has to be from 1 to {WORKERS_MAX}",
                code="video_option",
                param="max_workers",
            )
        self._look = Look(
            width=width,
            height=height,
            fps=fps,
            preset=preset,
            crf=crf,
            threads=threads or threads_for(max_workers),
            colors=tuple(colors),
            crossfade_s=crossfade_s,
        )
        self._look.check()
        self._output_dir = Path(output_dir)
        self._captions, self._voice = captions, voice
        self._ffmpeg_named = str(ffmpeg) if ffmpeg is not None else ffmpeg_path()
        self._ffmpeg: Ffmpeg | None = None
        self._shelf = FontShelf(Path(font) if font is not None else None)
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._planning = threading.Lock()
        self._pool = ThreadPoolExecutor(max_workers, thread_name_prefix="headrace-video")
        self._running: dict[Path, Cancellation] = {}
        self._is_closed = False

    def create_video(
        self,
        script: str | Sequence[str],
        title: str = "",
        *,
        output: str | Path | None = None,
        use_simple_bg: bool = False,
        duration_s: float | None = None,
        progress: ProgressListener | None = None,
    ) -> VideoResult:
        """Make one video and wait for it.

        Args:
            script: prose, in which an empty line begins a new scene; or the scenes' texts.
            title: of the first card, and in the metadata; without one there is no such card.
            output: the .mp4 file; named after the title, below `output_dir`, by default.
            use_simple_bg: one colour for each scene, where a moving gradient is the default:
                half the work.
            duration_s: of the whole; by reading speed, or by what is said, without it.
            progress: is told how much is done, by the thread that makes it.

        Raises:
            InvalidRequest: the script is empty or too long, or another argument is wrong.
            VideoFault: ffmpeg, a font or room on the disk is missing, or it was cancelled.
            OSError: the file cannot be written.
        """
        item = checked(VideoItem(script, title, output, use_simple_bg, duration_s))
        job, stop = self._start(item, 0, progress)
        return _waited(job, stop.cancel)

    async def create_video_async(
        self,
        script: str | Sequence[str],
        title: str = "",
        *,
        output: str | Path | None = None,
        use_simple_bg: bool = False,
        duration_s: float | None = None,
        progress: ProgressListener | None = None,
    ) -> VideoResult:
        """As `create_video`, without blocking the loop; cancelling it ends the ffmpeg child."""
        item = checked(VideoItem(script, title, output, use_simple_bg, duration_s))
        job, stop = self._start(item, 0, _on_loop(progress))
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            stop.cancel()
            raise

    def create_videos_batch(
        self,
        videos: Iterable[Mapping[str, Any]],
        *,
        progress: ProgressListener | None = None,
    ) -> list[VideoResult]:
        """Make many videos, `max_workers` at once, and wait for all.

        Args:
            videos: each with `script`, and whatever else `create_video` takes: `title`,
                `use_simple_bg`, `output`, `duration_s`.
            progress: is told how much is done of each, by the threads that make them.

        Returns:
            what became of each, in order. One that failed has its `error` and ends no other.

        Raises:
            InvalidRequest: there are too many, or an item is no mapping or has unknown keys.
        """
        jobs = self._start_all(items_of(videos), progress)
        return [_settled(job) for job in _all_done(jobs, self.cancel)]

    async def create_videos_batch_async(
        self,
        videos: Iterable[Mapping[str, Any]],
        *,
        progress: ProgressListener | None = None,
    ) -> list[VideoResult]:
        """As `create_videos_batch`, without blocking the loop."""
        jobs = self._start_all(items_of(videos), _on_loop(progress))
        waiting = [asyncio.wrap_future(job) for job in jobs]
        try:
            await asyncio.gather(*waiting, return_exceptions=True)
        except asyncio.CancelledError:
            self.cancel()
            raise
        return [_settled(job) for job in jobs]

    def cancel(self) -> None:
        """End every video that is waiting or being made; their callers get a `VideoFault`."""
        with self._lock:
            stops = list(self._running.values())
        for stop in stops:
            stop.cancel()

    def close(self) -> None:
        """Cancel what is under way, and give back the threads."""
        with self._lock:
            self._is_closed = True
        self.cancel()
        self._pool.shutdown(wait=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.close)

    def _start_all(
        self, items: Sequence[VideoItem], progress: ProgressListener | None
    ) -> list["Future[VideoResult]"]:
        """Start each; what is the same as one before it is not made twice."""
        known: dict[VideoItem, Future[VideoResult]] = {}
        jobs: list[Future[VideoResult]] = []
        for index, item in enumerate(items):
            if item not in known:
                try:
                    known[item], _ = self._start(item, index, progress)
                except InvalidRequest as error:
                    known[item] = Future()
                    known[item].set_exception(error)
            jobs.append(known[item])
        return jobs

    def _start(
        self, item: VideoItem, index: int, progress: ProgressListener | None
    ) -> tuple["Future[VideoResult]", Cancellation]:
        output = self._output_of(item)
        stop = Cancellation()
        with self._lock:
            if self._is_closed:
                raise NotRunning("this VideoCreator is closed; make a new one")
            if output in self._running:
                raise InvalidRequest(
                    f"{output} is being made already; give this video another output",
                    code="video_output",
                    param="output",
                )
            self._running[output] = stop
            job = self._pool.submit(self._make, item, output, index, progress, stop)
        return job, stop

    def _output_of(self, item: VideoItem) -> Path:
        if item.output is None:
            return (self._output_dir / file_name(item)).absolute()
        output = Path(item.output).absolute()
        if output.suffix.lower() != ".mp4":
            raise InvalidRequest(
                f"the output is {item.output}; its name has to end in .mp4",
                code="video_output",
                param="output",
            )
        return output

    def _make(
        self,
        item: VideoItem,
        output: Path,
        index: int,
        progress: ProgressListener | None,
        stop: Cancellation,
    ) -> VideoResult:
        parts = PartsFolder(output.with_name(f".{output.name}.parts"))

        def tell(share: float) -> None:
            if progress is not None:
                progress(VideoProgress(index, item.title, share))

        try:
            stop.check()
            with self._planning:
                production = Production(self._wish(item), parts, self._tools(stop))
            production.make(output, tell)
        except VideoFault as fault:
            if fault.cause == "cancelled":
                parts.remove()
            raise
        finally:
            with self._lock:
                del self._running[output]
        parts.remove()
        return VideoResult(
            path=output,
            title=item.title,
            duration_s=production.duration_s,
            size_bytes=output.stat().st_size,
            scenes=production.scenes,
            width=self._look.width,
            height=self._look.height,
            captions=production.captions,
            warnings=production.warnings,
        )

    def _wish(self, item: VideoItem) -> Wish:
        return Wish(
            script=item.script if isinstance(item.script, str) else tuple(item.script),
            title=item.title,
            look=_with_background(self._look, is_flat=item.use_simple_bg),
            duration_s=item.duration_s,
            captions=self._captions,
            voice=self._voice,
        )

    def _tools(self, stop: Cancellation) -> Tools:
        if self._ffmpeg is None:
            self._ffmpeg = find_ffmpeg(self._ffmpeg_named)
        return Tools(self._ffmpeg, self._shelf, Runner(stop, self._clock))


def threads_for(workers: int, cores: int | None = None) -> int:
    """The threads of each of so many children that keep all cores busy, and no more than those."""
    return max(1, (cores or usable_cores()) // workers)


def _waited(job: "Future[VideoResult]", cancel: Callable[[], None]) -> VideoResult:
    _all_done([job], cancel)
    return job.result()


def _all_done(
    jobs: Sequence["Future[VideoResult]"], cancel: Callable[[], None]
) -> Sequence["Future[VideoResult]"]:
    """Wait. After an interrupt nothing goes on behind the caller's back."""
    try:
        # A signal that comes just before a thread begins to wait does not wake it: look again.
        while wait(jobs, timeout=_LOOK_S).not_done:
            pass
    finally:
        if not all(job.done() for job in jobs):
            cancel()
            wait(jobs)
    return jobs


def _settled(job: "Future[VideoResult]") -> VideoResult:
    try:
        return job.result()
    except (HeadraceError, OSError) as error:
        return VideoResult(error=error)


def _with_background(look: Look, *, is_flat: bool) -> Look:
    return msgspec.structs.replace(look, background="flat" if is_flat else "gradient")


def _on_loop(progress: ProgressListener | None) -> ProgressListener | None:
    if progress is None:
        return None
    loop = asyncio.get_running_loop()

    def tell(told: VideoProgress) -> None:
        loop.call_soon_threadsafe(progress, told)

    return tell
