"""ffmpeg as a child process: found, asked what it can do, run, and ended with its whole group."""

import errno
import os
import selectors
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from headrace.clock import Clock
from headrace.tied import tied
from headrace.video.faults import INSTALL, VideoFault
from headrace.video.program import Ffmpeg
from headrace.video.progress import ProgressReader

STALL_S: Final = 120.0
_LOOK_S: Final = 0.2
_PROBE_S: Final = 30.0
_READ_BYTES: Final = 16384
_LINES_TOLD: Final = 6
# What `-version` names among the options it was built with, and what it is needed for.
_NEEDED: Final = (("--enable-libx264", "libx264"), ("--enable-libfreetype", "drawtext"))
_FULL: Final = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT), os.strerror(errno.EFBIG))


class Cancellation:
    """Ends what is under way: every child that runs for a video, and all steps to come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._is_cancelled = False

    @property
    def is_cancelled(self) -> bool:
        """Whether it was asked for."""
        return self._is_cancelled

    def cancel(self) -> None:
        """End it now. May be called by any thread, and more than once."""
        with self._lock:
            self._is_cancelled = True
            for child in self._children:
                _kill_group(child)

    def check(self) -> None:
        """Go on, or not.

        Raises:
            VideoFault: it was cancelled.
        """
        if self._is_cancelled:
            raise VideoFault("cancelled", "the video was cancelled")

    def start(self, command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
        """Start a child in a process group of its own.

        On Linux it ends with the thread that calls this, be it killed with its process.

        Args:
            command: a program, by its path or by its name on the PATH, and its arguments.
            folder: where it works.

        Raises:
            OSError: there is no such program.
        """
        program = shutil.which(command[0])
        if program is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
        with self._lock:
            self.check()
            child = subprocess.Popen(
                tied([program, *command[1:]]),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._children.add(child)
        return child

    def end(self, child: subprocess.Popen[bytes]) -> None:
        """Make sure that a child is gone, and forget it."""
        if child.poll() is None:
            _kill_group(child)
        child.wait()
        if child.stdout is not None:
            child.stdout.close()
        with self._lock:
            self._children.discard(child)


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # it has just ended


def find_ffmpeg(named: str | None = None) -> Ffmpeg:
    """The ffmpeg to use: the one that is named, that of imageio-ffmpeg, or the one on the PATH.

    Raises:
        VideoFault: there is none, or it lacks what videos need.
    """
    return probed(named or _packaged() or shutil.which("ffmpeg"), is_named=bool(named))


def probed(path: str | None, *, is_named: bool) -> Ffmpeg:
    """An ffmpeg, asked what it can do."""
    if path is None:
        raise VideoFault(
            "ffmpeg_missing",
            f"no ffmpeg was found; {INSTALL} brings one, or set HEADRACE_FFMPEG to its path",
        )
    version = _said(path, "-version", is_named=is_named)
    for option, what in _NEEDED:
        if option not in version:
            raise VideoFault(
                "ffmpeg_missing",
                f"{path} was built without {what}, which videos need; {INSTALL} brings one with it",
            )
    drawtext = _said(path, "-h", "filter=drawtext", is_named=is_named)
    return Ffmpeg(path, version.partition("\n")[0].strip(), "y_align" in drawtext)


def _packaged() -> str | None:
    try:
        import imageio_ffmpeg
    except ImportError:
        return None
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        return None  # a wheel without a binary, for a platform that has none


def _said(path: str, *arguments: str, is_named: bool) -> str:
    try:
        done = subprocess.run(
            [path, "-hide_banner", *arguments]
            if arguments != ("-version",)
            else [path, "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        where = "HEADRACE_FFMPEG, or the ffmpeg you named," if is_named else "ffmpeg"
        raise VideoFault(
            "ffmpeg_missing", f"{where} leads to {path}, which does not run: {error}"
        ) from error
    return done.stdout.decode("utf-8", "replace")


def usable_cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Runner:
    """Runs one ffmpeg at a time, and ends it when it is cancelled or says nothing for too long.

    Args:
        cancellation: what may end it.
        clock: the time.
        niceness: how much the children yield to others at least, 0 to 19.
        stall_s: how long one may say nothing.
    """

    def __init__(
        self,
        cancellation: Cancellation,
        clock: Clock,
        *,
        niceness: int = 0,
        stall_s: float = STALL_S,
    ) -> None:
        self._cancellation = cancellation
        self._clock = clock
        self._niceness = niceness
        self._stall_s = stall_s

    def check(self) -> None:
        """Go on, or not.

        Raises:
            VideoFault: it was cancelled.
        """
        self._cancellation.check()

    def run(
        self,
        command: Sequence[str],
        folder: Path,
        tell: Callable[[int], None] | None = None,
        *,
        name: str = "ffmpeg",
    ) -> tuple[str, ...]:
        """Run a command in a folder.

        Args:
            command: the program and its arguments, with `-progress pipe:1` for `tell`.
            folder: the working directory.
            tell: called with the number of frames that are done.
            name: of the program, in messages.

        Returns:
            the last lines it said beside its progress.

        Raises:
            VideoFault: it failed, was killed, said nothing for too long, or was cancelled.
        """
        try:
            child = self._cancellation.start(command, folder)
        except OSError as error:
            raise VideoFault("ffmpeg_missing", f"{command[0]} does not start: {error}") from error
        reader = ProgressReader()
        try:
            self._lower(child.pid)
            self._follow(child, reader, tell, name)
            child.wait()
        finally:
            self._cancellation.end(child)
        self.check()
        if child.returncode:
            raise _failure(name, child.returncode, reader)
        return tuple(reader.complaints)

    def _lower(self, pid: int) -> None:
        if self._niceness:
            try:
                own = os.getpriority(os.PRIO_PROCESS, pid)
                os.setpriority(os.PRIO_PROCESS, pid, max(own, self._niceness))
            except OSError:
                return  # it has ended, or may not; it runs as it is

    def _follow(
        self,
        child: "subprocess.Popen[bytes]",
        reader: ProgressReader,
        tell: Callable[[int], None] | None,
        name: str,
    ) -> None:
        assert child.stdout is not None  # noqa: S101  it was asked for
        heard_s = self._clock.monotonic_s()
        told = 0
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while True:
                if not selector.select(_LOOK_S):
                    self._cancellation.check()
                    if self._clock.monotonic_s() - heard_s > self._stall_s:
                        raise VideoFault(
                            "ffmpeg_stalled", f"{name} said nothing for {self._stall_s:.0f} s"
                        )
                    continue
                data = os.read(child.stdout.fileno(), _READ_BYTES)
                if not data:
                    reader.end()
                    return
                heard_s = self._clock.monotonic_s()
                reader.feed(data)
                if tell is not None and reader.frames != told:
                    told = reader.frames
                    tell(told)


def _failure(name: str, code: int, reader: ProgressReader) -> VideoFault:
    said = "; ".join(tuple(reader.complaints)[-_LINES_TOLD:]) or "it said nothing"
    if any(words in said for words in _FULL) or -code == signal.SIGXFSZ:
        return VideoFault("disk_full", f"{name} could not write, for the disk is full: {said}")
    if code < 0:
        ended_by = signal.Signals(-code).name
        return VideoFault("ffmpeg_killed", f"{name} was ended by {ended_by}; {said}")
    return VideoFault("ffmpeg_failed", f"{name} ended with {code}: {said}")
